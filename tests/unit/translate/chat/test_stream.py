"""The answer direction of Chat: which chunks an upstream stream becomes, and how it ends."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from packyproxy.errors import FailureKind
from packyproxy.transcode import Transcoder
from packyproxy.translate import item_writer
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.fold import fold
from packyproxy.translate.chat.stream import ChatWriter
from packyproxy.translate.contract import Note
from tests.support.responses_stream import (
    CALL,
    CALLS,
    TEXT,
    TEXTS,
    Event,
    added,
    args,
    call,
    completed,
    custom_call,
    done,
    incomplete,
    message,
    message_done,
    refusal,
    text,
    thought,
)

CORPUS = Path(__file__).parents[3] / "corpus" / "upstream"
CREATED: Event = {"type": "response.created", "response": {"created_at": 1700000000}}
ROLE = {"role": "assistant", "content": ""}
ROLE_OF_CALL = {"role": "assistant", "content": None}
FINISHED = "data: [DONE]"


class Run:
    """One upstream stream and everything it became."""

    def __init__(self, events: Iterable[Event], *, said_done: bool = False, **facts: Any) -> None:
        known: dict[str, Any] = {
            "model": "gpt-x",
            "scope": "1f2e3d4c5b",
            "original_names": {},
            "input_tokens_estimate": 40,
        }
        self.writer = ChatWriter(ChatFacts(**(known | facts)), answer_id="chatcmpl-1", request_id="req_1")
        self.transcoder = Transcoder(self.writer, writes_start=True)
        self.steps = [self.transcoder.feed(f"data: {json.dumps(event)}\n\n".encode()) for event in events]
        self.steps.append(self.transcoder.feed(b"data: [DONE]\n\n") if said_done else b"")
        self.steps.append(self.transcoder.finish())
        self.body = b"".join(self.steps)

    @property
    def frames(self) -> list[str]:
        """Every frame."""
        return [frame.decode() for frame in self.body.split(b"\n\n") if frame]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """Every chunk before ``[DONE]``."""
        return [json.loads(frame.removeprefix("data: ")) for frame in self.frames if frame != FINISHED]

    @property
    def deltas(self) -> list[dict[str, Any]]:
        """What the chunks add, up to the one with the finish reason."""
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk["choices"]]
        return deltas[:-1] if self.transcoder.is_finished else deltas

    @property
    def answer(self) -> dict[str, Any]:
        """The folded answer."""
        assert self.transcoder.failure is None
        folded: dict[str, Any] = json.loads(fold(self.body))
        return folded

    @property
    def message(self) -> dict[str, Any]:
        """The folded message."""
        message: dict[str, Any] = self.answer["choices"][0]["message"]
        return message

    @property
    def finish_reason(self) -> str:
        """Why the answer ended."""
        reason: str = self.answer["choices"][0]["finish_reason"]
        return reason


def opened(index: int, call_id: str, name: str) -> dict[str, Any]:
    """Return the delta that opens a call."""
    function = {"name": name, "arguments": ""}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


def argued(index: int, arguments: str) -> dict[str, Any]:
    """Return the delta that adds to the arguments of a call."""
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a call of the folded message."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_every_chunk_begins_alike() -> None:
    """The id, the upstream's time and the client's model are the same in all, as is the form."""
    run = Run([CREATED, *message(0, "Hi"), completed()])
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-x"}
    assert [
        {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
        for delta, reason in ((ROLE, None), ({"content": "Hi"}, None), ({}, "stop"))
    ] == run.chunks
    assert FINISHED == run.frames[-1]


TIMES = {
    "number": (1700000000, 1700000000),
    "with a fraction": (1700000000.9, 1700000000),
    "none": (None, 0),
    "negative": (-1, 0),
    "text": ("soon", 0),
    "far too large": (1e300, 0),
}


@pytest.mark.parametrize(("told", "expected"), TIMES.values(), ids=TIMES.keys())
def test_created(told: object, expected: int) -> None:
    """The time is the upstream's, 0 when it tells none that can be one."""
    run = Run([{"type": "response.created", "response": {"created_at": told}}, *message(0, "a"), completed()])
    assert expected == run.answer["created"]


def test_second_created_changes_nothing() -> None:
    """All chunks keep the time of the first event."""
    later: Event = {"type": "response.created", "response": {"created_at": 1800000000}}
    run = Run([CREATED, later, *message(0, "a"), later, completed()])
    assert {1700000000} == {chunk["created"] for chunk in run.chunks}


def test_the_role_comes_with_the_first_content() -> None:
    """Nothing is written before; then both go out in one write, and the role never again."""
    run = Run([CREATED, added(0, "message"), text(0, "a"), text(0, "b"), completed()])
    assert [0, 0, 2, 1] == [step.count(b"data: ") for step in run.steps[:4]]
    assert [ROLE, {"content": "a"}, {"content": "b"}] == run.deltas


