"""The figures behind /metrics and /status."""

from typing import Any

import pytest

from packyproxy.errors import FailureKind
from packyproxy.usage.figures import CUT_OFF, FIRST_EVENT_BOUNDS, Figures, TargetFigures, operation_of
from packyproxy.usage.histogram import Histogram
from packyproxy.usage.records import GAP_BOUNDS, AttemptRecord
from tests.support.records import attempt, request, tokens

_TARGET = ("packycode", "gpt-5", "chat")
_FAILED = FailureKind.OVERLOADED


def _figures(*records: Any) -> Figures:
    figures = Figures()
    for record in records:
        _add(figures, record)
    return figures


def _add(figures: Figures, record: Any) -> None:
    if isinstance(record, AttemptRecord):
        figures.add_attempts([record])
    else:
        figures.add_requests([record])


def _target(*records: Any) -> TargetFigures:
    return _figures(*records).targets[_TARGET]


def test_before_the_first_request_everything_is_zero() -> None:
    """Before the first request everything is 0, and what is a share of nothing is not there."""
    figures = Figures()
    assert (0, 0, 0, None) == (
        figures.in_flight,
        figures.requests,
        figures.failures,
        figures.prompt_share,
    )
    assert ({}, {}, {}) == (figures.cache_hit_rates(), figures.credential_failures(), figures.failovers)


def test_requests_by_protocol_and_status() -> None:
    """Requests are counted by what the client speaks and by the class of their status."""
    target = _target(
        request(), request(status=299), request(status=499), request(protocol="chat", status=500)
    )
    assert {("messages", 2): 2, ("messages", 4): 1, ("chat", 5): 1} == target.requests


def test_figures_are_kept_by_provider_model_and_operation() -> None:
    """Figures are kept by provider, upstream model and operation; where nobody was asked, names are empty."""
    figures = _figures(
        attempt(),
        attempt(provider="b", protocol="responses"),
        request(model="m", protocol="compact"),
        request(provider=None, model=None),
    )
    expected = {_TARGET, ("b", "gpt-5", "chat"), ("packycode", "m", "compact"), ("", "", "chat")}
    assert expected == set(figures.targets)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("messages", "chat"),
        ("chat", "chat"),
        ("responses", "chat"),
        ("compact", "compact"),
        ("search", "search"),
    ],
)
def test_whatever_brings_an_answer_is_a_chat(protocol: str, expected: str) -> None:
    """Whatever a client speaks to have an answer is a chat; only what is for something else is not."""
    assert expected == operation_of(protocol)


@pytest.mark.parametrize(
    ("facts", "failure"),
    [
        pytest.param({}, "", id="answered"),
        pytest.param({"failure": _FAILED}, "overloaded", id="failed"),
        pytest.param({"is_cut_off": True}, CUT_OFF, id="cut-off"),
        pytest.param({"failure": _FAILED, "is_cut_off": True}, "overloaded", id="failed-and-cut-off"),
    ],
)
def test_durations_of_attempts(facts: dict[str, Any], failure: str) -> None:
    """Durations of attempts are kept apart by how they ended."""
    durations = _target(attempt(duration_seconds=2.5, **facts)).attempt_seconds
    assert {failure: (1, 2.5)} == {name: (spread.count, spread.sum) for name, spread in durations.items()}


def test_durations_of_requests() -> None:
    """So are those of requests."""
    target = _target(request(duration_seconds=3.0), request(status=529, failure="overloaded"))
    assert {"": 3.0, "overloaded": 2.0} == {
        failure: spread.sum for failure, spread in target.request_seconds.items()
    }


def test_the_first_output_is_timed_for_attempt_and_request() -> None:
    """The first output is timed from the sending of an attempt and from the accepting of a request."""
    target = _target(attempt(first_output_seconds=0.75), request(first_output_seconds=1.5))
    assert (0.75, 1.5) == (target.first_chunk_seconds.sum, target.first_event_seconds.sum)


def test_what_gave_no_output_has_no_first_one() -> None:
    """What gave no output has no first one."""
    target = _target(attempt(first_output_seconds=None), request(first_output_seconds=None))
    assert (0, 0, 0) == (
        target.first_chunk_seconds.count,
        target.first_event_seconds.count,
        target.seconds_per_token.count,
    )


def test_gaps_are_merged() -> None:
    """The gaps of all attempts are one histogram, and the time of the streams is their sum."""
    gaps = (5, *(0,) * (len(GAP_BOUNDS) - 1), 1)
    target = _target(attempt(gaps=gaps, stream_seconds=20.0), attempt(gaps=gaps, stream_seconds=30.0))
    assert ([10, *gaps[1:-1], 2], 50.0) == (target.chunk_seconds.counts, target.chunk_seconds.sum)


def test_tokens_are_spread_and_summed() -> None:
    """Tokens are those of attempts, each answer's count spread and all of them summed."""
    target = _target(
        attempt(tokens=tokens(100, 10, cached=60, reasoning=3)),
        attempt(tokens=tokens(20, 1)),
        attempt(tokens=None),
    )
    assert (120.0, 2, 60) == (target.input_tokens.sum, target.input_tokens.count, target.cached_tokens)
    assert (11.0, 2, 3) == (target.output_tokens.sum, target.output_tokens.count, target.reasoning_tokens)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({"tokens": tokens(100, 11)}, 0.1, id="ten-more-in-a-second"),
        pytest.param({"tokens": tokens(100, 10**400)}, 1 / (10**9 - 1), id="absurd"),
        pytest.param({"tokens": tokens(100, 1)}, None, id="one-token"),
        pytest.param({"tokens": tokens(100, 0)}, None, id="no-token"),
        pytest.param({"tokens": None}, None, id="not-counted"),
        pytest.param({"tokens": tokens(100, 11), "failure": "truncated"}, None, id="failed"),
        pytest.param({"tokens": tokens(100, 11), "first_output_seconds": None}, None, id="no-output"),
    ],
)
def test_seconds_per_token(facts: dict[str, Any], expected: float | None) -> None:
    """After the first token, an answer has a time for each further one."""
    spread = _target(request(**facts)).seconds_per_token
    assert expected == (spread.sum if spread.count else None)


