"""Turns to items, in order (wire-mapping 6.2).

Messages are never merged, so a longer history begins with the same bytes as the shorter one did.
"""

from msgspec import UNSET, Raw

from packyproxy.translate.chat.tools import ToolList
from packyproxy.translate.chat.turns import AssistantTurn, SystemTurn, ToolTurn, Turn, UserTurn
from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.translate.pairing import as_user_message, repair_pairs
from packyproxy.translate.phases import takes_phases, with_phases
from packyproxy.translate.tool_names import ToolNames
from packyproxy.translate.tool_outputs import output_text, shown_output
from packyproxy.wire.responses import (
    CustomToolCall,
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputItem,
    InputPart,
    InputText,
    MessageItem,
    MessagePart,
    OutputText,
)

__all__ = ["HistoryTranslator"]


class HistoryTranslator:
    """Translates the turns of one request for one attempt; use an object once."""

    def __init__(self, target: Target, facts: AttemptFacts, names: ToolNames, tools: ToolList) -> None:
        self._names = names
        self._tools = tools
        self._has_media = target.capabilities.tool_output_media
        self._has_detail = "detail" not in facts.removed_parameters
        self._has_phases = takes_phases(target, facts)
        self._items: list[InputItem] = []
        self._media: list[InputImage | InputFile] = []
        """What the outputs of the current run could not hold; it follows the last of them."""

    def translate(self, turns: list[Turn]) -> list[InputItem]:
        """Translate all turns and mend what the upstream would refuse."""
        for turn in turns:
            if type(turn) is ToolTurn:
                self._tool(turn)
                continue
            if self._media:
                self._add_media()
            if type(turn) is UserTurn:
                if turn.parts:
                    self._items.append(MessageItem(role="user", content=[*self._shown(turn.parts)]))
            elif type(turn) is AssistantTurn:
                self._assistant(turn)
            else:
                assert type(turn) is SystemTurn
                if turn.texts:
                    content: list[MessagePart] = [InputText(text) for text in turn.texts]
                    self._items.append(MessageItem(role="developer", content=content))
        if self._media:
            self._add_media()
        return repair_pairs(self._items)

    def _assistant(self, turn: AssistantTurn) -> None:
        items: list[InputItem] = []
        if turn.texts:
            items.append(MessageItem(role="assistant", content=[OutputText(text) for text in turn.texts]))
        for call in turn.calls:
            # In a stream, calls of custom tools look like any other, and come back so.
            is_custom = call.is_custom or ("custom", call.name) in self._tools.choices
            kind = CustomToolCall if is_custom else FunctionCall
            items.append(kind(call.call_id, self._names.to_upstream(call.name), call.text))
        self._items += with_phases(items) if self._has_phases else items

    def _tool(self, turn: ToolTurn) -> None:
        output: Raw | list[InputPart]
        parts = turn.parts
        if len(parts) == 1 and type(parts[0]) is InputText:  # nearly always
            output = shown_output(parts[0].text)
        elif self._has_media and any(type(part) is not InputText for part in parts):
            output = self._shown(parts)
        else:
            output = output_text(parts, self._media)
        # The pairing makes it the output of a custom tool where that was called.
        item = FunctionCallOutput(turn.call_id, output)
        self._items.append(as_user_message(item) if turn.is_stray else item)

    def _add_media(self) -> None:
        self._items.append(MessageItem(role="user", content=[*self._shown([*self._media])]))
        self._media = []

    def _shown(self, parts: list[InputPart]) -> list[InputPart]:
        if self._has_detail:
            return parts
        return [InputImage(part.image_url, UNSET) if type(part) is InputImage else part for part in parts]
