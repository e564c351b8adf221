"""Turns to items, in order (wire-mapping 1.4, 1.5, 2.4, 2.6).

A run of texts and media of one message becomes one ``message`` item; a block with an item of its own closes
the run. Messages are never merged, so a longer history begins with the same bytes as the shorter one did.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.translate.decoding import decode_part, optional_text, require_text
from packyproxy.translate.messages.block_reading import BLOCK
from packyproxy.translate.messages.content import ContentReader
from packyproxy.translate.messages.server_transcripts import ServerTranscripts
from packyproxy.translate.messages.tool_results import ToolOutput, translate_tool_result
from packyproxy.translate.messages.turns import Turn
from packyproxy.translate.pairing import repair_pairs, without_stranded_reasoning
from packyproxy.translate.phases import takes_phases, with_phases
from packyproxy.translate.reasoning import read_signature
from packyproxy.translate.tagged_lists import unknown_type
from packyproxy.translate.tool_names import ToolNames, call_id_to_upstream
from packyproxy.wire import json_text
from packyproxy.wire.messages import (
    Block,
    CompactionBlock,
    ContainerUploadBlock,
    DocumentBlock,
    FallbackBlock,
    ImageBlock,
    McpToolListingBlock,
    McpToolResultBlock,
    McpToolUseBlock,
    RedactedThinkingBlock,
    SearchResultBlock,
    ServerCall,
    ServerResult,
    TextBlock,
    ThinkingBlock,
    ToolAdditionBlock,
    ToolRemovalBlock,
    ToolResultBlock,
    ToolSearchToolResultBlock,
    ToolUseBlock,
)
from packyproxy.wire.responses import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputText,
    MessageItem,
    MessagePart,
    OutputText,
    ReasoningItem,
)

__all__ = ["History", "HistoryTranslator", "ToolEvent"]

ToolEvent = ToolAdditionBlock | ToolRemovalBlock
"""A change of the tool list in mid-conversation."""

_SIGNATURE_START = b'"pp1.'
_EMPTY_ARGUMENTS = json_text.quote("{}")
_NO_INPUT = "null"
_SUMMARY_START = b"Summary of the earlier conversation:\\n"

_TOOL_EVENTS = json.Decoder(list[ToolEvent] | None)
_ANYTHING = json.Decoder()


class History(Struct, frozen=True, kw_only=True):
    """What the turns of a request became."""

    items: list[InputItem]
    revealed: frozenset[str]
    """Deferred tools that the conversation has brought up."""
    tool_events: list[tuple[str, ToolEvent]]
    """Changes of the tool list in order, each with its path in the body."""
    effort: str | None
    """The last effort that a system message asked for."""


class _Items:
    """The items of one inbound message, with the run of parts that is still open."""

    __slots__ = ("_blocks", "_closed", "_media", "_role", "_run", "_transcripts")

    def __init__(self, role: Literal["user", "assistant", "developer"], blocks: list[Block]) -> None:
        self._role: Literal["user", "assistant", "developer"] = role
        self._blocks = blocks
        self._transcripts: ServerTranscripts | None = None
        self._run: list[MessagePart] = []
        self._media: list[MessagePart] = []
        self._closed: list[InputItem] = []

    @property
    def transcripts(self) -> ServerTranscripts:
        """What retells the server tools of the message, of which most have none."""
        if self._transcripts is None:
            self._transcripts = ServerTranscripts(self._blocks)
        return self._transcripts

    def add_text(self, text: Raw) -> None:
        self._run.append(OutputText(text) if self._role == "assistant" else InputText(text))

    def add_parts(self, parts: list[MessagePart]) -> None:
        self._run += parts

    def add_item(self, item: InputItem) -> None:
        if self._run:
            self._close_run()
        self._closed.append(item)

    def add_output(self, output: ToolOutput) -> None:
        self.add_item(output.item)
        self._media += output.media

    def _close_run(self) -> None:
        self._closed.append(MessageItem(role=self._role, content=self._run))
        self._run = []

    def finish(self) -> list[InputItem]:
        """Return the items; media that no output may hold stand behind the last output."""
        if self._run:
            self._close_run()
        if not self._media:
            return self._closed
        last = max(at for at, item in enumerate(self._closed) if isinstance(item, FunctionCallOutput))
        carrier = MessageItem(role="user", content=self._media)
        return [*self._closed[: last + 1], carrier, *self._closed[last + 1 :]]

    def discard(self) -> None:
        self._run = []
        self._media = []
        self._closed = []


class HistoryTranslator:
    """Translates the turns of one request for one attempt; use an object once."""

    def __init__(self, target: Target, facts: AttemptFacts, names: ToolNames, warnings: list[str]) -> None:
        self._target = target
        self._facts = facts
        self._names = names
        self._warnings = warnings
        self._content = ContentReader(warnings, with_detail="detail" not in facts.removed_parameters)
        self._items: list[InputItem] = []
        self._revealed: set[str] = set()
        self._tool_events: list[tuple[str, ToolEvent]] = []
        self._has_phase = takes_phases(target, facts)

    def translate(self, turns: list[Turn]) -> History:
        """Translate all turns and mend what the upstream would refuse.

        Raises:
            InvalidRequest: a block cannot be passed on.
        """
        effort = None
        for turn in turns:
            if turn.role == "user":
                self._user_turn(turn)
            elif turn.role == "assistant":
                self._assistant_turn(turn)
            else:
                effort = turn.effort or effort
                self._system_turn(turn)
        if turns and turns[-1].role == "assistant":
            self._warnings.append("prefill")
        return History(
            items=repair_pairs(self._items),
            revealed=frozenset(self._revealed),
            tool_events=self._tool_events,
            effort=effort,
        )

    def _system_turn(self, turn: Turn) -> None:
        items = _Items("developer", turn.blocks)
        for at, block in enumerate(turn.blocks):
            if isinstance(block, TextBlock):
                self._text(block, turn, at, items)
            else:
                assert isinstance(block, ToolAdditionBlock | ToolRemovalBlock)
                self._tool_events.append((turn.path(at), block))
        if not turn.is_cleared:
            self._items += items.finish()

    def _user_turn(self, turn: Turn) -> None:
        items = _Items("user", turn.blocks)
        for at, block in enumerate(turn.blocks):
            if type(block) is TextBlock:
                self._text(block, turn, at, items)
            elif type(block) is ToolResultBlock:
                with_media = self._target.capabilities.tool_output_media
                output = translate_tool_result(block, turn.path(at), self._content, with_media=with_media)
                self._revealed.update(output.revealed)
                items.add_output(output)
            elif isinstance(block, ImageBlock | DocumentBlock | SearchResultBlock):
                items.add_parts([*self._content.parts(block, turn.path(at))])
            elif isinstance(block, ContainerUploadBlock):
                reason = (
                    "container_upload blocks are not supported: this gateway has no code execution container"
                )
                raise InvalidRequest(reason, field=turn.path(at))
            elif not self._either_side(block, turn.path(at), items):
                raise unknown_type(BLOCK, str(type(block).__struct_config__.tag), turn.path(at))
        self._items += items.finish()

    def _assistant_turn(self, turn: Turn) -> None:
        items = _Items("assistant", turn.blocks)
        for at, block in enumerate(turn.blocks):
            if type(block) is TextBlock:
                self._text(block, turn, at, items)
            elif type(block) is ToolUseBlock:
                items.add_item(self._call(block))
            elif type(block) is ThinkingBlock or type(block) is RedactedThinkingBlock:
                if reasoning := self._reasoning(block):
                    items.add_item(reasoning)
            elif isinstance(block, ServerCall | ServerResult):
                self._server_block(block, items)
            elif type(block) is not FallbackBlock and not self._either_side(block, turn.path(at), items):
                self._warnings.append("unknown_block")
        finished = without_stranded_reasoning(items.finish())
        self._items += with_phases(finished) if self._has_phase else finished

    def _either_side(self, block: Block, where: str, items: _Items) -> bool:
        """Take a block that is legal on both sides; False when it is none of those."""
        if isinstance(block, CompactionBlock):
            self._compaction(block, where, items)
        elif isinstance(block, ToolAdditionBlock | ToolRemovalBlock):
            self._tool_events.append((where, block))
        elif isinstance(block, McpToolUseBlock | McpToolResultBlock):
            self._server_block(block, items)
        else:
            # Thinking has nothing to say on the user's side, where nobody wrote it.
            return isinstance(block, McpToolListingBlock | ThinkingBlock | RedactedThinkingBlock)
        return True

    def _text(self, block: TextBlock, turn: Turn, at: int, items: _Items) -> None:
        text = block.text
        if isinstance(text, UnsetType) or not json_text.is_text(text):
            text = require_text(text, f"{turn.path(at)}.text")
        if not json_text.is_empty(text):
            items.add_text(text)

    def _call(self, block: ToolUseBlock) -> FunctionCall:
        self._revealed.add(block.name)
        told = _NO_INPUT if isinstance(block.input, UnsetType) else json_text.compact(block.input)
        arguments = _EMPTY_ARGUMENTS if told == _NO_INPUT else json_text.quote(told)
        return FunctionCall(call_id_to_upstream(block.id), self._names.to_upstream(block.name), arguments)

    def _reasoning(self, block: ThinkingBlock | RedactedThinkingBlock) -> ReasoningItem | None:
        raw = block.signature if isinstance(block, ThinkingBlock) else block.data
        if self._facts.without_reasoning or isinstance(raw, UnsetType) or bytes(raw)[:5] != _SIGNATURE_START:
            return None
        signature = read_signature(json_text.unquote(raw))
        if signature is None or signature.scope != self._target.scope or signature.encrypted is None:
            return None
        is_refused = self._facts.is_refused_reasoning
        if is_refused is not None and is_refused(signature.encrypted):
            return None
        return ReasoningItem(encrypted_content=signature.encrypted, id=self._reasoning_id(signature.item_id))

    def _reasoning_id(self, item_id: str | None) -> str | UnsetType:
        # The upstream takes an id only with the prefix of its kind (wire-mapping 2.5).
        if self._target.capabilities.item_ids and item_id is not None and item_id.startswith("rs"):
            return item_id
        return UNSET

    def _server_block(self, block: ServerCall | ServerResult, items: _Items) -> None:
        if isinstance(block, ToolSearchToolResultBlock):
            self._revealed.update(_references(block.content))
        elif isinstance(block, ServerResult):
            items.add_text(items.transcripts.result(block))
        elif (told := items.transcripts.call(block)) is not None:
            items.add_text(told)

    def _compaction(self, block: CompactionBlock, where: str, items: _Items) -> None:
        summary = optional_text(block.content, f"{where}.content")
        if summary is not None:
            self._items = []
            items.discard()
            text = json_text.concat(_SUMMARY_START, summary)
            items.add_item(MessageItem(role="user", content=[InputText(text)]))
        if not isinstance(block.tool_changes, UnsetType):
            field = f"{where}.tool_changes"
            changes = decode_part(_TOOL_EVENTS, block.tool_changes, field) or []
            self._tool_events += ((f"{field}.{at}", change) for at, change in enumerate(changes))


def _references(content: Raw | UnsetType) -> list[str]:
    """List the tools that a server's tool search names; anything of another shape names none."""
    found = None if isinstance(content, UnsetType) else _ANYTHING.decode(content)
    references = found.get("tool_references") if isinstance(found, dict) else found
    if not isinstance(references, list):
        return []
    names = [entry.get("tool_name") for entry in references if isinstance(entry, dict)]
    return [name for name in names if isinstance(name, str)]