FIRSTS: dict[str, tuple[list[Event], dict[str, Any]]] = {
    "text": (message(0, "a"), ROLE),
    "refusal": (refusal(0, "no"), ROLE),
    "reasoning": ([thought(0, "a")], ROLE),
    "call": (call(0, "f", "{}"), ROLE_OF_CALL),
    "nothing": ([], ROLE),
}


@pytest.mark.parametrize(("events", "expected"), FIRSTS.values(), ids=FIRSTS.keys())
def test_role_chunk(events: list[Event], expected: dict[str, Any]) -> None:
    """The content is empty at first; an answer that begins with a call has none."""
    assert expected == Run([*events, completed()]).deltas[0]


def test_content_begins_with_the_first_chunk() -> None:
    """What precedes it can still be retried."""
    writer = Run([CREATED, added(0, "message")]).writer
    assert (False, b"", b": keep-alive\n\n") == (writer.has_content, writer.start(), writer.keep_alive())
    assert Run([CREATED, added(0, "message"), text(0, "a")]).writer.has_content


@pytest.mark.parametrize("events", TEXTS.values(), ids=TEXTS.keys())
def test_text_is_delivered_once_and_whole(events: list[Event]) -> None:
    """However a text is spread over events, the client gets it once."""
    run = Run([*events, completed(output=[TEXT])])
    assert ("Hello", "stop") == (run.message["content"], run.finish_reason)


@pytest.mark.parametrize("events", CALLS.values(), ids=CALLS.keys())
def test_call_is_delivered_once_and_whole(events: list[Event]) -> None:
    """However a call is spread over events, the client gets it once."""
    run = Run([*events, completed(output=[CALL])])
    assert [tool_call("call_0", "f", '{"a":1}')] == run.message["tool_calls"]
    assert (None, "tool_calls") == (run.message["content"], run.finish_reason)


def test_messages_are_separate_paragraphs() -> None:
    """A blank line stands before the first delta of every message with text but the first."""
    run = Run([*message(0, "a"), *message(1, ""), *message(2, "b"), completed()])
    assert [ROLE, *({"content": piece} for piece in ("a", "\n\n", "b"))] == run.deltas


def test_parts_of_one_message_are_joined() -> None:
    """They follow each other without anything between."""
    assert (
        "ab" == Run([added(0, "message"), text(0, "a", 0), text(0, "b", 1), completed()]).message["content"]
    )


def test_messages_that_interleave_follow_each_other() -> None:
    """The content is one text, so the second message waits for the end of the first, and a call for both."""
    run = Run(
        [
            added(0, "message"),
            added(1, "message"),
            text(1, "b"),
            text(1, "c"),
            *call(2, "f", "{}"),
            text(0, "a"),
            message_done(0, "a!"),
            text(1, "d"),
            message_done(1, "bcd"),
            completed(),
        ]
    )
    assert [
        ROLE,
        *({"content": piece} for piece in ("a", "!", "\n\n", "bc", "d")),
        opened(0, "call_2", "f"),
        argued(0, "{}"),
    ] == run.deltas


def test_items_left_open_are_flushed_in_output_order() -> None:
    """The end of the response is the end of its items, whatever order they appeared in."""
    run = Run(
        [
            text(0, "a"),
            text(3, "d"),
            text(2, "c"),
            thought(5, "y"),
            thought(4, "x"),
            args(6, "{"),
            completed(),
        ]
    )
    assert ("a\n\nc\n\nd", "x\n\ny") == (run.message["content"], run.message["reasoning_content"])
    assert [Note("ignored_item", "function_call")] == run.transcoder.notes


def test_three_thoughts_left_open() -> None:
    """Reasoning that waits is put in output order too."""
    events = [thought(0, "a"), thought(3, "d"), thought(2, "c")]
    assert "a\n\nc\n\nd" == Run([*events, completed()]).message["reasoning_content"]


def test_contradicting_text_is_noted() -> None:
    """What was sent stays; the upstream's other text is not shown."""
    run = Run([added(0, "message"), text(0, "abc"), message_done(0, "xyz"), completed()])
    assert ("abc", [Note("contradicting_text")]) == (run.message["content"], run.transcoder.notes)


def test_character_cut_in_two() -> None:
    """A character split over deltas arrives whole."""
    run = Run([added(0, "message", id="m"), text(0, "a\ud83d"), text(0, "\ude00b"), completed()])
    assert "a😀b" == run.message["content"]


def test_half_a_character_of_reasoning() -> None:
    """What is never completed becomes U+FFFD when the item ends, in its own part."""
    run = Run([thought(0, "a\ud83d"), thought(0, "b", 1), done(0, "reasoning"), completed()])
    assert "a\n\nb\n\n\ufffd" == run.message["reasoning_content"]


