"""The writer of Responses streams: what is held, what passes, what is changed, and how it ends."""

import json
from typing import Any

import pytest
from openai.types.responses import ResponseCompletedEvent, ResponseFailedEvent

from packyproxy.errors import FailureKind
from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import Note
from packyproxy.translate.responses import stream
from packyproxy.translate.responses.facts import ResponsesFacts
from packyproxy.translate.responses.stream import ResponsesWriter

Event = dict[str, Any]


class Run:
    """A stream through a writer of its own."""

    def __init__(self, *reads: bytes | Event, model: str = "mine", estimate: int = 0) -> None:
        facts = ResponsesFacts(
            model=model,
            upstream_model="gpt-5",
            scope="0" * 10,
            original_names={},
            input_tokens_estimate=estimate,
        )
        self.writer = ResponsesWriter(facts, answer_id="resp_ours", request_id="req_1")
        self.transcoder = Transcoder(self.writer)
        self.writes = [self.transcoder.feed(read if isinstance(read, bytes) else sse(read)) for read in reads]

    @property
    def body(self) -> bytes:
        """Everything written so far."""
        return b"".join(self.writes)

    @property
    def events(self) -> list[Event]:
        """The events in it."""
        return read(self.body)

    @property
    def kind(self) -> FailureKind | None:
        """What failed."""
        failure = self.transcoder.failure
        return None if failure is None else failure.kind

    def fail(self, error: Event | None = None) -> bytes:
        """End it with an error, as the caller does."""
        return self.writer.fail(502, json.dumps({"error": error or {"message": "m", "code": None}}).encode())


def sse(event: Event) -> bytes:
    """Write an upstream frame."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def read(body: bytes) -> list[Event]:
    """Return the events of a client stream."""
    return [json.loads(frame.partition(b"\ndata: ")[2]) for frame in body.split(b"\n\n")[:-1]]


def response(kind: str, number: int = 0, **fields: Any) -> Event:
    """Return an event that holds a response object."""
    return {
        "type": f"response.{kind}",
        "sequence_number": number,
        "response": {"id": "resp_theirs", "created_at": 7, "model": "gpt-5", **fields},
    }


def added(index: int | None, kind: str = "message") -> Event:
    """Return the beginning of an item."""
    return {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {"type": kind, "id": f"item_{index}"},
    }


def done(index: int | None, kind: str = "message", **fields: Any) -> Event:
    """Return the end of an item."""
    return {
        "type": "response.output_item.done",
        "sequence_number": 40,
        "output_index": index,
        "item": {"type": kind, "id": f"item_{index}", **fields},
    }


CREATED = response("created", output=[])
DELTA: Event = {"type": "response.output_text.delta", "sequence_number": 3, "output_index": 0, "delta": "hi"}
COMPLETED = response("completed", 9, status="completed", output=[])
DONE = b"data: [DONE]\n\n"

HANDSHAKE: dict[str, Event] = {
    "created": CREATED,
    "queued": response("queued"),
    "in progress": response("in_progress"),
    "rate limits": {"type": "codex.rate_limits", "limit_reached": True},
    "codex metadata": {"type": "codex.response.metadata"},
    "another of codex": {"type": "codex.brand_new"},
    "metadata": {"type": "response.metadata"},
    "safety buffering": {"type": "response.safety_buffering"},
    "keepalive": {"type": "keepalive"},
    "responsesapi": {"type": "responsesapi.brand_new"},
    "unknown": {"type": "response.brand_new"},
}


@pytest.mark.parametrize("event", HANDSHAKE.values(), ids=HANDSHAKE.keys())
def test_handshake_is_held(event: Event) -> None:
    """Such an event shows no output: another upstream could still be asked."""
    run = Run(event)
    assert (b"", False) == (run.body, run.transcoder.has_content)


@pytest.mark.parametrize("event", HANDSHAKE.values(), ids=HANDSHAKE.keys())
def test_handshake_is_let_go_with_the_first_content(event: Event) -> None:
    """What was held comes first, in the same write."""
    run = Run(event, DELTA)
    types = [event["type"] for event in read(run.writes[1])]
    assert ([event["type"], DELTA["type"]], True) == (types, run.transcoder.has_content)


CONTENT: dict[str, Event] = {
    "item": added(0),
    "text": DELTA,
    "summary": {"type": "response.reasoning_summary_text.delta", "delta": "x"},
    "search": {"type": "response.web_search_call.searching"},
    "end": COMPLETED,
}


@pytest.mark.parametrize("event", CONTENT.values(), ids=CONTENT.keys())
def test_everything_else_is_content(event: Event) -> None:
    """Any other known event ends the time in which another upstream could be asked."""
    run = Run(CREATED, event)
    assert ([b"", True], True) == ([run.writes[0], bool(run.writes[1])], run.transcoder.has_content)


def test_handshake_passes_after_content() -> None:
    """Later on such events are given to the client at once."""
    run = Run(DELTA, HANDSHAKE["rate limits"], HANDSHAKE["unknown"])
    assert [sse(DELTA), sse(HANDSHAKE["rate limits"]), sse(HANDSHAKE["unknown"])] == run.writes


def test_endless_handshake_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upstream that sends more and more before its answer is not kept for ever."""
    monkeypatch.setattr(stream, "MAX_HELD_BYTES", 300)
    run = Run(*[HANDSHAKE["rate limits"]] * 9)
    assert (FailureKind.BAD_STREAM, b"") == (run.kind, run.body)
    assert not run.writer.fails_in_stream


