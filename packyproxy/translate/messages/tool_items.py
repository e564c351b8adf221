"""How a function call becomes a ``tool_use`` block (wire-mapping 3.2, 4.2, 4.5, 4.7)."""

import msgspec
from msgspec import Raw

from packyproxy.translate.contract import Note
from packyproxy.translate.messages.items import Answer, StreamedItem, as_text
from packyproxy.translate.messages.parts import Part, decode_literal
from packyproxy.translate.tool_names import repeated_id, tool_use_id
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.responses_events import ResponsesEvent
from packyproxy.wire.responses_output import OutputItem

__all__ = ["ToolItem", "mend_arguments"]

_encode = msgspec.json.Encoder().encode
_FIELDS = msgspec.json.Decoder(dict[str, Raw])


class ToolItem(StreamedItem):
    """A call of a client's tool; the block opens as soon as the call has an id and a name."""

    kind = "tool"

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.part = Part()
        self.is_custom = False
        self.is_open = False
        self._call_id: str | None = None
        self._name: str | None = None
        self._waiting: list[bytes] = []
        """Literals of arguments that came before the block could open."""
        self._shown = 0

    def introduce(self, item: OutputItem) -> None:
        """Take the call's id and name."""
        self.is_custom = self.is_custom or item.type == "custom_tool_call"
        self._call_id = self._call_id or item.call_id
        self._name = self._name or item.name

    def begin(self) -> bytes:
        """Open the block if the call is known."""
        return self._open_if_known()

    def take(self, event: ResponsesEvent) -> bytes:
        """Write what one event adds."""
        if type(event) is upstream.ArgumentsDone:
            self._name = self._name or event.name
        return self._open_if_known() + super().take(event)

    def part_of(self, event: ResponsesEvent) -> Part | None:
        """Return the part of the event's text."""
        if type(event) is upstream.ArgumentsDelta or type(event) is upstream.ArgumentsDone:
            return self.part
        if type(event) is upstream.CustomInputDelta or type(event) is upstream.CustomInputDone:
            self.is_custom = True
            return self.part
        return None

    def open_part(self, event: upstream.DeltaEvent) -> Part | None:
        """Return the part of arguments that are shown as they come."""
        is_plain = type(event) is upstream.ArgumentsDelta and not self.is_custom and not self._is_buffered
        return self.part if is_plain and self.is_open else None

    def write(self, event: ResponsesEvent, literal: bytes) -> bytes:
        """Show text of a part."""
        return self._argue(literal)

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest and end the block."""
        if item is not None:
            self.introduce(item)
        if not self._name:
            self.is_finished = True
            self.answer.note(Note("ignored_item", "function_call"))
            return b""
        out = [] if self.is_open else [self._open()]
        final = None if item is None else as_text(item.input if self.is_custom else item.arguments)
        if self._is_buffered and final is not None and bytes(final)[:1] == b'"':
            self.part = Part()  # nothing was shown yet, so the final word replaces what was streamed
        out += [self._argue(self.completion(self.part, final)), self._argue(self.completion(self.part, None))]
        out.append(self._end_arguments())
        self.is_finished = True
        out.append(self.answer.blocks.close())
        return b"".join(out)

    def shown_bytes(self) -> int:
        """Return how many UTF-8 bytes were shown."""
        return len(self.part.text.encode())

    @property
    def _is_buffered(self) -> bool:
        return self._client_name in self.answer.facts.buffered_tools and not self.is_custom

    @property
    def _client_name(self) -> str:
        name = self._name or ""
        return self.answer.facts.original_names.get(name, name)

    def _open_if_known(self) -> bytes:
        return self._open() if not self.is_open and self._call_id and self._name else b""

    def _open(self) -> bytes:
        answer = self.answer
        wanted = tool_use_id(
            self._call_id,
            item_id=self.item_id,
            message_id=answer.answer_id,
            output_index=self.output_index or 0,
        )
        block_id = repeated_id(wanted, answer.tool_ids)
        answer.tool_ids.append(block_id)
        self.is_open = True
        waiting, self._waiting = self._waiting, []
        return answer.blocks.open_tool(block_id, self._client_name) + b"".join(map(self._argue, waiting))

    def _argue(self, literal: bytes) -> bytes:
        if not literal:
            return b""
        if not self.is_open:
            self._waiting.append(literal)
            return b""
        if self._is_buffered:
            return b""
        if not self.is_custom:
            return self.answer.blocks.argue(literal)
        opening = b'{"input":"' if not self._shown else b""
        self._shown += 1
        text = _encode(decode_literal(literal) or "")[1:-1]
        return self.answer.blocks.argue(_encode((opening + text).decode()))

    def _end_arguments(self) -> bytes:
        if self.is_custom:
            ending = b'"}' if self._shown else b'{"input":""}'
            return self.answer.blocks.argue(_encode(ending.decode()))
        if self._is_buffered and self.part.sent:
            return self.answer.blocks.argue(_encode(mend_arguments(self._client_name, self.part.text)))
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
