"""The audit trail: what is kept, for how long, and in which shape."""

from typing import Any

import msgspec
import pytest

from packyproxy.usage.audit import AuditEvent, AuditTrail, Value

T0 = 1_700_000_000.0


def details(trail: AuditTrail, **filters: Any) -> list[dict[str, Value]]:
    return [dict(event.detail) for event in trail.report(**filters).events]


def test_an_event_is_shown_with_its_facts() -> None:
    """Names of facts are in kebab-case, times in UTC with milliseconds, and what is not known is left out."""
    trail = AuditTrail()
    trail.add(
        "upstream_failure", at=T0 + 0.25, provider="a", detail={"request_id": "req_1", "status": None, "n": 2}
    )
    expected = {
        "events": [
            {
                "at": "2023-11-14T22:13:20.250Z",
                "event": "upstream_failure",
                "provider": "a",
                "detail": {"request-id": "req_1", "n": 2},
            }
        ]
    }
    assert expected == msgspec.json.decode(msgspec.json.encode(trail.report()))


def test_the_newest_event_comes_first() -> None:
    """Whatever share of the trail it is kept in."""
    trail = AuditTrail()
    trail.add("config_missing", at=T0, detail={})
    trail.add_refusal("auth_failed", "192.0.2.1", at=T0, detail={})
    trail.add("failover", at=T0, detail={})
    trail.add("breaker", at=T0, detail={})
    expected = ["breaker", "failover", "auth_failed", "config_missing"]
    assert expected == [event.event for event in trail.report().events]
    assert expected[:2] == [event.event for event in trail.report(limit=2).events]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"event": "breaker"}, [1, 0]),
        ({"provider": "b"}, [2, 1]),
        ({"event": "breaker", "provider": "b"}, [1]),
    ],
    ids=["event", "provider", "both"],
)
def test_events_can_be_picked(filters: dict[str, Any], expected: list[int]) -> None:
    """By name, and by whom they are about."""
    trail = AuditTrail()
    for number, (event, provider) in enumerate([("breaker", "a"), ("breaker", "b"), ("failover", "b")]):
        trail.add(event, at=T0, provider=provider, detail={"n": number})  # type: ignore[arg-type]
    assert expected == [detail["n"] for detail in details(trail, **filters)]


def test_what_comes_in_masses_pushes_nothing_else_out() -> None:
    """Failures and refusals have shares of their own; there are never more than a thousand events."""
    trail = AuditTrail()
    trail.add("provider_disabled", at=T0, provider="a", detail={})
    for number in range(5000):
        trail.add("upstream_failure", at=T0, provider="a", detail={})
        trail.add_refusal("auth_failed", f"192.0.2.{number % 256}", at=T0 + 100 * number, detail={})
    events = [event.event for event in trail.report().events]
    assert (1, 400, 200) == tuple(
        events.count(name) for name in ("provider_disabled", "upstream_failure", "auth_failed")
    )
    for _ in range(5000):
        trail.add("config_changed", at=T0, detail={})
    assert 1000 == len(trail.report().events)


def test_refusals_of_a_minute_are_one_event() -> None:
    """It counts them, says when they began, and has the last one's facts and time."""
    trail = AuditTrail()
    news = [
        trail.add_refusal("auth_failed", "192.0.2.1", at=T0 + second, detail={"request_id": f"req_{second}"})
        for second in (0, 30, 59, 60)
    ]
    assert [True, False, False, True] == news
    last, first = trail.report().events
    assert (
        AuditEvent(
            at="2023-11-14T22:14:19.000Z",
            event="auth_failed",
            provider=None,
            detail={
                "address": "192.0.2.1",
                "request-id": "req_59",
                "count": 3,
                "since": "2023-11-14T22:13:20.000Z",
            },
        )
        == first
    )
    assert 1 == last.detail["count"]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        (None, None, True),
        (None, "192.0.2.1", False),
    ],
    ids=["IPv4", "one IPv6 network", "two IPv6 networks", "link-local", "unknown", "one unknown"],
)
def test_whose_refusals_are_counted_together(one: str | None, other: str | None, is_same: bool) -> None:
    """Those of one IPv4 address, of one IPv6 network, or of those whom the server does not know."""
    trail = AuditTrail()
    trail.add_refusal("auth_failed", one, at=T0, detail={})
    assert is_same is not trail.add_refusal("auth_failed", other, at=T0 + 1, detail={})


def test_refusals_of_two_kinds_are_two_events() -> None:
    """Whoever tries both doors shows twice."""
    trail = AuditTrail()
    assert trail.add_refusal("auth_failed", "192.0.2.1", at=T0, detail={})
    assert trail.add_refusal("management_auth_failed", "192.0.2.1", at=T0, detail={})


def test_a_counted_event_is_as_new_as_its_last_time() -> None:
    """It moves before what has happened meanwhile."""
    trail = AuditTrail()
    trail.add_refusal("auth_failed", "192.0.2.1", at=T0, detail={})
    trail.add("failover", at=T0 + 1, detail={})
    trail.add_refusal("auth_failed", "192.0.2.1", at=T0 + 2, detail={})
    assert ["auth_failed", "failover"] == [event.event for event in trail.report().events]


def test_a_clock_that_is_set_back_begins_a_new_event() -> None:
    """Nothing is counted as from the future."""
    trail = AuditTrail()
    trail.add_refusal("auth_failed", "192.0.2.1", at=T0, detail={})
    assert trail.add_refusal("auth_failed", "192.0.2.1", at=T0 - 1, detail={})


def test_long_facts_are_cut() -> None:
    """A change of a thousand lines, or of long ones, leaves an event of bounded size."""
    trail = AuditTrail()
    trail.add("config_changed", at=T0, detail={"changes": ["x" * 1000] * 1000, "source": "y" * 1000})
    [detail] = details(trail)
    assert ("x" * 300 + "...",) * 50 + ("and 950 more",) == detail["changes"]
    assert "y" * 300 + "..." == detail["source"]
