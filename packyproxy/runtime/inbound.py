"""What is known of a client request besides its body."""

from msgspec import Struct

__all__ = ["Inbound"]


class Inbound(Struct, frozen=True, kw_only=True):
    """The facts of one client request that its headers gave."""

    request_id: str
    key_id: str
    """An id of the client key that was shown; ``""`` without keys."""
    session: str | None
    """The session a header named, or None (wire-mapping 0.3)."""
    accepted_at: float
    """When the request was accepted, on the event loop's clock, in seconds."""
