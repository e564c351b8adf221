"""Streamed Responses keep what the Open Responses specification says of events, items and their order."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from packyproxy.testing import Answer, Fault, Framing, Stream, Turn
from tests.support.openai_types import (
    RESPONSE_FIELDS,
    Frame,
    is_lifecycle,
    read_event,
    read_frames,
    read_response,
)
from tests.support.scripted_answers import ANSWERS, RECORDED, RESPONSES_TOOLS, TURNS

ASKED: dict[str, Any] = {
    "model": "gpt-5-low",
    "input": "hi",
    "tools": RESPONSES_TOOLS,
    "reasoning": {"summary": "auto"},
    "include": ["web_search_call.action.sources"],
}
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}

each_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)


async def frames_of(it: Any) -> list[Frame]:
    response = await it.post("/responses", {**ASKED, "stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return read_frames(response.content)


async def events_of(it: Any) -> list[Any]:
    """Return the events of one streamed answer, the notices of relays left out."""
    return [read_event(frame.data) for frame in await frames_of(it) if frame.event != "codex.rate_limits"]


def of_items(events: list[Any]) -> dict[int, list[Any]]:
    """Return the events of each output item, by its index."""
    items: dict[int, list[Any]] = {}
    for event in events:
        if hasattr(event, "output_index"):
            items.setdefault(event.output_index, []).append(event)
    return items


@each_answer
async def test_every_frame_names_its_event(stage: Callable[..., Any], answer: Answer) -> None:
    """A frame is one event line with the type that its data has, and one data line; nothing else is written."""
    frames = await frames_of(stage(answer))
    assert [msgspec.json.decode(frame.data)["type"] for frame in frames] == [frame.event for frame in frames]


@each_answer
async def test_every_event_has_its_fields(stage: Callable[..., Any], answer: Answer) -> None:
    """Every event is valid as the SDK types it: no required field is absent, and none has another type."""
    frames = await frames_of(stage(answer))
    events = [read_event(frame.data) for frame in frames if frame.event != "codex.rate_limits"]
    assert len(events) >= 3


@each_answer
async def test_sequence_numbers_increase(stage: Callable[..., Any], answer: Answer) -> None:
    """Each event has a greater number than the one before."""
    numbers = [event.sequence_number for event in await events_of(stage(answer))]
    assert sorted(set(numbers)) == numbers


@each_answer
async def test_a_response_begins_and_ends_once(stage: Callable[..., Any], answer: Answer) -> None:
    """``response.created`` is first, ``in_progress`` follows, one terminal event is last."""
    kinds = [event.type for event in await events_of(stage(answer))]
    assert ["response.created", "response.in_progress"] == kinds[:2]
    assert (1, 1) == (kinds.count("response.created"), kinds.count("response.in_progress"))
    assert [len(kinds) - 1] == [number for number, kind in enumerate(kinds) if kind in TERMINAL]


@each_answer
async def test_a_response_is_whole_in_every_event(stage: Callable[..., Any], answer: Answer) -> None:
    """Each lifecycle event carries all fields of the one response, with the status that the event means."""
    states = [event for event in await events_of(stage(answer)) if is_lifecycle(event)]
    assert len({(event.response.id, event.response.created_at) for event in states}) == 1
    for event in states:
        status = "in_progress" if event.type == "response.created" else event.type.removeprefix("response.")
        told = event.response
        assert (status, "response", "gpt-5-low") == (told.status, told.object, told.model)
        assert (False, None) == (told.store, told.previous_response_id)
        assert frozenset() == RESPONSE_FIELDS - told.model_fields_set


@each_answer
async def test_an_ended_response_tells_its_usage(stage: Callable[..., Any], answer: Answer) -> None:
    """The last event has the usage with the details of both sides; the ones before have none."""
    *earlier, last = [event.response for event in await events_of(stage(answer)) if is_lifecycle(event)]
    assert [None] * len(earlier) == [response.usage for response in earlier]
    usage = last.usage
    assert usage.input_tokens + usage.output_tokens == usage.total_tokens
    assert min(usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) >= 0


@each_answer
async def test_items_open_and_close_once(stage: Callable[..., Any], answer: Answer) -> None:
    """An item begins with ``output_item.added`` and ends with ``output_item.done``, and they agree on what it is."""
    items = of_items(await events_of(stage(answer)))
    assert list(range(len(items))) == sorted(items)
    for events in items.values():
        first, last = events[0], events[-1]
        assert ("response.output_item.added", "response.output_item.done") == (first.type, last.type)
        assert 2 == sum("output_item" in event.type for event in events)
        assert (first.item.type, first.item.id) == (last.item.type, last.item.id)
        states = {"reasoning": (None, None)}
        opened, closed = states.get(first.item.type, ("in_progress", last.item.status))
        assert (opened, closed) == (first.item.status, last.item.status)
        assert closed != "in_progress"


@each_answer
async def test_events_of_an_item_carry_its_id(stage: Callable[..., Any], answer: Answer) -> None:
    """What happens to an item names it by its index and its id alike."""
    for events in of_items(await events_of(stage(answer))).values():
        within = {event.item_id for event in events if hasattr(event, "item_id")}
        assert within <= {events[0].item.id}


@each_answer
async def test_parts_open_and_close_within_their_item(stage: Callable[..., Any], answer: Answer) -> None:
    """A part is added, filled and done, one after another, before its message is."""
    for events in of_items(await events_of(stage(answer))).values():
        if events[0].item.type != "message":
            continue
        open_part: int | None = None
        seen = 0
        for event in events[1:-1]:
            if event.type == "response.content_part.added":
                assert (None, seen) == (open_part, event.content_index)
                open_part, seen = seen, seen + 1
            else:
                assert open_part == event.content_index
                open_part = None if event.type == "response.content_part.done" else open_part
        assert (None, len(events[-1].item.content)) == (open_part, seen)


STREAMED = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_text": "text",
    "response.reasoning_summary_text": "text",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
}
"""What comes in deltas, and the field of its ``done`` that holds the whole."""


def pieces(events: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield what the deltas of each text add up to, and what its ``done`` says."""
    so_far: dict[tuple[Any, ...], str] = {}
    for event in events:
        kind, _, step = event.type.rpartition(".")
        if kind in STREAMED:
            part = getattr(event, "content_index", None), getattr(event, "summary_index", None)
            place = kind, event.output_index, *part
            if step == "delta":
                so_far[place] = so_far.get(place, "") + event.delta
            else:
                yield so_far.pop(place, ""), getattr(event, STREAMED[kind])
    assert so_far == {}


