"""What was asked and answered since the start."""

from typing import Any

import msgspec
import pytest

from packyproxy.errors import FailureKind
from packyproxy.usage.records import AttemptRecord
from packyproxy.usage.totals import Totals, failure_of
from tests.support.records import NOW, attempt, request, tokens

_DAY = 86_400.0


def _report(*records: Any, masks: dict[str, str] | None = None, **question: Any) -> Any:
    totals = Totals(since=NOW - 60)
    for record in records:
        if isinstance(record, AttemptRecord):
            totals.add_attempts([record])
        else:
            totals.add_requests([record])
    return msgspec.json.decode(msgspec.json.encode(totals.report(masks or {}, **question)))


_NOTHING = {
    "requests": 0,
    "failures": 0,
    "cancelled": 0,
    "attempts": 0,
    "input-tokens": 0,
    "cached-tokens": 0,
    "output-tokens": 0,
    "reasoning-tokens": 0,
    "cache-hit-rate": None,
}


def test_before_the_first_request_there_are_no_rows() -> None:
    """Before the first request there are no rows, and the total is all zeros."""
    assert {
        "since": "2026-11-21T14:59:00.000Z",
        "total": _NOTHING,
        "failures": {},
        "providers": [],
        "models": [],
        "client-keys": [],
        "days": [],
        "sessions": [],
    } == _report()


def test_a_request_is_in_one_row_of_each_breakdown() -> None:
    """A request and its attempt are in the total and in one row of each breakdown."""
    counted = tokens(100, 10, cached=80, reasoning=4)
    report = _report(
        attempt(tokens=counted), request(tokens=counted, key_id="k1", session="5e55"), masks={"k1": "***cdef"}
    )
    counts = {
        "requests": 1,
        "failures": 0,
        "cancelled": 0,
        "attempts": 1,
        "input-tokens": 100,
        "cached-tokens": 80,
        "output-tokens": 10,
        "reasoning-tokens": 4,
        "cache-hit-rate": 0.8,
    }
    session = {
        "session": "5e55",
        "requests": 1,
        "input-tokens": 100,
        "cached-tokens": 80,
        "cache-hit-rate": 0.8,
        "last-used": "2026-11-21T15:00:00.000Z",
    }
    assert {
        "since": "2026-11-21T14:59:00.000Z",
        "total": counts,
        "failures": {},
        "providers": [{"provider": "packycode", "failed-attempts": {}, **counts}],
        "models": [{"model": "gpt-5", **counts}],
        "client-keys": [{"key": "***cdef", **counts}],
        "days": [{"day": "2026-11-21", **counts}],
        "sessions": [session],
    } == report


@pytest.mark.parametrize(
    ("breakdown", "first"),
    [("providers", "provider"), ("models", "model"), ("client-keys", "key"), ("days", "day")],
    ids=["providers", "models", "client keys", "days"],
)
def test_rows_begin_with_their_name(breakdown: str, first: str) -> None:
    """Who reads the JSON sees whose counts they are before the counts."""
    report = _report(attempt(), request())
    assert first == next(iter(report[breakdown][0]))


def test_who_failed_has_the_attempt_and_who_answered_the_request() -> None:
    """The provider that failed has an attempt and a failure, the one that served the request has the request."""
    report = _report(
        attempt(provider="a", failure=FailureKind.OVERLOADED, tokens=None),
        attempt(provider="a", failure=FailureKind.OVERLOADED, tokens=None),
        attempt(provider="b"),
        request(provider="b", attempts=3),
    )
    rows = {row["provider"]: row for row in report["providers"]}
    assert (0, 2, {"overloaded": 2}) == tuple(
        rows["a"][name] for name in ("requests", "attempts", "failed-attempts")
    )
    assert (1, 1, {}) == tuple(rows["b"][name] for name in ("requests", "attempts", "failed-attempts"))
    assert (1, 0, 3) == tuple(report["total"][name] for name in ("requests", "failures", "attempts"))


@pytest.mark.parametrize(
    ("facts", "failures", "cancelled", "kinds"),
    [
        pytest.param({}, 0, 0, {}, id="answered"),
        pytest.param({"status": 529, "failure": "overloaded"}, 1, 0, {"overloaded": 1}, id="failed"),
        pytest.param({"failure": "truncated"}, 1, 0, {"truncated": 1}, id="failed-in-stream"),
        pytest.param({"status": 499, "failure": "client_left"}, 0, 1, {"client_left": 1}, id="left"),
        pytest.param({"status": 499, "failure": "client_stalled"}, 0, 1, {"client_stalled": 1}, id="stalled"),
        pytest.param({"status": 404, "provider": None, "model": None}, 1, 0, {"refused": 1}, id="refused"),
    ],
)
def test_a_request_fails_is_cancelled_or_neither(
    facts: dict[str, Any], failures: int, cancelled: int, kinds: dict[str, int]
) -> None:
    """A request has failed if it ended in an error; one whose client left is cancelled."""
    report = _report(request(**facts))
    total = report["total"]
    assert (1, failures, cancelled, kinds) == (
        total["requests"],
        total["failures"],
        total["cancelled"],
        report["failures"],
    )


