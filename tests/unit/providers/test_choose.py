"""In which order candidates are asked, and who is passed over."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.config.schema import RoutingStrategy
from packyproxy.errors import FailureKind
from packyproxy.providers.choose import Choice, Passed, Standing, choose
from packyproxy.providers.health import (
    HEALTHY,
    Admission,
    Breaker,
    Cooldown,
    ProviderHealth,
    Refusal,
    admission,
)

_NOW = 1_000_000.0
_STRATEGIES: tuple[RoutingStrategy, ...] = get_args(RoutingStrategy)

_OPEN = ProviderHealth(breaker=Breaker.OPEN, failures=5, since=_NOW - 10, kind=FailureKind.UNREACHABLE)
_PROBE_DUE = ProviderHealth(breaker=Breaker.OPEN, failures=5, since=_NOW - 30, kind=FailureKind.UNREACHABLE)
_REJECTED = ProviderHealth(breaker=Breaker.REJECTED, since=_NOW - 10, kind=FailureKind.CREDENTIALS_REJECTED)
_RESTING = Cooldown(until=_NOW + 5, failures=1, kind=FailureKind.RATE_LIMIT)
_RESTED = Cooldown(until=_NOW, failures=1, kind=FailureKind.RATE_LIMIT)


def _standing(
    name: str,
    *,
    priority: int = 0,
    weight: int = 1,
    latency: float | None = None,
    health: ProviderHealth = HEALTHY,
    cooldown: Cooldown | None = None,
) -> Standing:
    return Standing(
        provider=f"id-{name}",
        name=name,
        priority=priority,
        weight=weight,
        latency_seconds=latency,
        health=health,
        cooldown=cooldown,
    )


def _choose(
    *standings: Standing,
    strategy: RoutingStrategy = "fill-first",
    preferred: str | None = None,
    turn: int = 0,
) -> Choice:
    return choose(standings, strategy=strategy, preferred=preferred, turn=turn, now=_NOW)


def _names(
    *standings: Standing,
    strategy: RoutingStrategy = "fill-first",
    preferred: str | None = None,
    turn: int = 0,
) -> str:
    choice = _choose(*standings, strategy=strategy, preferred=preferred, turn=turn)
    return "".join(standings[index].name for index in choice.order)


_ABC = (_standing("a"), _standing("b"), _standing("c"))


def test_nobody_to_choose_from() -> None:
    """No candidates give an empty choice."""
    assert Choice(order=()) == _choose()


@pytest.mark.parametrize("strategy", _STRATEGIES)
def test_the_only_one(strategy: RoutingStrategy) -> None:
    """A single healthy candidate is asked, whatever the strategy and the turn."""
    assert Choice(order=(0,)) == _choose(_standing("a"), strategy=strategy, turn=7)


def test_fill_first_keeps_the_order() -> None:
    """Under fill-first the first one serves all, at every turn."""
    assert ["abc", "abc"] == [_names(*_ABC, turn=turn) for turn in (0, 1)]


def test_round_robin_takes_turns() -> None:
    """Each goes first once, and those after it follow in a circle."""
    orders = [_names(*_ABC, strategy="round-robin", turn=turn) for turn in range(4)]
    assert ["abc", "bca", "cab", "abc"] == orders


def test_turns_skip_those_who_cannot_serve() -> None:
    """The able share the turns of one who rests evenly."""
    standings = (_standing("a"), _standing("b", cooldown=_RESTING), _standing("c"))
    orders = [_names(*standings, strategy="round-robin", turn=turn) for turn in range(4)]
    assert ["ac", "ca", "ac", "ca"] == orders


def test_quickest_first_after_the_unmeasured() -> None:
    """Least latency asks those first of whom nothing is known, then the quicker."""
    standings = (
        _standing("a", latency=2.0),
        _standing("b"),
        _standing("c", latency=0.5),
        _standing("d"),
        _standing("e", latency=1.0),
    )
    assert "bdcea" == _names(*standings, strategy="least-latency")


def test_heavier_follow_before_lighter() -> None:
    """After the one whose turn it is, the rest stand by weight, then as given."""
    standings = (_standing("a"), _standing("b", weight=5), _standing("c", weight=5), _standing("d"))
    orders = {_names(*standings, strategy="weighted-round-robin", turn=turn) for turn in range(40)}
    assert {"abcd", "bcad", "cbad", "dbca"} == orders


@pytest.mark.parametrize("strategy", _STRATEGIES)
def test_priority_comes_before_the_strategy(strategy: RoutingStrategy) -> None:
    """No strategy puts a lower priority before a higher one."""
    standings = (
        _standing("a", priority=-1, latency=0.1, weight=100),
        _standing("b", priority=2, latency=9.0),
        _standing("c", latency=0.1, weight=100),
    )
    assert {"bca"} == {_names(*standings, strategy=strategy, turn=turn) for turn in range(9)}


@pytest.mark.parametrize("strategy", _STRATEGIES)
def test_session_stays_with_its_provider(strategy: RoutingStrategy) -> None:
    """The provider that served the session goes first, whatever its priority."""
    standings = (_standing("a", priority=2), _standing("b", priority=1), _standing("c", priority=0))
    assert "cab" == _names(*standings, strategy=strategy, preferred="id-c", turn=1)


@pytest.mark.parametrize(
    "preferred",
    [
        pytest.param(_standing("b", health=_OPEN), id="open"),
        pytest.param(_standing("b", health=_REJECTED), id="rejected"),
        pytest.param(_standing("b", cooldown=_RESTING), id="resting"),
    ],
)
def test_session_leaves_a_provider_that_cannot_serve(preferred: Standing) -> None:
    """Preference asks nobody who would be passed over."""
    assert "a" == _names(_standing("a"), preferred, preferred="id-b")


def test_session_has_no_claim_to_a_probe() -> None:
    """A provider that has yet to prove itself has its usual place, not the session's first one."""
    assert "ab" == _names(_standing("a"), _standing("b", health=_PROBE_DUE), preferred="id-b")


