"""When a provider is asked, and how long a model rests there."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.health import (
    FAILURES_TO_OPEN,
    HEALTHY,
    OPEN_SECONDS,
    PROBE_SECONDS,
    TABLE,
    Admission,
    Breaker,
    Cooldown,
    ProviderHealth,
    ProviderState,
    Refusal,
    Signal,
    admission,
    available_at,
    decode_cooldown,
    decode_health,
    encode_cooldown,
    encode_health,
    health_expires_in_seconds,
    next_cooldown,
    next_health,
    state_of,
)
from packyproxy.translate.failure_table import FAILURES

_BEFORE = 1_000_000.0
_NOW = 1_000_100.0
_ILL = FailureKind.SERVER_ERROR
_REFUSED = FailureKind.CREDENTIALS_REJECTED

_FAILING = ProviderHealth(failures=2, kind=_ILL)
_FAILED_OFTEN = ProviderHealth(failures=4, kind=_ILL)
_OPEN = ProviderHealth(breaker=Breaker.OPEN, failures=5, since=_BEFORE, kind=_ILL)
_PROBED = ProviderHealth(
    breaker=Breaker.HALF_OPEN, failures=5, since=_BEFORE, probe_at=_BEFORE + 1, kind=_ILL
)
_REJECTED = ProviderHealth(breaker=Breaker.REJECTED, since=_BEFORE, kind=_REFUSED)

_NEW_KIND = FailureKind.UNREACHABLE
_NOW_REJECTED = ProviderHealth(breaker=Breaker.REJECTED, since=_NOW, kind=_NEW_KIND)
_STEPS = [
    (HEALTHY, Signal.SUCCESS, HEALTHY),
    (HEALTHY, Signal.FAILURE, ProviderHealth(failures=1, kind=_NEW_KIND, failed_at=_NOW)),
    (_FAILING, Signal.SUCCESS, HEALTHY),
    (_FAILING, Signal.FAILURE, ProviderHealth(failures=3, kind=_NEW_KIND, failed_at=_NOW)),
    (
        _FAILED_OFTEN,
        Signal.FAILURE,
        ProviderHealth(breaker=Breaker.OPEN, failures=5, since=_NOW, kind=_NEW_KIND, failed_at=_NOW),
    ),
    (HEALTHY, Signal.KEY_REFUSED, _NOW_REJECTED),
    (_FAILING, Signal.PROBE_SENT, _FAILING),
    (_FAILING, Signal.PROBE_DROPPED, _FAILING),
    (_OPEN, Signal.SUCCESS, HEALTHY),
    (_OPEN, Signal.FAILURE, _OPEN),
    (
        _OPEN,
        Signal.KEY_REFUSED,
        ProviderHealth(breaker=Breaker.REJECTED, failures=5, since=_NOW, kind=_NEW_KIND),
    ),
    (
        _OPEN,
        Signal.PROBE_SENT,
        ProviderHealth(breaker=Breaker.HALF_OPEN, failures=5, since=_NOW, probe_at=_NOW, kind=_ILL),
    ),
    (_OPEN, Signal.PROBE_DROPPED, _OPEN),
    (_PROBED, Signal.SUCCESS, HEALTHY),
    (
        _PROBED,
        Signal.FAILURE,
        ProviderHealth(breaker=Breaker.OPEN, failures=6, since=_NOW, kind=_NEW_KIND, failed_at=_NOW),
    ),
    (
        _PROBED,
        Signal.KEY_REFUSED,
        ProviderHealth(breaker=Breaker.REJECTED, failures=5, since=_NOW, kind=_NEW_KIND),
    ),
    (
        _PROBED,
        Signal.PROBE_SENT,
        ProviderHealth(breaker=Breaker.HALF_OPEN, failures=5, since=_BEFORE, probe_at=_NOW, kind=_ILL),
    ),
    (
        _PROBED,
        Signal.PROBE_DROPPED,
        ProviderHealth(breaker=Breaker.HALF_OPEN, failures=5, since=_BEFORE, kind=_ILL),
    ),
    *((state, Signal.RESTORED, HEALTHY) for state in (HEALTHY, _FAILING, _OPEN, _PROBED, _REJECTED)),
    (_REJECTED, Signal.SUCCESS, _REJECTED),
    (_REJECTED, Signal.FAILURE, _REJECTED),
    (_REJECTED, Signal.KEY_REFUSED, _REJECTED),
    (_REJECTED, Signal.PROBE_SENT, _REJECTED),
    (_REJECTED, Signal.PROBE_DROPPED, _REJECTED),
]
"""Before, signal, after."""


@pytest.mark.parametrize(
    ("before", "signal", "after"),
    [pytest.param(*step, id=f"{step[0].breaker}-{step[0].failures}-{step[1]}") for step in _STEPS],
)
def test_state_after_a_signal(before: ProviderHealth, signal: Signal, after: ProviderHealth) -> None:
    """Each state and each signal have one outcome."""
    assert after == next_health(before, signal, now=_NOW, kind=_NEW_KIND)


def test_every_pair_has_a_row_and_a_step() -> None:
    """The table is total, and so are the steps above."""
    pairs = set(product(Breaker, Signal))
    assert (pairs, pairs) == (set(TABLE), {(before.breaker, signal) for before, signal, _ in _STEPS})


_SIGNALS = st.sampled_from([Signal.FAILURE, *Signal])  # failures twice as often, or nothing ever opens
_HISTORIES = st.lists(st.tuples(_SIGNALS, st.floats(0, 45)), max_size=40)


def _after(history: list[tuple[Signal, float]]) -> tuple[ProviderHealth, float]:
    """Return where signals lead, each so many seconds after the one before, and the time then."""
    health, now = HEALTHY, _NOW
    for signal, seconds in history:
        now += seconds
        health = next_health(health, signal, now=now, kind=_ILL)
    return health, now


@given(_HISTORIES)
def test_what_closes(history: list[tuple[Signal, float]]) -> None:
    """A success always does, but for a refused key; an operator's restoring does even then."""
    health, now = _after(history)
    expected = health if health.breaker is Breaker.REJECTED else HEALTHY
    assert expected == next_health(health, Signal.SUCCESS, now=now)
    assert HEALTHY == next_health(health, Signal.RESTORED, now=now)


