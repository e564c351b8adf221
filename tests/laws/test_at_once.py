"""Law: what can be shown is shown at once; nothing waits for the end of its item."""

from collections.abc import Callable

import pytest

from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import StreamFacts
from tests.laws.strategies import PROTOCOLS, Event, ProtocolUnderTest, sse
from tests.support.responses_stream import added, args, text, thought

FACTS = StreamFacts(model="m", scope="0" * 10, original_names={}, thinking_is_visible=True)
CALLED = {"call_id": "call_0", "name": "look_up"}
PIECES = ("12", "34", "56")


def refused(index: int, delta: str) -> Event:
    return {"type": "response.refusal.delta", "output_index": index, "content_index": 0, "delta": delta}


def typed(index: int, delta: str) -> Event:
    return {"type": "response.custom_tool_call_input.delta", "output_index": index, "delta": delta}


ITEMS: dict[str, tuple[Event, Callable[[int, str], Event]]] = {
    "text": (added(0, "message", id="i"), text),
    "refusal": (added(0, "message", id="i"), refused),
    "reasoning": (added(0, "reasoning", id="i"), thought),
    "call": (added(0, "function_call", id="i", **CALLED), args),
    "call of a custom tool": (added(0, "custom_tool_call", id="i", **CALLED), typed),
}


def steps(protocol: ProtocolUnderTest, events: list[Event]) -> list[bytes]:
    """Return what each event brings the client."""
    transcoder = Transcoder(protocol.writer(FACTS), writes_start=True)
    return [transcoder.feed(sse([event])) for event in events]


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_a_delta_goes_out_as_it_comes(
    protocol: ProtocolUnderTest, item: tuple[Event, Callable[[int, str], Event]]
) -> None:
    """The first piece of an item, the next, and those behind it which take the short cut."""
    beginning, delta = item
    _, *shown = steps(protocol, [beginning, *(delta(0, piece) for piece in PIECES)])
    assert [True] * len(PIECES) == [piece.encode() in step for piece, step in zip(PIECES, shown, strict=True)]


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_a_call_is_told_before_its_arguments(protocol: ProtocolUnderTest, kind: str) -> None:
    """Its id and name go out with the announcement: clients show who is called while the model writes."""
    (told,) = steps(protocol, [added(0, kind, **CALLED)])
    assert (True, True) == (b"call_0" in told, b"look_up" in told)


@pytest.mark.parametrize("kind", ["text", "refusal"])
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_a_part_without_deltas_is_shown_at_its_end(protocol: ProtocolUnderTest, kind: str) -> None:
    """What only the end of a part says does not wait for the end of the message."""
    part = {"type": "refusal" if kind == "refusal" else "output_text", kind: "12"}
    ended = {"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": part}
    _, shown = steps(protocol, [added(0, "message", id="i"), ended])
    assert b"12" in shown