def test_nobody_was_asked() -> None:
    """A request that went to nobody counts, in rows without a name."""
    report = _report(request(provider=None, model=None, status=503, failure="unavailable", tokens=None))
    assert (None, None, None, 1) == (
        report["providers"][0]["provider"],
        report["models"][0]["model"],
        report["client-keys"][0]["key"],
        report["total"]["requests"],
    )


def test_a_refusal_is_a_failure() -> None:
    """A refusal without a name of its own is called that, an answer is no failure."""
    records = (request(), request(status=400), request(status=400, failure="invalid_request"))
    assert [None, "refused", "invalid_request"] == [failure_of(record) for record in records]


def test_what_was_not_counted_has_no_tokens() -> None:
    """A request that the upstream has not counted is a request without tokens."""
    total = _report(request(tokens=None))["total"]
    assert {**_NOTHING, "requests": 1} == total


def test_keys_are_masked() -> None:
    """A key is shown as its mask; one that is gone as ``removed``; where none is needed there is none."""
    report = _report(
        *(request(key_id="k1") for _ in range(3)),
        *(request(key_id="k2") for _ in range(2)),
        request(key_id=""),
        masks={"k1": "***1111"},
    )
    assert ["***1111", "removed", None] == [row["key"] for row in report["client-keys"]]


def test_attempts_of_keys() -> None:
    """A key answers for all attempts that its requests have caused."""
    report = _report(request(key_id="k1", attempts=3), request(key_id="k1", attempts=0))
    assert 3 == report["client-keys"][0]["attempts"]


def test_each_day_has_a_row() -> None:
    """Each day in UTC has a row, the latest first, and the last 90 are kept."""
    report = _report(*(request(ended_at=NOW + number * _DAY) for number in range(100)))
    days = [row["day"] for row in report["days"]]
    assert (90, "2027-02-28", "2026-12-01") == (len(days), days[0], days[-1])
    assert 100 == report["total"]["requests"]


def test_a_day_ends_at_midnight() -> None:
    """A second before and a second after midnight are two days; a request belongs to the day of its end."""
    midnight = NOW + 9 * 3600
    report = _report(
        request(ended_at=midnight - 1),
        request(ended_at=midnight, duration_seconds=60.0),
        attempt(sent_at=midnight),
    )
    assert [("2026-11-22", 1, 1), ("2026-11-21", 1, 0)] == [
        (row["day"], row["requests"], row["attempts"]) for row in report["days"]
    ]


def test_sessions_add_up() -> None:
    """A session has the cache hit rate of all its requests, and the time of its last one."""
    records = [
        request(session="s", tokens=tokens(100, 1, cached=0)),
        request(session="s", tokens=tokens(300, 1, cached=300), ended_at=NOW + 5),
        request(session="s", tokens=None, ended_at=NOW + 9),
    ]
    (row,) = _report(*records)["sessions"]
    assert (3, 400, 300, 0.75, "2026-11-21T15:00:09.000Z") == (
        row["requests"],
        row["input-tokens"],
        row["cached-tokens"],
        row["cache-hit-rate"],
        row["last-used"],
    )


def test_latest_sessions_are_shown() -> None:
    """The sessions used last are shown, the latest first."""
    records = [request(session=session) for session in "abcab"]
    assert ["b", "a"] == [row["session"] for row in _report(*records, sessions=2)["sessions"]]


def test_sessions_are_bounded() -> None:
    """1,024 sessions are remembered; the one that was used least recently goes first."""
    records = [request(session=f"s{number}") for number in range(1024)]
    shown = _report(*records, request(session="s0"), request(session="new"), sessions=9999)["sessions"]
    names = [row["session"] for row in shown]
    assert (1024, ["new", "s0", "s1023"], "s2") == (len(names), names[:3], names[-1])


def test_a_request_without_a_session_makes_none() -> None:
    """A request that belongs to no conversation makes no session."""
    assert [] == _report(request(session=""))["sessions"]


def test_the_busiest_row_comes_first() -> None:
    """Rows are in the order of their requests."""
    report = _report(*(request(model=model) for model in ("a", "b", "b", "c", "c", "c")))
    assert ["c", "b", "a"] == [row["model"] for row in report["models"]]


@pytest.mark.parametrize(
    ("field", "breakdown", "name", "bound"),
    [
        ("provider", "providers", "provider", 32),
        ("model", "models", "model", 256),
        ("key_id", "client-keys", "key", 256),
    ],
)
def test_names_are_bounded(field: str, breakdown: str, name: str, bound: int) -> None:
    """Whatever names come up, so many have a row, and the rest share one; the sum stays right."""
    values = [f"n{number}" for number in range(400)]
    masks = {value: value for value in values}
    rows = _report(*(request(**{field: value}) for value in values), masks=masks)[breakdown]
    counts = {row[name]: row["requests"] for row in rows}
    assert (bound + 1, 400 - bound, 400) == (len(rows), counts["other"], sum(counts.values()))


def test_refused_models_leave_room() -> None:
    """Models that nobody has answered to share a row when there are too many, and keep out no other."""
    rubbish = [
        request(model=f"rubbish-{number}", status=404, failure="model_not_found") for number in range(300)
    ]
    report = _report(*rubbish, request(model="gpt-5"))
    counts = {row["model"]: row["requests"] for row in report["models"]}
    assert (64 + 2, 236, 1) == (len(counts), counts["other"], counts["gpt-5"])
