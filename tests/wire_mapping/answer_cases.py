"""What the rows of 2.3, 4.8, 5.1, 6.3 and 6.4 say of answers, and what the code does."""

import json
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from packyproxy.errors import FailureKind
from packyproxy.translate.failure_table import FAILURES
from packyproxy.translate.failures import failure_response
from packyproxy.translate.reasoning import read_signature, write_signature
from tests.wire_mapping.page import spans
from tests.wire_mapping.trying import Answering, asked

__all__ = ["ANSWER_CASES"]

Case = Callable[[str], tuple[Any, Any]]
"""Takes what a row says and returns what it says, worked out, and what the code does."""

SCOPE = "1f2e3d4c5b"


def reasoning_answer(item: dict[str, Any], *, display: str = "summarized") -> list[Any]:
    answer = Answering("messages", asked(thinking={"type": "adaptive", "display": display}))
    done = {
        "type": "response.output_item.done",
        "output_index": 0,
        "item": {"type": "reasoning", "id": "rs_1", **item},
    }
    content: list[Any] = answer.whole(done, {"type": "response.completed", "response": {}})["content"]
    return content


def summary(*texts: str) -> list[dict[str, str]]:
    return [{"type": "summary_text", "text": text} for text in texts]


def both_kinds(said: str) -> tuple[Any, Any]:
    answer = Answering("messages", asked(thinking={"type": "adaptive"}))
    first = {
        "type": "response.reasoning_summary_text.delta",
        "output_index": 0,
        "summary_index": 0,
        "delta": "first",
    }
    other = {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "other"}
    written = answer.take(first, other)
    return (True, False), ("first" in written, "other" in written)


def ended(*events: dict[str, Any], done: bool = False) -> Answering:
    answer = Answering("messages")
    answer.take(*events)
    answer.writer.upstream_ended(said_done=done)
    return answer


def failure_of(answer: Answering) -> tuple[FailureKind, str]:
    assert answer.writer.failure is not None
    return answer.writer.failure.kind, answer.writer.failure.message


MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hi"}]}
DONE = {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}
DELTA = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"}


def bytes_after_the_end(said: str) -> tuple[Any, Any]:
    answer = Answering("messages")
    answer.take(DONE, {"type": "response.completed", "response": {}})
    return "", answer.take(DELTA)


def chunk(*events: dict[str, Any], **fields: Any) -> list[Any]:
    """Return the deltas of the chunks that events make."""
    written = Answering("chat", asked(**fields)).take(*events)
    chunks = [json.loads(line[6:]) for line in written.splitlines() if line.startswith("data: {")]
    return [choice["delta"] for each in chunks for choice in each["choices"]]


def added(item: dict[str, Any], at: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": at, "item": item}


def arguments(text: str) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": text}


def failed_chat() -> str:
    """Return what a Chat client gets after content when the upstream breaks off."""
    answer = Answering("chat")
    answer.take(DELTA)
    answer.writer.upstream_ended(said_done=False)
    assert answer.writer.failure is not None
    error = failure_response(answer.writer.failure, "openai", request_id="req_1", now=0, in_stream=True)
    return answer.writer.fail(error.status, error.body).decode()


UPSTREAM_CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "ls"}
LINK = {"type": "url_citation", "url": "https://x.example", "title": "T", "start_index": 0, "end_index": 2}
CITED = {"type": "message", "content": [{"type": "output_text", "text": "Hi", "annotations": [LINK]}]}


def form(said: str, **values: Any) -> Any:
    """Return the first object that a row quotes, with values for its letters."""
    quoted = next(span for span in spans(said) if span.startswith("{"))
    for letter, value in values.items():
        quoted = re.sub(rf'(?<=[:,"])(?:<{letter}>|{letter})(?=[,}}])', json.dumps(value), quoted)
    return json.loads(quoted)


def message(*output: dict[str, Any]) -> dict[str, Any]:
    """Return the whole Message that output items make."""
    return Answering("messages").whole({"type": "response.completed", "response": {"output": list(output)}})