def test_session_of_a_provider_that_is_gone() -> None:
    """An id that no candidate has changes nothing."""
    assert "abc" == _names(*_ABC, preferred="id-z")


@pytest.mark.parametrize(
    ("health", "cooldown", "kind", "available_at"),
    [
        pytest.param(HEALTHY, _RESTING, "rate_limit", _NOW + 5, id="resting"),
        pytest.param(_OPEN, None, "unreachable", _NOW + 20, id="open"),
        pytest.param(_OPEN, _RESTING, "unreachable", _NOW + 20, id="open-for-longer-than-it-rests"),
        pytest.param(
            _OPEN,
            Cooldown(until=_NOW + 60, failures=1, kind=FailureKind.QUOTA),
            "quota",
            _NOW + 60,
            id="rests-for-longer-than-open",
        ),
        pytest.param(_PROBE_DUE, _RESTING, "rate_limit", _NOW + 5, id="resting-before-its-probe"),
        pytest.param(_OPEN, _RESTED, "unreachable", _NOW + 20, id="open-and-rested"),
        pytest.param(_REJECTED, None, "credentials_rejected", None, id="rejected"),
        pytest.param(_REJECTED, _RESTING, "credentials_rejected", None, id="rejected-and-resting"),
        pytest.param(
            ProviderHealth(breaker=Breaker.OPEN, since=_NOW), None, "unavailable", _NOW + 30, id="unexplained"
        ),
    ],
)
def test_passed_over(
    health: ProviderHealth, cooldown: Cooldown | None, kind: str, available_at: float | None
) -> None:
    """Who cannot serve is passed over for what keeps it longest, and with the time at which that ends."""
    choice = _choose(_standing("a"), _standing("b", health=health, cooldown=cooldown))
    passed = Passed(index=1, kind=FailureKind(kind), available_at=available_at)
    assert Choice(order=(0,), passed=(passed,)) == choice


def test_passed_over_with_what_its_upstream_said() -> None:
    """The error that a rest began with goes along; the breaker's reason has none."""
    refusal = Refusal(status=429, error_object=b"{}")
    resting = Cooldown(until=_NOW + 5, failures=1, kind=FailureKind.QUOTA, refusal=refusal)
    choice = _choose(
        _standing("a"), _standing("b", cooldown=resting), _standing("c", cooldown=resting, health=_REJECTED)
    )
    assert [refusal, None] == [passed.refusal for passed in choice.passed]


def test_a_lone_candidate_is_asked_during_a_rest_of_our_own() -> None:
    """Nobody could be preferred meanwhile; with another candidate, or a rest that was asked for, it is passed over."""
    own = Cooldown(until=_NOW + 5, failures=1, kind=FailureKind.SERVER_ERROR, is_own=True)
    assert "a" == _names(_standing("a", cooldown=own))
    assert "b" == _names(_standing("a", cooldown=own), _standing("b"))
    assert "" == _names(_standing("a", cooldown=_RESTING))
    assert "" == _names(_standing("a", cooldown=own, health=_OPEN))


def test_rested_is_asked_again() -> None:
    """A rest that is over keeps nobody away."""
    assert Choice(order=(0,)) == _choose(_standing("a", cooldown=_RESTED))


def test_probe_keeps_its_place() -> None:
    """One whose probe is due stands where it would stand healthy, and is marked."""
    choice = _choose(_standing("a", health=_PROBE_DUE), _standing("b"))
    assert Choice(order=(0, 1), probes=frozenset({0})) == choice


