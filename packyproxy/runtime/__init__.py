"""The running proxy: the only floor that talks to upstreams, keeps time and makes ids.

Names load on first use: commands that only look at a snapshot need no HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packyproxy.runtime.hooks import Authorize, OnRoute, OnUsage, RouteDecision
    from packyproxy.runtime.runtime import Runtime

__all__ = ["Authorize", "OnRoute", "OnUsage", "RouteDecision", "Runtime"]


if not TYPE_CHECKING:  # to a type checker it would mean that any name is there

    def __getattr__(name: str) -> Any:
        if name in __all__:
            home = "runtime" if name == "Runtime" else "hooks"
            return getattr(import_module(f"packyproxy.runtime.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
