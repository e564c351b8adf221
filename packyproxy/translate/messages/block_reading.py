"""Which blocks may stand where in a Messages request (wire-mapping 1.4, 1.5)."""

from typing import Final

from packyproxy.translate.tagged_lists import TaggedLists
from packyproxy.wire.messages import Block, ResultBlock, SystemBlock

__all__ = ["BLOCK", "MESSAGE_BLOCKS", "RESULT_BLOCKS", "SYSTEM_BLOCKS"]

BLOCK: Final = "content block"
"""What an entry of ``content`` is called in a refusal."""

MESSAGE_BLOCKS: TaggedLists[Block] = TaggedLists(Block, noun=BLOCK)
"""Blocks of user and assistant messages."""

SYSTEM_BLOCKS: TaggedLists[SystemBlock] = TaggedLists(SystemBlock, noun=BLOCK)
"""Blocks of system messages in mid-conversation."""

RESULT_BLOCKS: TaggedLists[ResultBlock] = TaggedLists(ResultBlock, noun=BLOCK)
"""Blocks inside a tool result."""
