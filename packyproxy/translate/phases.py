"""The ``phase`` of an assistant's messages, which newer models want back (wire-mapping 2.6).

No client protocol but Responses has a place for it, so it is inferred from what follows in the same turn.
"""

import re
from typing import Literal

from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.wire.responses import CustomToolCall, FunctionCall, InputItem, MessageItem

__all__ = ["takes_phases", "with_phases"]

_HAS_PHASE = re.compile(r"gpt-(?:5\.[3-9]|[6-9]).*", re.IGNORECASE)


def takes_phases(target: Target, facts: AttemptFacts) -> bool:
    """Tell whether phases are sent to this target."""
    phase = target.capabilities.phase
    is_wanted = phase == "on" or (phase == "auto" and _HAS_PHASE.fullmatch(target.model) is not None)
    return is_wanted and "phase" not in facts.removed_parameters


def with_phases(items: list[InputItem]) -> list[InputItem]:
    """Say of each assistant message whether calls follow it.

    Args:
        items: what one inbound assistant message became, in order.
    """
    phase: Literal["commentary", "final_answer"] = "final_answer"
    marked = items.copy()
    for at in range(len(items) - 1, -1, -1):
        item = items[at]
        if type(item) is FunctionCall or type(item) is CustomToolCall:
            phase = "commentary"
        elif type(item) is MessageItem and item.role == "assistant":
            marked[at] = MessageItem("assistant", item.content, phase)
    return marked
