"""What of an item's events waits, and what it costs."""

from msgspec import Raw

from packyproxy.translate.held_events import HeldEvents
from packyproxy.wire.responses_events import ArgumentsDelta, ItemDone, ResponsesEvent, TextDelta, TextDone


def held(*events: ResponsesEvent) -> HeldEvents:
    waiting = HeldEvents()
    for event in events:
        waiting.hold(event)
    return waiting


def delta(text: str, part_index: int = 0) -> TextDelta:
    return TextDelta(part_index=part_index, delta=Raw(f'"{text}"'.encode()))


def test_deltas_of_one_part_become_one() -> None:
    """Any other event, or another part, ends the run; the order stays."""
    end = TextDone(text=Raw(b'"abc"'))
    waiting = held(
        delta("a"), delta("b"), delta("c", 1), end, delta("d", 1), ArgumentsDelta(delta=Raw(b'"{"'))
    )
    assert [
        delta("ab"),
        delta("c", 1),
        end,
        delta("d", 1),
        ArgumentsDelta(delta=Raw(b'"{"')),
    ] == waiting.take()


def test_only_what_came_since_is_taken() -> None:
    """Once taken, nothing waits, and a new delta does not continue the old run."""
    waiting = held(delta("a"))
    assert [delta("a")] == waiting.take()
    assert (0, []) == (waiting.size, waiting.take())
    waiting.hold(delta("b"))
    assert [delta("b")] == waiting.take()


def test_delta_that_is_no_text_adds_none() -> None:
    """A relay's delta of the wrong type stays out of the run."""
    waiting = held(delta("a"), TextDelta(part_index=0, delta=Raw(b"17")), delta("b"))
    assert [delta("ab")] == waiting.take()


def test_size_grows_with_the_text() -> None:
    """Each event is counted with its text; a delta that joins a run costs no more than its text."""
    waiting = held(delta("a" * 1000))
    alone = waiting.size
    assert 1002 == waiting.hold(delta("b" * 1000))
    assert (alone + 1002, True) == (waiting.size, waiting.hold(ItemDone()) > 0)
    assert 1000 < alone < 2000
