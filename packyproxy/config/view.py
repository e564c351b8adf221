"""The configuration in force as it may be shown: in the shape of the file, every key, secrets as their masks.

The structs are what the management API sends and what its schema is made of; their fields are the keys of
``config.example.yaml``, in its order. What is not set is as a file would say it: an empty text, list or
mapping.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, cast

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import fields

from packyproxy.config.schema import (
    Config,
    Defaults,
    LogFormat,
    ModelConfig,
    ProviderConfig,
    RoutingStrategy,
    Source,
)
from packyproxy.config.secret import Secret

__all__ = [
    "READ_ONLY_KEYS",
    "CompatView",
    "ConfigView",
    "CredentialsView",
    "DefaultsView",
    "Effort",
    "HealthCheckView",
    "ModelView",
    "PackycodeView",
    "PrivacyView",
    "ProfileView",
    "ProviderView",
    "RemoteManagementView",
    "RoutingView",
    "StreamingView",
    "TppcView",
    "config_document",
    "config_view",
    "packycode_view",
    "tppc_view",
]

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How hard a model thinks, weakest first."""

READ_ONLY_KEYS: Final = frozenset({"effective-source", "sources"})
"""Keys of :class:`PackycodeView` that no file has."""

_Show = Callable[[Secret], str]
_OWN_DEFAULTS: Final = ProviderConfig(kind="packycode", name="packycode")


class PrivacyView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a provider may keep."""

    disable_response_storage: bool = True
    """Always true: sent upstream as ``store: false``."""


class DefaultsView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a provider serves for names that name no model of it."""

    model: str
    """What ``claude-*`` names get; may carry an effort suffix."""
    model_reasoning_effort: Effort
    """Where neither the client nor the model's name asks for one."""
    small_model: str
    """What ``claude-*haiku*`` names get; empty: ``model`` at effort low."""


class CredentialsView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What the ``packycode`` provider is asked with."""

    openai_api_key: str
    """Masked; empty: there is none."""


class ModelView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """One model of a provider of which more is said than its id."""

    id: str
    """Sent upstream as written; or a glob."""
    aliases: tuple[str, ...] = ()
    """Other names for it."""
    efforts: tuple[Effort, ...] | UnsetType = UNSET
    """Allowed reasoning efforts; absent: those of the built-in table."""
    context_window: int | UnsetType = UNSET
    """Tokens; absent: the built-in value."""


class ProfileView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a provider accepts."""

    max_output_tokens: bool
    """Whether it takes ``max_output_tokens``; else the limit is kept here."""
    sampling: bool
    """Whether it takes ``temperature`` and ``top_p``."""
    web_search: bool
    """Whether it takes the ``web_search`` tool."""
    tool_output_media: bool
    """Whether tool outputs may hold images and files."""
    item_ids: bool
    """Whether ids are sent on replayed items."""
    phase: Literal["auto", "on", "off"]
    """Whether ``phase`` is sent on assistant messages."""
    system_as: Literal["instructions", "developer"]
    """Where system text goes."""
    compact: Literal["probe", "on", "off"]
    """Whether ``/responses/compact`` exists; ``probe``: found out on first use."""
    reasoning_scope: str
    """Equal scopes can read each other's reasoning; empty: the base URL."""


class CompatView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What clients of this provider get otherwise than it comes."""

    buffer_tools: tuple[str, ...]
    """Tools whose arguments Messages clients get in one piece, mended."""
    chat_reasoning: bool
    """Whether Chat clients get summaries of the reasoning."""


class PackycodeView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The ``packycode`` block."""

    enabled: bool
    """Whether this provider is used; a disabled one may be incomplete."""
    base_url: str
    """Empty: there is none."""
    requires_openai_auth: bool
    """False: no key is needed, and none is sent."""
    wire_api: Literal["responses"] = "responses"
    """The only value."""
    privacy: PrivacyView = PrivacyView()
    defaults: DefaultsView
    credentials: CredentialsView
    models: tuple[str | ModelView, ...]
    """Ids, globs, and models of which more is said; empty: the built-in list, and other ids are passed on."""
    headers: dict[str, str]
    """Fixed extra upstream headers; values are masked."""
    proxy_url: str
    """Masked; empty: direct."""
    priority: int
    """The higher, the earlier this provider is asked."""
    weight: int
    """Share under ``weighted-round-robin``."""
    profile: ProfileView
    compat: CompatView
    effective_source: Source | None = None
    """Read-only: where the key came from, else the URL, else ``enabled``; null: nobody gave any of them."""
    sources: dict[str, Source] = {}
    """Read-only: where each value came from, by its path in here; what is absent is a default."""


