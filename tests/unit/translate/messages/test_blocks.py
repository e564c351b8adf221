"""The block writer: its table, its indexes, and thinking that stays open."""

import json

import pytest

from packyproxy.translate.messages.blocks import TABLE, Action, BlockState, BlockWriter
from packyproxy.wire.messages_events import TextBlock

ACTIONS = {
    Action.OPEN_TEXT: lambda blocks: blocks.open_text(),
    Action.TEXT: lambda blocks: blocks.text(b'"a"'),
    Action.OPEN_THINKING: lambda blocks: blocks.open_thinking(),
    Action.THINK: lambda blocks: blocks.think(b'"a"'),
    Action.HOLD: lambda blocks: blocks.hold("s"),
    Action.OPEN_TOOL: lambda blocks: blocks.open_tool("t", "n"),
    Action.ARGUE: lambda blocks: blocks.argue(b'"{}"'),
    Action.WRITE_WHOLE: lambda blocks: blocks.write_whole(TextBlock(text="")),
    Action.CLOSE: lambda blocks: blocks.close(),
    Action.RELEASE: lambda blocks: blocks.release(),
}

INTO = {
    BlockState.NONE: (),
    BlockState.TEXT: (Action.OPEN_TEXT,),
    BlockState.THINKING: (Action.OPEN_THINKING,),
    BlockState.HELD: (Action.HOLD,),
    BlockState.TOOL: (Action.OPEN_TOOL,),
}


def in_state(state: BlockState) -> BlockWriter:
    """Bring a writer into a state."""
    blocks = BlockWriter()
    for action in INTO[state]:
        ACTIONS[action](blocks)
    return blocks


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.value)
@pytest.mark.parametrize("state", BlockState, ids=lambda state: state.value)
def test_table(state: BlockState, action: Action) -> None:
    """Each action leads where the table says, and nowhere else is it allowed."""
    blocks = in_state(state)
    following = TABLE.get((state, action))
    if following is None:
        with pytest.raises(AssertionError):
            ACTIONS[action](blocks)
    else:
        ACTIONS[action](blocks)
        assert following is blocks.state


def types(frames: bytes) -> list[tuple[str, int]]:
    """Return (event type, block index) of each frame."""
    datas = [json.loads(frame.split(b"\ndata: ")[1]) for frame in frames.split(b"\n\n") if frame]
    return [(data["type"].removeprefix("content_block_"), data["index"]) for data in datas]


def test_held_thinking_comes_out_before_the_next_block() -> None:
    """Signature and stop of a thought precede the start of what follows it."""
    blocks = BlockWriter()
    opening = blocks.open_thinking() + blocks.think(b'"a"')
    blocks.hold("sig")
    assert [("start", 0), ("delta", 0)] == types(opening)
    assert [("delta", 0), ("stop", 0), ("start", 1)] == types(blocks.open_text())


def test_thinking_without_text_is_held_as_a_whole() -> None:
    """A thought that is only a signature shows nothing until it is released."""
    blocks = BlockWriter()
    blocks.hold("one")
    blocks.hold("two")
    assert not blocks.has_started
    assert [("start", 0), ("delta", 0), ("stop", 0), ("start", 1), ("delta", 1), ("stop", 1)] == types(
        blocks.release()
    )
    assert blocks.has_started


def test_release_without_anything_held() -> None:
    """Releasing nothing writes nothing."""
    blocks = BlockWriter()
    assert (b"", False) == (blocks.release(), blocks.has_started)


def test_every_state_can_be_reached() -> None:
    """The table has no state that nothing leads to."""
    assert set(BlockState) == {BlockState.NONE, *TABLE.values()}