_HEALTH = st.sampled_from([HEALTHY, HEALTHY, _OPEN, _PROBE_DUE, _REJECTED])
_STANDINGS = st.lists(
    st.builds(
        _standing,
        st.sampled_from("abcdefgh"),
        priority=st.integers(-2, 2),
        weight=st.integers(1, 9),
        latency=st.none() | st.floats(0.01, 9),
        health=_HEALTH,
        cooldown=st.sampled_from([None, None, _RESTING, _RESTED]),
    ),
    max_size=8,
    unique_by=lambda standing: standing.name,
)
_PREFERRED = st.none() | st.sampled_from([f"id-{name}" for name in "abcdefgh"])


@given(_STANDINGS, st.sampled_from(_STRATEGIES), _PREFERRED, st.integers(0, 2**40))
def test_every_candidate_has_one_place(
    standings: list[Standing], strategy: RoutingStrategy, preferred: str | None, turn: int
) -> None:
    """Each is asked or passed over, once; and probes are among those asked."""
    choice = _choose(*standings, strategy=strategy, preferred=preferred, turn=turn)
    places = [*choice.order, *(passed.index for passed in choice.passed)]
    assert (list(range(len(standings))), True) == (sorted(places), choice.probes <= set(choice.order))


@given(_STANDINGS, st.sampled_from(_STRATEGIES), _PREFERRED, st.integers(0, 2**40))
def test_who_is_asked_can_serve(
    standings: list[Standing], strategy: RoutingStrategy, preferred: str | None, turn: int
) -> None:
    """Nobody is asked who rests or is shut, nobody else is passed over, and each needed probe is marked."""
    choice = _choose(*standings, strategy=strategy, preferred=preferred, turn=turn)
    admitted = {
        index: admission(standing.health, _NOW)
        for index, standing in enumerate(standings)
        if standing.cooldown is not _RESTING
    }
    able = {index for index, verdict in admitted.items() if verdict is not Admission.SHUT}
    probes = {index for index in able if admitted[index] is Admission.PROBE}
    assert (able, probes) == (set(choice.order), set(choice.probes))


@given(_STANDINGS, st.sampled_from(_STRATEGIES), _PREFERRED, st.integers(0, 2**40))
def test_order_descends_in_priority(
    standings: list[Standing], strategy: RoutingStrategy, preferred: str | None, turn: int
) -> None:
    """Behind a preferred one, priorities never rise."""
    choice = _choose(*standings, strategy=strategy, preferred=preferred, turn=turn)
    order = [standings[index] for index in choice.order]
    priorities = [
        standing.priority
        for place, standing in enumerate(order)
        if place > 0 or standing.provider != preferred
    ]
    assert sorted(priorities, reverse=True) == priorities


@given(_STANDINGS, st.sampled_from(_STRATEGIES), _PREFERRED, st.integers(0, 2**40))
def test_preferred_is_first_while_it_is_well(
    standings: list[Standing], strategy: RoutingStrategy, preferred: str | None, turn: int
) -> None:
    """A candidate that serves the session and needs no probe is asked before all others."""
    choice = _choose(*standings, strategy=strategy, preferred=preferred, turn=turn)
    for place, index in enumerate(choice.order):
        if standings[index].provider == preferred and index not in choice.probes:
            assert 0 == place


@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 2**32))
def test_shares_follow_the_weights(weights: list[int], start: int) -> None:
    """In any round of turns, from wherever it is counted, everybody is first exactly as often as it weighs."""
    standings = [_standing(str(number), weight=weight) for number, weight in enumerate(weights)]
    firsts = Counter(
        _choose(*standings, strategy="weighted-round-robin", turn=turn).order[0]
        for turn in range(start, start + sum(weights))
    )
    assert dict(enumerate(weights)) == firsts


@pytest.mark.parametrize(
    ("weights", "turns"),
    [((3, 1), "aabaaaba"), ((1, 1), "abababab"), ((2, 4), "babbabba"), ((5, 1, 1), "aaabcaaa")],
)
def test_turns_are_spread_over_a_round(weights: tuple[int, ...], turns: str) -> None:
    """The heavier comes again and again, not many times and then no more."""
    standings = [_standing(name, weight=weight) for name, weight in zip("abc", weights, strict=False)]
    firsts = [_names(*standings, strategy="weighted-round-robin", turn=turn)[0] for turn in range(len(turns))]
    assert turns == "".join(firsts)


def test_turns_of_equal_weights_alternate() -> None:
    """Turns are spread over time: of two equals neither is first three times in a row."""
    standings = (_standing("a"), _standing("b"))
    firsts = "".join(
        _names(*standings, strategy="weighted-round-robin", turn=turn)[0] for turn in range(1000)
    )
    assert (False, False) == ("aaa" in firsts, "bbb" in firsts)
