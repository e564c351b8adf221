"""The providers: how each one stands, switching one on or off, and asking one whether it answers.

A provider is addressed by its name, whose case does not count. Of several entries with one name, of which at
most one may be enabled, it is the enabled one, else the first of the file.
"""

from typing import Final

from msgspec import Struct

from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.refusals import Code, Refusal
from packyproxy.asgi.management.request import FLAG, ManagementRequest, Query
from packyproxy.asgi.management.saving import refused, save
from packyproxy.config.merging import patch_value
from packyproxy.errors import Failure, FailureKind, Problem
from packyproxy.providers.health import Breaker, ProviderState
from packyproxy.providers.next_steps import NEXT_STEPS
from packyproxy.runtime.examination.probe import missing_settings, probe
from packyproxy.runtime.observation.provider_notes import LastError
from packyproxy.runtime.observation.survey import ProviderReport, survey
from packyproxy.runtime.runtime import Runtime
from packyproxy.translate.failure_table import FAILURES
from packyproxy.usage.timestamps import timestamp

__all__ = [
    "CredentialDetail",
    "LastErrorDetail",
    "ProviderDetail",
    "ProviderList",
    "ProviderSwitch",
    "ProviderTest",
    "ProviderTestError",
    "RestDetail",
    "provider_operations",
]

_DETAIL: Final = Query(
    name="detail",
    description="1: every configured provider and how it stands.",
    schema=FLAG,
    example="1",
)
_SWITCH_FIX: Final = 'send {"enabled": true} or {"enabled": false}'


class RestDetail(Struct, frozen=True, kw_only=True):
    """A model that others are preferred for meanwhile."""

    model: str
    """The upstream's id."""
    until: str
    kind: FailureKind
    """What the rest is for."""


class LastErrorDetail(Struct, frozen=True, kw_only=True):
    """The last thing that went wrong at a provider; it stays when things go well again."""

    kind: FailureKind
    status: int | None
    """The upstream's HTTP status, where it refused."""
    at: str


