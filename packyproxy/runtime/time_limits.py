"""The time limits of a request, as the configuration sets them."""

from msgspec import Struct

__all__ = ["TimeLimits"]


class TimeLimits(Struct, frozen=True, kw_only=True):
    """How long each wait may take, in seconds; the defaults are those of wire-mapping 0.5 and 8.7."""

    commit: float = 15.0
    keep_alive: float = 15.0
    headers: float = 120.0
    idle: float = 300.0
    total: float = 3600.0
    client_stall: float = 60.0