@pytest.mark.parametrize(("seconds_ago", "failures"), [(0.0, 2), (4.9, 2), (5.1, 1)])
def test_failures_that_overlap_are_one(seconds_ago: float, failures: int) -> None:
    """A failure counts when its attempt began after the one before it had come to light."""
    health = next_health(HEALTHY, Signal.FAILURE, now=_NOW, kind=_ILL)
    after = next_health(health, Signal.FAILURE, now=_NOW + 5, kind=_ILL, asked_at=_NOW + 5 - seconds_ago)
    assert failures == after.failures


@given(st.integers(0, 12), st.integers(0, 4))
def test_opens_with_the_fifth_failure_in_a_row(in_a_row: int, earlier: int) -> None:
    """Four failures are suffered, also after earlier ones that a success ended; five are not."""
    history = [(Signal.FAILURE, 0.1)] * earlier + [(Signal.SUCCESS, 0.1)] + [(Signal.FAILURE, 0.1)] * in_a_row
    assert (in_a_row >= FAILURES_TO_OPEN) is (_after(history)[0].breaker is Breaker.OPEN)


def test_probe_fails_and_the_wait_starts_anew() -> None:
    """A failed probe shuts the provider for another thirty seconds."""
    health = next_health(_PROBED, Signal.FAILURE, now=_NOW, kind=_ILL)
    assert [Admission.SHUT, Admission.PROBE] == [
        admission(health, _NOW + seconds) for seconds in (OPEN_SECONDS - 0.1, OPEN_SECONDS)
    ]