REASONING: dict[str, tuple[list[Event], str]] = {
    "parts": ([thought(0, "a", 0), thought(0, "b", 1), thought(0, "b", 1)], "a\n\nbb"),
    "items": ([thought(0, "a"), done(0, "reasoning"), thought(1, "b"), done(1, "reasoning")], "a\n\nb"),
    "only in the finished item": (
        [done(0, "reasoning", summary=[{"type": "summary_text", "text": "a"}, {"text": "b"}])],
        "a\n\nb",
    ),
    "raw text first": (
        [
            {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "raw"},
            thought(0, "summary"),
        ],
        "raw",
    ),
    "interleaved": (
        [
            added(0, "reasoning"),
            added(1, "reasoning"),
            thought(1, "b"),
            thought(0, "a"),
            done(0, "reasoning"),
        ],
        "a\n\nb",
    ),
    "beside text": ([thought(0, "a"), *message(1, "text"), thought(0, "b")], "ab"),
}


@pytest.mark.parametrize(("events", "expected"), REASONING.values(), ids=REASONING.keys())
def test_reasoning(events: list[Event], expected: str) -> None:
    """All reasoning is one text, with a blank line between parts and items."""
    assert expected == Run([*events, completed()]).message["reasoning_content"]


def test_hidden_reasoning_never_shows() -> None:
    """The key is there only when there is something to show, and it delays nothing."""
    run = Run([thought(0, "secret"), *message(1, "a"), completed()], thinking_is_visible=False)
    assert ([ROLE, {"content": "a"}], []) == (run.deltas, run.transcoder.notes)
    assert "reasoning_content" not in run.message


def test_calls_that_interleave_follow_each_other() -> None:
    """The second waits for the end of the first, which clients take for whole when the index changes."""
    run = Run(
        [
            added(1, "function_call", call_id="call_1", name="f"),
            added(2, "function_call", call_id="call_2", name="g"),
            args(2, "{}"),
            args(1, '{"p":'),
            args(1, "1}"),
            done(1, "function_call", call_id="call_1", name="f", arguments='{"p":1}'),
            done(2, "function_call", call_id="call_2", name="g", arguments="{}"),
            completed(),
        ]
    )
    assert [
        ROLE_OF_CALL,
        opened(0, "call_1", "f"),
        argued(0, '{"p":'),
        argued(0, "1}"),
        opened(1, "call_2", "g"),
        argued(1, "{}"),
    ] == run.deltas
    assert [tool_call("call_1", "f", '{"p":1}'), tool_call("call_2", "g", "{}")] == run.message["tool_calls"]


def test_calls_left_open_follow_each_other_too() -> None:
    """Calls that are never done are whole when the response is."""
    run = Run(
        [
            added(0, "function_call", call_id="a", name="f"),
            added(1, "function_call", call_id="b", name="g"),
            args(0, "["),
            args(1, "{}"),
            args(0, "]"),
            completed(),
        ]
    )
    assert [
        ROLE_OF_CALL,
        *(opened(0, "a", "f"), argued(0, "["), argued(0, "]")),
        *(opened(1, "b", "g"), argued(1, "{}")),
    ] == run.deltas


def test_text_before_a_call_is_whole_when_the_call_opens() -> None:
    """Clients parse the content once a call begins."""
    run = Run([added(0, "message"), *call(1, "f", "{}"), text(0, "a"), message_done(0, "a"), completed()])
    assert [ROLE, {"content": "a"}, opened(0, "call_1", "f"), argued(0, "{}")] == run.deltas


def test_indexes_follow_the_order_in_which_calls_appear() -> None:
    """A call that is named late comes before one that was named at once."""
    run = Run([added(0, "function_call", call_id="a"), args(0, "{}"), *call(1, "g", "[]"), completed(output=[
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    ])])  # fmt: skip
    assert ["f", "g"] == [named["function"]["name"] for named in run.message["tool_calls"]]
    assert [0, 1] == [
        piece["index"] for delta in run.deltas for piece in delta.get("tool_calls", ()) if "id" in piece
    ]


def test_call_without_a_name_is_left_out() -> None:
    """Nobody could answer it, and what is said of it later changes nothing."""
    nameless = done(0, "function_call", call_id="c", arguments="{}")
    late = added(0, "function_call", call_id="c", name="f")
    run = Run([nameless, late, completed()])
    assert ("", [Note("ignored_item", "function_call")]) == (run.message["content"], run.transcoder.notes)


def test_client_gets_its_own_tool_name() -> None:
    """The name that had to change for the upstream changes back."""
    run = Run([*call(0, "short", "{}"), completed()], original_names={"short": "the.long.name"})
    assert [tool_call("call_0", "the.long.name", "{}")] == run.message["tool_calls"]


NO_ARGUMENTS: dict[str, tuple[list[Event], str]] = {
    "empty": (call(0, "f", ""), "{}"),
    "null": ([done(0, "function_call", call_id="call_0", name="f", arguments=None)], "{}"),
    "streamed, then null": (
        [args(0, "[]"), done(0, "function_call", call_id="call_0", name="f", arguments=None)],
        "[]",
    ),
    "cut off": (
        [done(0, "function_call", call_id="call_0", name="f", arguments="", status="incomplete")],
        "",
    ),
    "never done": ([added(0, "function_call", call_id="call_0", name="f")], ""),
}


