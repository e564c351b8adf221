"""What providers taught us (wire-mapping 0.2, 1.3, 1.6, 2.4)."""

import pytest

from packyproxy.providers.learned import Learned

_SCOPE = "1f2e3d4c5b"


def _is_refused(learned: Learned, encrypted: str, *, scope: str = _SCOPE, now: float) -> bool:
    is_refused = learned.attempt_facts("p", "m", scope=scope, now=now).is_refused_reasoning
    return is_refused is not None and is_refused(encrypted)


def test_nothing_is_known_at_first() -> None:
    """A new memory has no facts and no test for reasoning."""
    facts = Learned().attempt_facts("p", "m", scope=_SCOPE, now=0)
    assert (frozenset(), None) == (facts.removed_parameters, facts.is_refused_reasoning)


def test_removed_parameters_add_up() -> None:
    """Every removal is kept for the provider and model."""
    learned = Learned()
    learned.remove_parameter("p", "m", "phase")
    learned.remove_parameter("p", "m", "strict")
    assert {"phase", "strict"} == learned.attempt_facts("p", "m", scope=_SCOPE, now=0).removed_parameters


@pytest.mark.parametrize(("provider", "model"), [("q", "m"), ("p", "n")])
def test_removals_belong_to_one_target(provider: str, model: str) -> None:
    """Another provider or model keeps the parameter."""
    learned = Learned()
    learned.remove_parameter("p", "m", "phase")
    assert frozenset() == learned.attempt_facts(provider, model, scope=_SCOPE, now=0).removed_parameters


def test_refused_efforts_leave_the_ladder() -> None:
    """A refused effort is clamped away from then on."""
    learned = Learned()
    learned.refuse_effort("p", "m", "xhigh")
    assert ("low", "high") == learned.allowed_efforts("p", "m", ("low", "high", "xhigh"))


def test_ladder_is_never_empty() -> None:
    """When everything was refused the list stands as it was."""
    learned = Learned()
    learned.refuse_effort("p", "m", "low")
    assert ("low",) == learned.allowed_efforts("p", "m", ("low",))


def test_unknown_target_keeps_its_efforts() -> None:
    """Nothing is taken from a model that refused nothing."""
    assert ("low", "high") == Learned().allowed_efforts("p", "m", ("low", "high"))


def test_developer_messages_are_per_provider() -> None:
    """Who refused instructions gets developer messages; others do not."""
    learned = Learned()
    learned.use_developer("p")
    assert (True, False) == (learned.uses_developer("p"), learned.uses_developer("q"))


@pytest.mark.parametrize(
    ("encrypted", "scope", "now", "is_refused"),
    [
        pytest.param("gAAA", _SCOPE, 3599.0, True, id="within-the-hour"),
        pytest.param("gAAA", _SCOPE, 3600.0, False, id="an-hour-later"),
        pytest.param("gAAA", "0000000000", 0.0, False, id="other-scope"),
        pytest.param("gBBB", _SCOPE, 0.0, False, id="other-content"),
    ],
)
def test_refused_reasoning(encrypted: str, scope: str, now: float, *, is_refused: bool) -> None:
    """Refused reasoning is known again for an hour, in its own scope."""
    learned = Learned()
    learned.refuse_reasoning(_SCOPE, ["gAAA"], 0.0)
    assert is_refused is _is_refused(learned, encrypted, scope=scope, now=now)


def test_reasoning_used_last_is_kept() -> None:
    """The memory is bounded and forgets what was not asked for longest."""
    learned = Learned()
    learned.refuse_reasoning(_SCOPE, map(str, range(4096)), 0.0)
    assert _is_refused(learned, "0", now=1.0)
    learned.refuse_reasoning(_SCOPE, ["new"], 1.0)
    assert [True, False, True] == [_is_refused(learned, text, now=2.0) for text in ("0", "1", "new")]


def test_refusing_again_starts_the_hour_anew() -> None:
    """The hour counts from the last refusal."""
    learned = Learned()
    learned.refuse_reasoning(_SCOPE, ["gAAA"], 0.0)
    learned.refuse_reasoning(_SCOPE, ["gAAA"], 3000.0)
    assert _is_refused(learned, "gAAA", now=6000.0)


def test_what_was_learned_is_bounded() -> None:
    """Model names may come from clients; the oldest memories go first."""
    learned = Learned()
    for number in range(1025):
        learned.remove_parameter("p", f"model-{number}", "top_p")
    first = learned.attempt_facts("p", "model-0", scope="s", now=0.0)
    last = learned.attempt_facts("p", "model-1024", scope="s", now=0.0)
    assert (frozenset(), frozenset({"top_p"})) == (first.removed_parameters, last.removed_parameters)
