"""What is known of a client request besides its body."""

from collections.abc import Mapping

from msgspec import Struct

from packyproxy.runtime.snapshot import Snapshot

__all__ = ["Inbound"]


class Inbound(Struct, frozen=True, kw_only=True):
    """The facts of one client request that its headers gave; ``repr`` shows the id only."""

    request_id: str
    key_id: str
    """An id of the client key that was shown; ``""`` without keys."""
    headers: Mapping[str, str]
    """The client's, without regard to case; read for the session, never forwarded."""
    accepted_at: float
    """When the request was accepted, on the event loop's clock, in seconds."""
    snapshot: Snapshot
    """The configuration in force at that moment; it holds to the end of the request."""

    def __repr__(self) -> str:
        return f"Inbound(request_id={self.request_id!r})"