@pytest.mark.parametrize(("events", "expected"), NO_ARGUMENTS.values(), ids=NO_ARGUMENTS.keys())
def test_call_without_arguments(events: list[Event], expected: str) -> None:
    """One that is done has an empty object, which clients can parse; one that may have been cut has nothing."""
    assert [tool_call("call_0", "f", expected)] == Run([*events, completed()]).message["tool_calls"]


IDS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "unfit": ([{"call_id": "a.b"}], ["call_2e7336dc8eba87ef472df568"]),
    "missing": ([{"id": "fc_1"}], ["fc_1"]),
    "missing, and no id": ([{}], ["call_b89c7d8044fd182585faef20"]),
    "repeated": ([{"call_id": "c"}, {"call_id": "c"}, {"call_id": "c"}], ["c", "c_2", "c_3"]),
}


@pytest.mark.parametrize(("items", "expected"), IDS.values(), ids=IDS.keys())
def test_call_ids(items: list[dict[str, Any]], expected: list[str]) -> None:
    """The upstream's where it fits; a replacement that is always the same where it does not."""
    events = [
        done(index, "function_call", name="f", arguments="{}", **item) for index, item in enumerate(items)
    ]
    assert expected == [made["id"] for made in Run([*events, completed()]).message["tool_calls"]]


def test_custom_call_on_the_wire() -> None:
    """A chunk knows functions only, so the input is sent as arguments, as it is."""
    run = Run([*custom_call(0, "patch", 'say "hi"'), completed()])
    assert [ROLE_OF_CALL, opened(0, "call_0", "patch"), argued(0, 'say "hi"')] == run.deltas
    assert "tool_calls" == run.finish_reason


def test_custom_call_in_the_whole_answer() -> None:
    """A client that does not stream gets it as what it is."""
    run = Run([*custom_call(0, "patch", 'say "hi"'), *call(1, "f", "{}"), completed()], is_folded=True)
    custom = {"id": "call_0", "type": "custom", "custom": {"name": "patch", "input": 'say "hi"'}}
    assert [custom, tool_call("call_1", "f", "{}")] == run.message["tool_calls"]


def test_older_function_call() -> None:
    """A client of ``functions`` is told of the first call only, in its own form."""
    second = [args(1, "{"), args(1, '"b"'), args(1, ":2}"), done(1, "function_call", arguments='{"b":2}')]
    begun = added(1, "function_call", id="fc_1", call_id="call_1", name="g")
    run = Run([*call(0, "f", '{"a":1}'), begun, *second, completed()], uses_functions=True)
    assert [
        ROLE_OF_CALL,
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a":1}'}},
    ] == run.deltas
    assert {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "function_call": {"name": "f", "arguments": '{"a":1}'},
    } == run.message
    assert "function_call" == run.finish_reason


def test_refusal() -> None:
    """It has a field of its own, and the answer ends as any other."""
    run = Run([*refusal(0, "No."), completed()])
    assert [ROLE, {"refusal": "No."}] == run.deltas
    assert (None, "No.", "stop") == (
        run.message["content"],
        run.message["refusal"],
        run.finish_reason,
    )


ENDINGS: dict[str, tuple[list[Event], str]] = {
    "text": ([*message(0, "a"), completed()], "stop"),
    "call": ([*call(0, "f", "{}"), completed()], "tool_calls"),
    "call and refusal": ([*call(0, "f", "{}"), *refusal(1, "no"), completed()], "tool_calls"),
    "refusal and text": ([*message(0, "a"), *refusal(1, "no"), completed()], "stop"),
    "nothing": ([completed()], "stop"),
    "older name of the end": ([{"type": "response.done", "response": {}}], "stop"),
    "token limit": ([*call(0, "f", "{"), incomplete("max_output_tokens")], "length"),
    "context window": ([*message(0, "a"), incomplete("context_length_exceeded")], "length"),
    "content filter": ([*message(0, "a"), incomplete("content_filter")], "content_filter"),
    "tool limit": ([*message(0, "a"), incomplete("max_tool_calls")], "stop"),
    "unknown reason": ([*call(0, "f", "{}"), incomplete("brand_new")], "stop"),
    "no reason": ([*message(0, "a"), incomplete(None)], "stop"),
    "incomplete by status": (
        [
            *message(0, "a"),
            completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        ],
        "length",
    ),
}


@pytest.mark.parametrize(("events", "expected"), ENDINGS.values(), ids=ENDINGS.keys())
def test_finish_reason(events: list[Event], expected: str) -> None:
    """Each way to end has its reason."""
    assert expected == Run(events).finish_reason


def test_empty_answer() -> None:
    """It is a valid stream with an empty content."""
    run = Run([completed()])
    assert ([ROLE], "", "stop") == (run.deltas, run.message["content"], run.finish_reason)