def test_dropped_probe_makes_room_for_the_next() -> None:
    """When the probing client leaves, the next request probes at once."""
    health = next_health(_PROBED, Signal.PROBE_DROPPED, now=_BEFORE + 2)
    assert Admission.PROBE == admission(health, _BEFORE + 2)


@given(st.lists(st.tuples(_SIGNALS, st.floats(0, 100)), max_size=60))
def test_never_two_probes_at_once(history: list[tuple[Signal, float]]) -> None:
    """While a probe has no verdict and may still get one, nobody else is let through."""
    health, now = HEALTHY, _NOW
    probe_sent_at: float | None = None
    for signal, seconds in history:
        now += seconds
        admitted = admission(health, now)
        if probe_sent_at is not None and now < probe_sent_at + PROBE_SECONDS:
            assert Admission.SHUT == admitted
        if signal is Signal.PROBE_SENT:
            if admitted is not Admission.PROBE:
                continue
            probe_sent_at = now
        elif health.breaker is Breaker.HALF_OPEN:
            probe_sent_at = None
        health = next_health(health, signal, now=now, kind=_ILL)


@pytest.mark.parametrize(
    ("health", "seconds", "admitted"),
    [
        pytest.param(HEALTHY, 0, Admission.ADMITTED, id="healthy"),
        pytest.param(_FAILED_OFTEN, 0, Admission.ADMITTED, id="four-failures"),
        pytest.param(_OPEN, 0, Admission.SHUT, id="opened-now"),
        pytest.param(_OPEN, 29.9, Admission.SHUT, id="opened-lately"),
        pytest.param(_OPEN, 30, Admission.PROBE, id="time-for-a-probe"),
        pytest.param(_PROBED, 1, Admission.SHUT, id="probe-sent-now"),
        pytest.param(_PROBED, 60.9, Admission.SHUT, id="probe-under-way"),
        pytest.param(_PROBED, 61, Admission.PROBE, id="probe-lost"),
        pytest.param(_REJECTED, 0, Admission.SHUT, id="key-refused"),
        pytest.param(_REJECTED, 1e9, Admission.SHUT, id="key-refused-long-ago"),
    ],
)
def test_admission(health: ProviderHealth, seconds: float, admitted: Admission) -> None:
    """A state and a time say who may pass."""
    assert admitted == admission(health, _BEFORE + seconds)


@pytest.mark.parametrize(
    ("health", "seconds", "expected"),
    [
        pytest.param(HEALTHY, 0, None, id="healthy"),
        pytest.param(_OPEN, 10, 30, id="open"),
        pytest.param(_OPEN, 30, None, id="time-for-a-probe"),
        pytest.param(_PROBED, 10, 15, id="probe-under-way"),
        pytest.param(_PROBED, 59, 61, id="probe-soon-lost"),
        pytest.param(_REJECTED, 10, None, id="key-refused"),
    ],
)
def test_worth_asking_again(health: ProviderHealth, seconds: float, expected: float | None) -> None:
    """Who is turned away hears when to come back: after the wait, or when a probe should have its verdict."""
    at = available_at(health, _BEFORE + seconds)
    assert expected == (at - _BEFORE if at is not None else None)


@given(_HISTORIES, st.floats(0, 100))
def test_time_is_known_exactly_while_shut(history: list[tuple[Signal, float]], seconds: float) -> None:
    """There is a time to come, unless the provider may be asked now or its key was refused."""
    health, now = _after(history)
    now += seconds
    at = available_at(health, now)
    is_shut = admission(health, now) is Admission.SHUT and health.breaker is not Breaker.REJECTED
    assert is_shut is (at is not None and at > now)
    if at is not None and health.breaker is Breaker.OPEN:
        assert Admission.PROBE == admission(health, at)