def completion(
    *output: dict[str, Any],
    begun_at: int | None = None,
    counts: dict[str, int] | None = None,
    tier: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return the whole completion that output items make."""
    begun = [{"type": "response.created", "response": {"created_at": begun_at}}] * (begun_at is not None)
    told = {"output": list(output), "usage": counts, "service_tier": tier}
    return Answering("chat", asked(**fields)).whole(*begun, {"type": "response.completed", "response": told})


def choice(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return its message."""
    answer: dict[str, Any] = completion(*output, **fields)["choices"][0]["message"]
    return answer


TOOL_CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "ls", "arguments": "{}"}
PICTURE = {"type": "image_generation_call", "id": "ig_1", "output_format": "png", "result": "AAAA"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": summary("a", "b")}
REFUSED = {"type": "message", "id": "msg_1", "content": [{"type": "refusal", "refusal": "No"}]}


ANSWER_CASES: dict[str, dict[str, Case]] = {
    "2.3": {
        "summary text and `enc`": lambda said: (
            [{"type": "thinking", "thinking": "a\n\nb", "signature": f"pp1.{SCOPE}.rs_1.gA"}],
            reasoning_answer({"summary": summary("a", "b"), "encrypted_content": "gA"}),
        ),
        'no text but `enc`, also with `display:"omitted"`': lambda said: (
            [[{"type": "thinking", "thinking": "", "signature": f"pp1.{SCOPE}.rs_1.gA"}]] * 2,
            [
                reasoning_answer({"summary": [], "encrypted_content": "gA"}),
                reasoning_answer({"summary": summary("a"), "encrypted_content": "gA"}, display="omitted"),
            ],
        ),
        "text without `enc`": lambda said: (
            [spans(said)[2].replace("<scope>", SCOPE).replace("<id>", "rs_1")],
            [block["signature"] for block in reasoning_answer({"summary": summary("a")})],
        ),
        "neither": lambda said: ([], reasoning_answer({"summary": []})),
        "both `reasoning_text` deltas and a summary": both_kinds,
        "`enc` over 1 MiB": lambda said: (
            None,
            getattr(read_signature(write_signature(SCOPE, "rs_1", "g" * (1024 * 1024 + 1))), "encrypted", ""),
        ),
    },
    "4.8": {
        "EOF or reset before first content": lambda said: (FailureKind.TRUNCATED, failure_of(ended())[0]),
        "`data: [DONE]` without a terminal event, at least one message or tool item done, none open": lambda said: (
            (True, None),
            (ended(DONE, done=True).writer.is_finished, ended(DONE, done=True).writer.failure),
        ),
        "any other EOF, a clean one too; a reset or TLS error in mid-stream": lambda said: (
            [(FailureKind.TRUNCATED, next(span for span in spans(said) if span.startswith("Upstream")))] * 3,
            [failure_of(each) for each in (ended(DELTA), ended(DONE), ended(DELTA, done=True))],
        ),
        "no byte from upstream, not even a comment, for 300 s (`streaming.idle-timeout`)": lambda said: (
            said.partition(",")[0],
            "{} `{}`".format(*FAILURES[FailureKind.IDLE_TIMEOUT].anthropic),
        ),
        "bytes after the terminal event": bytes_after_the_end,
        "the client leaves": lambda said: (
            int(re.findall(r"logged as (\d+)", said)[0]),
            import_module("packyproxy.asgi.dispatch")._CLIENT_LEFT,
        ),
    },
    "5.1": {
        "`message_start`": lambda said: ("message", message(MESSAGE)["type"]),
        "`content_block_start`": lambda said: (
            ["text", "tool_use"],
            [b["type"] for b in message(MESSAGE, TOOL_CALL)["content"]],
        ),
        "`text_delta`, `thinking_delta`, `signature_delta`": lambda said: (
            [{"type": "thinking", "thinking": "ab", "signature": f"pp1.{SCOPE}.rs_1.gA"}],
            [
                {**block, "thinking": block["thinking"].replace("\n\n", "")}
                for block in reasoning_answer({"summary": summary("a", "b"), "encrypted_content": "gA"})
            ],
        ),
        "`input_json_delta`": lambda said: (
            [{}, {"p": 1}, json.loads(spans(said)[1].replace("<raw>", "{"))],
            [
                message({**TOOL_CALL, "arguments": text})["content"][0]["input"]
                for text in ("", '{"p":1}', "{")
            ],
        ),
        "`citations_delta`": lambda said: (
            spans(said)[0],
            next(key for key in message(CITED)["content"][0] if key == "citations"),
        ),
        "`message_delta`": lambda said: (
            [*spans(said), "usage"],
            [
                key
                for key in ("stop_reason", "stop_sequence", "stop_details", "usage")
                if key in message(MESSAGE)
            ],
        ),
        "`error`": lambda said: (False, ended(DELTA).writer.is_finished),
    },
    "6.3": {
        "`created`": lambda said: (
            [5, 0],
            [completion(begun_at=5)["created"], completion()["created"]],
        ),
        "`content`": lambda said: (
            ["Hi\n\nHi", "[generated image omitted: png]", None, ""],
            [
                choice(MESSAGE, {**MESSAGE, "id": "msg_2"})["content"],
                choice(PICTURE)["content"],
                choice(TOOL_CALL)["content"],
                choice()["content"],
            ],
        ),
        "`reasoning_content`": lambda said: (
            ("a\n\nb", False),
            (choice(THOUGHT, MESSAGE)["reasoning_content"], "reasoning_content" in choice(MESSAGE)),
        ),
        "`refusal`": lambda said: (["No", None], [choice(REFUSED)["refusal"], choice(MESSAGE)["refusal"]]),
        "`tool_calls`": lambda said: (
            [["id", "type", "function"], ["id", "type", "custom"], ["name", "arguments"], False],
            [
                list(choice(TOOL_CALL)["tool_calls"][0]),
                list(choice({**TOOL_CALL, "type": "custom_tool_call", "input": "x"})["tool_calls"][0]),
                list(choice(TOOL_CALL, functions=[{"name": "ls"}])["function_call"]),
                "tool_calls" in choice(MESSAGE),
            ],
        ),
        "`annotations`": lambda said: (
            (re.findall(r'"(\w+)"', spans(said)[0])[3:], [0, 4]),
            (
                list(choice(CITED)["annotations"][0]["url_citation"]),
                [
                    each["url_citation"]["start_index"]
                    for each in choice(CITED, {**CITED, "id": "msg_2"})["annotations"]
                ],
            ),
        ),
        "`usage`": lambda said: (
            {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
            {
                name: completion(MESSAGE, counts={"input_tokens": 9, "output_tokens": 5})["usage"][name]
                for name in spans(said)[:3]
            },
        ),
        "`service_tier`": lambda said: (
            ["flex", "priority", "default"],
            [completion(MESSAGE, tier=tier)["service_tier"] for tier in ("flex", "fast", "brand_new")],
        ),
    },
    "6.4": {
        "first content (0.5)": lambda said: (
            [form(said), json.loads(f'{{"role":"assistant",{spans(said)[1]}}}')],
            [chunk(DELTA)[0], {name: chunk(added(UPSTREAM_CALL))[0][name] for name in ("role", "content")}],
        ),
        "`response.output_text.delta`": lambda said: (form(said, d="Hi"), chunk(DELTA)[-1]),
        "`response.refusal.delta`": lambda said: (
            form(said, d="Hi"),
            chunk({**DELTA, "type": "response.refusal.delta"})[-1],
        ),
        "`response.reasoning_summary_text.delta`, `response.reasoning_text.delta`": lambda said: (
            [form(said, d="Hi")] * 2,
            [
                chunk({**DELTA, "type": f"response.{kind}.delta"})[-1]
                for kind in ("reasoning_summary_text", "reasoning_text")
            ],
        ),
        "another message item": lambda said: (
            form(said),
            chunk(DONE, {**DELTA, "output_index": 1})[-2],
        ),
        "a function call, once its name is known": lambda said: (
            form(said, i=0, call_id="call_1", N="ls"),
            {"tool_calls": chunk(added(UPSTREAM_CALL))[-1]["tool_calls"]},
        ),
        "its arguments": lambda said: (
            form(said, i=0, d="{}"),
            chunk(added(UPSTREAM_CALL), arguments("{}"))[-1],
        ),
        "a custom tool call": lambda said: (
            "function",
            chunk(added({**UPSTREAM_CALL, "type": "custom_tool_call"}), stream=True)[-1]["tool_calls"][0][
                "type"
            ],
        ),
        "in the older form": lambda said: (
            form(said, N="ls"),
            {"function_call": chunk(added(UPSTREAM_CALL), functions=[{"name": "ls"}])[-1]["function_call"]},
        ),
        "annotations": lambda said: (
            re.findall(r'\{"(\w+)"', said),
            list(chunk({"type": "response.completed", "response": {"output": [CITED]}})[-2]),
        ),
        "the end": lambda said: (
            form(said),
            chunk({"type": "response.completed", "response": {"output": [MESSAGE]}})[-1],
        ),
        "a failure after first content": lambda said: (
            ('{"error":{"message","type","param","code"}}', "**without** `[DONE]`" in said),
            (
                re.sub(r":(?:\"[^\"]*\"|null)", "", failed_chat().removeprefix("data: ").strip()),
                "[DONE]" not in failed_chat(),
            ),
        ),
    },
}
"""By section and the first cell of each row."""
