"""What the rows of 0.3, 1.4, 2.2, 3.2 and 6.2 say of requests, names and ids, and what the code does."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.runtime.identity import new_answer_id, new_request_id
from packyproxy.translate.protocols import PROTOCOLS
from packyproxy.translate.reasoning import scope_of, write_signature
from packyproxy.translate.session import prompt_cache_key, session_key
from packyproxy.translate.tool_names import call_id_to_upstream, repeated_id, server_tool_use_id, tool_use_id
from tests.wire_mapping.page import refusals, spans
from tests.wire_mapping.trying import asked, sent

__all__ = ["REQUEST_CASES"]

Case = Callable[[str], tuple[Any, Any]]
"""Takes what a row says and returns what it says, worked out, and what the code does."""

SCOPE = "1f2e3d4c5b"


def items(*messages: dict[str, Any], protocol: str = "messages", **fields: Any) -> list[Any]:
    body, _ = sent(protocol, asked(messages=list(messages), **fields))
    found: list[Any] = body["input"]
    return found


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def shapes(found: list[Any]) -> list[str]:
    """Return the type of each item, or the role and the number of parts of a message."""
    return [
        f"{item['role']} {len(item['content'])}" if item["type"] == "message" else item["type"]
        for item in found
    ]


TEXT = {"type": "text", "text": "a"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aWo="}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "ls", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
SYSTEM = {"role": "system", "content": "s"}
CLEARED = {**SYSTEM, "clear_at": "next_user_message"}


def session(headers: dict[str, str], hint: str | None = None, cache_key: str | None = None) -> str:
    return session_key(headers, hint, key_id="k", model="m", opening=lambda: b"o", cache_key_hint=cache_key)


def hints() -> list[str | None]:
    bodies = ({"session_id": "s"}, f"user_session_{'0' * 8}-0000-4000-8000-{'0' * 12}")
    found = []
    for user_id in bodies:
        told = user_id if isinstance(user_id, str) else json.dumps(user_id)
        body = {"model": "m", "max_tokens": 5, "messages": [user("a")], "metadata": {"user_id": told}}
        found.append(PROTOCOLS["messages"]().read(json.dumps(body).encode()).session_hint)
    return found


def order_of_sessions(said: str) -> tuple[Any, Any]:
    """The names in the row, in their order, each with a value: the first that is there counts."""
    headers = re.findall(
        r"`((?:x-claude|session|conversation|thread)[a-z_-]*id)`", said.replace("with `session_id`", "")
    )
    first, *others = headers
    wanted = ["first", "hint", *others, "key"]
    given = [
        session({first: "first", **{name: name for name in others}}, "hint", "key"),
        session({name: name for name in others}, "hint", "key"),
        *(session({name: name for name in others[at:]}, None, "key") for at in range(len(others))),
        session({}, None, "key"),
    ]
    return (wanted, ["s", f"{'0' * 8}-0000-4000-8000-{'0' * 12}"]), (given, hints())


def ids_of_answers(said: str) -> tuple[Any, Any]:
    prefixes = [span for span in spans(said) if span.endswith(("_", "-"))]
    made = [PROTOCOLS[name]().answer_prefix for name in ("messages", "chat")]
    return prefixes, [re.sub(r"\w{24}$", "", new_answer_id(prefix)) for prefix in made]


def chat_items(*messages: dict[str, Any], **fields: Any) -> list[Any]:
    return items(*messages, protocol="chat", **fields)


FUNCTION = {"type": "function", "id": "call_1", "function": {"name": "ls", "arguments": ""}}
CUSTOM = {"type": "custom", "id": "call_1", "custom": {"name": "sh", "input": "ls"}}
CUSTOM_TOOL = {"type": "custom", "custom": {"name": "ls"}}
OLD_CALL = assistant(None, function_call={"name": "ls", "arguments": "{}"})


def refused(protocol: str) -> str:
    """Return how a message of an unknown role is refused."""
    with pytest.raises(InvalidRequest) as caught:
        items({"role": "x", "content": "a"}, protocol=protocol)
    return caught.value.message


REQUEST_CASES: dict[str, dict[str, Case]] = {
    "0.3": {
        "request id": lambda said: (spans(said)[0], re.sub(r"[0-9A-Za-z]{24}$", "", new_request_id())),
        "answer id": ids_of_answers,
        "session key": order_of_sessions,
        "upstream `prompt_cache_key`": lambda said: ("5" in said, prompt_cache_key("s", "m")[14] == "5"),
    },
    "1.4": {
        "`user`, `assistant`": lambda said: (
            ["user 1", "assistant 1", "function_call", "function_call_output", "user 2"],
            shapes(items(user("a"), assistant([TEXT, CALL]), user([RESULT, TEXT, IMAGE]))),
        ),
        "neighbouring messages of one role": lambda said: (
            ["user 1"] * 2,
            shapes(items(user("a"), user("b"))),
        ),
        "string `content`": lambda said: (["user 1"], shapes(items(user("a"), user("  "), user("")))),
        "`system` inside `messages`": lambda said: (
            (["user 1", f"{spans(said)[0]} 1", "user 1"], ["user 1", "user 1"], True),
            (
                shapes(items(user("a"), SYSTEM, user("b"))),
                shapes(items(user("a"), CLEARED, user("b"))),
                f'clear_at:"{CLEARED["clear_at"]}"' in said,
            ),
        ),
        "`assistant` as the last message (prefill)": lambda said: (
            ["user 1", "assistant 1"],
            shapes(items(user("a"), assistant("b"))),
        ),
        "`assistant` as the first message": lambda said: (
            ("allowed", ["assistant 1", "user 1"]),
            (said, shapes(items(assistant("a"), user("b")))),
        ),
        "any other role": lambda said: (refusals(said)[0].replace(".N.", ".0."), refused("messages")),
    },
    "2.2": {
        "`pp1`": lambda said: ("pp1", write_signature(SCOPE, "rs_1", "gA").split(".")[0]),
        "`<scope>`": lambda said: (
            sha256(b"https://x\0m").hexdigest()[: int(re.findall(r"first (\d+) hex", said)[0])],
            scope_of("https://x", "m"),
        ),
        "`<id>`": lambda said: (
            [bool(re.fullmatch(spans(said)[0], text)) for text in ("rs_1", "r" * 64, "r" * 65, "a b")],
            [
                write_signature(SCOPE, text, "gA").split(".")[2] != spans(said)[1]
                for text in ("rs_1", "r" * 64, "r" * 65, "a b")
            ],
        ),
        "`<enc>`": lambda said: (
            ["gA", spans(said)[1]],
            [write_signature(SCOPE, "rs_1", enc).split(".", 3)[3] for enc in ("gA", None)],
        ),
    },
    "3.2": {
        "`tool_use.id`, or Chat's `tool_calls[].id`, to the client": lambda said: (
            ["call_1", "call_" + sha256(b"a b").hexdigest()[: int(re.findall(r"first (\d+) hex", said)[0])]],
            [
                tool_use_id(text, item_id="fc_1", message_id="msg_1", output_index=0)
                for text in ("call_1", "a b")
            ],
        ),
        "no upstream `call_id`": lambda said: (
            ["fc_1", "call_" + sha256(b"msg_10").hexdigest()[: int(re.findall(r"(\d+) hex", said)[0])]],
            [tool_use_id(None, item_id=text, message_id="msg_1", output_index=0) for text in ("fc_1", None)],
        ),
        "one `call_id` twice in an answer": lambda said: (
            [f"a{ending}" for ending in spans(said)],
            [repeated_id("a", ["a"]), repeated_id("a", ["a", "a_2"])],
        ),
        "upstream `call_id` of a client's `tool_use.id`, `tool_use_id` or `tool_call_id`": lambda said: (
            [
                "toolu_1",
                "a_b",
                "x" * int(re.findall(r"first (\d+),", said)[0])
                + "_"
                + sha256(b"x" * 65).hexdigest()[: int(re.findall(r"and (\d+) hex", said)[0])],
            ],
            [call_id_to_upstream(text) for text in ("toolu_1", "a b", "x" * 65)],
        ),
        "`server_tool_use.id`": lambda said: (
            [f"{spans(said)[0]}1_2", spans(said)[0] + "x" * int(re.findall(r"cut to (\d+)", said)[0])],
            [server_tool_use_id(f"{spans(said)[1]}1 2"), server_tool_use_id("ws_" + "x" * 99)],
        ),
        "`fc_…`, `ws_…`, `msg_…`, `rs_…`": lambda said: (
            "call_1",
            tool_use_id("call_1", item_id="fc_1", message_id="msg_1", output_index=0),
        ),
    },
    "6.2": {
        "`system`, `developer` before the first other message": lambda said: (
            ("a\n\nb", ["user 1"], ["developer 1"], ["user 1"]),
            (
                sent(
                    "chat",
                    asked(
                        messages=[SYSTEM | {"content": "a"}, {"role": "developer", "content": "b"}, user("c")]
                    ),
                )[0]["instructions"],
                shapes(chat_items(SYSTEM, user("c"))),
                shapes(chat_items(SYSTEM)),
                shapes(chat_items(user(""))),
            ),
        ),
        "`system`, `developer` later": lambda said: (
            ["user 1", f"{spans(said)[0]} 1"],
            shapes(chat_items(user("a"), SYSTEM)),
        ),
        "`user`, string or parts": lambda said: (
            [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "https://x.example", "detail": "auto"},
                {
                    "type": "input_file",
                    "filename": "file.pdf",
                    "file_data": "data:application/pdf;base64,aWo=",
                },
            ],
            chat_items(
                user(
                    [
                        TEXT,
                        {"type": "image_url", "image_url": {"url": "https://x.example"}},
                        {"type": "file", "file": {"file_data": "aWo="}},
                    ]
                )
            )[0]["content"],
        ),
        "`assistant` text, `refusal` parts, `refusal`": lambda said: (
            [{"type": spans(said)[1], "text": text} for text in ("a", "b", "c")],
            chat_items(user("x"), assistant([TEXT, {"type": "refusal", "refusal": "b"}], refusal="c"))[1][
                "content"
            ],
        ),
        "`assistant.tool_calls[]`, `function`": lambda said: (
            (["assistant 1", "function_call"], "{}", "custom_tool_call"),
            (
                shapes(chat_items(user("x"), assistant("a", tool_calls=[FUNCTION])))[1:3],
                chat_items(user("x"), assistant("a", tool_calls=[FUNCTION]))[2]["arguments"],
                chat_items(user("x"), assistant("a", tool_calls=[FUNCTION]), tools=[CUSTOM_TOOL])[2]["type"],
            ),
        ),
        "`assistant.tool_calls[]`, `custom`": lambda said: (
            {"type": spans(said)[0], "call_id": "call_1", "name": "sh", "input": "ls"},
            chat_items(user("x"), assistant(None, tool_calls=[CUSTOM]))[1],
        ),
        "`assistant.function_call` (older form)": lambda said: (
            spans(said)[2].replace("<n>", "1"),
            chat_items(user("x"), OLD_CALL)[1]["call_id"],
        ),
        "`assistant.audio`": lambda said: (
            ["user 1", "assistant 1"],
            shapes(chat_items(user("x"), assistant("a", audio={"id": "audio_1"}))),
        ),
        "`assistant.reasoning_content`, `assistant.reasoning`": lambda said: (
            ["user 1", "assistant 1"],
            shapes(chat_items(user("x"), assistant("a", reasoning_content="r", reasoning="r"))),
        ),
        "`tool`": lambda said: (
            [span for span in spans(said) if span.endswith("_call_output")],
            [
                chat_items(
                    user("x"),
                    assistant(None, tool_calls=[call]),
                    {"role": "tool", "tool_call_id": "call_1", "content": "y"},
                )[-1]["type"]
                for call in (FUNCTION, CUSTOM)
            ],
        ),
        "`function` (older form)": lambda said: (
            {"type": spans(said)[0], "call_id": spans(said)[1].replace("<n>", "1"), "output": "y"},
            chat_items(user("x"), OLD_CALL, {"role": "function", "name": "ls", "content": "y"})[-1],
        ),
        "`name` of any message": lambda said: (chat_items(user("x")), chat_items(user("x", name="n"))),
        "`phase` of assistant messages": lambda said: (
            "final_answer",
            sent("chat", asked({"phase": "on"}, messages=[user("x"), assistant("a")]))[0]["input"][1][
                "phase"
            ],
        ),
        "calls and outputs that do not pair up": lambda said: (
            "function_call_output",
            chat_items(user("x"), assistant(None, tool_calls=[FUNCTION]))[-1]["type"],
        ),
        "another role": lambda said: (refusals(said)[0].replace("[N]", "[0]"), refused("chat")),
    },
}
"""By section and the first cell of each row."""