def usage(prompt: int, completion: int, cached: int = 0, reasoning: int = 0, **cache: int) -> dict[str, Any]:
    """Return a usage as Chat tells it."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, **cache},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


USAGES: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "everything": (
        {
            "input_tokens": 1234,
            "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 10},
            "output_tokens": 57,
            "output_tokens_details": {"reasoning_tokens": 32},
            "total_tokens": 1,
        },
        usage(1234, 57, 1024, 32, cache_write_tokens=10),
    ),
    "no cache writes": (
        {"input_tokens": 9, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 1}},
        usage(9, 3, 1),
    ),
    "no details": ({"input_tokens": 9, "output_tokens": 3}, usage(9, 3)),
    "none": (None, usage(40, 3)),
    "nothing in it": ({}, usage(40, 3)),
}


@pytest.mark.parametrize(("told", "expected"), USAGES.values(), ids=USAGES.keys())
def test_usage(told: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    """The upstream's counts, nothing taken off; an estimate of what was shown when it told none."""
    run = Run([*message(0, "12345678"), completed(usage=told)], includes_usage=True)
    assert expected == run.answer["usage"]


def test_estimate_counts_text_and_shown_arguments() -> None:
    """Reasoning and the calls that an older client is not told of cost it nothing."""
    events = [
        thought(0, "t" * 99),
        *message(1, "12345678"),
        *call(2, "f", "12345678"),
        *call(3, "g", "x" * 99),
    ]
    run = Run([*events, completed()], is_folded=True, uses_functions=True)
    assert usage(40, 5) == run.answer["usage"]


def test_usage_in_the_stream() -> None:
    """Where it is asked for, every chunk has the key and the last one the numbers, without a choice."""
    run = Run(
        [*message(0, "a"), completed(usage={"input_tokens": 9, "output_tokens": 3})], includes_usage=True
    )
    *chunks, last = run.chunks
    assert [None] * 3 == [chunk["usage"] for chunk in chunks]
    assert ([], usage(9, 3)) == (last["choices"], last["usage"])
    assert FINISHED == run.frames[-1]


def test_usage_in_the_whole_answer() -> None:
    """A client that does not stream is always told it."""
    events = [*message(0, "a"), completed(usage={"input_tokens": 9, "output_tokens": 3})]
    assert usage(9, 3) == Run(events, is_folded=True).answer["usage"]
    assert all("usage" not in chunk for chunk in Run(events).chunks)


TIERS = [
    ("auto", "auto"),
    ("priority", "priority"),
    ("fast", "priority"),
    ("flex", "flex"),
    ("new", "default"),
    (None, "default"),
]


@pytest.mark.parametrize(("tier", "expected"), TIERS)
def test_service_tier(tier: str | None, expected: str) -> None:
    """The upstream's, told at either end of its stream, in the words that Chat has."""
    created: Event = {"type": "response.created", "response": {"service_tier": tier}}
    early = Run([created, *message(0, "a"), completed()], is_folded=True)
    late = Run([*message(0, "a"), completed(service_tier=tier)], is_folded=True)
    assert [expected, expected] == [early.answer["service_tier"], late.answer["service_tier"]]


BROKEN_ENDS: dict[str, list[Event]] = {
    "nothing": [],
    "within a message": [added(0, "message"), text(0, "a")],
    "after a message": message(0, "a"),
}


@pytest.mark.parametrize("events", BROKEN_ENDS.values(), ids=BROKEN_ENDS.keys())
def test_end_without_a_terminal_event(events: list[Event]) -> None:
    """The end of the bytes is a failure: the answer is not whole."""
    run = Run(events)
    assert run.transcoder.failure is not None
    assert (FailureKind.TRUNCATED, b"") == (run.transcoder.failure.kind, run.steps[-1])


def test_done_marker_after_a_whole_item() -> None:
    """``[DONE]`` is taken at its word when an item is whole and none is open."""
    run = Run(message(0, "a"), said_done=True)
    assert ("a", "stop") == (run.message["content"], run.finish_reason)


def test_done_marker_too_early() -> None:
    """It does not end an item that is open."""
    run = Run([added(0, "message"), text(0, "a")], said_done=True)
    assert run.transcoder.failure is not None


FAILURES: dict[str, tuple[Event, FailureKind]] = {
    "failed": (
        {"type": "response.failed", "response": {"error": {"code": "server_error"}}},
        FailureKind.SERVER_ERROR,
    ),
    "error": ({"type": "error", "code": "rate_limit_exceeded", "message": "m"}, FailureKind.RATE_LIMIT),
    "cancelled": ({"type": "response.cancelled", "response": {}}, FailureKind.CANCELLED),
}


@pytest.mark.parametrize(("event", "kind"), FAILURES.values(), ids=FAILURES.keys())
def test_terminal_failure(event: Event, kind: FailureKind) -> None:
    """The upstream's failures become values; nothing is written for them."""
    run = Run([*message(0, "a"), event, text(1, "more")])
    assert run.transcoder.failure is not None
    assert (kind, [b""] * 4) == (run.transcoder.failure.kind, run.steps[3:])