class ProviderView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """One entry of ``tppc.providers``."""

    name: str
    """Unique among enabled providers, without regard to case."""
    enabled: bool
    """Whether this provider is used; a disabled one may be incomplete."""
    base_url: str
    """Empty: there is none."""
    api_key: str
    """Masked; empty: there is none."""
    requires_openai_auth: bool
    """False: no key is needed, and none is sent."""
    defaults: DefaultsView
    models: tuple[str | ModelView, ...]
    """Ids, globs, and models of which more is said; empty: the built-in list, and other ids are passed on."""
    headers: dict[str, str]
    """Fixed extra upstream headers; values are masked."""
    proxy_url: str
    """Masked; empty: direct."""
    priority: int
    """The higher, the earlier this provider is asked."""
    weight: int
    """Share under ``weighted-round-robin``."""
    profile: ProfileView
    compat: CompatView


class TppcView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The ``tppc`` block."""

    providers: tuple[ProviderView, ...]
    """In the order of the file, disabled ones included."""


class RemoteManagementView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Access to the management API."""

    secret_key: str
    """Masked; empty: there is none."""
    allow_remote: bool
    """Whether other machines may use it."""


class RoutingView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """How a provider is chosen among several."""

    strategy: RoutingStrategy
    session_affinity: bool
    """Whether a session stays with its provider while that can serve."""
    hedge_after: float | None
    """Seconds after which a second provider is asked too; null: never."""


class StreamingView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """How long each wait of a request may take, in seconds."""

    commit_deadline: float
    """After this long a stream gets its status line and first events."""
    keepalive_seconds: float
    """A ping is sent when nothing was written for this long."""
    headers_timeout: float
    """Wait for the upstream's response headers."""
    idle_timeout: float
    """Wait for the next bytes from the upstream."""
    total_timeout: float
    """Length of a whole request."""


class HealthCheckView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Whether providers are asked now and then if they are well."""

    enabled: bool
    interval: float
    """Seconds between two such questions."""


class ConfigView(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The whole configuration."""

    host: str
    port: int
    api_keys: tuple[str, ...]
    """Masked keys of clients; empty: none is needed."""
    remote_management: RemoteManagementView
    packycode: PackycodeView | UnsetType = UNSET
    """Absent: there is no such block."""
    tppc: TppcView
    routing: RoutingView
    request_retry: int
    """Most repeats of one request on the same provider."""
    max_retry_interval: float
    """Longest rest in seconds that is chosen here after failures."""
    streaming: StreamingView
    model_map: dict[str, str]
    """Glob to model, also with an effort suffix; the first glob that matches counts."""
    health_check: HealthCheckView
    discover_models: bool
    """Whether providers are asked which models they have."""
    metrics: bool
    """Whether ``GET /metrics`` answers."""
    expose_route_headers: bool
    """Whether answers say who gave them."""
    cors_origins: tuple[str, ...]
    """Origins whose browsers may call; ``*``: all."""
    max_body_bytes: int
    """Largest request body, also after decompression."""
    log_format: LogFormat
    tps_log: bool
    """Whether tokens per second are logged."""
    request_log: bool
    """Whether every answer is logged, not just failures; never content."""
    debug: bool
    """Whether more is logged; never content."""


def config_view(config: Config) -> ConfigView:
    """Return a whole configuration with its secrets masked."""
    return _config(config, _masked)


def packycode_view(provider: ProviderConfig) -> PackycodeView:
    """Return the provider of the ``packycode`` block with its secrets masked."""
    return _packycode(provider, _masked)


def tppc_view(config: Config) -> TppcView:
    """Return the providers of the ``tppc`` block with their secrets masked."""
    return _tppc(config, _masked)


def config_document(config: Config) -> dict[str, Any]:
    """Return a whole configuration as the plain values of a file; secrets are :class:`Secret`."""
    document: dict[str, Any] = _plain(_config(config, _kept))
    for key in READ_ONLY_KEYS:
        document.get("packycode", {}).pop(key, None)
    return document


def _masked(secret: Secret) -> str:
    return str(secret) if secret else ""


def _kept(secret: Secret) -> str:
    """Leave a secret as it is, in a struct that lives no longer than it takes to read its fields."""
    return cast("str", secret) if secret else ""


