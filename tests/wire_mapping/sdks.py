"""Which releases of the vendors' SDKs the page knows."""

from importlib.metadata import version

import pytest

__all__ = ["needs_known_sdks"]

_KNOWN = {"anthropic": (2, 11), "openai": (3, 52)}
"""The newest whose parameters and items all have rows."""


def _newer() -> list[str]:
    installed = {name: version(name) for name in _KNOWN}
    return [
        f"{name} {installed[name]}"
        for name, known in _KNOWN.items()
        if tuple(int(part) for part in installed[name].split(".")[:2]) > known
    ]


needs_known_sdks = pytest.mark.skipif(
    bool(_newer()),
    reason=f"newer than the page: {', '.join(_newer())}; raise it in sdks.py, and add the rows it asks for",
)
"""A vendor's new parameter is work to do here, and no fault of the change that is being tested."""
