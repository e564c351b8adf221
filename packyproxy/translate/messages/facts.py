"""What the answer of a Messages request must know of the request."""

from packyproxy.translate.contract import StreamFacts

__all__ = ["MessagesFacts"]


class MessagesFacts(StreamFacts, frozen=True, kw_only=True):
    """``StreamFacts`` with what only Messages clients ask for.

    ``thinking_is_visible`` says whether thinking blocks are shown.
    """

    thinking_has_text: bool = True
    """False with ``display: omitted``: thinking blocks then carry a signature only."""
    blocked_domains: tuple[str, ...] = ()
    """Whose pages no search result and no citation may show (wire-mapping 4.6)."""
    buffered_tools: frozenset[str] = frozenset()
    """Tools whose arguments are sent in one piece, mended (wire-mapping 4.7)."""
    echoes_context_management: bool = False
    """Whether the request had ``context_management``, which the answer then has too."""
