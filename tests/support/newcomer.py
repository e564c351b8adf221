"""Whoever tries packyproxy for the first time: a configuration, and commands run beside the servers of a test."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.servers import PROVIDER_KEY, free_port

Command = Callable[..., tuple[int, str]]
"""Runs ``packyproxy`` with arguments; returns its exit code and all that it printed."""


def configure(
    base_url: str, *, provider: dict[str, Any] | None = None, api_keys: Sequence[str] = (), **settings: Any
) -> int:
    """Write ./config.yaml for its owner alone, as ``init`` does; returns the port in it."""
    block = {"enabled": True, "base-url": base_url, "credentials": {"openai-api-key": PROVIDER_KEY}}
    config: dict[str, Any] = {"port": free_port(), "packycode": block | (provider or {}), **settings}
    if api_keys:
        config["api-keys"] = list(api_keys)
    path = Path("config.yaml")
    path.write_text(json.dumps(config), "utf-8")
    path.chmod(0o600)
    port: int = config["port"]
    return port


async def doctor(packyproxy: Command, *arguments: str) -> tuple[int, str]:
    """Run ``packyproxy doctor`` beside the servers of this event loop."""
    return await asyncio.to_thread(packyproxy, "doctor", *arguments)