class CredentialDetail(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What is known of a provider's key."""

    present: bool
    valid: bool | None
    """As its last use has shown; null where there was none yet, or no key is needed."""
    checked_at: str | None


class ProviderDetail(Struct, frozen=True, kw_only=True, rename="kebab"):
    """One configured provider, and how it stands at this moment."""

    name: str
    place: str
    """Its path in the configuration, e.g. ``tppc.providers[0]``."""
    enabled: bool
    state: ProviderState
    cooldown_until: str | None
    """When its last rest is over and its breaker lets a probe through; null: asked at once, or never."""
    cooldowns: tuple[RestDetail, ...]
    """The models that rest."""
    breaker: Breaker
    latency_ms: int | None
    """Until first content; null if it was not measured in the last minutes."""
    last_error: LastErrorDetail | None
    models: tuple[str, ...]
    """By the upstream's ids."""
    credential: CredentialDetail


class ProviderList(Struct, frozen=True):
    """The names of the enabled providers in routing order; with ``?detail=1`` every one in the file's."""

    providers: tuple[str | ProviderDetail, ...]


class ProviderSwitch(Struct, frozen=True):
    """Whether a provider is to be used."""

    enabled: bool


class ProviderTestError(Struct, frozen=True, kw_only=True):
    """Why a provider did not answer."""

    kind: FailureKind
    status: int | None
    """The upstream's HTTP status, where it refused."""
    message: str
    """What it means and what to do; never the upstream's words."""


class ProviderTest(Struct, frozen=True, kw_only=True):
    """What came of asking a provider for two words."""

    ok: bool
    ms: int
    """Until the answer was whole, or the failure known."""
    error: ProviderTestError | None


def provider_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done with the providers."""
    providers = _Providers(runtime)
    return (
        Operation(
            method="GET",
            path="/providers",
            summary="List the enabled providers in routing order, or how every configured one stands.",
            endpoint=providers.show,
            answer=ProviderList,
            query=(_DETAIL,),
        ),
        Operation(
            method="PATCH",
            path="/providers/{name}",
            summary="Switch a provider on or off, from the next request on.",
            endpoint=providers.switch,
            answer=ProviderDetail,
            body=ProviderSwitch,
            refusals=("invalid_value", "invalid_packycode", "invalid_tppc", "conflict"),
        ),
        Operation(
            method="POST",
            path="/providers/{name}/test",
            summary="Ask a provider for two words; one that answers is used again, however it failed before.",
            endpoint=providers.test,
            answer=ProviderTest,
            refusals=("invalid_value",),
        ),
    )


class _Providers:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def show(self, request: ManagementRequest) -> ProviderList:
        if request.flag("detail"):
            return ProviderList(tuple(map(_detail, await survey(self._runtime))))
        return ProviderList(tuple(self._runtime.snapshot.providers))

    async def switch(self, request: ManagementRequest) -> ProviderDetail:
        name = request.parameters["name"]
        found = await self._find(name)
        enabled = _switch(await request.json())
        code: Code = "invalid_packycode" if found.config.kind == "packycode" else "invalid_tppc"
        path, value = _setting(found, enabled=enabled)
        await save(
            self._runtime,
            request,
            lambda text, config: patch_value(text, path, value, in_force=config),
            code=code,
        )
        return _detail(await self._find(name, place=found.place))

    async def test(self, request: ManagementRequest) -> ProviderTest:
        found = await self._find(request.parameters["name"])
        if problems := missing_settings(found.place, found.config):
            raise Refusal(
                "invalid_value", "the provider cannot be asked as it is configured", problems=problems
            )
        outcome = await probe(self._runtime, found.config)
        return ProviderTest(
            ok=outcome.failure is None,
            ms=round(outcome.seconds * 1000),
            error=None if outcome.failure is None else _test_error(outcome.failure),
        )

    async def _find(self, name: str, *, place: str | None = None) -> ProviderReport:
        """Return the provider of a name, preferably the one at a place."""
        reports = [
            report
            for report in await survey(self._runtime)
            if name and report.name.casefold() == name.casefold()
        ]
        if not reports:
            raise Refusal(
                "not_found", "there is no provider of this name: GET /v0/management/providers?detail=1"
            )
        # The first of those that are alike in this.
        return max(reports, key=lambda report: (report.place == place, report.config.enabled))


def _switch(body: object) -> bool:
    if isinstance(body, dict) and body.keys() == {"enabled"} and isinstance(body["enabled"], bool):
        return body["enabled"]
    problem = Problem(
        field="enabled", code="wrong_type", message="is not true or false alone", fix=_SWITCH_FIX
    )
    raise refused("invalid_value", [problem])


def _setting(found: ProviderReport, *, enabled: bool) -> tuple[tuple[str, ...], object]:
    """Return the block that a provider stands in, and the change of it that switches the provider."""
    if found.config.kind == "packycode":
        return ("packycode",), {"enabled": enabled}
    return ("tppc",), {"providers": [{"name": found.name, "enabled": enabled}]}


def _detail(report: ProviderReport) -> ProviderDetail:
    config, latency = report.config, report.latency_seconds
    return ProviderDetail(
        name=report.name,
        place=report.place,
        enabled=config.enabled,
        state=report.state,
        cooldown_until=_moment(report.asked_again_at),
        cooldowns=tuple(
            RestDetail(model=model, until=timestamp(rest.until), kind=rest.kind)
            for model, rest in report.rests.items()
        ),
        breaker=report.breaker,
        latency_ms=None if latency is None else round(latency * 1000),
        last_error=_error_detail(report.last_error),
        models=report.models,
        credential=CredentialDetail(
            present=config.api_key is not None,
            valid=report.is_key_accepted,
            checked_at=_moment(report.key_checked_at),
        ),
    )


def _error_detail(error: LastError | None) -> LastErrorDetail | None:
    if error is None:
        return None
    return LastErrorDetail(kind=error.kind, status=error.status, at=timestamp(error.at))


def _moment(unix: float | None) -> str | None:
    return None if unix is None else timestamp(unix)


def _test_error(failure: Failure) -> ProviderTestError:
    text = FAILURES[failure.kind].text or failure.kind.value.replace("_", " ")
    return ProviderTestError(
        kind=failure.kind, status=failure.status, message=f"{text}: {NEXT_STEPS[failure.kind]}"
    )
