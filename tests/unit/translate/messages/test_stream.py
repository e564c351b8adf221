"""The answer direction of Messages: which blocks an upstream stream becomes, and how it ends."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from packyproxy.errors import FailureKind
from packyproxy.transcode import Transcoder
from packyproxy.translate import item_writer
from packyproxy.translate.contract import Note
from packyproxy.translate.messages.facts import MessagesFacts
from packyproxy.translate.messages.fold import fold
from packyproxy.translate.messages.stream import MessagesWriter
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
    done,
    incomplete,
    message,
    message_done,
    text,
    thought,
)

CORPUS = Path(__file__).parents[3] / "corpus" / "upstream"
SCOPE = "1f2e3d4c5b"


class Run:
    """One upstream stream and everything it became."""

    def __init__(self, events: Iterable[Event], *, said_done: bool = False, **facts: Any) -> None:
        known: dict[str, Any] = {
            "model": "claude-x",
            "scope": SCOPE,
            "original_names": {},
            "input_tokens_estimate": 40,
        }
        self.writer = MessagesWriter(MessagesFacts(**(known | facts)), answer_id="msg_1", request_id="req_1")
        self.transcoder = Transcoder(self.writer)
        self.steps = [self.transcoder.feed(f"data: {json.dumps(event)}\n\n".encode()) for event in events]
        self.steps.append(self.transcoder.feed(b"data: [DONE]\n\n") if said_done else b"")
        self.steps.append(self.transcoder.finish())
        self.body = b"".join(self.steps)

    @property
    def message(self) -> dict[str, Any]:
        """The folded answer."""
        assert self.transcoder.failure is None
        folded: dict[str, Any] = json.loads(fold(self.writer.start() + self.body))
        return folded

    @property
    def content(self) -> list[dict[str, Any]]:
        """The blocks of the folded answer."""
        content: list[dict[str, Any]] = self.message["content"]
        return content

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The data of every frame after ``message_start``."""
        return [json.loads(frame.split(b"\ndata: ")[1]) for frame in self.body.split(b"\n\n") if frame]

    @property
    def shapes(self) -> list[str]:
        """Each frame in a few words."""
        return [
            " ".join(
                str(part)
                for part in (
                    frame["type"].removeprefix("content_block_"),
                    frame.get("index", ""),
                    frame.get("content_block", frame.get("delta", {})).get("type", ""),
                )
                if part != ""
            )
            for frame in self.frames
        ]


