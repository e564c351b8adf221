"""What the answer of a Responses request must know of the request."""

from packyproxy.translate.contract import StreamFacts

__all__ = ["ResponsesFacts"]


class ResponsesFacts(StreamFacts, frozen=True, kw_only=True):
    """``StreamFacts`` with what only Responses clients are told."""

    upstream_model: str = ""
    """What the upstream was asked for in place of the client's ``model``."""