@given(_HISTORIES)
def test_health_is_read_as_written(history: list[tuple[Signal, float]]) -> None:
    """A stored state comes back the same."""
    health, _ = _after(history)
    assert health == decode_health(encode_health(health))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="absent"),
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"breaker":"ajar"}', id="unknown-state"),
        pytest.param(b'{"until":1,"failures":1,"kind":"no-such-kind"}', id="unknown-kind"),
        pytest.param(b'{"breaker":"open","until"', id="cut"),
        pytest.param(b'{"breaker":"\xff","kind":"\xff","until":1,"failures":1}', id="not-utf-8"),
    ],
)
def test_unreadable_state_is_no_state(data: bytes | None) -> None:
    """What cannot be read keeps nobody from being asked."""
    assert (HEALTHY, None) == (decode_health(data), decode_cooldown(data))


@given(st.binary())
def test_reading_is_total(data: bytes) -> None:
    """Any bytes are read as some state."""
    assert (True, True) == (
        isinstance(decode_health(data), ProviderHealth),
        isinstance(decode_cooldown(data), Cooldown | None),
    )


def test_refused_key_is_remembered_longer_than_anything_else() -> None:
    """Other states may be forgotten after an idle hour, yet not before their probe is due."""
    rejected, others = (
        health_expires_in_seconds(_REJECTED),
        [health_expires_in_seconds(health) for health in (_FAILING, _OPEN, _PROBED)],
    )
    assert (True, True) == (rejected > 7 * 86_400, min(others) > OPEN_SECONDS + PROBE_SECONDS)


def _rest(
    failure: Failure, before: Cooldown | None = None, *, now: float = _NOW, longest_seconds: float = 30
) -> Cooldown | None:
    return next_cooldown(before, failure, longest_seconds=longest_seconds, now=now)


@pytest.mark.parametrize("kind", FailureKind, ids=str)
def test_rest_of_each_kind(kind: FailureKind) -> None:
    """A first failure rests the model as its row of the failure table says."""
    rule = FAILURES[kind]
    seconds = rule.cooldown_seconds if rule.cooldown_seconds is not None else 1.0
    is_own = rule.cooldown_seconds is None
    expected = Cooldown(until=_NOW + seconds, failures=1, kind=kind, is_own=is_own) if rule.cooldown else None
    assert expected == _rest(Failure(kind=kind))


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("quota", 60.0), ("billing", 3600.0), ("rate_limit", 5.0), ("overloaded", 1.0), ("unavailable", 1.0)],
)
def test_rest_without_a_named_time(kind: str, seconds: float) -> None:
    """Limits have their usual waits, also past the longest of our own; the overloaded are soon tried again."""
    rest = _rest(Failure(kind=FailureKind(kind)))
    assert rest is not None
    assert _NOW + seconds == rest.until


@pytest.mark.parametrize(
    ("longest_seconds", "rests"),
    [
        pytest.param(30.0, [1, 2, 4, 8, 16, 30, 30], id="default"),
        pytest.param(3.0, [1, 2, 3, 3], id="short"),
        pytest.param(0.5, [0.5, 0.5], id="below-a-second"),
        pytest.param(1e9, [2**power for power in range(29)], id="boundless"),
    ],
)
def test_rests_double(longest_seconds: float, rests: list[float]) -> None:
    """Each failure in a row doubles the rest, up to the longest."""
    now, cooldown, seconds = _NOW, None, []
    for _ in rests:
        cooldown = _rest(Failure(kind=_ILL), cooldown, now=now, longest_seconds=longest_seconds)
        assert cooldown is not None
        seconds.append(cooldown.until - now)
        now = cooldown.until
    assert rests == seconds


def test_any_number_of_failures_has_a_rest() -> None:
    """The doubling ends before numbers do."""
    cooldown = _rest(
        Failure(kind=_ILL), Cooldown(until=_BEFORE, failures=10**6, kind=_ILL), longest_seconds=30
    )
    assert Cooldown(until=_NOW + 30, failures=10**6 + 1, kind=_ILL, is_own=True) == cooldown


