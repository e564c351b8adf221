"""Use any OpenAI Responses provider from Claude Code, the Codex CLI, and the SDKs of Anthropic and OpenAI.

``PackyProxy`` is the ASGI application, ``PackyProxyMiddleware`` the same around an application of yours, and
``Config`` the configuration. Hooks are given a ``RouteDecision`` and a ``RequestRecord``. All load on first
use, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING

from packyproxy.first_use import on_first_use
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(
        __name__,
        {
            "app": "PackyProxy",
            "config": "Config",
            "middleware": "PackyProxyMiddleware",
            "runtime.hooks": "RouteDecision",
            "usage.records": "RequestRecord",
        },
    )
