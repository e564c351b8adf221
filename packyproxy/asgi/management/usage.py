"""``GET /tps`` and ``GET /usage``: how fast answers are, and what was used; of this worker alone."""

import asyncio

from msgspec import Struct

from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.refusals import Refusal
from packyproxy.asgi.management.request import ManagementRequest, Query
from packyproxy.runtime.runtime import Runtime
from packyproxy.usage.totals import UsageReport
from packyproxy.usage.tps import TpsReport, parse_group, parse_window

__all__ = ["TpsBody", "UsageBody", "usage_operations"]

_TPS_QUERY = (
    Query(
        name="window",
        description="Only samples that are not older: days, hours, minutes and seconds, in this order.",
        schema={"type": "string", "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$", "minLength": 2},
        example="1h30m",
    ),
    Query(
        name="provider",
        description="Only samples of this provider; of one that is not known there are none.",
        schema={"type": "string"},
        example="packycode",
    ),
    Query(
        name="model",
        description="Only samples of this model, by the id that the upstream knows it by.",
        schema={"type": "string"},
        example="gpt-5",
    ),
    Query(
        name="group",
        description="Tell providers, models or both apart.",
        schema={"type": "string", "enum": ["provider", "model", "provider,model", "model,provider"]},
        example="provider,model",
    ),
)


class TpsBody(Struct, frozen=True, kw_only=True):
    """Tokens per second."""

    tps: TpsReport


class UsageBody(Struct, frozen=True, kw_only=True):
    """Requests and tokens."""

    usage: UsageReport


def usage_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done at ``/tps`` and ``/usage``."""

    async def show_tps(request: ManagementRequest) -> TpsBody:
        query = request.query
        try:
            window = parse_window(query["window"]) if "window" in query else None
            group = parse_group(query["group"]) if "group" in query else ()
        except ValueError as error:
            raise Refusal("invalid_query", str(error)) from error
        samples = runtime.recorder.tps()
        # In a thread: a day of a busy proxy takes longer than answers that stream meanwhile should wait.
        report = await asyncio.to_thread(
            samples.report,
            runtime.now(),
            window_seconds=window,
            provider=query.get("provider"),
            model=query.get("model"),
            group=group,
        )
        return TpsBody(tps=report)

    async def show_usage(_: ManagementRequest) -> UsageBody:
        return UsageBody(usage=runtime.recorder.usage(runtime.snapshot.client_keys.masks))

    return (
        Operation(
            method="GET",
            path="/tps",
            summary="Show how many tokens per second came, over all kept samples or some of them.",
            endpoint=show_tps,
            answer=TpsBody,
            query=_TPS_QUERY,
        ),
        Operation(
            method="GET",
            path="/usage",
            summary="Show requests, failures, tokens and cache hits, by provider, model, day and client key.",
            endpoint=show_usage,
            answer=UsageBody,
        ),
    )