def test_no_rests_of_our_own() -> None:
    """A longest rest of 0 leaves only those that the upstream, or the kind of failure, demands."""
    kinds = (_ILL, FailureKind.QUOTA)
    rests = [_rest(Failure(kind=kind), longest_seconds=0) for kind in kinds]
    assert [None, Cooldown(until=_NOW + 60, failures=1, kind=FailureKind.QUOTA)] == rests


@pytest.mark.parametrize(
    ("reset_at", "retry_after_seconds", "seconds"),
    [
        pytest.param(_NOW + 7200, None, 7200, id="moment"),
        pytest.param(None, 90.5, 90.5, id="span"),
        pytest.param(_NOW + 7, 9.0, 7, id="moment-wins"),
        pytest.param(_NOW - 7, None, 60, id="moment-has-passed"),
        pytest.param(None, 0.0, 60, id="no-span"),
    ],
)
def test_named_wait_is_kept_in_full(
    reset_at: float | None, retry_after_seconds: float | None, seconds: float
) -> None:
    """The upstream's word counts, as long as it lies ahead; no limit of ours shortens it."""
    failure = Failure(kind=FailureKind.QUOTA, reset_at=reset_at, retry_after_seconds=retry_after_seconds)
    assert Cooldown(until=_NOW + seconds, failures=1, kind=FailureKind.QUOTA) == _rest(failure)


_RUNNING = Cooldown(until=_NOW + 10, failures=3, kind=FailureKind.QUOTA)
_ENDED = Cooldown(until=_NOW, failures=3, kind=FailureKind.QUOTA)


@pytest.mark.parametrize(
    ("before", "failure", "expected"),
    [
        pytest.param(_RUNNING, Failure(kind=_ILL), _RUNNING, id="shorter"),
        pytest.param(
            _RUNNING,
            Failure(kind=_ILL, retry_after_seconds=20),
            Cooldown(until=_NOW + 20, failures=3, kind=_ILL),
            id="longer",
        ),
        pytest.param(_RUNNING, Failure(kind=FailureKind.INVALID_REQUEST), _RUNNING, id="asks-for-none"),
        pytest.param(_ENDED, Failure(kind=FailureKind.INVALID_REQUEST), None, id="asks-for-none-later"),
        pytest.param(
            _ENDED,
            Failure(kind=_ILL),
            Cooldown(until=_NOW + 8, failures=4, kind=_ILL, is_own=True),
            id="next-in-a-row",
        ),
    ],
)
def test_failure_after_another(before: Cooldown, failure: Failure, expected: Cooldown | None) -> None:
    """During a rest a failure may only prolong it; after one it is the next in a row."""
    assert expected == _rest(failure, before)


def test_cooldown_is_read_as_written() -> None:
    """A stored rest comes back the same."""
    assert _RUNNING == decode_cooldown(encode_cooldown(_RUNNING))


@pytest.mark.parametrize(("seconds", "is_over"), [(9.9, False), (10.0, True)])
def test_end_of_a_rest(seconds: float, *, is_over: bool) -> None:
    """A rest ends at its very moment."""
    assert is_over is _RUNNING.is_over(_NOW + seconds)


@pytest.mark.parametrize(
    ("seconds", "expires"), [(0.0, 610.0), (10.0, 600.0), (100.0, 600.0)], ids=["during", "end", "after"]
)
def test_failures_in_a_row_are_remembered_past_the_rest(seconds: float, expires: float) -> None:
    """A store keeps a rest for ten minutes past its end, so that the next failure doubles it."""
    assert expires == _RUNNING.expires_in_seconds(_NOW + seconds)


