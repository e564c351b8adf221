"""Figures are bounded, and they add up, whatever happens."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from packyproxy.asgi.metrics import expose
from packyproxy.errors import FailureKind
from packyproxy.usage.figures import MOST_FAILED_DURATIONS, MOST_TARGETS, Figures
from packyproxy.usage.names import MOST_PROVIDERS
from packyproxy.usage.records import NO_GAPS, AttemptRecord, RequestRecord, alike_attempts, alike_requests
from packyproxy.usage.totals import Totals
from tests.support.records import NOW, attempt, request, tokens

_NAMES = st.one_of(st.text(max_size=6), st.integers(0, 10**6).map("n{}".format), st.just("x" * 300))
_PROTOCOLS = st.sampled_from(("messages", "chat", "responses", "compact", "search"))
_COUNTS = st.one_of(st.integers(-5, 10**6), st.just(10**400))
_TOKENS = st.one_of(
    st.none(),
    st.builds(lambda taken, given, cached: tokens(taken, given, cached=cached), _COUNTS, _COUNTS, _COUNTS),
)
_ATTEMPTS = st.builds(
    attempt,
    protocol=_PROTOCOLS,
    provider=_NAMES,
    model=_NAMES,
    failure=st.one_of(st.none(), st.sampled_from(FailureKind)),
    is_cut_off=st.booleans(),
    tokens=_TOKENS,
)
_REQUESTS = st.builds(
    request,
    protocol=_PROTOCOLS,
    provider=st.one_of(st.none(), _NAMES),
    model=st.one_of(st.none(), _NAMES),
    status=st.sampled_from((200, 400, 404, 429, 499, 500, 529)),
    failure=st.one_of(st.none(), st.sampled_from([*(kind.value for kind in FailureKind), "client_left"])),
    key_id=_NAMES,
    session=_NAMES,
    ended_at=st.floats(NOW - 10**8, NOW + 10**8),
    tokens=_TOKENS,
)
_FEW = {"provider": st.sampled_from(("a", "b")), "model": st.sampled_from(("a", "b"))}
_TIMES = st.integers(0, 3).map(lambda quarters: NOW + quarters * 43_200)
_SOME_ATTEMPTS = st.builds(
    attempt,
    **_FEW,
    failure=st.sampled_from((None, FailureKind.OVERLOADED)),
    is_cut_off=st.booleans(),
    sent_at=_TIMES,
    first_output_seconds=st.sampled_from((None, 0.5, 1.0)),
    gaps=st.sampled_from((NO_GAPS, (1,) * len(NO_GAPS))),
    tokens=st.sampled_from((None, tokens(100, 10), tokens(7, 1, cached=3))),
)
_SOME_REQUESTS = st.builds(
    request,
    **_FEW,
    status=st.sampled_from((200, 429)),
    key_id=st.sampled_from(("", "k")),
    session=st.sampled_from(("", "s", "t")),
    failure=st.sampled_from((None, "client_left", "overloaded")),
    ended_at=_TIMES,
    first_output_seconds=st.sampled_from((None, 0.5)),
    tokens=st.sampled_from((None, tokens(100, 10), tokens(7, 1, cached=3))),
)
_ROWS = ("providers", "models", "client-keys", "sessions")
_FLOODS = st.integers(0, 300)
"""How many names somebody makes up in a row."""


def _flood(number: int) -> list[Any]:
    return [
        record
        for index in range(number)
        for record in (
            attempt(provider=f"p{index % 50}", model=f"made-up-{index}"),
            request(provider=f"p{index % 50}", model=f"made-up-{index}", status=404),
            attempt(
                provider=f"p{index % 7}", failure=list(FailureKind)[index % 30], model=f"made-up-{index}"
            ),
        )
    ]


def _add(figures: Figures | Totals, record: Any) -> None:
    if isinstance(record, AttemptRecord):
        figures.add_attempts([record])
    else:
        figures.add_requests([record])


def _labels(figures: Figures) -> set[tuple[str, ...]]:
    """Return every combination of labels that has a histogram of durations, the most numerous figures."""
    return {
        (*target, failure)
        for target, kept in figures.targets.items()
        for failure in {*kept.attempt_seconds, *kept.request_seconds}
    }


@settings(max_examples=30)
@given(_FLOODS, st.lists(st.one_of(_ATTEMPTS, _REQUESTS), max_size=40))
def test_figures_are_bounded(flood: int, records: list[Any]) -> None:
    """Bounded: however many models, providers and failures come up, figures are kept for so many only."""
    figures = Figures()
    for record in (*_flood(flood), *records):
        figures.add_failover(record.provider or "")
        _add(figures, record)
    providers = MOST_PROVIDERS + 1
    most_targets = 3 * (MOST_TARGETS + providers)  # operations
    assert len(figures.targets) <= most_targets
    assert len(_labels(figures)) <= 3 * most_targets + MOST_FAILED_DURATIONS
    assert len(figures.failovers) <= providers
    assert len(figures.attempt_failures) <= providers * len(FailureKind)
    assert all(len(name) <= 256 for target in figures.targets for name in target)


@settings(max_examples=5)
@given(st.lists(st.one_of(_ATTEMPTS, _REQUESTS), max_size=40))
def test_metrics_are_bounded(records: list[Any]) -> None:
    """Cardinality: whatever names come up, no series is there twice, and there are so many at most."""
    figures = Figures()
    for record in (*_flood(150), *records):
        _add(figures, record)
    text = expose(figures, (), version="1").body.decode()
    series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    most_targets = 3 * (MOST_TARGETS + MOST_PROVIDERS + 1)
    assert len(series) == len(set(series)) <= 200 * most_targets + 20 * MOST_FAILED_DURATIONS


@settings(max_examples=30)
@given(_FLOODS, st.lists(st.one_of(_ATTEMPTS, _REQUESTS), max_size=40))
def test_usage_adds_up(flood: int, records: list[Any]) -> None:
    """Adding up: the rows of each breakdown have together what the total says, but for days that are gone."""
    totals = Totals(NOW)
    for record in (*_flood(flood), *records):
        _add(totals, record)
    report = totals.report({})
    names = ("requests", "failures", "cancelled", "input_tokens", "cached_tokens", "output_tokens")
    total = [getattr(report.total, name) for name in names]
    for rows in (report.providers, report.models, report.client_keys):
        assert total == [sum(getattr(row, name) for row in rows) for name in names]
    assert report.total.attempts == sum(row.attempts for row in report.models)
    assert report.total.failures + report.total.cancelled == sum(report.failures.values())
    assert (len(report.providers) <= 34, len(report.models) <= 258, len(report.days) <= 90) == (True,) * 3


@given(st.lists(st.one_of(_SOME_ATTEMPTS, _SOME_REQUESTS), max_size=12))
def test_alike_ones_may_be_counted_together(records: list[AttemptRecord | RequestRecord]) -> None:
    """Together or one by one, they come to the same."""
    one_by_one, together = Figures(), Figures()
    sums, sums_together = Totals(NOW), Totals(NOW)
    for record in records:
        _add(one_by_one, record)
        _add(sums, record)
    for attempts in alike_attempts(each for each in records if isinstance(each, AttemptRecord)):
        together.add_attempts(attempts)
        sums_together.add_attempts(attempts)
    for requests in alike_requests(each for each in records if isinstance(each, RequestRecord)):
        together.add_requests(requests)
        sums_together.add_requests(requests)
    first, second = (expose(each, (), version="1").body.splitlines() for each in (one_by_one, together))
    assert sorted(first) == sorted(second)
    assert _sorted_rows(sums) == _sorted_rows(sums_together)


def _sorted_rows(totals: Totals) -> dict[str, Any]:
    """Return a report whose rows are not in the order in which they were met."""
    report = msgspec.to_builtins(totals.report({}))
    return {key: sorted(value, key=str) if key in _ROWS else value for key, value in report.items()}
