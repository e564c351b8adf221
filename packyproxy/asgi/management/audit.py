"""``GET /audit``: what has happened to the proxy and its providers lately; of this worker alone."""

from typing import Final, get_args

from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.refusals import Refusal
from packyproxy.asgi.management.request import ManagementRequest, Query
from packyproxy.runtime.runtime import Runtime
from packyproxy.usage.audit import AuditReport, EventName

__all__ = ["audit_operations"]

_MOST_EVENTS: Final = 1000
_EVENTS: Final[tuple[str, ...]] = get_args(EventName)
_QUERY: Final = (
    Query(
        name="limit",
        description="How many events at most, the newest ones.",
        schema={"type": "integer", "minimum": 1, "maximum": _MOST_EVENTS},
        example="20",
    ),
    Query(
        name="event",
        description="Only events of this name.",
        schema={"type": "string", "enum": list(_EVENTS)},
        example="config_changed",
    ),
    Query(
        name="provider",
        description="Only events of this provider.",
        schema={"type": "string"},
        example="packycode",
    ),
)


def audit_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done at ``/audit``."""

    async def show(request: ManagementRequest) -> AuditReport:
        query = request.query
        if (event := query.get("event")) is not None and event not in _EVENTS:
            raise Refusal("invalid_query", f"events are {', '.join(_EVENTS)}")
        return runtime.audit.report(
            limit=_limit(query["limit"]) if "limit" in query else None,
            event=event,
            provider=query.get("provider"),
        )

    return (
        Operation(
            method="GET",
            path="/audit",
            summary="List what has happened lately, the newest first.",
            endpoint=show,
            answer=AuditReport,
            query=_QUERY,
        ),
    )


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MOST_EVENTS:
        return int(text)
    raise Refusal("invalid_query", f"limit is a whole number from 1 to {_MOST_EVENTS}")