@each_answer
async def test_deltas_add_up_to_what_is_done(stage: Callable[..., Any], answer: Answer) -> None:
    """The deltas of a text, a refusal, reasoning, arguments or an input joined are what its ``done`` holds."""
    for joined, whole in pieces(await events_of(stage(answer))):
        assert whole == joined


@each_answer
async def test_a_message_holds_what_its_parts_were(stage: Callable[..., Any], answer: Answer) -> None:
    """``content_part.done`` repeats the text that was done, and ``output_item.done`` all parts."""
    for events in of_items(await events_of(stage(answer))).values():
        if events[0].item.type != "message":
            continue
        texts = [event.text for event in events if event.type == "response.output_text.done"]
        refusals = [event.refusal for event in events if event.type == "response.refusal.done"]
        parts = [event.part for event in events if event.type == "response.content_part.done"]
        assert texts == [part.text for part in parts if part.type == "output_text"]
        assert refusals == [part.refusal for part in parts if part.type == "refusal"]
        assert parts == [
            type(part).model_validate(told.model_dump())
            for part, told in zip(parts, events[-1].item.content, strict=True)
        ]


@each_answer
async def test_a_call_holds_what_was_streamed(stage: Callable[..., Any], answer: Answer) -> None:
    """A finished call has the arguments or the input that were streamed, and the id it began with."""
    for events in of_items(await events_of(stage(answer))).values():
        opened, closed = events[0].item, events[-1].item
        if opened.type not in {"function_call", "custom_tool_call"}:
            continue
        field = "arguments" if opened.type == "function_call" else "input"
        [done] = [event for event in events if event.type.endswith(("arguments.done", "input.done"))]
        assert ("", getattr(done, field)) == (getattr(opened, field), getattr(closed, field))
        assert (opened.call_id, opened.name) == (closed.call_id, closed.name)


@each_answer
async def test_the_last_event_holds_every_item(stage: Callable[..., Any], answer: Answer) -> None:
    """The output of the finished response is all items as they were done, also when the upstream leaves it out."""
    events = await events_of(stage(answer))
    done = [event.item for event in events if event.type == "response.output_item.done"]
    places = [event.output_index for event in events if event.type == "response.output_item.done"]
    in_order = [item for _, item in sorted(zip(places, done, strict=True), key=lambda pair: pair[0])]
    assert [item.model_dump() for item in in_order] == [
        item.model_dump() for item in events[-1].response.output
    ]


