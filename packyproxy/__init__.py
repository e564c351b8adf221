"""Use any OpenAI Responses provider from Claude Code, the Codex CLI, and the SDKs of Anthropic and OpenAI.

``PackyProxy`` is the ASGI application, ``PackyProxyMiddleware`` the same around an application of yours, and
``Config`` the configuration. Hooks are given a ``RouteDecision`` and a ``RequestRecord``. All load on first
use, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING, Any

from packyproxy.version import __version__

if TYPE_CHECKING:
    from packyproxy.app import PackyProxy
    from packyproxy.config import Config
    from packyproxy.middleware import PackyProxyMiddleware
    from packyproxy.runtime.hooks import RouteDecision
    from packyproxy.usage.records import RequestRecord

__all__ = [
    "Config",
    "PackyProxy",
    "PackyProxyMiddleware",
    "RequestRecord",
    "RouteDecision",
    "__version__",
]

_HOMES = {
    "Config": "packyproxy.config",
    "PackyProxy": "packyproxy.app",
    "PackyProxyMiddleware": "packyproxy.middleware",
    "RequestRecord": "packyproxy.usage.records",
    "RouteDecision": "packyproxy.runtime.hooks",
}


if not TYPE_CHECKING:  # to a type checker it would mean that any name is there

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            from importlib import import_module

            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
