"""Which functions are hooks, and which are not."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Mapping, MutableMapping
from typing import Any, assert_type

from packyproxy import PackyProxy, PackyProxyMiddleware, RequestRecord, RouteDecision
from packyproxy.runtime import Authorize, OnRoute, OnUsage, Runtime


def at_once(scope: MutableMapping[str, Any]) -> bool:
    """Decide without waiting."""
    return "user" in scope


async def later(scope: Mapping[str, Any]) -> bool:
    """Decide after having asked somebody."""
    return "user" in scope


def on_route(decision: RouteDecision) -> None:
    """Look at a decision."""
    assert_type(decision.requested_model, str)
    assert_type(decision.provider, str)
    assert_type(decision.effort, str | None)
    assert_type(decision.candidates, tuple[str, ...])
    decision.provider = "another"  # type: ignore[misc]


def on_usage(record: RequestRecord) -> None:
    """Look at a record."""
    assert_type(record.request_id, str)
    assert_type(record.provider, str | None)
    assert_type(record.status, int)
    assert_type(record.duration_seconds, float)


async def counts_later(record: RequestRecord) -> None:
    """Is no hook: nobody would wait for it."""


def no_argument() -> bool:
    """Is no hook: it takes no scope."""
    return True


def says_nothing(_scope: Mapping[str, Any]) -> None:
    """Is no ``authorize``: it lets nobody in."""


def asks_for_text(_scope: str) -> bool:
    """Is no ``authorize``: a scope is a mapping."""
    return True


authorize: Authorize = at_once
authorize = later
route: OnRoute = on_route
usage: OnUsage = on_usage

PackyProxy(authorize=at_once, on_route=on_route, on_usage=on_usage)
PackyProxy(authorize=later)
Runtime(authorize=at_once, on_route=on_route, on_usage=on_usage)
PackyProxyMiddleware(PackyProxy(), authorize=later, on_route=on_route, on_usage=on_usage)

PackyProxy(authorize=no_argument)  # type: ignore[arg-type]
PackyProxy(authorize=says_nothing)  # type: ignore[arg-type]
PackyProxy(authorize=asks_for_text)  # type: ignore[arg-type]
PackyProxy(authorize=True)  # type: ignore[arg-type]
PackyProxy(on_usage=counts_later)  # type: ignore[arg-type]
PackyProxy(on_usage=on_route)  # type: ignore[arg-type]
PackyProxy(on_route=on_usage)  # type: ignore[arg-type]
PackyProxy(lambda scope: True)  # type: ignore[arg-type]
