"""``GET /status``: which program this is, on which configuration, and how it fares; of this worker alone."""

import os
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.refusals import ProblemBody
from packyproxy.asgi.management.request import ManagementRequest
from packyproxy.providers.health import ProviderState
from packyproxy.runtime.observation.survey import survey
from packyproxy.runtime.reload.reloader import OnDisk, ReloadError
from packyproxy.runtime.runtime import Runtime
from packyproxy.usage.timestamps import timestamp

__all__ = [
    "AppliedConfig",
    "FailedReload",
    "ProviderCounts",
    "RequestCounts",
    "StatusReport",
    "status_operations",
]


class AppliedConfig(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The configuration in force."""

    revision: str
    """The same as ``ETag``: equal wherever the same text is in force."""
    number: int
    """1 at the start; one more with each change."""
    at: str
    source: str


class FailedReload(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Why what is on disk is not in force."""

    at: str
    problems: tuple[ProblemBody, ...]


class ProviderCounts(Struct, frozen=True, kw_only=True, rename="kebab"):
    """How many providers there are, and how they stand."""

    configured: int
    enabled: int
    states: Mapping[ProviderState, int]
    """How many are in each state; states in which none is are left out."""
    key_refused: tuple[str, ...]
    """Names of those that are out until their key changes."""


class RequestCounts(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Requests to the gateway since the start."""

    total: int
    failed: int
    in_flight: int
    first_event_within_2_s: float | None
    """The share, from 0 to 1, of those that got a first event; null without any."""


class StatusReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The state of this worker."""

    version: str
    process_id: int
    started_at: str
    uptime_seconds: float
    lifespan: Literal["running", "none"]
    """``none``: nobody runs the lifespan, so there are no background tasks."""
    applied: AppliedConfig
    on_disk: OnDisk | None
    """How the files stand to what is applied; null where none is followed."""
    last_error: FailedReload | None
    """Of the last reading of the files; null when it went well."""
    providers: ProviderCounts
    models: int
    """That clients can ask for, without aliases and variants."""
    requests: RequestCounts


def status_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done at ``/status``."""

    async def show(_: ManagementRequest) -> StatusReport:
        return await _report(runtime)

    return (
        Operation(
            method="GET",
            path="/status",
            summary="Show the version, the configuration in force against the one on disk, and counts.",
            endpoint=show,
            answer=StatusReport,
        ),
    )


async def _report(runtime: Runtime) -> StatusReport:
    reports = await survey(runtime)
    state = runtime.reload_state
    figures = runtime.recorder.figures()
    return StatusReport(
        version=runtime.version,
        process_id=os.getpid(),
        started_at=timestamp(runtime.started_at),
        uptime_seconds=round(max(0.0, runtime.now() - runtime.started_at), 3),
        lifespan="running" if runtime.has_lifespan else "none",
        applied=AppliedConfig(
            revision=runtime.editor.revision,
            number=state.number,
            at=timestamp(state.applied_at),
            source=state.source,
        ),
        on_disk=state.on_disk,
        last_error=None if state.last_error is None else _failed(state.last_error),
        providers=ProviderCounts(
            configured=len(reports),
            enabled=len(runtime.snapshot.providers),
            states=Counter(report.state for report in reports),
            key_refused=tuple(report.name for report in reports if report.state is ProviderState.KEY_REFUSED),
        ),
        models=len(runtime.snapshot.registry.served),
        requests=RequestCounts(
            total=figures.requests,
            failed=figures.failures,
            in_flight=figures.in_flight,
            first_event_within_2_s=figures.prompt_share,
        ),
    )


def _failed(error: ReloadError) -> FailedReload:
    return FailedReload(at=timestamp(error.at), problems=tuple(map(ProblemBody.of, error.problems)))