def test_error_frame() -> None:
    """It is one line of data, and nothing follows it, not even ``[DONE]``."""
    run = Run(message(0, "a")[:2])
    frame = run.writer.fail(502, b'{"error": {\n"message": "m"}}')
    assert b'data: {"error":{"message":"m"}}\n\n' == frame
    assert b"" == run.writer.event(object())
    assert not run.writer.fails_in_stream


def test_nothing_follows_the_terminal_event() -> None:
    """The answer is over."""
    run = Run([*message(0, "a"), completed(), *message(1, "b")])
    assert [b""] * 5 == run.steps[4:]
    assert b"" == run.writer.upstream_ended(said_done=True)


def test_unknown_events_and_items_do_no_harm() -> None:
    """They are noted, except for what a search leaves behind."""
    run = Run([done(0, "brand_new"), done(1, "web_search_call"), *message(2, "a"), completed()])
    assert ("a", [Note("ignored_item", "brand_new")]) == (run.message["content"], run.transcoder.notes)


def test_endless_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of ever more items is the upstream's failure."""
    monkeypatch.setattr(item_writer, "MAX_ITEMS", 3)
    run = Run([event for index in range(4) for event in message(index, "a")])
    assert run.transcoder.failure is not None
    assert FailureKind.BAD_STREAM == run.transcoder.failure.kind


