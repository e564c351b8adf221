"""What a running proxy is watched and changed with, in words: the management API and ``/metrics``."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from packyproxy.config import Config
from packyproxy.config.password_hash import is_hash

__all__ = [
    "INSTALL_METRICS",
    "can_write_metrics",
    "has_plain_key",
    "management_keys",
    "management_text",
    "metrics_text",
]

INSTALL_METRICS: Final = "pip install 'packyproxy[metrics]'"
_VARIABLE: Final = "MANAGEMENT_PASSWORD"


def management_keys(config: Config, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return where keys of the management API stand; without any it is off."""
    keys = ["remote-management.secret-key"] if config.remote_management.secret_key else []
    if environment.get(_VARIABLE, "").strip():
        keys.append(f"${_VARIABLE}")
    return tuple(keys)


def management_text(config: Config, environment: Mapping[str, str], url: str = "") -> str:
    """Say whether the management API is on, where, by which key, and for whom.

    Args:
        config: what is in force.
        environment: of the process that serves.
        url: where that listens, if it does.
    """
    keys = management_keys(config, environment)
    if not keys:
        return f"off: it needs remote-management.secret-key, or ${_VARIABLE}"
    facts = [f"key: {' or '.join(keys)}"]
    if has_plain_key(config):
        facts.append("its hash replaces it in the file at the start")
    if config.remote_management.allow_remote:
        facts.append("open to other machines")
    return f"{url or 'on: '}/v0/management ({'; '.join(facts)})"


def has_plain_key(config: Config) -> bool:
    """Tell whether the management key stands in the configuration as it is, to be hashed at the start."""
    key = config.remote_management.secret_key
    return key is not None and bool(key) and not is_hash(key.reveal())


def metrics_text(config: Config, url: str = "") -> str:
    """Say whether there is a ``GET /metrics``, and where."""
    return f"{url or 'on: '}/metrics" if config.metrics else "off"


def can_write_metrics() -> bool:
    """Tell whether ``prometheus_client`` is installed, without which ``/metrics`` is a 501."""
    return find_spec("prometheus_client") is not None
