"""The text of one part of an item as it streams, for the completion rule (wire-mapping 4.5).

Text is a JSON string literal with its quotes; what was sent is remembered without them, still escaped, so the
usual comparison at the end is one of bytes. A relay may cut a character in two: half a surrogate pair waits
here for the rest, because no client could do anything with it.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import OutputItem

__all__ = ["Part", "as_text", "decode_literal", "final_text", "literal_or_nothing", "mention_image"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode

_QUOTE = 0x22
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def decode_literal(raw: Raw | bytes) -> str | None:
    """Read the text of a JSON string; None when the value is anything else."""
    return _decode(raw) if bytes(raw)[:1] == b'"' else None


def literal_or_nothing(text: str) -> bytes:
    """Write a text as a literal, for a writer to whom ``b""`` says that there is none."""
    return _encode(text) if text else b""


def mention_image(item: OutputItem) -> str:
    """Return what stands for a generated image where only text can be shown."""
    return f"[generated image omitted: {item.output_format or 'png'}]"


def as_text(value: Raw) -> Raw:
    """Return a tool's arguments as a JSON string literal; some relays send the object itself."""
    return (
        Raw(_encode(msgspec.json.format(bytes(value), indent=-1).decode()))
        if bytes(value)[:1] == b"{"
        else value
    )


_FINALS: dict[type, Callable[..., Raw | None]] = {
    upstream.TextDone: lambda event: event.text,
    upstream.RefusalDone: lambda event: event.refusal,
    upstream.SummaryDone: lambda event: event.text,
    upstream.ReasoningDone: lambda event: event.text,
    upstream.ArgumentsDone: lambda event: as_text(event.arguments),
    upstream.CustomInputDone: lambda event: event.input,
}


def final_text(event: ResponsesEvent) -> Raw | None:
    """Return the whole text that a ``done`` event repeats; None for other events."""
    if type(event) is upstream.ContentPartDone:
        return event.part.refusal if event.part.type == "refusal" else event.part.text
    read = _FINALS.get(type(event))
    return None if read is None else read(event)


class Part:
    """What was sent of one part; every method returns the literal to send now, ``b""`` for nothing."""

    __slots__ = ("half", "is_done", "sent")

    def __init__(self) -> None:
        self.sent = bytearray()
        self.half = ""
        self.is_done = False

    def add(self, delta: Raw) -> bytes:
        """Take the literal of a delta."""
        literal = bytes(delta)
        if self.is_done or len(literal) <= 2 or literal[0] != _QUOTE:
            return b""
        if self.half:
            return self.add_broken(_decode(literal))
        self.sent += literal[1:-1]
        return literal

    def add_broken(self, text: str) -> bytes:
        """Take the text of a delta that may begin or end with half a surrogate pair."""
        if self.is_done:
            return b""
        text = self.half + text
        self.half = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        return self._send(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))

    def complete(self, final: Raw | None) -> bytes | None:
        """Take the whole text, if the upstream repeats it; None when it contradicts what was sent."""
        if self.is_done:
            return b""
        if final is None or bytes(final)[:1] != b'"':
            half, self.half = self.half, ""
            return self._send(_REPLACEMENT) if half else b""
        self.is_done = True
        whole = bytes(final)[1:-1]
        if whole.startswith(self.sent):
            tail = whole[len(self.sent) :]
            self.sent += tail
            return b'"' + tail + b'"' if tail else b""
        sent, text = self.text, _decode(final)
        # The two may escape one text differently.
        return self._send(text[len(sent) :]) if text.startswith(sent) else None

    @property
    def text(self) -> str:
        """What was sent, unescaped."""
        return _decode(b'"' + self.sent + b'"')

    def _send(self, text: str) -> bytes:
        if not text:
            return b""
        literal = _encode(text)
        self.sent += literal[1:-1]
        return literal
