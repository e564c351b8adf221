"""The running proxy: the only floor that talks to upstreams, keeps time and makes ids.

Names load on first use: commands that only look at a snapshot need no HTTP client.
"""

from typing import TYPE_CHECKING

from packyproxy.first_use import on_first_use

if TYPE_CHECKING:
    from packyproxy.runtime.hooks import Authorize, OnRoute, OnUsage, RouteDecision
    from packyproxy.runtime.runtime import Runtime

__all__ = ["Authorize", "OnRoute", "OnUsage", "RouteDecision", "Runtime"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(
        __name__, {"hooks": "Authorize OnRoute OnUsage RouteDecision", "runtime": "Runtime"}
    )
