"""Single settings of the configuration, each under a route of its own.

A new value is sent as ``{"value": ...}``, or under the setting's own name, which is how it is answered.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from packyproxy.asgi.management.operations import Method, Operation
from packyproxy.asgi.management.request import ManagementRequest
from packyproxy.asgi.management.saving import not_an_object, refused, save
from packyproxy.config import Config
from packyproxy.config.merging import put_value
from packyproxy.config.schema import RoutingStrategy
from packyproxy.errors import Problem
from packyproxy.runtime.runtime import Runtime

__all__ = [
    "ApiKeys",
    "ApiKeysValue",
    "Debug",
    "FlagValue",
    "RequestLog",
    "RequestRetry",
    "RequestRetryValue",
    "Strategy",
    "StrategyValue",
    "TpsLog",
    "settings_operations",
]

_Repeats = Annotated[int, Meta(ge=0, le=100)]


class FlagValue(Struct, frozen=True):
    """A switch's new value."""

    value: bool


class TpsLog(Struct, frozen=True, rename="kebab"):
    """Whether tokens per second are logged."""

    tps_log: bool


class RequestLog(Struct, frozen=True, rename="kebab"):
    """Whether every answer is logged, not only failures."""

    request_log: bool


class Debug(Struct, frozen=True):
    """Whether there are more log lines."""

    debug: bool


class RequestRetryValue(Struct, frozen=True):
    """A new number of repeats."""

    value: _Repeats


class RequestRetry(Struct, frozen=True, rename="kebab"):
    """The most repeats of one request on the same provider."""

    request_retry: _Repeats


class StrategyValue(Struct, frozen=True):
    """A new strategy."""

    value: RoutingStrategy


class Strategy(Struct, frozen=True):
    """How a provider is chosen among several."""

    strategy: RoutingStrategy


class ApiKeysValue(Struct, frozen=True):
    """New keys; a mask keeps the key that it stands for."""

    value: tuple[str, ...]


class ApiKeys(Struct, frozen=True, rename="kebab"):
    """The keys that clients must show, masked; none means open."""

    api_keys: tuple[str, ...]


class _Setting(Struct, frozen=True, kw_only=True):
    route: str
    path: tuple[str, ...]
    """In the configuration."""
    title: str
    shown: Callable[[Config], Struct]
    answer: Any
    body: Any

    @property
    def name(self) -> str:
        return self.path[-1]


_SETTINGS: Final = (
    _Setting(
        route="/tps-log",
        path=("tps-log",),
        title="whether tokens per second are logged",
        shown=lambda config: TpsLog(config.tps_log),
        answer=TpsLog,
        body=FlagValue | TpsLog,
    ),
    _Setting(
        route="/request-log",
        path=("request-log",),
        title="whether every answer is logged",
        shown=lambda config: RequestLog(config.request_log),
        answer=RequestLog,
        body=FlagValue | RequestLog,
    ),
    _Setting(
        route="/debug",
        path=("debug",),
        title="whether there are more log lines",
        shown=lambda config: Debug(config.debug),
        answer=Debug,
        body=FlagValue | Debug,
    ),
    _Setting(
        route="/request-retry",
        path=("request-retry",),
        title="how often a request is repeated on the same provider",
        shown=lambda config: RequestRetry(config.request_retry),
        answer=RequestRetry,
        body=RequestRetryValue | RequestRetry,
    ),
    _Setting(
        route="/routing/strategy",
        path=("routing", "strategy"),
        title="how a provider is chosen among several",
        shown=lambda config: Strategy(config.routing.strategy),
        answer=Strategy,
        body=StrategyValue | Strategy,
    ),
    _Setting(
        route="/api-keys",
        path=("api-keys",),
        title="the keys that clients must show",
        shown=lambda config: ApiKeys(tuple(map(str, config.api_keys))),
        answer=ApiKeys,
        body=ApiKeysValue | ApiKeys,
    ),
)


def settings_operations(runtime: Runtime) -> tuple[Operation, ...]:
    """Return what can be done with each of the settings."""
    return tuple(operation for setting in _SETTINGS for operation in _operations(runtime, setting))


def _operations(runtime: Runtime, setting: _Setting) -> tuple[Operation, ...]:
    async def show(_: ManagementRequest) -> Struct:
        return setting.shown(runtime.snapshot.config)

    async def write(request: ManagementRequest) -> Struct:
        value = _value(await request.json(), setting)
        await save(
            runtime,
            request,
            lambda text, config: put_value(text, setting.path, value, in_force=config),
            code="invalid_value",
        )
        return setting.shown(runtime.snapshot.config)

    def writing(method: Method) -> Operation:
        return Operation(
            method=method,
            path=setting.route,
            summary=f"Set {setting.title}.",
            endpoint=write,
            answer=setting.answer,
            body=setting.body,
            refusals=("invalid_value", "conflict"),
        )

    reading = Operation(
        method="GET",
        path=setting.route,
        summary=f"Show {setting.title}.",
        endpoint=show,
        answer=setting.answer,
    )
    return reading, writing("PUT"), writing("PATCH")


def _value(body: object, setting: _Setting) -> object:
    """Return the value that was sent.

    Raises:
        Refusal: there is none, or something else beside it.
    """
    field, fix = ".".join(setting.path), 'send {"value": ...}'
    if not isinstance(body, dict):
        raise refused("invalid_value", [not_an_object(field, fix)])
    if len(body) != 1 or body.keys().isdisjoint(("value", setting.name)):
        message = "the body does not hold the value alone"
        raise refused("invalid_value", [Problem(field=field, code="missing", message=message, fix=fix)])
    (value,) = body.values()
    if value is None:
        raise refused(
            "invalid_value", [Problem(field=field, code="null", message="null is no value of it", fix=fix)]
        )
    return value
