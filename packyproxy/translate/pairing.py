"""Repairs that make a list of items legal for the upstream (wire-mapping 1.5.1, 2.4).

Clients cut, merge and resend histories; an upstream that refuses one would refuse the session for ever. So
defects are mended, not refused. A well-formed list comes back as it was.
"""

from collections import defaultdict, deque

from msgspec import structs

from packyproxy.wire import json_text
from packyproxy.wire.responses import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputPart,
    InputText,
    MessageItem,
    MessagePart,
    ReasoningItem,
)

__all__ = ["repair_pairs", "without_stranded_reasoning"]

_NO_RESULT = json_text.quote("(no tool result was provided)")
_MAX_ID_CHARS = 64


def without_stranded_reasoning(items: list[InputItem]) -> list[InputItem]:
    """Drop each reasoning item that no message, call or surviving reasoning item follows.

    Args:
        items: what one inbound assistant message became, in order.
    """
    end = len(items)
    while end and isinstance(items[end - 1], ReasoningItem):
        end -= 1
    return items[:end]


def repair_pairs(items: list[InputItem]) -> list[InputItem]:
    """Give every call exactly one output after it, and every output a call before it."""
    ids = _CallIds()
    paired = [ids.rename(item) for item in items]
    missing = ids.unanswered()
    if not missing:
        return paired
    repaired: list[InputItem] = []
    owed: list[FunctionCallOutput] = []
    for item in paired:
        if not isinstance(item, FunctionCall):
            repaired += owed
            owed = []
        elif item.call_id in missing:
            owed.append(FunctionCallOutput(item.call_id, _NO_RESULT))
        repaired.append(item)
    return repaired + owed


class _CallIds:
    """Follows the calls of a list in order: which were made, under which id, which still wait for an output.

    An id depends on what stands before it alone, so a longer history keeps the ids of the shorter one.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last_numbers: defaultdict[str, int] = defaultdict(lambda: 1)
        self._waiting: defaultdict[str, deque[str]] = defaultdict(deque)

    def rename(self, item: InputItem) -> InputItem:
        if type(item) is FunctionCall:
            call_id = self._free_id(item.call_id) if item.call_id in self._used else item.call_id
            self._used.add(call_id)
            self._waiting[item.call_id].append(call_id)
            return item if call_id == item.call_id else structs.replace(item, call_id=call_id)
        if type(item) is FunctionCallOutput:
            waiting = self._waiting[item.call_id]
            if not waiting:
                return _as_user_message(item)
            call_id = waiting.popleft()
            return item if call_id == item.call_id else structs.replace(item, call_id=call_id)
        return item

    def unanswered(self) -> frozenset[str]:
        return frozenset(call_id for waiting in self._waiting.values() for call_id in waiting)

    def _free_id(self, call_id: str) -> str:
        while True:
            self._last_numbers[call_id] += 1
            suffix = f"_{self._last_numbers[call_id]}"
            candidate = call_id[: _MAX_ID_CHARS - len(suffix)] + suffix
            if candidate not in self._used:
                return candidate


def _as_user_message(output: FunctionCallOutput) -> MessageItem:
    label = f"[tool result {output.call_id}]"
    if isinstance(output.output, list):
        media: list[InputPart] = output.output
        content: list[MessagePart] = [InputText(json_text.quote(label)), *media]
    else:
        content = [InputText(json_text.concat(label.encode() + b"\\n", output.output))]
    return MessageItem(role="user", content=content)
