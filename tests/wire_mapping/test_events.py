"""The tables of upstream events, 0.5, 4.5, 6.4 and 7.3: every type has its row, and what a row says happens."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

import pytest
from openai.types.responses import ResponseOutputItem

from packyproxy.errors import FailureKind
from packyproxy.wire.responses_events import EVENT_TYPES, NoEffect, decode_event
from tests.wire_mapping.page import names, section, spans
from tests.wire_mapping.sdks import needs_known_sdks
from tests.wire_mapping.trying import Answering, asked

Event = dict[str, Any]

VISIBLE = asked(thinking={"type": "adaptive"})
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "ls", "arguments": '{"p":1}'}
CUSTOM = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "sh", "input": "ls"}
TEXT = {"type": "output_text", "text": "Hi", "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": [TEXT]}
SUMMARY = {"type": "summary_text", "text": "Hm"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [SUMMARY], "encrypted_content": "gA"}
SEARCH = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "q"},
}
IMAGE = {"type": "image_generation_call", "id": "ig_1", "output_format": "png", "result": "AAAA"}
DONE = {"id": "resp_1", "status": "completed", "output": [], "usage": {"input_tokens": 1, "output_tokens": 1}}


def of(kind: str, **fields: Any) -> Event:
    """Make an event of an item at index 0."""
    return {"type": f"response.{kind}", "output_index": 0, **fields}


def added(item: Event) -> Event:
    return of("output_item.added", item={**item, "content": [], "summary": [], "arguments": "", "input": ""})


def done(item: Event) -> Event:
    return of("output_item.done", item=item)


DELTA = of("output_text.delta", content_index=0, delta="Hi")
REFUSAL = of("refusal.delta", content_index=0, delta="No")
THOUGHT = of("reasoning_summary_text.delta", summary_index=0, delta="Hm")
RAW_THOUGHT = of("reasoning_text.delta", content_index=0, delta="Hm")
ARGUMENTS = of("function_call_arguments.delta", delta='{"p":1}')
INPUT = of("custom_tool_call_input.delta", delta="ls")

WRITING: dict[tuple[str, str], tuple[list[Event], Event]] = {
    ("response.output_item.added", "function_call"): ([], added(CALL)),
    ("response.output_item.added", "custom_tool_call"): ([], added(CUSTOM)),
    ("response.output_text.delta", ""): ([added(MESSAGE)], DELTA),
    ("response.output_text.done", ""): ([added(MESSAGE)], of("output_text.done", content_index=0, text="Hi")),
    ("response.content_part.done", ""): (
        [added(MESSAGE)],
        of("content_part.done", content_index=0, part=TEXT),
    ),
    ("response.refusal.delta", ""): ([added(MESSAGE)], REFUSAL),
    ("response.refusal.done", ""): ([added(MESSAGE)], of("refusal.done", content_index=0, refusal="No")),
    ("response.reasoning_summary_text.delta", ""): ([added(REASONING)], THOUGHT),
    ("response.reasoning_summary_text.done", ""): (
        [added(REASONING)],
        of("reasoning_summary_text.done", summary_index=0, text="Hm"),
    ),
    ("response.reasoning_text.delta", ""): ([added(REASONING)], RAW_THOUGHT),
    ("response.reasoning_text.done", ""): (
        [added(REASONING)],
        of("reasoning_text.done", content_index=0, text="Hm"),
    ),
    ("response.function_call_arguments.delta", ""): ([added(CALL)], ARGUMENTS),
    ("response.function_call_arguments.done", ""): (
        [added(CALL)],
        of("function_call_arguments.done", arguments='{"p":1}'),
    ),
    ("response.custom_tool_call_input.delta", ""): ([added(CUSTOM)], INPUT),
    ("response.custom_tool_call_input.done", ""): (
        [added(CUSTOM)],
        of("custom_tool_call_input.done", input="ls"),
    ),
    ("response.output_item.done", "message"): ([added(MESSAGE)], done(MESSAGE)),
    ("response.output_item.done", "reasoning"): ([added(REASONING)], done(REASONING)),
    ("response.output_item.done", "function_call"): ([], done(CALL)),
    ("response.output_item.done", "custom_tool_call"): ([], done(CUSTOM)),
    ("response.output_item.done", "web_search_call"): ([added(SEARCH)], done(SEARCH)),
    ("response.output_item.done", "image_generation_call"): ([], done(IMAGE)),
}
"""What makes each of these events write something: what comes before it, and the event."""

DELTAS: dict[str, Event] = {
    "response.output_text.done": DELTA,
    "response.content_part.done": DELTA,
    "response.refusal.done": REFUSAL,
    "response.reasoning_summary_text.done": THOUGHT,
    "response.reasoning_text.done": RAW_THOUGHT,
    "response.function_call_arguments.done": ARGUMENTS,
}
"""The delta that leaves nothing to complete."""


def event_rows() -> Iterator[tuple[list[str], list[str], str]]:
    """Yield the types of each row of 4.5, the kinds of item or part it is for, and the effect."""
    last = ""
    for cell, effect in section("4.5").table():
        types: list[str] = []
        kinds: list[str] = []
        for name in names(cell):
            if name.startswith(("response.", "codex.", "responsesapi.")) or name in {"error", "keepalive"}:
                types.append(name)
            elif name.startswith("."):
                types.append(types[-1].rpartition(".")[0] + name)
            elif cell.startswith("…") and not types:
                types.append(f"{last.rpartition('.')[0].removesuffix('.annotation')}.{name}")
            else:
                kinds.append(name)
        if types:
            last = types[0]
        yield types, kinds, effect


ROWS = list(event_rows())
ITEM_ROWS = [(types[0], kind, effect) for types, kinds, effect in ROWS for kind in kinds if types]
KNOWN = {kind for event, kind, _ in ITEM_ROWS if event.startswith("response.output_item.")}


def effects(word: str) -> list[str]:
    """Return the types of the rows whose effect has a word, without those for one kind of item."""
    return [
        each
        for types, kinds, effect in ROWS
        if word in effect and not kinds
        for each in types
        if "*" not in each
    ]


def test_known_events_have_rows() -> None:
    """The table names the types that the code knows, and no other."""
    listed = {each for types, _, _ in ROWS for each in types}
    assert listed == {*EVENT_TYPES, "responsesapi.*"}


def test_written_items_have_rows() -> None:
    """Each type of item that the client sees something of has its row, where it begins and where it is done."""
    for name in ("response.output_item.added", "response.output_item.done"):
        said = {kind for event, kind, effect in ITEM_ROWS if event == name and not effect.startswith("—")}
        assert said == {kind for event, kind in WRITING if event == name}


@needs_known_sdks
def test_items_of_the_sdk_have_rows() -> None:
    """For whatever item the vendor's own SDK knows, the page says what becomes of it when it is done."""
    union = get_args(ResponseOutputItem)[0]
    kinds = {get_args(item.model_fields["type"].annotation)[0] for item in get_args(union)}
    assert kinds <= {kind for event, kind, _ in ITEM_ROWS if event == "response.output_item.done"}


