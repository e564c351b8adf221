"""Name the settings that are validated but not acted upon in this release."""

from typing import Final

from packyproxy.config.schema import Config, ProviderConfig

__all__ = ["not_yet_in_effect"]

_TOP_LEVEL: Final = (
    "remote_management.secret_key",
    "remote_management.allow_remote",
    "routing.strategy",
    "routing.session_affinity",
    "routing.hedge_after",
    "max_retry_interval",
    "health_check.enabled",
    "health_check.interval",
    "discover_models",
    "metrics",
    "tps_log",
)
_PACKYCODE: Final = {
    "priority": "priority",
    "weight": "weight",
    "compact": "profile.compact",
    "chat_reasoning": "compat.chat-reasoning",
}


def not_yet_in_effect(config: Config) -> tuple[str, ...]:
    """Return the dotted keys that differ from their default and do nothing yet, in the schema's order."""
    default = Config()
    found = [path.replace("_", "-") for path in _TOP_LEVEL if _value(config, path) != _value(default, path)]
    for provider in config.providers:
        if provider.kind == "packycode":
            plain = ProviderConfig(kind="packycode", name="packycode")
            found += [
                f"packycode.{key}"
                for attribute, key in _PACKYCODE.items()
                if getattr(provider, attribute) != getattr(plain, attribute)
            ]
    if any(provider.kind == "tppc" for provider in config.providers):
        found.append("tppc.providers")
    return tuple(found)


def _value(config: Config, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
