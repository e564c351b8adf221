"""What a host may hook into: who is let in, where each request goes, and what it came to.

Hooks are called on the event loop of the request, the last two without waiting: what takes long is theirs to
hand on. One that raises is logged by the error's type, never by its text, and spoils no request; only
``authorize`` lets nobody in then.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from msgspec import Struct

from packyproxy.usage.records import RequestRecord

__all__ = ["Authorize", "Hooks", "OnRoute", "OnUsage", "RouteDecision"]


class RouteDecision(Struct, frozen=True, kw_only=True):
    """Who is asked next for a request, and as what."""

    request_id: str
    protocol: str
    """What the client speaks: a name of ``translate.protocols.PROTOCOLS``."""
    requested_model: str
    """The client's own word; ``""`` where it named none."""
    provider: str
    model: str
    """The upstream's model id."""
    effort: str | None
    """The reasoning effort that is asked for; None where none is sent."""
    reasons: tuple[str, ...]
    """How the model was found, as ``packyproxy explain`` says it."""
    number: int
    """1 for who is asked first; more after a failover, or for a second one who is asked at once (hedging)."""
    candidates: tuple[str, ...]
    """The providers that could serve the request, in configuration order."""


Authorize: TypeAlias = Callable[[dict[str, Any]], bool | Awaitable[bool]]
"""Given the ASGI scope of a request for a model, or for the list of models: whether it is let in."""

OnRoute: TypeAlias = Callable[[RouteDecision], None]
"""Given a decision just before it is carried out."""

OnUsage: TypeAlias = Callable[[RequestRecord], None]
"""Given what a request came to, once it has ended, whatever its end was."""


class Hooks(Struct, frozen=True, kw_only=True):
    """Those that a host has set."""

    authorize: Authorize | None = None
    on_route: OnRoute | None = None
    on_usage: OnUsage | None = None