def test_a_family_of_events_is_known_as_a_whole() -> None:
    """Of ``responsesapi.*`` no type is unknown."""
    assert isinstance(decode_event(b'{"type":"responsesapi.something"}'), NoEffect)


@pytest.mark.parametrize("name", effects("—"))
def test_events_without_effect_write_nothing(name: str) -> None:
    """A dash means that nothing is written and that the answer goes on."""
    answer = Answering("messages", VISIBLE)
    answer.take(added(MESSAGE), DELTA)
    assert (answer.take({"type": name}), answer.writer.failure, answer.writer.is_finished) == (
        "",
        None,
        False,
    )


@pytest.mark.parametrize(
    ("name", "kind", "effect"),
    [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in ITEM_ROWS if row[2].startswith("—")],
)
def test_items_without_effect_write_nothing(name: str, kind: str, effect: str) -> None:
    """A dash in the row of an item means the same; what is logged is noted, the rest is not."""
    answer = Answering("messages", VISIBLE)
    event = {"type": name, "output_index": 0, "item": {"type": kind, "id": "x_1"}, "part": {"type": kind}}
    written = answer.take(event)
    assert (written, [note.detail for note in answer.writer.notes]) == (
        "",
        [kind] if "logged" in effect else [],
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, id=f"{name}{'-' * bool(kind)}{kind}")
        for types, kinds, effect in ROWS
        for name in types
        for kind in ([each for each in kinds if each in KNOWN] or [""])
        if not effect.startswith("—")
        and "the answer" not in effect
        and "annotation" not in name
        and "part.added" not in name
    ],
)
def test_events_with_effect_write(name: str, kind: str) -> None:
    """An event whose row has no dash writes something, of the kind that the row names."""
    effect = next(effect for types, kinds, effect in ROWS if name in types and (not kind or kind in kinds))
    answer = Answering("messages", VISIBLE)
    before, event = WRITING[name, kind]
    answer.take(*before)
    written = answer.take(
        event,
        of("output_item.added", output_index=1, item=MESSAGE),
        of("output_text.delta", output_index=1, delta="."),
    )
    wanted = {span for span in spans(effect) if span.endswith("_delta")} or {"data: "}
    assert {each for each in wanted if each not in written} == set()


