"""What one client request means here: who could serve it, as which model, in which session.

A plan is made once per request, from its snapshot, and holds nothing of the request's content. Who is asked
in which order is decided by ``runtime.routing`` from what is known of the providers at that moment.
"""

from msgspec import Struct

from packyproxy.errors import NoProvider
from packyproxy.providers.provider import Provider
from packyproxy.registry.resolve import Candidate, Resolution
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.translate.contract import ClientProtocol, ClientRequest
from packyproxy.translate.session import session_key

__all__ = ["Plan", "make_plan"]


class Plan(Struct, frozen=True, kw_only=True):
    """Where a request may go; ``repr`` leaves out the session, which is the client's own word for it."""

    protocol: ClientProtocol
    resolution: Resolution
    providers: tuple[Provider, ...]
    """The provider of each candidate of the resolution, in their order."""
    session: str
    """Names the conversation; never leaves the proxy as it is."""

    def __repr__(self) -> str:
        return f"Plan(resolution={self.resolution!r})"


def make_plan(protocol: ClientProtocol, request: ClientRequest, inbound: Inbound) -> Plan:
    """Find out who could serve a request; one that names no model, any enabled provider.

    Raises:
        InvalidRequest: nobody here knows the model.
        NoProvider: no provider is enabled.
    """
    snapshot = inbound.snapshot
    if not snapshot.providers:
        raise NoProvider
    resolution = snapshot.resolve(request.model) if request.model else _anyone(snapshot)
    candidates = resolution.candidates
    session = session_key(
        inbound.headers,
        request.session_hint,
        key_id=inbound.key_id,
        model=candidates[0].model,
        opening=request.opening,
        cache_key_hint=request.cache_key,
    )
    return Plan(
        protocol=protocol,
        resolution=resolution,
        providers=tuple(snapshot.providers[candidate.provider] for candidate in candidates),
        session=session,
    )


def _anyone(snapshot: Snapshot) -> Resolution:
    """Return every enabled provider, in routing order; protocols refuse requests that must name a model."""
    candidates = (
        Candidate(provider=name, model="", efforts=(), context_window=0, reasons=("no model is named",))
        for name in snapshot.providers
    )
    return Resolution(requested="", candidates=tuple(candidates))
