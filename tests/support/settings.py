"""Settings of the proxy for tests in one process."""

from typing import Any

__all__ = ["provider"]


def provider(**more: Any) -> dict[str, Any]:
    """Return a ``packycode`` block that leads to the scripted upstream, with more of its keys."""
    return {
        "enabled": True,
        "base-url": "http://upstream.test/v1",
        "credentials": {"openai-api-key": "sk-provider-0123456789"},
        **more,
    }