@pytest.mark.parametrize(
    ("failure", "is_own"),
    [
        (Failure(kind=FailureKind.SERVER_ERROR), True),
        (Failure(kind=FailureKind.SERVER_ERROR, retry_after_seconds=7), False),
        (Failure(kind=FailureKind.QUOTA), False),
    ],
    ids=["nobody named a time", "told", "by its kind"],
)
def test_a_rest_says_whose_idea_it_was(failure: Failure, is_own: bool) -> None:
    """Only a doubled rest is our own, also after a store has kept it."""
    rest = next_cooldown(None, failure, longest_seconds=30, now=0)
    assert rest is not None
    assert is_own is rest.is_own
    assert rest == decode_cooldown(encode_cooldown(rest))


_QUOTED = Failure(
    kind=FailureKind.QUOTA, status=429, error_object=b'{"type":"usage_limit_reached"}', reset_at=_NOW + 60
)


@pytest.mark.parametrize("kind", FailureKind, ids=str)
def test_a_rest_keeps_what_the_upstream_said_of_itself(kind: FailureKind) -> None:
    """The error object that tells of an account or of a load is stored; any other may quote its client."""
    rest = _rest(Failure(kind=kind, status=429, error_object=b"{}"))
    kept = {FailureKind.QUOTA, FailureKind.RATE_LIMIT, FailureKind.BILLING, FailureKind.OVERLOADED}
    refusal = Refusal(status=429, error_object=b"{}") if kind in kept else None
    assert refusal == (rest.refusal if rest is not None else None)


def test_a_kept_error_comes_back_from_the_store() -> None:
    """Status and object are read as they were written."""
    rest = _rest(_QUOTED)
    assert rest is not None
    assert rest == decode_cooldown(encode_cooldown(rest))
    assert Refusal(status=429, error_object=b'{"type":"usage_limit_reached"}') == rest.refusal


def test_a_rest_of_before_is_still_read() -> None:
    """What a store holds from a version that kept no errors is a rest without one."""
    assert Cooldown(until=1, failures=2, kind=FailureKind.QUOTA) == decode_cooldown(
        b'{"until":1,"failures":2,"kind":"quota","is_own":false}'
    )


def test_the_longer_rest_keeps_its_own_error() -> None:
    """Of two refusals the one that is told is the one that the rest is for."""
    running = _rest(_QUOTED)
    shorter = Failure(kind=FailureKind.RATE_LIMIT, status=429, error_object=b"{}")
    longer = Failure(kind=FailureKind.BILLING, status=402, error_object=b"{}")
    assert running == _rest(shorter, running)
    after = _rest(longer, running)
    assert after is not None
    assert Refusal(status=402, error_object=b"{}") == after.refusal


def test_repr_of_a_rest_hides_the_error() -> None:
    """Upstream words never enter a log by accident."""
    assert "usage_limit_reached" not in repr(_rest(_QUOTED))


@pytest.mark.parametrize(
    ("health", "is_resting", "expected"),
    [
        pytest.param(HEALTHY, False, ProviderState.READY, id="ready"),
        pytest.param(_FAILED_OFTEN, False, ProviderState.READY, id="failing"),
        pytest.param(HEALTHY, True, ProviderState.RESTING, id="resting"),
        pytest.param(_OPEN, True, ProviderState.OPEN, id="open"),
        pytest.param(_PROBED, True, ProviderState.PROBING, id="probing"),
        pytest.param(_REJECTED, True, ProviderState.KEY_REFUSED, id="key refused"),
    ],
)
def test_state_word(health: ProviderHealth, *, is_resting: bool, expected: ProviderState) -> None:
    """The breaker decides, then the rests."""
    assert expected is state_of(health, is_enabled=True, is_resting=is_resting)


@pytest.mark.parametrize("health", [HEALTHY, _OPEN, _REJECTED], ids=["closed", "open", "rejected"])
def test_state_word_of_a_disabled_provider(health: ProviderHealth) -> None:
    """Whatever is held against it, what counts is that nobody asks it."""
    assert ProviderState.DISABLED is state_of(health, is_enabled=False, is_resting=True)