def _config(config: Config, show: _Show) -> ConfigView:
    block = next((provider for provider in config.providers if provider.kind == "packycode"), None)
    remote, routing, streaming = config.remote_management, config.routing, config.streaming
    hedge_after = routing.hedge_after
    return ConfigView(
        host=config.host,
        port=config.port,
        api_keys=tuple(map(show, config.api_keys)),
        remote_management=RemoteManagementView(
            secret_key=_optional(remote.secret_key, show), allow_remote=remote.allow_remote
        ),
        packycode=UNSET if block is None else _packycode(block, show),
        tppc=_tppc(config, show),
        routing=RoutingView(
            strategy=routing.strategy,
            session_affinity=routing.session_affinity,
            hedge_after=None if hedge_after is None else _seconds(hedge_after),
        ),
        request_retry=config.request_retry,
        max_retry_interval=_seconds(config.max_retry_interval),
        streaming=StreamingView(
            commit_deadline=_seconds(streaming.commit_deadline),
            keepalive_seconds=_seconds(streaming.keepalive_seconds),
            headers_timeout=_seconds(streaming.headers_timeout),
            idle_timeout=_seconds(streaming.idle_timeout),
            total_timeout=_seconds(streaming.total_timeout),
        ),
        model_map=dict(config.model_map),
        health_check=HealthCheckView(
            enabled=config.health_check.enabled, interval=_seconds(config.health_check.interval)
        ),
        discover_models=config.discover_models,
        metrics=config.metrics,
        expose_route_headers=config.expose_route_headers,
        cors_origins=config.cors_origins,
        max_body_bytes=config.max_body_bytes,
        log_format=config.log_format,
        tps_log=config.tps_log,
        request_log=config.request_log,
        debug=config.debug,
    )


def _packycode(provider: ProviderConfig, show: _Show) -> PackycodeView:
    return PackycodeView(
        enabled=provider.enabled,
        base_url=provider.base_url,
        requires_openai_auth=provider.requires_openai_auth,
        defaults=_defaults(provider.defaults),
        credentials=CredentialsView(openai_api_key=_optional(provider.api_key, show)),
        models=tuple(map(_model, provider.models or ())),
        headers=_headers(provider.headers, show),
        proxy_url=_optional(provider.proxy_url, show),
        priority=provider.priority,
        weight=provider.weight,
        profile=_profile(provider),
        compat=_compat(provider),
        effective_source=provider.effective_source,
        sources=dict(provider.sources),
    )


def _tppc(config: Config, show: _Show) -> TppcView:
    entries = (provider for provider in config.providers if provider.kind == "tppc")
    return TppcView(providers=tuple(_provider(entry, show) for entry in entries))


def _provider(provider: ProviderConfig, show: _Show) -> ProviderView:
    return ProviderView(
        name=provider.name,
        enabled=provider.enabled,
        base_url=provider.base_url,
        api_key=_optional(provider.api_key, show),
        requires_openai_auth=provider.requires_openai_auth,
        defaults=_defaults(provider.defaults),
        models=tuple(map(_model, provider.models or ())),
        headers=_headers(provider.headers, show),
        proxy_url=_optional(provider.proxy_url, show),
        priority=provider.priority,
        weight=provider.weight,
        profile=_profile(provider),
        compat=_compat(provider),
    )


def _defaults(defaults: Defaults) -> DefaultsView:
    return DefaultsView(
        model=defaults.model,
        model_reasoning_effort=cast("Effort", defaults.effort or _OWN_DEFAULTS.defaults.effort),
        small_model=defaults.small_model or "",
    )


def _model(model: ModelConfig) -> str | ModelView:
    if not (model.aliases or model.efforts or model.context_window):
        return model.id
    return ModelView(
        id=model.id,
        aliases=model.aliases,
        efforts=cast("tuple[Effort, ...]", model.efforts) or UNSET,
        context_window=model.context_window or UNSET,
    )


def _profile(provider: ProviderConfig) -> ProfileView:
    capabilities = provider.capabilities
    return ProfileView(
        max_output_tokens=capabilities.max_output_tokens,
        sampling=capabilities.sampling,
        web_search=capabilities.web_search,
        tool_output_media=capabilities.tool_output_media,
        item_ids=capabilities.item_ids,
        phase=capabilities.phase,
        system_as=capabilities.system_as,
        compact="probe" if provider.compact is None else "on" if provider.compact else "off",
        reasoning_scope=provider.reasoning_scope or "",
    )


def _compat(provider: ProviderConfig) -> CompatView:
    return CompatView(
        buffer_tools=tuple(sorted(provider.buffer_tools)), chat_reasoning=provider.chat_reasoning
    )


def _headers(headers: Mapping[str, str], show: _Show) -> dict[str, str]:
    return {name: show(Secret(value)) for name, value in headers.items()}


def _optional(secret: Secret | None, show: _Show) -> str:
    return "" if secret is None else show(secret)


def _seconds(value: float) -> float:
    """Return a whole number of seconds as files have it, without a point."""
    return int(value) if value.is_integer() else value


def _plain(value: object) -> Any:
    match value:
        case Struct():
            members = ((field.encode_name, getattr(value, field.name)) for field in fields(value))
            return {name: _plain(member) for name, member in members if member is not UNSET}
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return value
