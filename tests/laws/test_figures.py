"""Figures are bounded, and they add up, whatever happens."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from packyproxy.asgi.metrics import expose
from packyproxy.errors import FailureKind
from packyproxy.usage.figures import MOST_FAILED_DURATIONS, MOST_TARGETS, Figures
from packyproxy.usage.names import MOST_PROVIDERS
from packyproxy.usage.records import AttemptRecord
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
        figures.add_attempt(record)
    else:
        figures.add_request(record)


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
