"""The running proxy: the only floor that talks to upstreams, keeps time and makes ids."""

from packyproxy.runtime.hooks import Authorize, OnRoute, OnUsage, RouteDecision
from packyproxy.runtime.runtime import Runtime

__all__ = ["Authorize", "OnRoute", "OnUsage", "RouteDecision", "Runtime"]
