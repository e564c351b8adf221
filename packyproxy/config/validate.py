"""Judge a whole configuration: every problem at once, each with its path, what is wrong and how to mend it.

Pure: a document in, a :class:`Config` or problems out. A disabled provider may be incomplete, but what it
does say must be well-formed. Nothing is coerced: a value of the wrong type is a problem even where its
meaning can be guessed.
"""

from typing import Final, get_args

from packyproxy.config.document import Document, join_path
from packyproxy.config.password_hash import check_management_key
from packyproxy.config.provider_block import read_packycode, read_tppc
from packyproxy.config.rules import check_host, check_key, check_model, check_origin
from packyproxy.config.schema import (
    Config,
    HealthCheckConfig,
    LogFormat,
    ProviderConfig,
    RemoteManagementConfig,
    RoutingConfig,
    RoutingStrategy,
    StreamingConfig,
)
from packyproxy.config.secret import Secret
from packyproxy.config.section import Findings, Section
from packyproxy.errors import Problem

__all__ = ["read_config", "validate"]

_DEFAULT: Final = Config()
_LOG_FORMATS: Final[tuple[LogFormat, ...]] = get_args(LogFormat)
_STRATEGIES: Final[tuple[RoutingStrategy, ...]] = get_args(RoutingStrategy)
_SECTIONS: Final = {
    "packycode": (
        "enabled",
        "base-url",
        "wire-api",
        "requires-openai-auth",
        "credentials",
        "defaults",
        "models",
    ),
    "tppc": ("providers",),
    "routing": ("strategy", "session-affinity", "hedge-after"),
    "streaming": ("commit-deadline", "keepalive-seconds", "headers-timeout", "idle-timeout", "total-timeout"),
    "remote-management": ("secret-key", "allow-remote"),
}
_USUAL_MISTAKES: Final = {
    key.replace("-", "_"): f"{section}.{key}" for section, keys in _SECTIONS.items() for key in keys
} | {"log_level": "debug", "timeout": "streaming.total-timeout"}
"""Keys that stand where they are not indented, or that other programs have, and what is meant."""


def validate(document: Document, *, source: str) -> tuple[Config | None, tuple[Problem, ...]]:
    """Return the configuration, or None and every problem in the order of the file."""
    findings = Findings(document)
    if document.root is None and findings.problems:
        return None, tuple(findings.problems)
    config = read_config(findings, document.root, source)
    if not findings.problems:
        return config, ()
    return None, tuple(sorted(findings.problems, key=lambda problem: problem.line or 0))


def read_config(findings: Findings, root: object, source: str) -> Config:
    """Read the whole file, with the default wherever something is wrong; problems go to ``findings``."""
    top = Section.of(findings, root, "")
    config = Config(
        host=top.required_text("host", _DEFAULT.host, check=check_host),
        port=top.whole("port", _DEFAULT.port, low=0, high=65_535),
        api_keys=tuple(Secret(key) for key in top.texts("api-keys", check=check_key)),
        remote_management=_read_remote_management(top.section("remote-management")),
        providers=_read_providers(top, findings),
        routing=_read_routing(top.section("routing")),
        request_retry=top.whole("request-retry", _DEFAULT.request_retry, low=0, high=100),
        max_retry_interval=top.seconds("max-retry-interval", _DEFAULT.max_retry_interval, may_be_zero=True),
        streaming=_read_streaming(top.section("streaming")),
        model_map=_read_model_map(top),
        health_check=_read_health_check(top.section("health-check")),
        discover_models=top.flag("discover-models", default=_DEFAULT.discover_models),
        metrics=top.flag("metrics", default=_DEFAULT.metrics),
        expose_route_headers=top.flag("expose-route-headers", default=_DEFAULT.expose_route_headers),
        cors_origins=top.texts("cors-origins", check=check_origin),
        max_body_bytes=top.whole("max-body-bytes", _DEFAULT.max_body_bytes, low=1024, high=1 << 30),
        log_format=top.choice("log-format", _DEFAULT.log_format, _LOG_FORMATS),
        tps_log=top.flag("tps-log", default=_DEFAULT.tps_log),
        request_log=top.flag("request-log", default=_DEFAULT.request_log),
        debug=top.flag("debug", default=_DEFAULT.debug),
        source=source,
    )
    top.close(**_USUAL_MISTAKES)
    return config


def _read_providers(top: Section, findings: Findings) -> tuple[ProviderConfig, ...]:
    providers: list[tuple[str, ProviderConfig]] = []
    block = top.section("packycode")
    if top.has("packycode"):
        providers.append((block.path, read_packycode(block)))
    tppc = top.section("tppc")
    providers += [(entry.at("name"), read_tppc(entry)) for entry in tppc.sections("providers")]
    tppc.close()
    first_of: dict[str, str] = {}
    for path, provider in providers:
        if provider.enabled and provider.name:
            first = first_of.setdefault(provider.name.casefold(), path)
            if first == path:
                continue
            fix = "give each enabled provider a name of its own, or disable one"
            message = f"the same name as {first} (case does not count)"
            if first == block.path:
                message = "the packycode block, which is enabled too, has this name (case does not count)"
                fix = "disable the block or this entry, or give this entry another name"
                if switch := findings.origin(block.at("enabled")):
                    message += f"; it is enabled by {switch.label}"
            findings.add(path, "duplicate_name", message, fix)
    return tuple(provider for _, provider in providers)


def _read_remote_management(section: Section) -> RemoteManagementConfig:
    key = section.optional_text("secret-key", check=check_management_key)
    config = RemoteManagementConfig(
        secret_key=Secret(key) if key else None, allow_remote=section.flag("allow-remote", default=False)
    )
    section.close()
    return config


def _read_routing(section: Section) -> RoutingConfig:
    default = _DEFAULT.routing
    config = RoutingConfig(
        strategy=section.choice("strategy", default.strategy, _STRATEGIES),
        session_affinity=section.flag("session-affinity", default=default.session_affinity),
        hedge_after=section.optional_seconds("hedge-after"),
    )
    section.close()
    return config


def _read_streaming(section: Section) -> StreamingConfig:
    default = _DEFAULT.streaming
    config = StreamingConfig(
        commit_deadline=section.seconds("commit-deadline", default.commit_deadline, may_be_zero=True),
        keepalive_seconds=section.seconds("keepalive-seconds", default.keepalive_seconds),
        headers_timeout=section.seconds("headers-timeout", default.headers_timeout),
        idle_timeout=section.seconds("idle-timeout", default.idle_timeout),
        total_timeout=section.seconds("total-timeout", default.total_timeout),
    )
    section.close()
    return config


def _read_health_check(section: Section) -> HealthCheckConfig:
    default = _DEFAULT.health_check
    config = HealthCheckConfig(
        enabled=section.flag("enabled", default=default.enabled),
        interval=section.seconds("interval", default.interval),
    )
    section.close()
    return config


def _read_model_map(top: Section) -> tuple[tuple[str, str], ...]:
    pairs = top.mapping("model-map", check_model, check_model)
    for glob, model in pairs:
        if not model.strip():
            top.problem_at(
                join_path(top.at("model-map"), glob),
                "missing",
                "is blank",
                "name a model, or remove the line",
            )
    return pairs