@each_answer
async def test_a_whole_answer_has_the_fields_of_the_last_event(
    stage: Callable[..., Any], answer: Answer
) -> None:
    """Without ``stream`` the answer is the finished response: the same fields, filled alike, and valid."""
    it = stage([answer, answer])
    events = await events_of(it)
    response = await it.post("/responses", ASKED)
    assert response.headers["content-type"] == "application/json"
    whole, streamed = read_response(response.content), events[-1].response
    assert whole.model_fields_set == streamed.model_fields_set
    assert (whole.status, whole.model) == (streamed.status, streamed.model)
    assert [item.type for item in whole.output] == [item.type for item in streamed.output]
    assert whole.output_text == streamed.output_text


@pytest.mark.parametrize("name", [name for name in ANSWERS if name in RECORDED])
async def test_a_recorded_answer_is_the_same_both_ways(stage: Callable[..., Any], name: str) -> None:
    """The whole answer to equal upstream bytes equals the response of the last event in every field."""
    it = stage(ANSWERS[name])
    streamed = msgspec.json.decode((await frames_of(it))[-1].data)["response"]
    whole = (await it.post("/responses", ASKED)).json()
    assert streamed == whole


@pytest.mark.parametrize("name", [name for name in TURNS if name != "notices"])
async def test_an_upstream_that_answers_json_is_streamed(stage: Callable[..., Any], name: str) -> None:
    """One JSON document becomes a stream whose events are valid, numbered, and hold the same output."""
    turn = msgspec.structs.replace(TURNS[name], framing=Framing(is_json=True), has_final_output=True)
    events = await events_of(stage(turn))
    assert list(range(len(events))) == [event.sequence_number for event in events]
    assert ("response.created", True) == (events[0].type, events[-1].type in TERMINAL)
    done = [event.item.model_dump() for event in events if event.type == "response.output_item.done"]
    assert done == [item.model_dump() for item in events[-1].response.output]


async def test_usage_without_details_is_completed(stage: Callable[..., Any]) -> None:
    """An upstream that counts but tells no details still makes a valid whole answer, with zeros in them."""
    body = RECORDED["recorded-text"].body
    assert isinstance(body, bytes)
    bare = re.sub(rb',"(in|out)put_tokens_details":{[^}]*}', b"", body)
    usage = read_response((await stage(Stream(bare)).post("/responses", ASKED)).content).usage
    assert usage is not None
    assert (37, 74, 111) == (usage.input_tokens, usage.output_tokens, usage.total_tokens)
    assert (0, 0) == (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens)


async def test_an_end_without_a_terminal_event_gets_one(stage: Callable[..., Any]) -> None:
    """An upstream that says ``[DONE]`` in place of ``response.completed`` is completed with what there was."""
    body = RECORDED["recorded-text"].body
    assert isinstance(body, bytes)
    cut = body[: body.index(b"event: response.completed")]
    events = await events_of(stage(Stream(cut + b"data: [DONE]\n\n")))
    numbers = [event.sequence_number for event in events]
    last = events[-1]
    assert ("response.completed", sorted(set(numbers))) == (last.type, numbers)
    assert ("completed", events[0].response.id) == (last.response.status, last.response.id)
    done = [event.item.model_dump() for event in events if event.type == "response.output_item.done"]
    assert done == [item.model_dump() for item in last.response.output]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Fault.cut(Turn("Half an answer"), after_events=7), id="cut"),
        pytest.param(Fault.end(Turn("Half an answer"), after_events=7), id="end"),
        pytest.param(Fault.failed(turn=Turn("Half an answer"), after_events=7), id="failed"),
        pytest.param(RECORDED["recorded-no-completed"], id="recorded-no-completed"),
    ],
)
async def test_a_broken_answer_ends_as_failed(stage: Callable[..., Any], answer: Answer) -> None:
    """After content an upstream that breaks off makes a valid ``response.failed`` of the response that had begun."""
    events = await events_of(stage(answer))
    numbers = [event.sequence_number for event in events]
    last = events[-1]
    assert ("response.failed", sorted(set(numbers))) == (last.type, numbers)
    assert (events[0].response.id, "failed", "gpt-5-low") == (
        last.response.id,
        last.response.status,
        last.response.model,
    )
    assert last.response.error.code == "server_error"


async def test_an_error_event_is_passed_on(stage: Callable[..., Any]) -> None:
    """The upstream's ``error`` event is the last one, and valid."""
    *_, last = await events_of(stage(RECORDED["recorded-error-event"]))
    assert ("error", "server_error") == (last.type, last.code)
