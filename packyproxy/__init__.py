"""Use any OpenAI Responses provider from Claude Code, the Codex CLI, and the SDKs of Anthropic and OpenAI.

``PackyProxy`` is the ASGI application and ``Config`` its configuration. Both load on first use, so that
importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING, Any

from packyproxy.version import __version__

if TYPE_CHECKING:
    from packyproxy.app import PackyProxy
    from packyproxy.config import Config

__all__ = ["Config", "PackyProxy", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "PackyProxy":
        from packyproxy.app import PackyProxy

        return PackyProxy
    if name == "Config":
        from packyproxy.config import Config

        return Config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
