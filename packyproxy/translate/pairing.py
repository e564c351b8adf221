"""Repairs that make a list of items legal for the upstream (wire-mapping 1.5.1, 2.4).

Clients cut, merge and resend histories; an upstream that refuses one would refuse the session for ever. So
defects are mended, not refused. A well-formed list comes back as it was.
"""

from collections import defaultdict, deque

from msgspec import structs

from packyproxy.wire import json_text
from packyproxy.wire.responses import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputPart,
    InputText,
    MessageItem,
    MessagePart,
    ReasoningItem,
)

__all__ = ["as_user_message", "repair_pairs", "without_stranded_reasoning"]

_NO_RESULT = json_text.quote("(no tool result was provided)")
_MAX_ID_CHARS = 64

_Call = FunctionCall | CustomToolCall
_Output = FunctionCallOutput | CustomToolCallOutput


def without_stranded_reasoning(items: list[InputItem]) -> list[InputItem]:
    """Drop each reasoning item that no message, call or surviving reasoning item follows.

    Args:
        items: what one inbound assistant message became, in order.
    """
    if not items or type(items[-1]) is not ReasoningItem:
        return items
    end = len(items)
    while end and isinstance(items[end - 1], ReasoningItem):
        end -= 1
    return items[:end]


def repair_pairs(items: list[InputItem]) -> list[InputItem]:
    """Give every call exactly one output of its kind after it, and every output a call before it."""
    if _are_paired(items):
        return items
    ids = _CallIds()
    paired = [ids.rename(item) for item in items]
    missing = ids.unanswered()
    if not missing:
        return paired
    repaired: list[InputItem] = []
    owed: list[_Output] = []
    for item in paired:
        if not isinstance(item, _Call):
            repaired += owed
            owed = []
        elif item.call_id in missing:
            owed.append(_output_of(item)(item.call_id, _NO_RESULT))
        repaired.append(item)
    return repaired + owed


def _are_paired(items: list[InputItem]) -> bool:
    """Tell whether there is nothing to repair; that is so nearly always, and found out quickly."""
    used: set[str] = set()
    waiting: dict[str, type[_Output]] = {}
    for item in items:
        if type(item) is FunctionCall or type(item) is CustomToolCall:
            if item.call_id in used:
                return False
            used.add(item.call_id)
            waiting[item.call_id] = _output_of(item)
        elif type(item) is FunctionCallOutput or type(item) is CustomToolCallOutput:
            fitting = waiting.pop(item.call_id, None)
            if fitting is not type(item):
                return False
    return not waiting


class _CallIds:
    """Follows the calls of a list in order: which were made, under which id, which still wait for an output.

    An id depends on what stands before it alone, so a longer history keeps the ids of the shorter one.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last_numbers: defaultdict[str, int] = defaultdict(lambda: 1)
        self._waiting: defaultdict[str, deque[_Call]] = defaultdict(deque)

    def rename(self, item: InputItem) -> InputItem:
        if type(item) is FunctionCall or type(item) is CustomToolCall:
            return self._call(item)
        if type(item) is FunctionCallOutput or type(item) is CustomToolCallOutput:
            return self._output(item)
        return item

    def _call(self, call: _Call) -> _Call:
        wanted = call.call_id
        if wanted in self._used:
            call = structs.replace(call, call_id=self._free_id(wanted))
        self._used.add(call.call_id)
        self._waiting[wanted].append(call)
        return call

    def _output(self, output: _Output) -> InputItem:
        waiting = self._waiting[output.call_id]
        if not waiting:
            return as_user_message(output)
        call = waiting.popleft()
        fitting = _output_of(call)
        if type(output) is fitting and output.call_id == call.call_id:
            return output
        return fitting(call.call_id, output.output)

    def unanswered(self) -> frozenset[str]:
        return frozenset(call.call_id for waiting in self._waiting.values() for call in waiting)

    def _free_id(self, call_id: str) -> str:
        while True:
            self._last_numbers[call_id] += 1
            suffix = f"_{self._last_numbers[call_id]}"
            candidate = call_id[: _MAX_ID_CHARS - len(suffix)] + suffix
            if candidate not in self._used:
                return candidate


def _output_of(call: _Call) -> type[_Output]:
    return FunctionCallOutput if type(call) is FunctionCall else CustomToolCallOutput


def as_user_message(output: FunctionCallOutput | CustomToolCallOutput) -> MessageItem:
    """Tell as a user's message what a tool answered, where no call of it is known."""
    label = f"[tool result {output.call_id}]"
    if isinstance(output.output, list):
        media: list[InputPart] = output.output
        content: list[MessagePart] = [InputText(json_text.quote(label)), *media]
    else:
        content = [InputText(json_text.concat(label.encode() + b"\\n", output.output))]
    return MessageItem(role="user", content=content)