def tool_use(index: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the block of ``call``."""
    return {"type": "tool_use", "id": f"call_{index}", "name": name, "input": arguments}


THINKS: dict[str, Any] = {"thinking_is_visible": True}


def test_worked_stream() -> None:
    """Thinking and two interleaved calls come out as the worked example of the mapping says."""
    run = Run(
        [
            {"type": "response.created", "response": {}},
            added(0, "reasoning", id="rs_1"),
            thought(0, "Look."),
            done(0, "reasoning", id="rs_1", encrypted_content="gA"),
            added(1, "function_call", call_id="call_1", name="ls"),
            added(2, "function_call", call_id="call_2", name="ls"),
            args(2, "{}"),
            args(1, '{"p":'),
            args(1, '"/"}'),
            done(1, "function_call", call_id="call_1", name="ls", arguments='{"p":"/"}'),
            done(2, "function_call", call_id="call_2", name="ls", arguments="{}"),
            completed(),
        ],
        **THINKS,
    )
    assert [
        "start 0 thinking",
        "delta 0 thinking_delta",
        "delta 0 signature_delta",
        "stop 0",
        "start 1 tool_use",
        "delta 1 input_json_delta",
        "delta 1 input_json_delta",
        "delta 1 input_json_delta",
        "stop 1",
        "start 2 tool_use",
        "delta 2 input_json_delta",
        "delta 2 input_json_delta",
        "stop 2",
        "message_delta",
        "message_stop",
    ] == run.shapes
    assert [
        {"type": "thinking", "thinking": "Look.", "signature": f"pp1.{SCOPE}.rs_1.gA"},
        tool_use(1, "ls", {"p": "/"}),
        tool_use(2, "ls", {}),
    ] == run.content


def test_signature_is_held_until_the_next_block() -> None:
    """A finished thought stays open on the wire until something follows it."""
    run = Run(
        [
            added(0, "reasoning"),
            thought(0, "a"),
            done(0, "reasoning", encrypted_content="e"),
            *message(1, "b"),
        ],
        **THINKS,
    )
    assert b"" == run.steps[2]
    assert b"signature_delta" in run.steps[4]


def test_hidden_thinking_never_shows() -> None:
    """Without thinking in the request, the first block is text."""
    run = Run(
        [
            added(0, "reasoning"),
            thought(0, "a"),
            done(0, "reasoning", encrypted_content="e"),
            *message(1, "b"),
            completed(),
        ]
    )
    assert [{"type": "text", "text": "b"}] == run.content


def test_omitted_thinking_has_a_signature_only() -> None:
    """With ``display: omitted`` the block carries no text."""
    run = Run(
        [
            added(0, "reasoning", id="rs"),
            thought(0, "a"),
            done(0, "reasoning", encrypted_content="e"),
            completed(),
        ],
        thinking_has_text=False,
        **THINKS,
    )
    assert [{"type": "thinking", "thinking": "", "signature": f"pp1.{SCOPE}.rs.e"}] == run.content


REASONING = {
    "text without content": (
        [thought(0, "a"), done(0, "reasoning", id="rs")],
        [{"type": "thinking", "thinking": "a", "signature": f"pp1.{SCOPE}.rs.-"}],
    ),
    "neither": ([done(0, "reasoning", id="rs", summary=[])], []),
    "three parts": (
        [
            thought(0, "a", 0),
            thought(0, "b", 1),
            thought(0, "b", 1),
            thought(0, "c", 2),
            done(0, "reasoning", id="rs"),
        ],
        [{"type": "thinking", "thinking": "a\n\nbb\n\nc", "signature": f"pp1.{SCOPE}.rs.-"}],
    ),
    "only in the finished item": (
        [done(0, "reasoning", id="rs", summary=[{"type": "summary_text", "text": "a"}, {"text": "b"}])],
        [{"type": "thinking", "thinking": "a\n\nb", "signature": f"pp1.{SCOPE}.rs.-"}],
    ),
    "raw text": (
        [
            {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "raw"},
            thought(0, "summary"),
            done(0, "reasoning", id="rs"),
        ],
        [{"type": "thinking", "thinking": "raw", "signature": f"pp1.{SCOPE}.rs.-"}],
    ),
    "raw text, and both kinds in the finished item": (
        [
            {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "raw"},
            done(0, "reasoning", id="rs", summary=[{"text": "summary"}], content=[{"text": "raw text"}]),
        ],
        [{"type": "thinking", "thinking": "raw text", "signature": f"pp1.{SCOPE}.rs.-"}],
    ),
    "content over 1 MiB": (
        [thought(0, "a"), done(0, "reasoning", id="rs", encrypted_content="e" * (1024 * 1024 + 1))],
        [{"type": "thinking", "thinking": "a", "signature": f"pp1.{SCOPE}.rs.-"}],
    ),
    "item never done": (
        [thought(0, "a")],
        [{"type": "thinking", "thinking": "a", "signature": f"pp1.{SCOPE}.rs.-"}],
    ),
}


@pytest.mark.parametrize(("events", "expected"), REASONING.values(), ids=REASONING.keys())
def test_reasoning(events: list[Event], expected: list[dict[str, Any]]) -> None:
    """One reasoning item is at most one block, whatever it is made of."""
    early = added(0, "reasoning", id="rs", encrypted_content="never-this")
    assert expected == Run([early, *events, completed()], **THINKS).content


def test_several_thoughts_are_several_blocks() -> None:
    """Thoughts without text follow each other, each with its own signature."""
    run = Run(
        [
            done(0, "reasoning", id="a", encrypted_content="1"),
            done(1, "reasoning", id="b", encrypted_content="2"),
            *message(2, "t"),
            completed(),
        ],
        **THINKS,
    )
    assert [f"pp1.{SCOPE}.a.1", f"pp1.{SCOPE}.b.2"] == [block["signature"] for block in run.content[:2]]


def test_interleaved_calls() -> None:
    """Deltas of two calls that interleave become two blocks, one after the other, arguments intact."""
    head = [{"call_id": "call_0", "name": "a"}, {"call_id": "call_1", "name": "b"}]
    run = Run(
        [
            added(0, "function_call", **head[0]),
            added(1, "function_call", **head[1]),
            args(1, '{"x"'),
            args(0, '{"y"'),
            args(1, ":1}"),
            args(0, ":2}"),
            done(1, "function_call", **head[1], arguments='{"x":1}'),
            done(0, "function_call", **head[0], arguments='{"y":2}'),
            completed(),
        ]
    )
    assert [tool_use(0, "a", {"y": 2}), tool_use(1, "b", {"x": 1})] == run.content
    assert sorted(frame["index"] for frame in run.frames if "index" in frame) == [
        frame["index"] for frame in run.frames if "index" in frame
    ]


@pytest.mark.parametrize("events", CALLS.values(), ids=CALLS.keys())
def test_call_is_delivered_once_and_whole(events: list[Event]) -> None:
    """However a call is spread over events, the client gets it once."""
    run = Run([*events, completed(output=[CALL])])
    assert [tool_use(0, "f", {"a": 1})] == run.content
    assert "tool_use" == run.message["stop_reason"]


def test_client_gets_its_own_tool_name() -> None:
    """A mapped name comes back as the client wrote it."""
    run = Run([*call(0, "short", "{}"), completed()], original_names={"short": "the.long.name"})
    assert "the.long.name" == run.content[0]["name"]


def test_repeated_call_id_is_made_unique() -> None:
    """Two calls with one id do not collide at the client."""
    events = [done(i, "function_call", call_id="c", name="f", arguments="{}") for i in range(3)]
    assert ["c", "c_2", "c_3"] == [block["id"] for block in Run([*events, completed()]).content]


def test_call_without_a_name_is_left_out() -> None:
    """Nobody could run a call without a name."""
    run = Run([done(0, "function_call", call_id="c", arguments="{}"), completed()])
    assert ([], "end_turn", [Note("ignored_item", "function_call")]) == (
        run.content,
        run.message["stop_reason"],
        run.transcoder.notes,
    )


def test_custom_tool_call() -> None:
    """Free text for a custom tool is wrapped into an object, escaped twice over."""
    run = Run(
        [
            added(0, "custom_tool_call", call_id="call_0", name="patch"),
            {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": 'a"\n'},
            {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "é\\"},
            {"type": "response.custom_tool_call_input.done", "output_index": 0, "input": 'a"\né\\!'},
            done(0, "custom_tool_call", call_id="call_0", name="patch", input='a"\né\\!'),
            completed(),
        ]
    )
    assert [tool_use(0, "patch", {"input": 'a"\né\\!'})] == run.content


BUFFERED = {
    "blank pages": ("Read", '{"file_path":"/a","pages":" ","limit":1.10}', '{"file_path":"/a","limit":1.10}'),
    "real pages": ("Read", '{"pages":"1-2"}', '{"pages":"1-2"}'),
    "no pages": ("Read", '{"file_path": "/a"}', '{"file_path": "/a"}'),
    "not JSON": ("Read", '{"pages":""', '{"pages":""'),
    "empty content of another tool": ("Write", '{"content":""}', '{"content":""}'),
}


@pytest.mark.parametrize(("name", "arguments", "expected"), BUFFERED.values(), ids=BUFFERED.keys())
def test_buffered_tool(name: str, arguments: str, expected: str) -> None:
    """A buffered tool's arguments come in one piece; only a blank ``pages`` of ``Read`` is taken out."""
    events = [
        added(0, "function_call", call_id="c", name=name),
        args(0, arguments[:5]),
        args(0, arguments[5:]),
        done(0, "function_call", call_id="c", name=name, arguments=arguments),
        completed(),
    ]
    run = Run(events, buffered_tools=frozenset({"Read", "Write"}))
    pieces = [
        frame["delta"]["partial_json"] for frame in run.frames if frame["type"] == "content_block_delta"
    ]
    assert ["", expected] == pieces


@pytest.mark.parametrize("events", TEXTS.values(), ids=TEXTS.keys())
def test_text_is_delivered_once_and_whole(events: list[Event]) -> None:
    """However a text is spread over events, the client gets it once."""
    assert [{"type": "text", "text": "Hello"}] == Run([*events, completed(output=[TEXT])]).content


def test_parts_of_one_message_share_a_block() -> None:
    """All parts of a message are one text block, joined without a separator."""
    run = Run([added(0, "message"), text(0, "Hel", 0), text(0, "lo", 1), completed()])
    assert [{"type": "text", "text": "Hello"}] == run.content


def test_messages_are_separate_blocks() -> None:
    """Each message item starts a text block of its own."""
    run = Run([*message(0, "a"), *message(1, "b"), completed()])
    assert [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}] == run.content


