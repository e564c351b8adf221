"""What the answer of a Chat Completions request must know of the request."""

from packyproxy.translate.contract import StreamFacts

__all__ = ["ChatFacts"]


class ChatFacts(StreamFacts, frozen=True, kw_only=True):
    """``StreamFacts`` with what only Chat clients ask for.

    ``thinking_is_visible`` says whether ``reasoning_content`` is shown.
    """

    thinking_is_visible: bool = True
    uses_functions: bool = False
    """Whether the request has the older ``functions``: the answer then has one ``function_call`` (6.3)."""
    includes_usage: bool = False
    """Whether the stream ends with a chunk that holds the usage: ``stream_options.include_usage`` (6.4)."""
    is_folded: bool = False
    """Whether the client does not stream, so that the chunks are for ``fold`` alone (6.3).

    They then hold what a chunk on the wire does not: the usage whatever the client asked, the service tier,
    and calls of custom tools as what they are.
    """