def test_unknown_types_are_noted_once() -> None:
    """Each type that nobody knows deserves one log line, held or passed."""
    new, newer = {"type": "response.brand_new"}, {"type": "response.newer"}
    run = Run(new, DELTA, new, newer, HANDSHAKE["responsesapi"], {"type": "response.audio.delta"})
    expected = [Note("unknown_event", "response.brand_new"), Note("unknown_event", "response.newer")]
    assert expected == run.transcoder.notes


def test_notes_are_bounded() -> None:
    """A hostile stream cannot fill the log."""
    run = Run(*({"type": f"x.{number}"} for number in range(100)))
    assert 32 == len(run.transcoder.notes)


def test_type_with_a_line_break() -> None:
    """A type cannot write a line of its own."""
    event = {"type": "x\n\ndata: y"}
    run = Run(DELTA, f"data: {json.dumps(event)}\n\n".encode())
    assert f"event: x__data:_y\ndata: {json.dumps(event)}\n\n".encode() == run.writes[1]


READS = {
    "one delta": sse(DELTA),
    "several": sse(DELTA) * 3,
    "of several types": sse(DELTA) + sse({"type": "response.function_call_arguments.delta", "delta": "{"}),
    "not ASCII": 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","d":"é"}\n\n'.encode(),
    "half a character": (
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","d":"\\ud83d"}\n\n'
    ),
    "item with half a character": (
        b'event: response.output_item.done\ndata: {"type":"response.output_item.done","item":{"a":"\\ud83d"}}\n\n'
    ),
    "numbers and spaces": (
        b'event: response.output_text.delta\ndata: { "type" : "response.output_text.delta", "a":1.10}\n\n'
    ),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_frames_pass_byte_by_byte(read: bytes) -> None:
    """Nothing is written anew."""
    assert read == Run(DELTA, read).writes[1]


REWRITTEN = {
    "no event line": (
        b'data: {"type":"response.output_text.delta"}\n\n',
        b'{"type":"response.output_text.delta"}',
    ),
    "wrong event line": (
        b'event: response.refusal.delta\ndata: {"type":"response.output_text.delta"}\n\n',
        b'{"type":"response.output_text.delta"}',
    ),
    "two types": (
        b'event: response.refusal.delta\ndata: {"type":"response.refusal.delta","type":"response.output_text.delta"}\n\n',
        b'{"type":"response.refusal.delta","type":"response.output_text.delta"}',
    ),
    "a comment between": (
        b'event: response.output_text.delta\n: c\ndata: {"type":"response.output_text.delta"}\n\n',
        b'{"type":"response.output_text.delta"}',
    ),
    "two data lines": (
        b'event: response.output_text.delta\ndata: {"type":\ndata: "response.output_text.delta"}\n\n',
        b'{"type": "response.output_text.delta"}',
    ),
    "bytes that are not UTF-8": (
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","d":"\xff"}\n\n',
        '{"type":"response.output_text.delta","d":"\ufffd"}'.encode(),
    ),
    "CRLF": (
        b'event: response.output_text.delta\r\ndata: {"type":"response.output_text.delta"}\r\n\r\n',
        b'{"type":"response.output_text.delta"}',
    ),
}


@pytest.mark.parametrize(("read", "data"), REWRITTEN.values(), ids=REWRITTEN.keys())
def test_frames_get_the_usual_form(read: bytes, data: bytes) -> None:
    """However the upstream frames its data, the client gets one line with the event's type and one with the data."""
    assert b"event: response.output_text.delta\ndata: " + data + b"\n\n" == Run(DELTA, read).writes[1]


def test_lone_deltas_are_taken_while_they_run() -> None:
    """The next delta of those that are passed on, and nothing before or after."""
    run = Run(CREATED, added(0))
    before = run.writer.take_lone(sse(DELTA))
    run.transcoder.feed(sse(DELTA))
    told = json.dumps(DELTA, separators=(",", ":")).encode()
    lone = b"event: response.output_text.delta\ndata: " + told + b"\n\n"
    taken = [run.writer.take_lone(lone), run.writer.take_lone(sse(COMPLETED))]
    run.transcoder.feed(sse(COMPLETED))
    assert [b"", [lone, b""], b""] == [before, taken, run.writer.take_lone(lone)]


RUBBISH = {
    "no JSON": b"data: {rubbish\n\n",
    "a delta that is no JSON": b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",}\n\n',
    "no object": b"data: [1]\n\n",
    "a number that is none": b'data: {"type":"response.output_text.delta","a":NaN}\n\n',
    "no type": b'data: {"delta":"x"}\n\n',
    "a type that is no text": b'data: {"type":1}\n\n',
}


@pytest.mark.parametrize("read", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_noted_and_left_out(read: bytes) -> None:
    """Data that means nothing costs neither the stream nor the client's parser anything."""
    run = Run(DELTA, read, DELTA)
    assert ([b"", sse(DELTA)], [Note("unparsable_data")]) == (run.writes[1:], run.transcoder.notes)


def test_duplicates_pass() -> None:
    """Events that repeat what is known are the client's to judge."""
    run = Run(CREATED, added(0), added(0), CREATED, done(0), done(0), COMPLETED)
    types = [event["type"].removeprefix("response.") for event in run.events]
    item = ["output_item.added", "output_item.added", "created", "output_item.done", "output_item.done"]
    assert ["created", *item, "completed"] == types


@pytest.mark.parametrize("kind", ["created", "queued", "in_progress", "completed", "incomplete"])
def test_model_is_the_clients(kind: str) -> None:
    """Events with a response name the model as the client did, and keep everything else."""
    told = response(kind, 2, output=[], status="s", temperature=1.5, new={"a": [1]})
    expected = {**told, "response": {**told["response"], "model": "mine"}}
    assert expected in Run(told, DELTA).events


@pytest.mark.parametrize("kind", ["created", "queued", "in_progress", "completed", "incomplete"])
def test_responses_with_the_right_model_pass_byte_by_byte(kind: str) -> None:
    """Nothing is written anew where nothing changes, numbers as they were written included."""
    data = sse(response(kind, model="gpt-5", output=[])).replace(b'"created_at": 7', b'"created_at": 7.10')
    assert Run(data, DELTA, model="gpt-5").body.startswith(data)


HEADERS = {"OpenAI-Model": "GPT-5", "x-openai-model": "gpt-5", "x-codex-plan-type": "plus"}


@pytest.mark.parametrize(
    "event",
    [
        response("created", headers=HEADERS),
        response("completed", status="completed", headers=HEADERS),
        {"type": "codex.response.metadata", "headers": HEADERS},
        {"type": "response.metadata", "headers": HEADERS},
    ],
    ids=["created", "completed", "codex metadata", "metadata"],
)
def test_headers_in_events_name_the_clients_model(event: Event) -> None:
    """By another name than it has asked for, the Codex CLI would tell its user that the account is flagged."""
    (told,) = (each for each in Run(event, DELTA).events if each["type"] == event["type"])
    headers = told.get("response", told)["headers"]
    assert {**HEADERS, "OpenAI-Model": "mine", "x-openai-model": "mine"} == headers


def test_another_model_in_the_headers_stays() -> None:
    """The client is told when the upstream has taken another model than it was asked for."""
    event = {"type": "response.metadata", "headers": {"openai-model": "gpt-5.2", "x": 1}}
    assert sse(event) + sse(DELTA) == Run(event, DELTA).body


@pytest.mark.parametrize("value", [None, "x", [1]], ids=["null", "text", "list"])
def test_beginning_without_a_response_passes(value: object) -> None:
    """An event whose response is no object is the client's to judge."""
    event = {"type": "response.created", "response": value}
    assert sse(event) + sse(DELTA) == Run(event, DELTA).body


ITEMS = [done(0), done(1, "function_call")]
OUTPUTS: dict[str, tuple[list[Event], Any, list[str]]] = {
    "empty": (ITEMS, [], ["item_0", "item_1"]),
    "missing": (ITEMS, None, ["item_0", "item_1"]),
    "shorter": (ITEMS, [ITEMS[1]["item"]], ["item_0", "item_1"]),
    "whole": (ITEMS, [{"id": "a"}, {"id": "b"}], ["a", "b"]),
    "longer": (ITEMS[:1], [{"id": "a"}, {"id": "b"}], ["a", "b"]),
    "out of order": ([done(1), done(0)], [], ["item_0", "item_1"]),
    "repeated": ([done(0), done(0), done(1)], [], ["item_0", "item_1"]),
    "without indexes": ([done(None), done(0), done(None)], [], ["item_0", "item_None", "item_None"]),
    "no item at all": ([], None, []),
    "items that are none": ([{**done(0), "item": "x"}, {"type": "response.output_item.done"}], [], []),
}


@pytest.mark.parametrize(("items", "output", "expected"), OUTPUTS.values(), ids=OUTPUTS.keys())
@pytest.mark.parametrize("kind", ["completed", "incomplete"])
def test_output_is_filled(kind: str, items: list[Event], output: Any, expected: list[str]) -> None:
    """The last response lists the items that were done when it lists fewer."""
    run = Run(*items, response(kind, output=output))
    assert expected == [item["id"] for item in run.events[-1]["response"]["output"]]


def test_filled_items_are_as_they_were() -> None:
    """Unknown fields and the writing of numbers survive."""
    item = b'{"type":"brand_new","n":1.10}'
    run = Run(
        b'data: {"type":"response.output_item.done","output_index":0,"item":' + item + b"}\n\n", COMPLETED
    )
    assert b'"output":[' + item + b"]" in run.writes[1]


def test_items_over_the_limit_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of any size passes; its last response is then the upstream's."""
    monkeypatch.setattr(stream, "MAX_KEPT_BYTES", 150)
    run = Run(done(0), done(1), done(2), COMPLETED)
    assert ([], True) == (run.events[-1]["response"]["output"], run.transcoder.is_finished)


def test_older_name_of_completed() -> None:
    """The alias is told by the name that clients know, also where nothing else changes."""
    run = Run(DELTA, {**COMPLETED, "type": "response.done"}, model="gpt-5")
    assert b"event: response.completed\n" in run.writes[1]
    assert "response.completed" == run.events[-1]["type"]


@pytest.mark.parametrize(
    "told",
    [{}, {"response": None}, {"response": {}}, {"response": {"id": 5}}],
    ids=["none", "null", "empty", "odd"],
)
def test_completed_without_a_response(told: Event) -> None:
    """An ending that says next to nothing names the response that was begun, as clients insist on."""
    run = Run(CREATED, done(0), {"type": "response.completed", **told})
    expected = {"model": "mine", "id": "resp_theirs", "output": [done(0)["item"]]}
    assert expected == run.events[-1]["response"]


def test_nothing_follows_the_end() -> None:
    """What comes after the last event, in the same read or later, is not the client's."""
    run = Run(sse(DELTA) + sse(COMPLETED) + sse(DELTA) + DONE, DELTA)
    assert ("response.completed", b"", b"") == (
        run.events[-1]["type"],
        run.writes[1],
        run.transcoder.finish(),
    )
    assert b"" == run.writer.event(sse(DELTA))


def test_usage_is_the_upstreams() -> None:
    """Its numbers are kept for the accounts."""
    usage = Run(response("completed", usage={"input_tokens": 3, "output_tokens": 4})).transcoder.usage
    assert usage is not None
    assert (3, 4) == (usage.input_tokens, usage.output_tokens)


ENDS = {
    "after a message": ([done(0)], True),
    "after a call": ([added(0, "function_call"), done(0, "function_call")], True),
    "after a custom call": ([added(0, "custom_tool_call"), done(0, "custom_tool_call")], True),
    "after a command": ([added(0, "local_shell_call"), done(0, "local_shell_call")], True),
    "after nothing": ([DELTA], False),
    "after reasoning only": ([done(0, "reasoning")], False),
    "while another item is open": ([done(0), added(1)], False),
    "while an item without index is open": ([done(0), added(None)], False),
    "after items without index": ([added(None), done(None)], True),
}


@pytest.mark.parametrize(("events", "is_good"), ENDS.values(), ids=ENDS.keys())
def test_done_marker(events: list[Event], is_good: bool) -> None:
    """``[DONE]`` is a good end after a whole message or call, and only if nothing is half-way."""
    run = Run(CREATED, *events, DONE)
    assert (is_good, not is_good) == (run.transcoder.is_finished, run.kind is FailureKind.TRUNCATED)


def test_endless_items_are_not_counted_for_ever() -> None:
    """An upstream that begins more items than any answer has is not believed to have done them all."""
    reads = b"".join(sse(added(index)) for index in range(5000))
    run = Run(reads, b"".join(sse(done(index)) for index in range(4999)), DONE)
    assert FailureKind.TRUNCATED == run.kind


def test_done_marker_writes_the_missing_end() -> None:
    """The client gets a completed response of what was done, with an estimate of what it took."""
    message = done(
        0, content=[{"type": "output_text", "text": "x" * 32, "annotations": []}], role="assistant"
    )
    message["item"]["status"] = "completed"
    call = done(1, "function_call", arguments="{}", call_id="c", name="f")
    run = Run(CREATED, message, call, DONE, estimate=90)
    event = ResponseCompletedEvent.model_validate(run.events[-1])
    ended = event.response
    assert (41, "resp_theirs", 7, "mine", "completed") == (
        event.sequence_number,
        ended.id,
        ended.created_at,
        ended.model,
        ended.status,
    )
    assert {
        "input_tokens": 90,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
        "output_tokens": 11,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 101,
    } == run.events[-1]["response"]["usage"]
    assert [message["item"], call["item"]] == run.events[-1]["response"]["output"]
    assert run.transcoder.usage is None


def test_end_of_bytes_is_no_end() -> None:
    """Without its last event an answer is broken, whatever was done."""
    run = Run(CREATED, done(0))
    assert (b"", FailureKind.TRUNCATED) == (run.transcoder.finish(), run.kind)
    assert not run.writer.fails_in_stream


FAILED = response(
    "failed", 5, status="failed", error={"code": "context_length_exceeded", "message": "too long"}
)
FAILURES: dict[str, tuple[Event, FailureKind]] = {
    "failed": (FAILED, FailureKind.CONTEXT_OVERFLOW),
    "failed without an error": (response("failed", error=None), FailureKind.SERVER_ERROR),
    "failed without a response": ({"type": "response.failed"}, FailureKind.SERVER_ERROR),
    "completed with a failed response": (
        {**FAILED, "type": "response.completed"},
        FailureKind.CONTEXT_OVERFLOW,
    ),
    "cancelled": (response("cancelled"), FailureKind.CANCELLED),
    "completed with a cancelled response": (response("completed", status="cancelled"), FailureKind.CANCELLED),
    "flat error": ({"type": "error", "code": "rate_limit_exceeded", "message": "m"}, FailureKind.RATE_LIMIT),
    "nested error": ({"type": "error", "error": {"code": "insufficient_quota"}}, FailureKind.BILLING),
    "alias of error": (
        {"type": "response.error", "error": {"code": "rate_limit_exceeded"}},
        FailureKind.RATE_LIMIT,
    ),
}


@pytest.mark.parametrize(("event", "kind"), FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("before", [[], [CREATED], [CREATED, DELTA]], ids=["first", "held", "content"])
def test_failures_are_not_written_at_once(before: list[Event], event: Event, kind: FailureKind) -> None:
    """Somebody else may still be asked; if not, the failure is told in the stream."""
    run = Run(*before, event)
    assert (b"", kind, True) == (run.writes[-1], run.kind, run.writer.fails_in_stream)


@pytest.mark.parametrize(
    "name", ["flat error", "nested error", "alias of error", "failed without a response"]
)
def test_errors_are_passed_on_verbatim(name: str) -> None:
    """The last word of the upstream is the client's to read."""
    event = FAILURES[name][0]
    assert sse(event) == Run(DELTA, event).fail()


def test_failed_response_is_passed_on() -> None:
    """As the first event too: clients look for its code in the stream. Only its model is the client's."""
    expected = {**FAILED, "response": {**FAILED["response"], "model": "mine"}}
    assert [expected] == read(Run(FAILED).fail())


def test_handshake_precedes_the_failure() -> None:
    """What was held is let go with it, so that the client knows which response has failed."""
    run = Run(CREATED, response("in_progress"), FAILED)
    assert ["response.created", "response.in_progress", "response.failed"] == [
        event["type"] for event in read(run.fail())
    ]


def test_failed_response_gains_nothing() -> None:
    """A failure passes byte by byte where it names no model, whatever else it lacks."""
    event = {"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "m"}}}
    assert sse(event) == Run(event).fail()


def test_failed_response_of_a_completed_event() -> None:
    """It is told by the name that says so."""
    run = Run(FAILURES["completed with a failed response"][0])
    assert b"event: response.failed\n" in run.fail()


OWN_FAILURES: dict[str, list[Event]] = {
    "truncated": [CREATED, DELTA],
    "cancelled": [CREATED, response("cancelled", 9)],
    "error without a type": [CREATED, {"error": {"code": "server_error"}}],
}


@pytest.mark.parametrize("name", OWN_FAILURES)
def test_own_failure_names_the_response(name: str) -> None:
    """A failure that no event tells in words that clients know is a whole ``response.failed`` to them."""
    *events, last = OWN_FAILURES[name]
    run = Run(*events, f"data: {json.dumps(last)}\n\n".encode())
    event = ResponseFailedEvent.model_validate(read(run.fail())[-1])
    assert ("resp_theirs", 7, "mine", "failed", []) == (
        event.response.id,
        event.response.created_at,
        event.response.model,
        event.response.status,
        event.response.output,
    )


NUMBERS: dict[str, tuple[list[bytes | Event], int]] = {
    "nothing came": ([], 0),
    "handshake": ([response("created", 4)], 5),
    "content": ([CREATED, DELTA], 4),
    "several in one read": ([DELTA, sse(DELTA) + sse({**DELTA, "sequence_number": 8})], 9),
    "content that is no delta": ([DELTA, {"type": "response.output_text.done", "sequence_number": 6}], 7),
    "no number": ([{"type": "response.refusal.delta"}], 0),
    "an odd number": ([{"type": "response.refusal.delta", "sequence_number": "x"}], 0),
    "rewritten": ([response("in_progress", 6), DELTA, response("in_progress", 7)], 8),
}


@pytest.mark.parametrize(("reads", "expected"), NUMBERS.values(), ids=NUMBERS.keys())
def test_own_failure_has_the_next_number(reads: list[bytes | Event], expected: int) -> None:
    """It follows the last event that was written or held."""
    assert expected == read(Run(*reads).fail())[-1]["sequence_number"]


ERRORS: dict[str, tuple[Event, Event]] = {
    "code": (
        {"code": "context_length_exceeded", "message": "long", "type": "t", "param": None},
        {"code": "context_length_exceeded", "message": "long", "type": "t"},
    ),
    "no code": ({"message": "m", "code": None}, {"code": "server_error", "message": "m"}),
    "no code of a refusal": (
        {"message": "m", "type": "invalid_request_error", "param": None, "code": None},
        {"code": "invalid_prompt", "message": "m", "type": "invalid_request_error"},
    ),
    "plan": (
        {"type": "usage_limit_reached", "message": "m", "plan_type": "pro", "resets_at": 5},
        {
            "code": "server_error",
            "message": "m",
            "type": "usage_limit_reached",
            "plan_type": "pro",
            "resets_at": 5,
        },
    ),
}


@pytest.mark.parametrize(("error", "expected"), ERRORS.values(), ids=ERRORS.keys())
def test_own_failure_has_the_error(error: Event, expected: Event) -> None:
    """The error is the one that an answer of its own would have, and always has a code."""
    assert expected == read(Run(DELTA).fail(error))[0]["response"]["error"]


def test_own_failure_of_an_unknown_response() -> None:
    """Where the upstream named no response, it is ours."""
    failed = read(Run().fail())[0]["response"]
    assert ("resp_ours", 0) == (failed["id"], failed["created_at"])


def test_id_of_odd_type_is_not_taken() -> None:
    """A response whose id is no text has none."""
    run = Run(response("created", id=5, created_at="x"), DELTA)
    failed = read(run.fail())[0]["response"]
    assert ("resp_ours", 0) == (failed["id"], failed["created_at"])


def test_nothing_follows_a_failure() -> None:
    """After it was told, no event is written any more."""
    run = Run(DELTA)
    run.fail()
    assert b"" == run.writer.event(sse(DELTA))
    assert b"" == run.transcoder.feed(sse(DELTA) * 2)
    assert b"" == run.writer.upstream_ended(said_done=True)


def test_whole_json_answer_is_a_stream() -> None:
    """A response object instead of a stream is told in events."""
    item = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
    run = Run(json.dumps({"id": "r", "status": "completed", "output": [item]}).encode())
    run.writes.append(run.transcoder.finish())
    types = [event["type"].removeprefix("response.") for event in run.events]
    assert ["created", "output_item.added", "output_item.done", "completed"] == types
    assert [item] == run.events[-1]["response"]["output"]


def test_first_frames_are_the_upstreams() -> None:
    """A stream that is committed before content shows life by comments."""
    writer = Run().writer
    assert (b"", b": keep-alive\n\n") == (writer.start(), writer.keep_alive())


def test_answer_without_an_upstream() -> None:
    """It is a completed response without output."""
    run = Run()
    ended = ResponseCompletedEvent.model_validate(read(run.writer.answer_locally())[0]).response
    assert ("resp_ours", "completed", []) == (ended.id, ended.status, ended.output)
    assert run.writer.is_finished