def test_too_much_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for an earlier item is bounded; what is shown is not."""
    monkeypatch.setattr(item_writer, "MAX_HELD_BYTES", 2000)
    shown = Run([*message(0, "a" * 3000), added(1, "message"), *message(2, "b"), message_done(1, "c")])
    assert FailureKind.TRUNCATED == getattr(shown.transcoder.failure, "kind", None)
    again = Run([added(1, "message"), *message(2, "b" * 500), message_done(1, "c"), added(3, "message"),
                 *message(4, "d" * 500), completed()])  # fmt: skip
    assert f"c\n\n{'b' * 500}\n\n{'d' * 500}" == again.message["content"]
    held = Run([added(1, "message"), text(2, "b" * 1500), text(2, "c" * 1500), completed()])
    assert FailureKind.BAD_STREAM == getattr(held.transcoder.failure, "kind", None)


def test_generated_image_is_mentioned() -> None:
    """It is a paragraph of its own, in its place."""
    events = [*message(0, "a"), done(1, "image_generation_call", output_format="webp"), *message(2, "b")]
    run = Run([*events, completed()])
    assert "a\n\n[generated image omitted: webp]\n\nb" == run.message["content"]


def test_image_that_was_never_generated() -> None:
    """It is not mentioned, and nothing waits for it in vain."""
    run = Run([added(0, "image_generation_call"), *message(1, "a"), completed()])
    assert "a" == run.message["content"]


def link(start: int | None, end: int | None, url: str = "https://a.example/x", **more: Any) -> dict[str, Any]:
    """Write an annotation."""
    return {"type": "url_citation", "url": url, "start_index": start, "end_index": end, **more}


def marks(run: Run) -> list[tuple[int, int, str, str]]:
    """Return the annotations of the folded message."""
    assert all(["type", "url_citation"] == list(mark) for mark in run.message["annotations"])
    return [tuple(mark["url_citation"].values()) for mark in run.message["annotations"]]


def test_annotations() -> None:
    """One chunk before the end has all links; their places are those in the whole content."""
    cited = {
        "type": "response.output_text.annotation.added",
        "output_index": 1,
        "content_index": 1,
        "annotation": link(1, 3, title="T"),
    }
    whole = {"annotations": [link(1, 3, title="T"), link(0, 1, "https://b.example")], "text": "three"}
    run = Run(
        [
            *message(0, "öne"),
            added(1, "message"),
            text(1, "two", 0),
            text(1, "three", 1),
            cited,
            cited,
            {"type": "response.content_part.done", "output_index": 1, "content_index": 1,
             "part": {"type": "output_text", **whole}},
            done(1, "message", content=[{"type": "output_text", "text": "two"}, {"type": "output_text", **whole}]),
            done(2, "image_generation_call"),
            added(3, "message"),
            message_done(3, "four", annotations=[link(0, 4, title="F")]),
            completed(),
        ]
    )  # fmt: skip
    content = run.message["content"]
    assert [
        (9, 11, "T", "https://a.example/x"),
        (8, 9, "b.example", "https://b.example"),
        (47, 51, "F", "https://a.example/x"),
    ] == marks(run)
    assert ["hr", "t", "four"] == [content[start:end] for start, end, _, _ in marks(run)]
    assert [list(delta) for delta in run.deltas].index(["annotations"]) == len(run.deltas) - 1


ODD_LINKS: dict[str, tuple[dict[str, Any], list[tuple[int, int, str, str]]]] = {
    "no place": (link(None, None), [(3, 3, "a.example", "https://a.example/x")]),
    "outside": (link(0, 99), [(3, 3, "a.example", "https://a.example/x")]),
    "backwards": (link(1, 0), [(3, 3, "a.example", "https://a.example/x")]),
    "another kind": ({"type": "file_citation", "file_id": "f"}, []),
    "no URL": (link(0, 1, ""), []),
}


@pytest.mark.parametrize(("annotation", "expected"), ODD_LINKS.values(), ids=ODD_LINKS.keys())
def test_odd_annotations(annotation: dict[str, Any], expected: list[tuple[int, int, str, str]]) -> None:
    """A link that marks nothing in the text marks its beginning; what is no link is left out."""
    run = Run([*message(0, "a"), message_done(1, "text", annotations=[annotation]), completed()])
    assert expected == marks(run)


def test_links_beside_a_refusal() -> None:
    """A refusal is no part of the content, so it moves no link."""
    parts = [
        {"type": "output_text", "text": "ab", "annotations": [link(0, 1)]},
        {"type": "refusal", "refusal": "no"},
        {"type": "output_text", "text": "cd", "annotations": [link(1, 2)]},
    ]
    run = Run([done(0, "message", content=parts), completed()])
    assert [(0, 1), (3, 4)] == [(start, end) for start, end, _, _ in marks(run)]
    assert ("abcd", "no") == (run.message["content"], run.message["refusal"])


def test_links_of_a_message_without_text() -> None:
    """There is nothing that they could mark."""
    run = Run([message_done(0, "", annotations=[link(0, 0)]), *message(1, "a"), completed()])
    assert [] == run.message["annotations"]


STOPS: dict[str, tuple[list[str], tuple[str, ...], str]] = {
    "in one delta": (["abSTOPcd"], ("STOP",), "ab"),
    "over three deltas": (["abST", "O", "Pcd"], ("STOP",), "ab"),
    "at the start": (["STOP"], ("STOP",), ""),
    "not at all": (["abST"], ("STOP",), "abST"),
}


@pytest.mark.parametrize(("deltas", "sequences", "expected"), STOPS.values(), ids=STOPS.keys())
def test_stop_sequence(deltas: list[str], sequences: tuple[str, ...], expected: str) -> None:
    """The text ends before it, and so does the answer."""
    run = Run(
        [added(0, "message"), *(text(0, delta) for delta in deltas), completed()], stop_sequences=sequences
    )
    assert (expected, "stop") == (run.message["content"], run.finish_reason)


def test_no_match_across_messages() -> None:
    """Each message is searched by itself, and the blank line between them not at all."""
    run = Run([*message(0, "aST"), *message(1, "OPb"), completed()], stop_sequences=("STOP", "\n"))
    assert "aST\n\nOPb" == run.message["content"]


def test_local_stop_ends_the_exchange() -> None:
    """What the upstream still says is not heard; the usage is an estimate."""
    run = Run(
        [*call(0, "f", "{}"), added(1, "message"), text(1, "abSTOP"), text(1, "cd"), completed()],
        stop_sequences=("STOP",),
        is_folded=True,
    )
    assert ("ab", usage(40, 2), b"") == (run.message["content"], run.answer["usage"], run.steps[-3])
    assert run.transcoder.is_finished


def test_local_token_limit() -> None:
    """The text is cut and the answer says so; reasoning, refusals and arguments are never cut."""
    events = [thought(0, "t" * 50), *refusal(1, "r" * 50), *call(2, "f", "x" * 50), *message(3, "abcdefghij")]
    run = Run([*events, completed()], max_text_tokens=1)
    assert ("abcde", "length") == (run.message["content"], run.finish_reason)
    assert [50, 50, 50] == [
        len(run.message["reasoning_content"]),
        len(run.message["refusal"]),
        len(run.message["tool_calls"][0]["function"]["arguments"]),
    ]


def test_limit_met_in_a_message_that_waited() -> None:
    """Nothing of what stands behind it is shown, also not when all that is left is flushed."""
    waiting = [added(0, "message"), *message(1, "bSTOPc"), *message(2, "d")]
    ended = Run([*waiting, message_done(0, "a"), completed()], stop_sequences=("STOP",))
    flushed = Run(
        [*waiting, text(0, "a"), added(3, "function_call", name="f"), completed()], stop_sequences=("STOP",)
    )
    assert ["a\n\nb", "a\n\nb"] == [ended.message["content"], flushed.message["content"]]
    assert "tool_calls" not in flushed.message


def test_limit_met_in_held_text() -> None:
    """What was held back for a sequence is counted when its message ends."""
    run = Run(
        [*message(0, "aaST"), *message(1, "more"), completed()], stop_sequences=("STOP",), max_text_tokens=1
    )
    assert ("aaST\n\nm", "length") == (run.message["content"], run.finish_reason)


def test_links_of_a_text_that_was_cut() -> None:
    """Those of whole messages stay; those of the one that was cut are left out."""
    events = [
        message_done(0, "a", annotations=[link(0, 1)]),
        message_done(1, "bSTOP", annotations=[link(0, 1)]),
    ]
    run = Run([*events, completed()], stop_sequences=("STOP",))
    assert [(0, 1, "a.example", "https://a.example/x")] == marks(run)


DELTAS: dict[str, tuple[str, str]] = {
    "text": ("message", "output_text"),
    "refusal": ("message", "refusal"),
    "summary": ("reasoning", "reasoning_summary_text"),
    "raw reasoning": ("reasoning", "reasoning_text"),
    "arguments": ("function_call", "function_call_arguments"),
    "custom input": ("custom_tool_call", "custom_tool_call_input"),
    "text in an image": ("image_generation_call", "output_text"),
}


@pytest.mark.parametrize(("item_type", "delta_type"), DELTAS.values(), ids=DELTAS.keys())
@pytest.mark.parametrize(
    "facts", [{}, {"uses_functions": True}, {"is_folded": True}, {"stop_sequences": ("x",)}]
)
def test_short_cut_changes_nothing(item_type: str, delta_type: str, facts: dict[str, Any]) -> None:
    """Deltas in a row become what they become when an event that shows nothing ends the short cut after each."""
    head = added(0, item_type, id="item_1", call_id="call_1", name="f")
    deltas = [
        {"type": f"response.{delta_type}.delta", "output_index": 0, index: part, "delta": delta}
        for index in ("content_index", "summary_index")
        for part, delta in ((0, "a"), (0, "b"), (0, ""), (0, 3), (0, "c\n"), (1, "d"), (1, "é"), (0, "e"))
    ]
    nothing = {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": None}
    in_a_row = Run([head, *deltas, completed()], **facts)
    apart = Run([head, *(event for delta in deltas for event in (delta, nothing)), completed()], **facts)
    assert apart.body == in_a_row.body


def test_answer_locally() -> None:
    """An answer without an upstream has no content and its estimated cost."""
    facts = ChatFacts(model="m", scope="s", original_names={}, input_tokens_estimate=7, is_folded=True)
    answer = json.loads(fold(ChatWriter(facts, answer_id="chatcmpl-1", request_id="r").answer_locally()))
    assert ("", "length", usage(7, 0)) == (
        answer["choices"][0]["message"]["content"],
        answer["choices"][0]["finish_reason"],
        answer["usage"],
    )


def test_document_is_replayed() -> None:
    """An answer in one piece becomes the stream it stands for, with its time."""
    document = {"created_at": 5, "status": "completed", "output": [TEXT]}
    facts = ChatFacts(model="m", scope="s", original_names={})
    transcoder = Transcoder(ChatWriter(facts, answer_id="chatcmpl-1", request_id="r"))
    answer = json.loads(fold(transcoder.feed(json.dumps(document).encode()) + transcoder.finish()))
    assert ("Hello", 5) == (answer["choices"][0]["message"]["content"], answer["created"])


CORPUS_ANSWERS = {
    "completed-with-empty-output": "stop",
    "incomplete-max-output-tokens": "length",
    "long": "stop",
    "reasoning-and-text": "stop",
    "refusal": "stop",
    "text": "stop",
    "tool-call": "tool_calls",
    "web-search": "stop",
    "wire-crlf-comments": "stop",
}
CORPUS_FAILURES = {
    "error-event": FailureKind.SERVER_ERROR,
    "failed": FailureKind.SERVER_ERROR,
    "no-completed": FailureKind.TRUNCATED,
}


def replay(name: str, **facts: Any) -> tuple[bytes, Transcoder]:
    """Transcode a recorded stream."""
    known = ChatFacts(model="m", scope="s", original_names={}, **facts)
    transcoder = Transcoder(ChatWriter(known, answer_id="chatcmpl-1", request_id="r"))
    return transcoder.feed((CORPUS / f"{name}.sse").read_bytes()) + transcoder.finish(), transcoder


@pytest.mark.parametrize(("name", "reason"), CORPUS_ANSWERS.items())
def test_corpus(name: str, reason: str) -> None:
    """A recorded stream becomes an answer that ends for the right reason."""
    body, _ = replay(name)
    assert reason == json.loads(fold(body))["choices"][0]["finish_reason"]


@pytest.mark.parametrize(("name", "kind"), CORPUS_FAILURES.items())
def test_corpus_of_failures(name: str, kind: FailureKind) -> None:
    """Recorded failures are failures here too, and no stream of them says that it is done."""
    body, transcoder = replay(name)
    assert transcoder.failure is not None
    assert (kind, False) == (transcoder.failure.kind, b"[DONE]" in body)


def test_every_recording_is_tested() -> None:
    """No recorded stream is left out."""
    assert sorted([*CORPUS_ANSWERS, *CORPUS_FAILURES]) == sorted(path.stem for path in CORPUS.glob("*.sse"))
