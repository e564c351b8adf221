"""The configuration as frozen structs: what ``config.yaml`` may say, with every default.

A YAML key ``like-this`` is the attribute ``like_this``. These structs hold what was validated; they check
nothing themselves. Times are in seconds. Keys and proxy URLs are :class:`Secret`, so a ``repr`` may be
logged.
"""

from collections.abc import Mapping
from itertools import count
from typing import Final, Literal

from msgspec import Struct

from packyproxy.config.secret import HeaderMap, Secret
from packyproxy.translate.contract import Capabilities

__all__ = [
    "DEFAULT_CONTEXT_WINDOW",
    "Config",
    "Defaults",
    "HealthCheckConfig",
    "LogFormat",
    "ModelConfig",
    "ProviderConfig",
    "RemoteManagementConfig",
    "RoutingConfig",
    "RoutingStrategy",
    "Source",
    "StreamingConfig",
]

LogFormat = Literal["auto", "console", "json"]
RoutingStrategy = Literal["fill-first", "round-robin", "weighted-round-robin", "least-latency"]
Source = Literal["config.yaml", "env", "codex-cli"]
"""Where a value came from: the configuration, a ``PACKYCODE_*`` variable, the files of the Codex CLI."""

DEFAULT_CONTEXT_WINDOW = 272_000
"""Tokens that a codex back end takes, whatever the model could take elsewhere (wire-mapping 0.2)."""

_KEY_PATHS: Final = ("api-key", "credentials.openai-api-key")


class Defaults(Struct, frozen=True, kw_only=True):
    """What a provider serves for ``claude-*`` and other names that name no model (wire-mapping 10.4)."""

    model: str = "gpt-5"
    """A model id, also with an effort suffix."""
    effort: str | None = "high"
    """``model-reasoning-effort``: used where neither the client nor the model name asks for one."""
    small_model: str | None = None
    """For haiku-like names; None stands for ``model`` at effort low."""


class ModelConfig(Struct, frozen=True, kw_only=True):
    """One item of a provider's ``models`` list."""

    id: str
    """Sent upstream as written; a glob (``*``, ``?``) selects from the catalogue and admits new ids."""
    aliases: tuple[str, ...] = ()
    efforts: tuple[str, ...] | None = None
    """Allowed values of ``reasoning.effort``, weakest first; None for the list of wire-mapping 1.6."""
    context_window: int | None = None
    """Tokens; None for the built-in value."""


class ProviderConfig(Struct, frozen=True, kw_only=True):
    """One upstream: the ``packycode`` block or an entry of ``tppc.providers``.

    A provider that is not enabled may be incomplete: empty name or URL, no key.
    """

    kind: Literal["packycode", "tppc"]
    name: str
    enabled: bool = False
    base_url: str = ""
    """Scheme and host in lower case, without a trailing slash; ``/responses`` is appended to it."""
    api_key: Secret | None = None
    requires_openai_auth: bool = True
    """False: no key is needed, and none is sent."""
    defaults: Defaults = Defaults()
    models: tuple[ModelConfig, ...] | None = None
    """None: the built-in catalogue, and any other id is passed on as it is."""
    headers: Mapping[str, str] = HeaderMap()
    proxy_url: Secret | None = None
    priority: int = 0
    weight: int = 1
    capabilities: Capabilities = Capabilities()
    compact: bool | None = None
    """Whether ``/responses/compact`` exists; None: found out on first use."""
    reasoning_scope: str | None = None
    """Says "reasoning made here can be decrypted here"; None stands for the base URL (wire-mapping 2.2)."""
    buffer_tools: frozenset[str] = frozenset({"Read"})
    chat_reasoning: bool = True
    sources: Mapping[str, Source] = {}
    """By path within the block, e.g. ``defaults.model``; a value that nobody gave, a default, is absent."""

    @property
    def effective_source(self) -> Source | None:
        """Where the key came from; without a key, where the URL did; without both, where ``enabled`` did."""
        paths = (*_KEY_PATHS, "base-url", "enabled")
        return next((self.sources[path] for path in paths if path in self.sources), None)


class StreamingConfig(Struct, frozen=True, kw_only=True):
    """How long each wait of a request may take (wire-mapping 0.5, 8.7)."""

    commit_deadline: float = 15.0
    keepalive_seconds: float = 15.0
    headers_timeout: float = 120.0
    idle_timeout: float = 300.0
    total_timeout: float = 3600.0


class RemoteManagementConfig(Struct, frozen=True, kw_only=True):
    """Access to the management API; without a key it is off."""

    secret_key: Secret | None = None
    allow_remote: bool = False


class RoutingConfig(Struct, frozen=True, kw_only=True):
    """How a provider is chosen among several."""

    strategy: RoutingStrategy = "fill-first"
    session_affinity: bool = True
    hedge_after: float | None = None


class HealthCheckConfig(Struct, frozen=True, kw_only=True):
    """Whether, and every how many seconds, the providers are asked if they are well."""

    enabled: bool = False
    interval: float = 60.0


class Config(Struct, frozen=True, kw_only=True):
    """A whole configuration, immutable; the constructor gives the built-in defaults and checks nothing."""

    host: str = "127.0.0.1"
    port: int = 8317
    api_keys: tuple[Secret, ...] = ()
    """Keys that clients show; empty means open."""
    remote_management: RemoteManagementConfig = RemoteManagementConfig()
    providers: tuple[ProviderConfig, ...] = ()
    """All that are configured: the ``packycode`` block, then ``tppc.providers`` in the order of the file."""
    routing: RoutingConfig = RoutingConfig()
    request_retry: int = 3
    max_retry_interval: float = 30.0
    streaming: StreamingConfig = StreamingConfig()
    model_map: tuple[tuple[str, str], ...] = ()
    """Pairs of glob and model (or model with effort suffix); the first glob that matches counts."""
    health_check: HealthCheckConfig = HealthCheckConfig()
    discover_models: bool = False
    metrics: bool = False
    expose_route_headers: bool = True
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 32 * 1024 * 1024
    log_format: LogFormat = "auto"
    tps_log: bool = True
    request_log: bool = False
    debug: bool = False
    source: str = "defaults"
    """Where this came from: a path, ``"text"``, ``"dict"``, or else ``"env"``, ``"codex-cli (PATH)"``."""

    @property
    def enabled_providers(self) -> tuple[ProviderConfig, ...]:
        """The providers that are switched on, in the order of ``providers``."""
        return tuple(provider for provider in self.providers if provider.enabled)

    @property
    def places(self) -> tuple[tuple[str, ProviderConfig], ...]:
        """Each provider with its path in the file: ``packycode``, ``tppc.providers[0]``."""
        index = count()
        return tuple(
            ("packycode" if provider.kind == "packycode" else f"tppc.providers[{next(index)}]", provider)
            for provider in self.providers
        )

    @property
    def routing_order(self) -> tuple[ProviderConfig, ...]:
        """The enabled providers, first choice first.

        Those of the configuration and the environment come before one that the Codex CLI's files gave (its
        ``effective_source``); then the higher ``priority`` counts, then the order of ``providers``.
        """
        return tuple(sorted(self.enabled_providers, key=_rank))


def _rank(provider: ProviderConfig) -> tuple[bool, int]:
    return provider.effective_source == "codex-cli", -provider.priority