@pytest.mark.parametrize("name", [name for name in effects("completion rule") if name in DELTAS])
def test_completion_rule(name: str) -> None:
    """At a done, nothing is sent again that the deltas brought."""
    before, event = WRITING[name, ""]
    answer = Answering("messages", VISIBLE)
    answer.take(*before, DELTAS[name])
    assert answer.take(event) == ""


def test_every_done_of_a_text_completes() -> None:
    """The events that must complete are the ones that the rows say it of."""
    assert {*DELTAS, "response.custom_tool_call_input.done"} == set(effects("completion rule"))


@pytest.mark.parametrize("name", effects("the answer ends well"))
def test_good_ends(name: str) -> None:
    """These events end an answer well."""
    answer = Answering("messages")
    answer.take({"type": name, "response": DONE})
    assert answer.writer.is_finished


@pytest.mark.parametrize("name", effects("the answer fails"))
def test_bad_ends(name: str) -> None:
    """These events make it fail; one that was cancelled in the words of its row."""
    answer = Answering("messages")
    answer.take(
        {"type": name, "error": {"code": "server_error"}, "response": {"error": {"code": "server_error"}}}
    )
    failure = answer.writer.failure
    assert failure is not None
    told = next(effect for types, _, effect in ROWS if name in types)
    wanted = spans(told)[-1] if failure.kind is FailureKind.CANCELLED else ""
    assert failure.message.endswith(wanted)


def test_the_handshake_is_told_twice_alike() -> None:
    """The rows of 4.5 that say handshake are the list of 0.5."""
    told = re.search(r"Handshake are (.+?), comments", section("0.5").prose)
    assert told
    listed = spans(told[1])
    rows = {each for types, _, effect in ROWS if "handshake" in effect for each in types}
    families = {name.removesuffix("*") for name in listed if name.endswith("*")}
    spelled_out = {name for name in rows if name.startswith(tuple(families))}
    assert {name for name in listed if "*" not in name} == rows - spelled_out - {"responsesapi.*"}


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_handshake_events_are_no_content(name: str) -> None:
    """Of an answer that is passed on, any event begins the content but those of the handshake and failures."""
    answer = Answering("responses")
    answer.take({"type": name, "response": {}, "item": MESSAGE})
    handshake = {each for types, _, effect in ROWS if "handshake" in effect for each in types}
    handshake |= {each for each in EVENT_TYPES if each.startswith("codex.")}
    assert answer.writer.has_content is (name not in handshake and answer.writer.failure is None)


def test_chat_rows_name_known_events() -> None:
    """The events of 6.4 are events of 4.5."""
    assert {
        name for row in section("6.4").table() for name in names(row[0]) if name.startswith("response.")
    } <= EVENT_TYPES


@pytest.mark.parametrize(
    ("name", "before", "event"),
    [
        (name, *WRITING[name, ""])
        for row in section("6.4").table()
        for name in names(row[0])
        if (name, "") in WRITING
    ],
)
def test_chat_deltas(name: str, before: list[Event], event: Event) -> None:
    """A delta becomes the chunk of its row."""
    form = next(row[1] for row in section("6.4").table() if name in names(row[0]))
    answer = Answering("chat")
    answer.take(*before)
    key = re.match(r'\{"(\w+)":', spans(form)[0])
    assert key
    assert f'"delta":{{"{key[1]}":"{event["delta"]}"}}' in answer.take(event)


def test_rows_of_one_type_stand_together() -> None:
    """Rows that begin with an ellipsis follow one of their type."""
    starts = [types[0] for types, _, _ in ROWS if types]
    seen = [name for name, following in pairwise([*starts, ""]) if name != following]
    assert sorted(seen) == sorted(set(seen))
