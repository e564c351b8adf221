"""What the answer of a Chat Completions request must know of the request."""

from packyproxy.translate.contract import StreamFacts

__all__ = ["ChatFacts"]


class ChatFacts(StreamFacts, frozen=True, kw_only=True):
    """``StreamFacts`` with what only Chat clients ask for."""

    uses_functions: bool = False
    """Whether the request has the older ``functions``: the answer then has one ``function_call`` (6.3)."""
    includes_usage: bool = False
    """Whether the stream ends with a chunk that holds the usage: ``stream_options.include_usage`` (6.4)."""
