"""Name the settings that are validated but not acted upon in this release."""

from typing import Final

from packyproxy.config.schema import Config

__all__ = ["not_yet_in_effect"]

_TOP_LEVEL: Final = (
    "remote_management.secret_key",
    "remote_management.allow_remote",
    "metrics",
    "tps_log",
)


def not_yet_in_effect(config: Config) -> tuple[str, ...]:
    """Return the dotted keys that differ from their default and do nothing yet, in the schema's order."""
    default = Config()
    return tuple(
        path.replace("_", "-") for path in _TOP_LEVEL if _value(config, path) != _value(default, path)
    )


def _value(config: Config, path: str) -> object:
    value: object = config
    for name in path.split("."):
        value = getattr(value, name)
    return value
