"""How a function call becomes a ``tool_use`` block (wire-mapping 4.2, 4.5, 4.7)."""

import msgspec
from msgspec import Raw

from packyproxy.translate.item_text import CallText
from packyproxy.translate.items import CallItem
from packyproxy.translate.messages.items import Answer, Item
from packyproxy.translate.parts import Part, as_text, decode_literal
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_output import OutputItem

__all__ = ["ToolItem", "mend_arguments"]

_encode = msgspec.json.Encoder().encode
_FIELDS = msgspec.json.Decoder(dict[str, Raw])


class ToolItem(CallItem[Answer], Item):
    """A call of a client's tool: one block, opened as soon as the call has an id and a name."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._shown = 0

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part of arguments that are shown as they come."""
        is_plain = type(event) is upstream.ArgumentsDelta and not self.text.is_custom
        return self.text.part if is_plain and self.is_open and not self._is_buffered else None

    def show_opening(self, call_id: str) -> bytes:
        """Open the block."""
        return self.answer.blocks.open_tool(call_id, self.client_name)

    def show(self, literal: bytes) -> bytes:
        """Write an ``input_json_delta``, unless the tool's arguments are sent in one piece."""
        if self._is_buffered:
            return b""
        if not self.text.is_custom:
            return self.answer.blocks.argue(literal)
        opening = b'{"input":"' if not self._shown else b""
        self._shown += 1
        text = _encode(decode_literal(literal) or "")[1:-1]
        return self.answer.blocks.argue(_encode((opening + text).decode()))

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest and end the block."""
        if not self.is_callable(item):
            return b""
        out = [] if self.is_open else [self.open()]
        final = None if item is None else as_text(item.input if self.text.is_custom else item.arguments)
        if self._is_buffered and final is not None and bytes(final)[:1] == b'"':
            self.text = CallText()  # nothing was shown yet, so the final word replaces what was streamed
        out += [self.argue(self.checked(self.text.part.complete(text))) for text in (final, None)]
        out.append(self._end_arguments())
        self.is_finished = True
        out.append(self.answer.blocks.close())
        return b"".join(out)

    @property
    def _is_buffered(self) -> bool:
        return self.client_name in self.answer.buffered_tools and not self.text.is_custom

    def _end_arguments(self) -> bytes:
        if self.text.is_custom:
            ending = b'"}' if self._shown else b'{"input":""}'
            return self.answer.blocks.argue(_encode(ending.decode()))
        part = self.text.part
        if self._is_buffered and part.sent:
            return self.answer.blocks.argue(_encode(mend_arguments(self.client_name, part.text)))
        return b""


def mend_arguments(tool: str, arguments: str) -> str:
    """Drop the one argument that models fill in although it does not apply (wire-mapping 4.7).

    ``Read`` refuses a blank ``pages``. Nothing else is ever removed: empty strings mean something elsewhere.
    """
    if tool != "Read":
        return arguments
    try:
        fields = _FIELDS.decode(arguments)
        pages = msgspec.json.decode(fields["pages"], type=str)
    except (KeyError, msgspec.DecodeError, RecursionError):
        return arguments
    if pages.strip():
        return arguments
    del fields["pages"]
    return _encode(fields).decode()