def test_contradicting_text_is_noted() -> None:
    """What was streamed stands; that the upstream then said otherwise deserves a log line."""
    run = Run([added(0, "message"), text(0, "one"), message_done(0, "two"), completed()])
    assert ([{"type": "text", "text": "one"}], [Note("contradicting_text")]) == (
        run.content,
        run.transcoder.notes,
    )


def test_escapes_that_differ_do_not_contradict() -> None:
    """The final text may escape the same characters in another way."""
    writer = MessagesWriter(
        MessagesFacts(model="m", scope=SCOPE, original_names={}), answer_id="m", request_id="r"
    )
    transcoder = Transcoder(writer)
    out = transcoder.feed(
        rb'data: {"type":"response.output_text.delta","output_index":0,"delta":"\u00e9"}' + b"\n\n"
        b'data: {"type":"response.output_text.done","output_index":0,"text":"\xc3\xa9!"}\n\n'
        b'data: {"type":"response.completed","response":{}}\n\n'
    )
    assert ("é!", []) == (json.loads(fold(writer.start() + out))["content"][0]["text"], transcoder.notes)


SURROGATES = {
    "pair over two deltas": (["a\ud83d", "\ude00b"], "a😀b"),
    "nothing but halves": (["\ud83d", "\ude00"], "😀"),
    "empty delta between": (["a\ud83d", "", "\ude00"], "a😀"),
    "empty delta before other text": (["a\ud83d", "", "b"], "a\ufffdb"),
    "never completed": (["a\ud83d"], "a\ufffd"),
    "completed wrongly": (["a\ud83d", "b"], "a\ufffdb"),
    "low half alone": (["a\ude00b"], "a\ufffdb"),
    "short cut is open": (["a", "b\ud83d", "\ude00c", "d"], "ab😀cd"),
}


@pytest.mark.parametrize(("deltas", "expected"), SURROGATES.values(), ids=SURROGATES.keys())
def test_character_cut_in_two(deltas: list[str], expected: str) -> None:
    """A character split over deltas arrives whole; half of one becomes U+FFFD; no other text is lost."""
    run = Run([added(0, "message", id="msg_1"), *(text(0, delta) for delta in deltas), completed()])
    assert [{"type": "text", "text": expected}] == run.content


def test_final_text_completes_a_cut_character() -> None:
    """The final text has the character that the deltas never finished."""
    run = Run([added(0, "message"), text(0, "a\ud83d"), message_done(0, "a😀"), completed()])
    assert ([{"type": "text", "text": "a😀"}], []) == (run.content, run.transcoder.notes)


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
@pytest.mark.parametrize("buffered_tools", [frozenset(), frozenset({"f"})], ids=["plain", "buffered"])
def test_short_cut_changes_nothing(item_type: str, delta_type: str, buffered_tools: frozenset[str]) -> None:
    """Deltas in a row become what they become when an event that shows nothing ends the short cut after each."""
    head = added(0, item_type, id="item_1", call_id="call_1", name="f")
    deltas = [
        {"type": f"response.{delta_type}.delta", "output_index": 0, index: part, "delta": delta}
        for index in ("content_index", "summary_index")
        for part, delta in ((0, "a"), (0, "b"), (0, ""), (0, 3), (0, "c\n"), (1, "d"), (1, "é"), (0, "e"))
    ]
    nothing = {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": None}
    facts: dict[str, Any] = {**THINKS, "buffered_tools": buffered_tools}
    in_a_row = Run([head, *deltas, completed()], **facts)
    apart = Run([head, *(event for delta in deltas for event in (delta, nothing)), completed()], **facts)
    assert apart.body == in_a_row.body


def test_finished_response_may_agree_on_some_ids_only() -> None:
    """One item pairs by its id and the other by its kind, and neither is written again."""
    items = [
        {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "a"}]},
        {"id": "other", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"id": "msg_3", "type": "message", "content": [{"type": "output_text", "text": "b"}]},
    ]
    run = Run(
        [
            added(0, "message", id="msg_1"),
            message_done(0, "a"),
            *call(1, "f", "{}"),
            *message(2, "b"),
            completed(output=items),
        ]
    )
    blocks = [{"type": "text", "text": "a"}, tool_use(1, "f", {}), {"type": "text", "text": "b"}]
    assert blocks == run.content


