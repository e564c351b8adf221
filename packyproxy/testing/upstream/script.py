"""What a fake upstream answers: turns, made of output items.

A `Turn` says what the model "did"; `events` turns it into the events of the real API. The short form names
the usual parts (``Turn("Hi")``, ``Turn(calls=[Call("Read", {...})])``) and sends them in the order a model
does: reasoning, web searches, message, calls. ``output`` gives any other order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

__all__ = [
    "Call",
    "Citation",
    "Compaction",
    "Framing",
    "Item",
    "Message",
    "OutputItem",
    "Reasoning",
    "Search",
    "Stream",
    "Turn",
    "Usage",
]

_compact = msgspec.json.Encoder().encode


class Call(Struct, frozen=True):
    """A function call.

    ``arguments`` is an object, or a string that is sent as it is (so it may be damaged JSON). ``id`` is the
    ``call_id``; the upstream makes one up when it is None.
    """

    name: str
    arguments: Mapping[str, Any] | str = {}
    id: str | None = None
    kind: Literal["function", "custom"] = "function"
    """``custom``: a ``custom_tool_call`` whose input is the ``arguments`` string."""
    namespace: str | None = None
    """The ``namespace`` tool that the called one belongs to, as the Codex CLI groups tools of MCP servers."""

    @property
    def arguments_text(self) -> str:
        """The arguments as the wire carries them."""
        return self.arguments if isinstance(self.arguments, str) else _compact(self.arguments).decode()


class Reasoning(Struct, frozen=True):
    """A reasoning item: the parts of its summary, and whether it can be sent back."""

    summary: Sequence[str] = ()
    is_encrypted: bool = True
    """False: without ``encrypted_content``, as some relays do although it was asked for."""
    text: str = ""
    """Raw reasoning, as ``reasoning_text`` events; hosted GPT models never show it, other models do."""


class Citation(Struct, frozen=True):
    """A ``url_citation`` of the span where ``text`` occurs in the message; an empty one cites all of it."""

    url: str
    title: str = ""
    text: str = ""


class Search(Struct, frozen=True):
    """A web search. ``sources`` are shown only to clients that ask for ``web_search_call.action.sources``."""

    query: str
    sources: Sequence[str] = ()
    status: Literal["completed", "failed"] = "completed"
    action: Literal["search", "open_page"] = "search"
    """With ``open_page``, ``query`` is the page's URL."""


class Message(Struct, frozen=True):
    """An assistant message: its text, or its refusal."""

    text: str = ""
    citations: Sequence[Citation] = ()
    refusal: str = ""
    phase: str | None = None
    """None: ``commentary`` when a call follows, else no phase at all."""


class Compaction(Struct, frozen=True):
    """The history so far in encrypted form: what a ``compaction_trigger`` in the input asks for."""


class Item(Struct, frozen=True):
    """An item of any other type, sent as it is: opened and closed, with nothing in between.

    An ``id`` is made up where ``fields`` has none; a ``status`` is ``in_progress`` in the beginning.
    """

    fields: Mapping[str, Any]


OutputItem = Reasoning | Search | Message | Call | Compaction | Item


class Usage(Struct, frozen=True, kw_only=True):
    """Token counts of an answer; ``input_tokens`` includes cached ones, ``output_tokens`` the reasoning."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    web_search_requests: int | None = None
    """Adds ``tool_usage``, which not every relay passes on."""


class Framing(Struct, frozen=True, kw_only=True):
    """How events become bytes and writes: all that is legal on the wire and must not matter to a client."""

    line_end: Literal["\n", "\r\n", "\r"] = "\n"
    has_event_lines: bool = True
    """False: no ``event:`` lines; the type is in the data."""
    has_comments: bool = False
    has_bom: bool = False
    cut_every: int | None = None
    """Cut the stream into writes of so many bytes, also inside characters; None: between frames only."""
    events_per_write: int = 1
    content_type: str | None = "text/event-stream; charset=utf-8"
    """None: no content-type header, as some back ends answer."""
    content_encoding: Literal["gzip", "deflate", "br", "zstd"] | None = None
    """Encode the body, asked or not."""
    is_json: bool = False
    """Answer with the finished response as one JSON body although a stream was asked for."""


class Turn(Struct, frozen=True):
    """One answer of the model.

    ``text`` as a list gives several messages. ``output`` replaces ``text``, ``reasoning``, ``searches``,
    ``refusal`` and ``calls``, and keeps its own order.
    """

    text: str | Sequence[str] = ""
    reasoning: Sequence[str] | None = None
    """The parts of one reasoning summary; ``[]`` is reasoning without a summary, None is no reasoning."""
    calls: Sequence[Call] = ()
    searches: Sequence[Search] = ()
    citations: Sequence[Citation] = ()
    refusal: str = ""
    output: Sequence[OutputItem] = ()
    incomplete: str | None = None
    """End with ``response.incomplete`` and this reason, e.g. ``max_output_tokens`` or ``content_filter``."""
    usage: Usage | None = None
    """None: counted roughly from the request and the answer."""
    has_usage: bool = True
    interleaves: bool = False
    """Send the calls side by side: all opened, deltas in turns, all closed."""
    detail: Literal["delta", "part", "item", "response"] = "delta"
    """The finest events sent: all; all but deltas; only items (added, done); only the terminal one."""
    has_final_output: bool = True
    """False: the terminal response has ``output: []`` although items were sent, as codex back ends do."""
    shows_summary_unasked: bool = False
    """Send summaries also when the request has no ``reasoning.summary``."""
    notices: Sequence[Mapping[str, Any]] = ()
    """Extra events, sent as they are after ``response.in_progress``: ``codex.rate_limits``, unknown types."""
    delta_characters: int = 6
    framing: Framing | None = None
    headers: Mapping[str, str] = {}
    """Extra response headers; an empty value removes a default one."""

    def items(self) -> tuple[OutputItem, ...]:
        """Return the output items in the order in which they are sent."""
        if self.output:
            return tuple(self.output)
        items: list[OutputItem] = []
        if self.reasoning is not None:
            items.append(Reasoning(self.reasoning))
        items.extend(self.searches)
        texts = [self.text] if isinstance(self.text, str) else list(self.text)
        last = len(texts) - 1
        items.extend(
            Message(text, self.citations if n == last else ()) for n, text in enumerate(texts) if text
        )
        if self.refusal:
            items.append(Message(refusal=self.refusal))
        items.extend(self.calls)
        return tuple(items)


class Stream(Struct, frozen=True):
    """A body that is sent as it is: recorded bytes, or prebuilt ones for benchmarks.

    Bytes are one write; a sequence is one write per element.
    """

    body: bytes | Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] = msgspec.field(default_factory=lambda: {"content-type": "text/event-stream"})
    is_cut: bool = False
    """Whether the connection is dropped after the last write."""