def test_failures_by_kind() -> None:
    """Failed attempts are counted by provider and kind, whatever their model."""
    figures = _figures(
        attempt(failure=_FAILED),
        attempt(failure=_FAILED, model="m"),
        attempt(failure=FailureKind.QUOTA),
        attempt(provider="b", failure=_FAILED),
        attempt(),
    )
    assert {
        ("packycode", "overloaded"): 2,
        ("packycode", "quota"): 1,
        ("b", "overloaded"): 1,
    } == figures.attempt_failures


def test_credential_failures() -> None:
    """A refused key is a failure that has a figure of its own."""
    refused = attempt(failure=FailureKind.CREDENTIALS_REJECTED)
    assert {"packycode": 2} == _figures(refused, refused, attempt(failure=_FAILED)).credential_failures()


def test_cache_hit_rates() -> None:
    """The rate of a provider is that of all its models together; one that counted nothing has none."""
    figures = _figures(
        attempt(tokens=tokens(100, 1, cached=100)),
        attempt(tokens=tokens(300, 1, cached=0), model="m"),
        attempt(tokens=None, provider="b"),
    )
    assert {"packycode": 0.25} == figures.cache_hit_rates()


def test_a_failover_counts_for_who_was_given_up() -> None:
    """A failover counts for the provider that was given up."""
    figures = Figures()
    for provider in ("a", "b", "a"):
        figures.add_failover(provider)
    assert {"a": 2, "b": 1} == figures.failovers


def test_refused_clients_are_counted_by_where_they_tried() -> None:
    """Refused clients are counted by where they tried."""
    figures = Figures()
    figures.add_denial("gateway")
    figures.add_denial("gateway")
    figures.add_denial("management")
    assert {"gateway": 2, "management": 1} == figures.denials


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param([2.0], 1.0, id="two-seconds"),
        pytest.param([2.001], 0.0, id="more"),
        pytest.param([0.1, 1.0, 1.9, 60.0], 0.75, id="three-of-four"),
        pytest.param([0.1, 500.0], 0.5, id="beyond-all-bounds"),
        pytest.param([0.5, None, None], 1.0, id="without-output"),
    ],
)
def test_first_events_within_two_seconds_are_prompt(seconds: list[float | None], expected: float) -> None:
    """Of the requests that got output, those count as prompt whose first event came within 2 s."""
    figures = _figures(*(request(first_output_seconds=each, model=str(each)) for each in seconds))
    assert expected == figures.prompt_share


def test_a_copy_says_the_same() -> None:
    """A copy has every figure, and what comes later is not in it."""
    records = (
        attempt(gaps=(1,) * (len(GAP_BOUNDS) + 1)),
        attempt(failure=_FAILED),
        request(),
        request(status=529, failure="overloaded"),
    )
    figures = _figures(*records)
    figures.in_flight = 1
    figures.add_failover("packycode")
    figures.add_denial("gateway")
    copied, before = figures.copy(), _everything(figures)
    for record in records:
        _add(figures, record)
    figures.add_failover("packycode")
    figures.add_denial("gateway")
    assert before == _everything(copied)
    assert before != _everything(figures)


def _everything(kept: Any) -> Any:
    """Return what an object holds, with everything in it, as plain values."""
    if isinstance(kept, dict):
        return {key: _everything(value) for key, value in kept.items()}
    if isinstance(kept, Figures):
        public = {name: value for name, value in vars(kept).items() if not name.startswith("_")}
        return _everything(public) | {"failures": kept.failures, "share": kept.prompt_share}
    if isinstance(kept, TargetFigures | Histogram):
        return {name: _everything(getattr(kept, name)) for name in kept.__slots__}
    return list(kept) if isinstance(kept, list) else kept


def test_bounds_ascend() -> None:
    """The bounds that were put between those of the conventions are in their places."""
    assert sorted(FIRST_EVENT_BOUNDS) == list(FIRST_EVENT_BOUNDS)


def test_many_failures_share_one_name() -> None:
    """Durations of failures are told apart for 128 of them; those that come later are one kind per target."""
    kinds = list(FailureKind)
    figures = _figures(*(attempt(model=f"m{model}") for model in range(8)))
    for model in range(8):
        for kind in kinds:
            figures.add_attempts([attempt(model=f"m{model}", failure=kind)])
    told_apart = sum(
        failure not in ("", "_OTHER")
        for target in figures.targets.values()
        for failure in target.attempt_seconds
    )
    counted = sum(
        spread.count for target in figures.targets.values() for spread in target.attempt_seconds.values()
    )
    assert (128, 8 * len(kinds) + 8) == (told_apart, counted)


def test_many_models_share_one_name() -> None:
    """64 pairs of provider and model are told apart; those that come later are one model of their provider."""
    figures = _figures(*(attempt(model=f"m{number}") for number in range(100)))
    assert 64 + 1 == len(figures.targets)
    assert 36 == figures.targets["packycode", "other", "chat"].attempt_seconds[""].count