def test_deltas_after_the_final_text_are_ignored() -> None:
    """Text that comes after the whole of its part is not shown, however much of it comes."""
    final = {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "a"}
    run = Run([added(0, "message", id="msg_1"), text(0, "a"), final, text(0, "b"), text(0, "c"), completed()])
    assert [{"type": "text", "text": "a"}] == run.content


def test_late_id_is_learnt_from_a_delta() -> None:
    """A delta may be the first to name its item, and a later event may have nothing but that name."""
    named = {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "c"}
    run = Run([added(0, "message"), text(0, "a"), {**text(0, "b"), "item_id": "msg_1"}, named, completed()])
    assert [{"type": "text", "text": "abc"}] == run.content


def test_refusal() -> None:
    """A refusal is shown as text, and as the reason of the end."""
    run = Run(
        [
            added(0, "message"),
            {"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "No"},
            {"type": "response.refusal.done", "output_index": 0, "content_index": 0, "refusal": "No."},
            done(0, "message", content=[{"type": "refusal", "refusal": "No."}]),
            completed(),
        ]
    )
    assert [{"type": "text", "text": "No."}] == run.content
    assert ("refusal", {"type": "refusal", "category": None, "explanation": "No."}) == (
        run.message["stop_reason"],
        run.message["stop_details"],
    )


ENDINGS = {
    "text": ([*message(0, "a"), completed()], "end_turn"),
    "nothing": ([completed()], "end_turn"),
    "tools": ([*call(0, "f", "{}"), completed()], "tool_use"),
    "out of tokens": ([*message(0, "a"), incomplete("max_output_tokens")], "max_tokens"),
    "out of tokens in a call": ([*call(0, "f", "{}")[:2], incomplete("max_output_tokens")], "max_tokens"),
    "filtered": ([incomplete("content_filter")], "refusal"),
    "context": ([incomplete("context_length_exceeded")], "model_context_window_exceeded"),
    "tool limit": ([incomplete("max_tool_calls")], "pause_turn"),
    "message limit": ([incomplete("max_messages")], "pause_turn"),
    "unknown reason": ([incomplete("steered")], "end_turn"),
    "unknown reason with tools": ([*call(0, "f", "{}"), incomplete("new")], "tool_use"),
    "no reason": ([incomplete(None)], "end_turn"),
    "incomplete by status": (
        [completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
        "max_tokens",
    ),
    "older name": ([{"type": "response.done", "response": {}}], "end_turn"),
}


@pytest.mark.parametrize(("events", "expected"), ENDINGS.values(), ids=ENDINGS.keys())
def test_stop_reason(events: list[Event], expected: str) -> None:
    """Each way the upstream ends has one stop reason."""
    assert expected == Run(events).message["stop_reason"]


def test_empty_answer() -> None:
    """An answer without items is valid and empty."""
    run = Run([completed()])
    assert (["message_delta", "message_stop"], []) == (run.shapes, run.content)


USAGES = {
    "cached": (
        {"input_tokens": 1234, "input_tokens_details": {"cached_tokens": 1024}, "output_tokens": 57,
         "output_tokens_details": {"reasoning_tokens": 32}},
        {"input_tokens": 210, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1024,
         "output_tokens": 57, "output_tokens_details": {"thinking_tokens": 32}},
    ),
    "all cached": (
        {"input_tokens": 1024, "input_tokens_details": {"cached_tokens": 1024}, "output_tokens": 1},
        {"input_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1024, "output_tokens": 1},
    ),
    "cache written": (
        {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3}, "output_tokens": 1},
        {"input_tokens": 5, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1},
    ),
    "missing": (
        None,
        {"input_tokens": 40, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("usage", "expected"), USAGES.values(), ids=USAGES.keys())
def test_usage(usage: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    """The upstream's counts become ours; missing ones are estimated."""
    run = Run([*message(0, "five!"), completed(usage=usage)])
    assert expected == run.frames[-2]["usage"]


def test_context_management_is_echoed() -> None:
    """A request with ``context_management`` hears that nothing was edited."""
    run = Run([completed()], echoes_context_management=True)
    assert {"applied_edits": []} == run.message["context_management"]


@pytest.mark.parametrize(
    ("tier", "expected"), [("priority", "priority"), ("fast", "priority"), ("auto", "standard")]
)
def test_service_tier(tier: str, expected: str) -> None:
    """The upstream's tier shows in the answer once it is known."""
    run = Run([{"type": "response.created", "response": {"service_tier": tier}}, completed()])
    assert expected == run.message["usage"]["service_tier"]


BROKEN_ENDS = {
    "after text": [*message(0, "a")],
    "amid text": [added(0, "message"), text(0, "a")],
    "before anything": [],
}


@pytest.mark.parametrize("events", BROKEN_ENDS.values(), ids=BROKEN_ENDS.keys())
def test_end_without_a_terminal_event(events: list[Event]) -> None:
    """A stream that just stops is a failure, never a short answer."""
    run = Run(events)
    assert run.transcoder.failure is not None
    assert FailureKind.TRUNCATED == run.transcoder.failure.kind
    assert b"message_stop" not in run.body


def test_end_after_a_finished_thought() -> None:
    """A thought that nothing followed stays incomplete, so that the client may try again."""
    run = Run([added(0, "reasoning"), thought(0, "a"), done(0, "reasoning", encrypted_content="e")], **THINKS)
    assert ["start 0 thinking", "delta 0 thinking_delta"] == run.shapes


def test_done_marker_after_a_whole_item() -> None:
    """``[DONE]`` after a whole message is the relay's word that it was the end."""
    run = Run(message(0, "a"), said_done=True)
    assert ("end_turn", 1) == (run.message["stop_reason"], run.message["usage"]["output_tokens"])


@pytest.mark.parametrize(
    "events", [[], message(0, "a")[:2], [*message(0, "a"), added(1, "function_call", call_id="c", name="f")]],
    ids=["nothing", "open message", "open call"],
)  # fmt: skip
def test_done_marker_too_early(events: list[Event]) -> None:
    """``[DONE]`` with something open, or with nothing at all, is a broken end."""
    failure = Run(events, said_done=True).transcoder.failure
    assert failure is not None
    assert FailureKind.TRUNCATED == failure.kind


FAILURES = {
    "failed": (
        {"type": "response.failed", "response": {"error": {"code": "server_error"}}},
        FailureKind.SERVER_ERROR,
    ),
    "failed, no reason": ({"type": "response.failed", "response": {}}, FailureKind.SERVER_ERROR),
    "overflow": (
        {
            "type": "response.failed",
            "response": {"error": {"code": "context_length_exceeded", "message": "m"}},
        },
        FailureKind.CONTEXT_OVERFLOW,
    ),
    "flat error": ({"type": "error", "code": "rate_limit_exceeded", "message": "m"}, FailureKind.RATE_LIMIT),
    "nested error": ({"type": "error", "error": {"code": "rate_limit_exceeded"}}, FailureKind.RATE_LIMIT),
    "cancelled": ({"type": "response.cancelled", "response": {}}, FailureKind.CANCELLED),
    "completed but failed": (
        completed(status="failed", error={"code": "server_error"}),
        FailureKind.SERVER_ERROR,
    ),
    "completed but cancelled": (completed(status="cancelled"), FailureKind.CANCELLED),
}


@pytest.mark.parametrize(("event", "kind"), FAILURES.values(), ids=FAILURES.keys())
def test_terminal_failure(event: Event, kind: FailureKind) -> None:
    """The upstream's failures become values; nothing is written for them."""
    run = Run([*message(0, "a"), event, text(1, "more")])
    assert run.transcoder.failure is not None
    assert (kind, [b"", b"", b"", b""]) == (run.transcoder.failure.kind, run.steps[3:])


def test_nothing_follows_the_terminal_event() -> None:
    """Bytes after the end are ignored."""
    run = Run([completed(), *message(0, "late"), completed()])
    assert ["message_delta", "message_stop"] == run.shapes


def test_rate_limit_report_is_not_an_end() -> None:
    """Some relays report a limit as reached and then answer in full."""
    run = Run(
        [{"type": "codex.rate_limits", "rate_limits": {"limit_reached": True}}, *message(0, "a"), completed()]
    )
    assert [{"type": "text", "text": "a"}] == run.content


def test_unknown_events_and_items_do_no_harm() -> None:
    """A new event or item type is noted once and changes nothing."""
    strange = [{"type": "response.brand_new", "x": 1}] * 2 + [
        added(7, "brand_new_item"),
        done(7, "brand_new_item"),
    ]
    run = Run([*strange, *message(0, "a"), completed()])
    assert [{"type": "text", "text": "a"}] == run.content
    assert [
        Note("unknown_event", "response.brand_new"),
        Note("ignored_item", "brand_new_item"),
    ] == run.transcoder.notes


def test_items_left_open_are_flushed_in_output_order() -> None:
    """At the end, what still waits is written in the order of the output."""
    run = Run([added(0, "message"), text(0, "a"), *message(3, "d"), *message(2, "c"), completed()])
    assert ["a", "c", "d"] == [block["text"] for block in run.content]


def test_too_much_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for an earlier item is bounded."""
    monkeypatch.setattr(item_writer, "MAX_HELD_BYTES", 1000)
    run = Run(
        [added(0, "message"), text(0, "a"), added(1, "message"), *(text(1, "x" * 100) for _ in range(20))]
    )
    assert run.transcoder.failure is not None
    assert FailureKind.BAD_STREAM == run.transcoder.failure.kind


def test_text_that_waits_is_joined() -> None:
    """A long text behind another item does not wait as one object per delta."""
    run = Run([added(0, "message"), added(1, "message"), *(text(1, "x") for _ in range(100)), completed()])
    assert ["start 0 text", "delta 0 text_delta", "stop 0", "message_delta", "message_stop"] == run.shapes
    assert "x" * 100 == run.content[0]["text"]


def test_generated_image_is_mentioned() -> None:
    """A generated image has no block of its own."""
    run = Run([done(0, "image_generation_call", output_format="webp"), completed()])
    assert [{"type": "text", "text": "[generated image omitted: webp]"}] == run.content


def test_image_that_was_never_generated() -> None:
    """An image that the upstream only began is not mentioned."""
    assert [] == Run([added(0, "image_generation_call"), completed()]).content


def citation(start: int, end: int, url: str, title: str | None = None) -> dict[str, Any]:
    """Write a link annotation."""
    return {"type": "url_citation", "start_index": start, "end_index": end, "url": url, "title": title}


def search(index: int, query: str, *urls: str, **fields: Any) -> Event:
    """Write a finished search."""
    action = {"type": "search", "query": query, "sources": [{"type": "url", "url": url} for url in urls]}
    return done(index, "web_search_call", id=f"ws_{index}", action=action, **fields)


ONE, TWO = "https://one.example/a", "https://two.example/b"


def links(block: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (url, title) of each result."""
    return [(result["url"], result["title"]) for result in block["content"]]


def test_web_search_with_citations_only() -> None:
    """Results come from the citations of the text when the upstream lists no sources."""
    found = [citation(0, 5, ONE, "One"), citation(6, 99, TWO, "Two")]
    run = Run(
        [
            search(0, "q"),
            added(1, "message"),
            text(1, "Hello there"),
            message_done(1, "Hello there", annotations=found),
            completed(),
        ]
    )
    call_block, results, answer = run.content
    assert {
        "type": "server_tool_use",
        "id": "srvtoolu_0",
        "name": "web_search",
        "input": {"query": "q"},
    } == call_block
    assert ("srvtoolu_0", [(ONE, "One"), (TWO, "Two")]) == (results["tool_use_id"], links(results))
    assert [("One", "Hello"), ("Two", "")] == [(c["title"], c["cited_text"]) for c in answer["citations"]]
    assert 1 == run.message["usage"]["server_tool_use"]["web_search_requests"]


def test_results_wait_for_the_text() -> None:
    """The call shows at once; its results, and the text, when the text is done."""
    run = Run([search(0, "q"), added(1, "message"), text(1, "Hi"), message_done(1, "Hi"), completed()])
    assert [True, False, False, True] == [bool(step) for step in run.steps[:4]]


def test_blocked_domains() -> None:
    """Blocked hosts, and hosts below them, are in neither results nor citations."""
    found = [citation(0, 1, "https://sub.one.example/x", "One")]
    run = Run(
        [
            search(0, "q", ONE, TWO, "https://notone.example/"),
            message_done(1, "Hi", annotations=found),
            completed(),
        ],
        blocked_domains=("one.example",),
    )
    assert [TWO, "https://notone.example/"] == [url for url, _ in links(run.content[1])]
    assert "citations" not in run.content[2]


def test_citations_go_to_the_last_search() -> None:
    """With several searches, links nobody listed belong to the last one; titles go where the link is listed."""
    found = [citation(0, 1, ONE, "One"), citation(1, 2, TWO, "Two")]
    page = done(2, "web_search_call", id="ws_2", action={"type": "open_page", "url": ONE})
    run = Run(
        [search(0, "p", ONE), search(1, "q"), page, message_done(3, "Hi", annotations=found), completed()]
    )
    assert [[(ONE, "One")], [(TWO, "Two")]] == [links(run.content[1]), links(run.content[3])]
    assert 2 == run.message["usage"]["server_tool_use"]["web_search_requests"]


def test_failed_search() -> None:
    """A failed search says so."""
    run = Run([search(0, "q", status="failed"), *message(1, "a"), completed()])
    assert {"type": "web_search_tool_result_error", "error_code": "unavailable"} == run.content[1]["content"]


def test_search_without_text() -> None:
    """The end of the answer resolves a search that no text followed; hosts stand in for titles."""
    run = Run(
        [
            search(0, "q", ONE, ONE),
            *call(1, "f", "{}"),
            completed(tool_usage={"web_search": {"num_requests": 5}}),
        ]
    )
    assert [(ONE, "one.example")] == links(run.content[1])
    assert ("tool_use", 5) == (
        run.content[2]["type"],
        run.message["usage"]["server_tool_use"]["web_search_requests"],
    )


def test_at_most_twenty_results() -> None:
    """A long list of sources is cut."""
    run = Run([search(0, "q", *(f"https://h/{i}" for i in range(30))), *message(1, "a"), completed()])
    assert 20 == len(run.content[1]["content"])


STOPS = {
    "over three deltas": (["one EN", "D", " two"], ("END",), "one ", "END"),
    "earliest wins": (["a b c"], ("c", "b"), "a ", "b"),
    "longest wins": (["x ab", "c"], ("ab", "abc"), "x ", "abc"),
    "shorter after all": (["x ab", "d"], ("ab", "abc"), "x ", "ab"),
    "shorter at the end": (["x ab"], ("ab", "abc"), "x ", "ab"),
    "at the start": (["END two"], ("END",), "", "END"),
    "false start": (["E", "NE", "N."], ("END",), "ENEN.", None),
}


@pytest.mark.parametrize(("deltas", "sequences", "expected", "matched"), STOPS.values(), ids=STOPS.keys())
def test_stop_sequence(
    deltas: list[str], sequences: tuple[str, ...], expected: str, matched: str | None
) -> None:
    """Text ends before the sequence, wherever the upstream cut it; nothing of it leaks."""
    events = [
        added(0, "message"),
        *(text(0, delta) for delta in deltas),
        message_done(0, "".join(deltas)),
        completed(),
    ]
    run = Run(events, stop_sequences=sequences)
    assert expected == "".join(block["text"] for block in run.content)
    assert (matched, "stop_sequence" if matched else "end_turn") == (
        run.message["stop_sequence"],
        run.message["stop_reason"],
    )


def test_no_match_across_blocks() -> None:
    """A sequence that is split over two messages is none."""
    run = Run([*message(0, "E"), *message(1, "ND"), completed()], stop_sequences=("END",))
    assert ["E", "ND"] == [block["text"] for block in run.content]


def test_local_stop_ends_the_exchange() -> None:
    """At a stop sequence the answer is over although the upstream is still talking."""
    run = Run(
        [added(0, "message"), text(0, "a END b"), text(0, "c"), *message(1, "d")], stop_sequences=("END",)
    )
    assert run.transcoder.is_finished
    assert ([b""] * 6, 1) == (run.steps[2:], run.message["usage"]["output_tokens"])


def test_local_token_limit() -> None:
    """The text is cut at the limit, late rather than early, and never within a character."""
    run = Run([added(0, "message"), text(0, "x" * 24), text(0, "éé"), text(0, "y")], max_text_tokens=5)
    assert ("x" * 24 + "é", "max_tokens") == (run.content[0]["text"], run.message["stop_reason"])


def test_token_limit_spares_tools_and_thinking() -> None:
    """Half a tool call would be worse than an overrun."""
    run = Run([added(0, "reasoning"), thought(0, "x" * 99), done(0, "reasoning"), *call(1, "f", '{"a":"%s"}' % ("x" * 99)), completed()],
              max_text_tokens=5, **THINKS)  # fmt: skip
    assert ("tool_use", 99) == (run.message["stop_reason"], len(run.content[1]["input"]["a"]))


def test_content_begins_with_the_first_block() -> None:
    """Handshake events and held thoughts are no content yet."""
    writer = MessagesWriter(
        MessagesFacts(model="m", scope=SCOPE, original_names={}, **THINKS), answer_id="m", request_id="r"
    )
    transcoder = Transcoder(writer)
    seen = []
    for event in [
        {"type": "response.created"},
        done(0, "reasoning", encrypted_content="e"),
        *message(1, "a"),
    ]:
        transcoder.feed(f"data: {json.dumps(event)}\n\n".encode())
        seen.append(transcoder.has_content)
    assert [False, False, False, True, True] == seen


def test_start() -> None:
    """``message_start`` echoes the client's model and carries the estimate, so that no client sees zero."""
    writer = MessagesWriter(
        MessagesFacts(model="claude-x", scope=SCOPE, original_names={}, input_tokens_estimate=40),
        answer_id="msg_1",
        request_id="r",
    )
    start, ping = writer.start().strip().split(b"\n\n")
    head = json.loads(start.removeprefix(b"event: message_start\ndata: "))["message"]
    assert ("msg_1", "claude-x", 40, []) == (
        head["id"],
        head["model"],
        head["usage"]["input_tokens"],
        head["content"],
    )
    assert b'event: ping\ndata: {"type":"ping"}' == ping


def test_answer_locally() -> None:
    """A request that only warms the cache gets an empty answer."""
    writer = MessagesWriter(
        MessagesFacts(model="m", scope=SCOPE, original_names={}), answer_id="m", request_id="r"
    )
    answer = json.loads(fold(writer.start() + writer.answer_locally()))
    assert ([], "max_tokens") == (answer["content"], answer["stop_reason"])
    assert writer.is_finished


def test_error_frame_is_one_line() -> None:
    """An error object with line breaks between its tokens does not break its frame."""
    writer = MessagesWriter(
        MessagesFacts(model="m", scope=SCOPE, original_names={}), answer_id="m", request_id="r"
    )
    frame = writer.fail(500, b'{"type": "error",\n\n "error": {"message": "a b"}}')
    assert b'event: error\ndata: {"type":"error","error":{"message":"a b"}}\n\n' == frame


@pytest.mark.parametrize(
    ("name", "stop_reason", "kinds"),
    [
        ("text", "end_turn", ["thinking", "text"]),
        ("long", "end_turn", ["thinking", "text"]),
        ("reasoning-and-text", "end_turn", ["thinking", "text"]),
        ("tool-call", "tool_use", ["thinking", "text", "tool_use"]),
        ("refusal", "refusal", ["thinking", "text"]),
        ("web-search", "end_turn", ["thinking", "server_tool_use", "web_search_tool_result", "text"]),
        ("incomplete-max-output-tokens", "max_tokens", ["thinking", "text"]),
        ("completed-with-empty-output", "end_turn", ["thinking", "text"]),
        ("wire-crlf-comments", "end_turn", ["text"]),
    ],
)
def test_corpus(name: str, stop_reason: str, kinds: list[str]) -> None:
    """Recorded streams become the answers they mean."""
    facts = MessagesFacts(model="m", scope=SCOPE, original_names={}, **THINKS)
    writer = MessagesWriter(facts, answer_id="m", request_id="r")
    transcoder = Transcoder(writer)
    out = transcoder.feed((CORPUS / f"{name}.sse").read_bytes()) + transcoder.finish()
    answer = json.loads(fold(writer.start() + out))
    assert (stop_reason, kinds, []) == (
        answer["stop_reason"],
        [b["type"] for b in answer["content"]],
        transcoder.notes,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("failed", FailureKind.SERVER_ERROR),
        ("error-event", FailureKind.SERVER_ERROR),
        ("no-completed", FailureKind.TRUNCATED),
    ],
)
def test_corpus_of_failures(name: str, kind: FailureKind) -> None:
    """Recorded streams that end badly fail for the right reason."""
    transcoder = Transcoder(
        MessagesWriter(
            MessagesFacts(model="m", scope=SCOPE, original_names={}), answer_id="m", request_id="r"
        )
    )
    transcoder.feed((CORPUS / f"{name}.sse").read_bytes())
    transcoder.finish()
    assert transcoder.failure is not None
    assert kind == transcoder.failure.kind


def test_endless_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of ever more items is the upstream's failure, wherever they come from."""
    monkeypatch.setattr(item_writer, "MAX_ITEMS", 3)
    streamed = Run([*(added(index, "message") for index in range(4)), text(0, "a")])
    replayed = Run([completed(output=[{"type": "message"}] * 4)])
    for run in (streamed, replayed):
        assert run.transcoder.failure is not None
        assert (FailureKind.BAD_STREAM, b"") == (run.transcoder.failure.kind, run.body)


ONE_INDEX_FOR_ALL: dict[str, tuple[list[Event], list[str]]] = {
    "another type": (
        [
            added(0, "reasoning", id="rs"),
            done(0, "reasoning", id="rs", encrypted_content="e"),
            added(0, "message", id="m"),
            text(0, "a"),
            done(0, "message", id="m", content=[{"type": "output_text", "text": "a"}]),
        ],
        ["thinking", "text"],
    ),
    "another type while the first is open": (
        [added(0, "message", id="m"), text(0, "a"), done(0, "function_call", id="f", call_id="c", name="ls")],
        ["text", "tool_use"],
    ),
    "another id": (
        [
            event
            for name in ("f1", "f2")
            for event in (
                added(0, "function_call", id=name, call_id=name, name="ls"),
                args(0, "{}"),
                done(0, "function_call", id=name, call_id=name, name="ls", arguments="{}"),
            )
        ],
        ["tool_use", "tool_use"],
    ),
    "only done": (
        [done(0, "message", id=name, content=[{"type": "output_text", "text": name}]) for name in "ab"],
        ["text", "text"],
    ),
    "the same id": ([*message(0, "a"), added(0, "message", id="m"), *message(0, "a")], ["text"]),
    "an unreadable repeat": (
        [added(0, "message", id="m"), {"type": "response.output_item.added", "item": 3}, text(0, "a")],
        ["text"],
    ),
}


@pytest.mark.parametrize(
    ("events", "expected"), ONE_INDEX_FOR_ALL.values(), ids=ONE_INDEX_FOR_ALL.keys()
)  # fmt: skip
def test_output_index_used_again(events: list[Event], expected: list[str]) -> None:
    """A relay that gives every item the same index loses nothing; a repeated event adds nothing."""
    assert expected == [block["type"] for block in Run([*events, completed()], **THINKS).content]


def test_item_whose_index_comes_later() -> None:
    """Once an event named an item by id and index, either is enough."""
    run = Run(
        [
            {"type": "response.output_item.added", "item": {"type": "message", "id": "m"}},
            {**text(4, "a"), "item_id": "m"},
            text(4, "b"),
            {"type": "response.output_text.delta", "item_id": "m", "delta": "c"},
            completed(),
        ]
    )
    assert [{"type": "text", "text": "abc"}] == run.content


EMPTY_THOUGHTS: dict[str, Event] = {
    "delta": thought(0, ""),
    "done": {"type": "response.reasoning_summary_text.done", "output_index": 0, "text": ""},
    "null": {"type": "response.reasoning_summary_text.done", "output_index": 0, "text": None},
}


@pytest.mark.parametrize("empty", EMPTY_THOUGHTS.values(), ids=EMPTY_THOUGHTS.keys())
def test_empty_summary_does_not_hide_the_raw_text(empty: Event) -> None:
    """Which kind of thinking is shown depends on the first text, not on the first event."""
    raw = {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "raw"}
    run = Run([added(0, "reasoning"), empty, raw, done(0, "reasoning"), completed()], **THINKS)
    assert ["raw"] == [block["thinking"] for block in run.content]


def test_long_refusal() -> None:
    """The explanation is the refusal's beginning; the text is all of it."""
    deltas = [{"type": "response.refusal.delta", "output_index": 0, "delta": "no " * 100}] * 3
    message = Run([*deltas, completed()]).message
    assert ("no " * 300, ("no " * 300)[:500]) == (
        message["content"][0]["text"],
        message["stop_details"]["explanation"],
    )


def test_notes_of_items_are_bounded() -> None:
    """A hostile stream cannot fill the log with item types of its own making."""
    run = Run([*(done(0, f"kind_{number}") for number in range(100)), completed()])
    assert (32, Note("ignored_item", "kind_0")) == (len(run.writer.notes), run.writer.notes[0])


def test_contradiction_is_noted_once() -> None:
    """Every part may contradict; one line of log is enough."""
    parts = [{"type": "output_text", "text": "x"}] * 2
    run = Run([text(0, "a"), text(0, "b", 1), done(0, "message", content=parts), completed()])
    assert [Note("contradicting_text")] == run.writer.notes


ODD_EVENTS: dict[str, tuple[list[Event], list[dict[str, Any]]]] = {
    "empty delta in the middle": (
        [text(0, "a"), text(0, ""), {**text(0, ""), "delta": None}, text(0, "b")],
        [{"type": "text", "text": "ab"}],
    ),
    "part of a type nobody knows": (
        [done(0, "message", content=[{"type": "audio", "text": "x"}, {"type": "output_text", "text": "a"}])],
        [{"type": "text", "text": "a"}],
    ),
    "text for a thought": (
        [added(0, "reasoning"), text(0, "x"), thought(0, "t"), done(0, "reasoning")],
        [{"type": "thinking", "thinking": "t", "signature": f"pp1.{SCOPE}.-.-"}],
    ),
    "text for a search": (
        [added(0, "web_search_call"), text(0, "x"), done(0, "web_search_call"), *message(1, "a")],
        [{"type": "text", "text": "a"}],
    ),
    "half a character after the end of its part": (
        [
            text(0, "a"),
            {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "a"},
            text(0, "\ud83d"),
        ],
        [{"type": "text", "text": "a"}],
    ),
}


@pytest.mark.parametrize(("events", "expected"), ODD_EVENTS.values(), ids=ODD_EVENTS.keys())
def test_odd_events(events: list[Event], expected: list[dict[str, Any]]) -> None:
    """Events that make no sense where they stand change nothing."""
    assert expected == Run([*events, completed()], **THINKS).content


def test_link_that_is_no_url() -> None:
    """A link whose host cannot be read is cited as it is."""
    links = [{"type": "url_citation", "url": "http://[", "start_index": 0, "end_index": 1}]
    run = Run([message_done(0, "a", annotations=links), completed()])
    assert "http://[" == run.content[0]["citations"][0]["title"]


def test_text_held_for_a_stop_sequence_meets_the_token_limit() -> None:
    """The held end of a block counts too, and a sequence after the limit is not the reason."""
    held = Run([text(0, "x" * 24 + "E"), completed()], max_text_tokens=5, stop_sequences=("END",))
    late = Run([text(0, "x" * 25 + "END"), completed()], max_text_tokens=5, stop_sequences=("END",))
    assert [("max_tokens", "x" * 24 + "E"), ("max_tokens", "x" * 25)] == [
        (run.message["stop_reason"], run.content[0]["text"]) for run in (held, late)
    ]


def test_limit_met_in_a_replayed_item() -> None:
    """A whole answer in the last event is cut like a streamed one, and what follows it is left out."""
    items = [{"type": "message", "content": [{"type": "output_text", "text": "x" * 30}]}] * 2
    run = Run([completed(output=items)], max_text_tokens=5)
    assert ("max_tokens", [{"type": "text", "text": "x" * 25}]) == (run.message["stop_reason"], run.content)
