"""Writes the content blocks of one answer: one open at a time, indexes without gaps (wire-mapping 4.2, 4.4).

What may follow what is ``TABLE``; a call that is not in it is a bug of ours and fails an assertion. A
thinking block that is complete upstream is HELD: its signature and stop (and its start, when it has no text)
wait until the next block opens or the answer ends well, because a client takes a *completed* thinking block
for committed output and would not retry a failure that follows it.
"""

from enum import StrEnum

from packyproxy.translate.messages import frames
from packyproxy.wire.messages_events import (
    Citation,
    SearchResultBlock,
    ServerToolUseBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)

__all__ = ["TABLE", "Action", "BlockState", "BlockWriter"]


class BlockState(StrEnum):
    """Which kind of block is open."""

    NONE = "none"
    TEXT = "text"
    THINKING = "thinking"
    HELD = "held"
    TOOL = "tool"


class Action(StrEnum):
    """What can be done to the blocks."""

    OPEN_TEXT = "open_text"
    TEXT = "text"
    CITE = "cite"
    OPEN_THINKING = "open_thinking"
    THINK = "think"
    HOLD = "hold"
    OPEN_TOOL = "open_tool"
    ARGUE = "argue"
    WRITE_WHOLE = "write_whole"
    CLOSE = "close"
    RELEASE = "release"


_OPENINGS = {
    Action.OPEN_TEXT: BlockState.TEXT,
    Action.OPEN_THINKING: BlockState.THINKING,
    Action.OPEN_TOOL: BlockState.TOOL,
    Action.WRITE_WHOLE: BlockState.NONE,
    Action.HOLD: BlockState.HELD,
    Action.RELEASE: BlockState.NONE,
}

TABLE: dict[tuple[BlockState, Action], BlockState] = {
    **{(BlockState.NONE, action): state for action, state in _OPENINGS.items()},
    **{(BlockState.HELD, action): state for action, state in _OPENINGS.items()},
    (BlockState.TEXT, Action.TEXT): BlockState.TEXT,
    (BlockState.TEXT, Action.CITE): BlockState.TEXT,
    (BlockState.TEXT, Action.CLOSE): BlockState.NONE,
    (BlockState.THINKING, Action.THINK): BlockState.THINKING,
    (BlockState.THINKING, Action.HOLD): BlockState.HELD,
    (BlockState.TOOL, Action.ARGUE): BlockState.TOOL,
    (BlockState.TOOL, Action.CLOSE): BlockState.NONE,
}
"""(state, action) -> next state."""


class BlockWriter:
    """Return the frames of each block; text comes in as JSON string literals."""

    def __init__(self) -> None:
        self.has_started = False
        """Whether a ``content_block_start`` was returned."""
        self.delta_prefix = b""
        """What precedes the literal in a delta of the open block."""
        self._state = BlockState.NONE
        self._next = 0
        self._held = b""

    @property
    def state(self) -> BlockState:
        """Which kind of block is open."""
        return self._state

    def open_text(self) -> bytes:
        """Open a text block."""
        self._go(Action.OPEN_TEXT)
        self.delta_prefix = frames.text_prefix(self._next)
        return self._started(frames.text_start(self._next))

    def text(self, literal: bytes) -> bytes:
        """Write a ``text_delta``."""
        self._go(Action.TEXT)
        return self.delta_prefix + literal + frames.DELTA_END

    def cite(self, found: Citation) -> bytes:
        """Write a ``citations_delta``."""
        self._go(Action.CITE)
        return frames.citation(self._next - 1, found)

    def open_thinking(self) -> bytes:
        """Open a thinking block."""
        self._go(Action.OPEN_THINKING)
        self.delta_prefix = frames.thinking_prefix(self._next)
        return self._started(frames.block_start(self._next, ThinkingBlock(thinking="", signature="")))

    def think(self, literal: bytes) -> bytes:
        """Write a ``thinking_delta``."""
        self._go(Action.THINK)
        return self.delta_prefix + literal + frames.DELTA_END

    def hold(self, signature: str) -> None:
        """Complete the open thinking block, or make one without text; ``release`` returns it."""
        was_open = self._state is BlockState.THINKING
        self._go(Action.HOLD)
        if not was_open:
            self._held += frames.block_start(self._next, ThinkingBlock(thinking="", signature=""))
            self._next += 1
        index = self._next - 1
        self._held += frames.signature(index, signature) + frames.block_stop(index)

    def open_tool(self, tool_use_id: str, name: str) -> bytes:
        """Open a tool block and write its empty first delta, which some clients wait for."""
        self._go(Action.OPEN_TOOL)
        self.delta_prefix = frames.arguments_prefix(self._next)
        block = ToolUseBlock(id=tool_use_id, name=name, input=frames.EMPTY_INPUT)
        return self._started(frames.block_start(self._next, block)) + self.argue(b'""')

    def argue(self, literal: bytes) -> bytes:
        """Write an ``input_json_delta``."""
        self._go(Action.ARGUE)
        return self.delta_prefix + literal + frames.DELTA_END

    def write_whole(
        self, block: TextBlock | ServerToolUseBlock | SearchResultBlock, arguments: bytes | None = None
    ) -> bytes:
        """Write a block in one go, with one ``input_json_delta`` if ``arguments`` are given."""
        self._go(Action.WRITE_WHOLE)
        start = self._started(frames.block_start(self._next, block))
        index = self._next - 1
        middle = b"" if arguments is None else frames.arguments_prefix(index) + arguments + frames.DELTA_END
        return start + middle + frames.block_stop(index)

    def close(self) -> bytes:
        """Close the open text or tool block."""
        self._go(Action.CLOSE)
        return frames.block_stop(self._next - 1)

    def release(self) -> bytes:
        """Return what was held of finished thinking blocks."""
        self._go(Action.RELEASE)
        return self._take_held()

    def _go(self, action: Action) -> None:
        following = TABLE.get((self._state, action))
        assert following is not None, (self._state, action)
        self._state = following

    def _started(self, frame: bytes) -> bytes:
        """Take note that a block starts with this frame, and put before it what was held."""
        start = self._take_held() + frame
        self._next += 1
        self.has_started = True
        return start

    def _take_held(self) -> bytes:
        held, self._held = self._held, b""
        self.has_started = self.has_started or bool(held)
        return held
