"""Name the settings that are validated but not acted upon in this release."""

from typing import Final

from packyproxy.config.schema import Config, ProviderConfig

__all__ = ["not_yet_in_effect"]

_TOP_LEVEL: Final = (
    "remote_management.secret_key",
    "remote_management.allow_remote",
    "metrics",
    "tps_log",
)
_OF_PROVIDERS: Final = {"compact": "profile.compact", "chat_reasoning": "compat.chat-reasoning"}


def not_yet_in_effect(config: Config) -> tuple[str, ...]:
    """Return the dotted keys that differ from their default and do nothing yet, in the schema's order."""
    default = Config()
    found = [path.replace("_", "-") for path in _TOP_LEVEL if _value(config, path) != _value(default, path)]
    plain = ProviderConfig(kind="packycode", name="")
    for place, provider in config.places:
        found += [
            f"{place}.{key}"
            for attribute, key in _OF_PROVIDERS.items()
            if getattr(provider, attribute) != getattr(plain, attribute)
        ]
    return tuple(found)


def _value(config: Config, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
