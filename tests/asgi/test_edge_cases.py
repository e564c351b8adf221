"""The edge cases of wire-mapping 11 that Messages has, each by its row: the whole proxy before a fake upstream.

Left out are failover between providers (row 5, half of 43) and the rows of other protocols (46-50, 58, 59).
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from packyproxy.testing import (
    Call,
    Citation,
    Fault,
    Framing,
    Script,
    Search,
    Stream,
    StreamingASGITransport,
    Turn,
    Usage,
    rate_limits_event,
)
from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.translate.messages.fold import fold
from packyproxy.translate.reasoning import scope_of

Setting = Callable[..., Any]
Frame = tuple[str, dict[str, Any]]

pytestmark = pytest.mark.virtual_time

ROWS_OF_MESSAGES = {*range(1, 46), *range(51, 58), 60} - {5}

ABSENT = "(absent)"
IDENTITY = "edge"
OWN_SCOPE = scope_of("http://upstream.test/v1", "gpt-5")
SEALED = ReasoningVault(IDENTITY).seal("rs_1")

ADAPTIVE = {"type": "adaptive"}
ATTRIBUTION = "x-anthropic-billing-header: cc_version=2.1"
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
INPUT_PNG = {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "auto"}
LS = {"name": "ls", "input_schema": {"type": "object", "properties": {}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
LONG_NAME = "mcp__plugin_very_long_vendor_name_server__search_documents_by_semantic_similarity_v2"
SHORT_NAME = "mcp__plugin_very_long_vendo_s_by_semantic_similarity_v2_461731fc"


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def assistant(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def thought(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "Hm.", "signature": signature}


def use(name: str = "ls", call_id: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


def result(call_id: str = "toolu_1", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **fields}


def said(role: str, words: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": words}]}


def tool(name: str, schema: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": schema, **fields}


def at(node: Any, path: str) -> Any:
    """Follow a dotted path; ``*`` collects a key from every entry of a list."""
    key, _, rest = path.partition(".")
    if key == "*":
        return [at(entry, rest) for entry in node]
    found = node[int(key)] if isinstance(node, list) else node.get(key, ABSENT)
    return at(found, rest) if rest else found


def row(number: int, variant: str, *values: Any) -> Any:
    """Name a case by its row."""
    return pytest.param(*values, id=f"row-{number:02}-{variant.replace(' ', '-')}")


# What a request becomes: fields of the body, and what the upstream got at some paths.
REQUESTS = [
    row(1, "attribution and text", {"system": [text(ATTRIBUTION), text("Be brief.")]}, {"instructions": "Be brief."}),
    row(2, "attribution alone", {"system": f"{ATTRIBUTION}\nBe brief."}, {"instructions": ""}),
    row(
        3,
        "signature of another maker",
        {"messages": [user("a"), assistant(thought("EqQBCkYIBxgC"), text("b")), user("c")]},
        {"input": [said("user", "a"), said("assistant", "b"), said("user", "c")]},
    ),
    row(
        4,
        "signature of another provider",
        {
            "messages": [
                user("a"),
                assistant(thought(f"pp1.{scope_of('other', 'gpt-5')}.rs_1.{SEALED}"), text("b"), use()),
                user(result(content="o")),
            ]
        },
        {"input.*.type": ["message", "message", "function_call", "function_call_output"]},
    ),
    row(
        4,
        "signature of this provider",
        {
            "messages": [
                user("a"),
                assistant(thought(f"pp1.{OWN_SCOPE}.rs_1.{SEALED}"), use()),
                user(result(content="o")),
            ]
        },
        {"input.1": {"type": "reasoning", "summary": [], "encrypted_content": SEALED}},
    ),
    row(
        7,
        "thinking only at the end",
        {"messages": [user("a"), assistant(thought(f"pp1.{OWN_SCOPE}.rs_1.{SEALED}"))]},
        {"input": [said("user", "a")]},
    ),
    row(
        8,
        "two user messages",
        {"messages": [user("a"), user("b")]},
        {"input": [said("user", "a"), said("user", "b")]},
    ),
    row(
        9,
        "call without result",
        {"messages": [user("a"), assistant(use()), user("never mind")]},
        {
            "input.2": {
                "type": "function_call_output",
                "call_id": "toolu_1",
                "output": "(no tool result was provided)",
            },
            "input.3": said("user", "never mind"),
        },
    ),
    row(
        10,
        "result without call",
        {"messages": [user(result("toolu_9", content="o"))]},
        {"input": [said("user", "[tool result toolu_9]\no")]},
    ),
    row(
        11,
        "result with an image",
        {"messages": [user("a"), assistant(use()), user(result(content=[text("b"), PNG]))]},
        {"input.2.output": [{"type": "input_text", "text": "b"}, INPUT_PNG]},
    ),
    *(
        row(
            12,
            f"{variant} result",
            {"messages": [user("a"), assistant(use()), user(result(**fields))]},
            {"input.2.output": "(no output)"},
        )
        for variant, fields in (
            ("empty", {"content": ""}),
            ("void", {"content": []}),
            ("null", {"content": None}),
            ("missing", {}),
        )
    ),
    row(
        14,
        "array without items",
        {"tools": [tool("t", {"type": "object", "properties": {"a": {"type": "array"}}})]},
        {"tools.0.parameters.properties.a": {"type": "array", "items": {}}},
    ),
    row(
        15,
        "anyOf at the root",
        {
            "tools": [
                tool(
                    "t",
                    {
                        "anyOf": [
                            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
                        ]
                    },
                )
            ]
        },
        {
            "tools.0.parameters": {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            }
        },
    ),
    row(
        16,
        "one of three deferred",
        {
            "tools": [tool(name, {}, defer_loading=True) for name in ("x", "y", "z")],
            "messages": [
                user("a"),
                assistant(use("ToolSearch")),
                user(result(content=[{"type": "tool_reference", "tool_name": "y"}])),
            ],
        },
        {
            "tools": [
                {
                    "type": "function",
                    "name": "y",
                    "description": "",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": False,
                }
            ]
        },
    ),
    row(
        17,
        "search as the only tool and choice",
        {"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}},
        {"tools": [{"type": "web_search"}], "tool_choice": "required"},
    ),
    row(19, "no tools", {}, dict.fromkeys(["tools", "tool_choice", "parallel_tool_calls"], ABSENT)),
    row(
        19,
        "no tools left",
        {"tools": []},
        dict.fromkeys(["tools", "tool_choice", "parallel_tool_calls"], ABSENT),
    ),
    *(
        row(
            23,
            f"{asked} on {model}",
            {"model": model, "output_config": {"effort": asked}},
            {"reasoning.effort": sent},
        )
        for model, asked, sent in (
            ("gpt-5-codex", "max", "high"),
            ("gpt-5-codex", "none", "low"),
            ("gpt-5", "none", "minimal"),
        )
    ),
    *(
        row(55, variant, {"model": model}, {"model": sent, "reasoning.effort": effort})
        for variant, model, sent, effort in (
            ("a model at an effort", "gpt-5.1-codex-max-high", "gpt-5.1-codex-max", "high"),
            ("max on top of it", "gpt-5.1-codex-max-max", "gpt-5.1-codex-max", "xhigh"),
            ("another effort", "gpt-5-codex-low", "gpt-5-codex", "low"),
            ("alias with a context mark", "Claude-X[1m]", "gpt-5.1-codex", "high"),
        )
    ),
    row(
        57,
        "error with an image",
        {"messages": [user("a"), assistant(use()), user(result(content=[text("b"), PNG], is_error=True))]},
        {
            "input.2.output": [
                {"type": "input_text", "text": "[tool_error]"},
                {"type": "input_text", "text": "b"},
                INPUT_PNG,
            ]
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), REQUESTS)
async def test_what_the_upstream_is_sent(
    stage: Setting, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The request is accepted, and holds at these paths what the row demands."""
    models = ["gpt-5", "gpt-5-codex", "gpt-5.1-codex-max", {"id": "gpt-5.1-codex", "aliases": ["claude-x"]}]
    packycode = {
        "enabled": True,
        "base-url": "http://upstream.test/v1",
        "credentials": {"openai-api-key": "sk-0123456789"},
        "models": models,
    }
    scene = stage("ok", config={"packycode": packycode}, upstream={"identity": IDENTITY})
    answer = await scene.ask(**fields)
    assert answer.status_code == 200
    sent = scene.upstream.last_request.body
    assert expected == {path: at(sent, path) for path in expected}
    assert (
        "x-packyproxy-warnings" not in answer.headers or "prefill" == answer.headers["x-packyproxy-warnings"]
    )


# What an upstream's turn becomes: the script, fields of the request, and the answer at some paths.
ANSWERS = [
    row(
        24,
        "unasked summaries",
        Turn("Hi", reasoning=["Look."], shows_summary_unasked=True),
        {},
        {"content": [text("Hi")]},
    ),
    row(
        25,
        "thinking not displayed",
        Turn("Hi", reasoning=["Look."], shows_summary_unasked=True),
        {"thinking": {**ADAPTIVE, "display": "omitted"}},
        {"content.0.thinking": "", "content.1": text("Hi")},
    ),
    row(
        26,
        "three parts of a summary",
        Turn("Hi", reasoning=["One.", "Two.", "Three."]),
        {"thinking": ADAPTIVE},
        {"content.*.type": ["thinking", "text"], "content.0.thinking": "One.\n\nTwo.\n\nThree."},
    ),
    row(
        27,
        "interleaved calls",
        Turn(calls=[Call("ls", {"p": "/a" * 9}, id="c1"), Call("ls", {"p": "/b" * 9}, id="c2")], interleaves=True),
        {"tools": [LS]},
        {
            "content": [
                {"type": "tool_use", "id": "c1", "name": "ls", "input": {"p": "/a" * 9}},
                {"type": "tool_use", "id": "c2", "name": "ls", "input": {"p": "/b" * 9}},
            ],
            "stop_reason": "tool_use",
        },
    ),
    row(
        28,
        "call without deltas",
        Turn(calls=[Call("ls", {"p": "/"}, id="c1")], detail="item"),
        {"tools": [LS]},
        {"content": [{"type": "tool_use", "id": "c1", "name": "ls", "input": {"p": "/"}}]},
    ),
    row(
        29,
        "items only in the response",
        Turn("Hi", calls=[Call("ls", {"p": "/"}, id="c1")], detail="response"),
        {"tools": [LS]},
        {"content": [text("Hi"), {"type": "tool_use", "id": "c1", "name": "ls", "input": {"p": "/"}}]},
    ),
    row(
        30,
        "empty pages and content",
        Turn(calls=[Call("Read", {"file_path": "/a", "pages": ""}), Call("Write", {"content": ""})]),
        {"tools": [tool("Read", {}), tool("Write", {})]},
        {"content.*.input": [{"file_path": "/a"}, {"content": ""}]},
    ),
    row(
        31,
        "search with citations and no sources",
        Turn(
            "One and two.",
            searches=[Search("q")],
            citations=[Citation("https://a.example/1", "A", "One"), Citation("https://b.example/2", "B", "two")],
        ),
        {"tools": [SEARCH]},
        {
            "content.*.type": ["server_tool_use", "web_search_tool_result", "text"],
            "content.0.input": {"query": "q"},
            "content.1.content.*.url": ["https://a.example/1", "https://b.example/2"],
            "content.1.content.*.title": ["A", "B"],
            "content.2.citations.*.cited_text": ["One", "two"],
            "usage.server_tool_use.web_search_requests": 1,
        },
    ),
    row(
        32,
        "limit reached and answered",
        Turn("Hi", notices=[{**rate_limits_event(), "rate_limits": {"allowed": False, "limit_reached": True}}]),
        {},
        {"content": [text("Hi")], "stop_reason": "end_turn"},
    ),
    row(37, "DONE instead of an end", Fault.done("Hi"), {}, {"content": [text("Hi")], "stop_reason": "end_turn"}),
    *(
        row(38, variant, Turn("Grüße, 世界 🎉", framing=framing), {}, {"content": [text("Grüße, 世界 🎉")]})
        for variant, framing in (
            ("no content type", Framing(content_type=None)),
            ("CRLF", Framing(line_end="\r\n")),
            ("split in characters", Framing(cut_every=1)),
        )
    ),
    row(39, "one JSON response", Turn("Hi", framing=Framing(is_json=True)), {}, {"content": [text("Hi")]}),
    row(
        41,
        "everything cached",
        Turn("Hi", usage=Usage(input_tokens=1024, output_tokens=3, cached_tokens=1024)),
        {},
        {"usage.input_tokens": 1, "usage.cache_read_input_tokens": 1024, "usage.output_tokens": 3},
    ),
    row(54, "nothing at all", Turn(), {}, {"content": [], "stop_reason": "end_turn"}),
    row(
        60,
        "refusal only",
        Turn(refusal="I cannot help."),
        {},
        {
            "content": [text("I cannot help.")],
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "category": None, "explanation": "I cannot help."},
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("script", "fields", "expected"), ANSWERS)
async def test_what_the_client_gets(
    stage: Setting, script: Script, fields: dict[str, Any], expected: dict[str, Any], streams: bool
) -> None:
    """The answer holds at these paths what the row demands, whole and put together from its stream."""
    scene = stage(script)
    if streams:
        raw = await stream_of(scene, **fields)
        check_grammar(frames_of(raw))
        answer = json.loads(fold(raw))
    else:
        answer = (await scene.ask(**fields)).json()
    assert expected == {path: at(answer, path) for path in expected}


# Requests that are refused before any upstream call.
REFUSALS = [
    row(18, "any of no tools", {"tools": [], "tool_choice": {"type": "any"}}, "tool_choice"),
    row(18, "any without tools", {"tool_choice": {"type": "any"}}, "tool_choice"),
    row(
        53,
        "unknown block of a user",
        {"messages": [user("a"), user(text("b"), {"type": "hologram"})]},
        'messages.1.content.1.type: unknown content block type "hologram"',
    ),
]


@pytest.mark.parametrize(("fields", "start"), REFUSALS)
async def test_what_is_refused(stage: Setting, fields: dict[str, Any], start: str) -> None:
    """400 with the path or the name of what is wrong, and nobody upstream is asked."""
    scene = stage("never asked")
    answer = await scene.ask(**fields)
    assert (400, "invalid_request_error") == (answer.status_code, answer.json()["error"]["type"])
    assert answer.json()["error"]["message"].startswith(start)
    assert [] == scene.upstream.requests


# Upstream faults: what the client gets as a status, or as the last frame of a stream that had begun.
WITH_TEXT = 5
"""Events up to the first delta of a text: created, in progress, item, part, delta."""
OVERFLOW = "Your input exceeds the context window of this model."
FAULTS = [
    row(
        33,
        "overflow at once",
        Fault.failed("context_length_exceeded", OVERFLOW),
        400,
        "invalid_request_error",
        r"prompt is too long: 272001 tokens > 272000 maximum",
    ),
    row(
        34,
        "overflow after text",
        Fault.failed("context_length_exceeded", OVERFLOW, turn="Hello", after_events=WITH_TEXT),
        200,
        "invalid_request_error",
        r"prompt is too long: 272001 tokens > 272000 maximum",
    ),
    row(35, "end after reasoning", Fault.end(Turn(reasoning=["Look."])), 200, "api_error", r".*response\.completed.*"),
    row(36, "end after text", Fault.end("Hello", after_events=WITH_TEXT), 200, "api_error", r".*response\.completed.*"),
    row(
        42,
        "quota for two hours",
        Fault.usage_limit(resets_in_seconds=7200),
        429,
        "rate_limit_error",
        r"usage limit reached for packycode \(plan plus\); resets at \S+Z \(in [12]h.*\); .*",
    ),
    row(43, "rejected key", Fault.unauthorized(), 502, "api_error", r".*credentials.*"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "status", "kind", "message"), FAULTS)
async def test_what_a_fault_is_told_as(
    stage: Setting, fault: Fault, status: int, kind: str, message: str
) -> None:
    """A status before first content; after it an ``error`` frame, and no end that looks like one."""
    async with stage([fault, fault]).stream(thinking=ADAPTIVE) as response:
        raw = await response.aread()
    assert status == response.status_code
    if status == 200:
        frames = frames_of(raw)
        assert "error" == frames[-1][0]
        assert "content_block_delta" in dict(frames)
        names = {frame["delta"]["type"] if name == "content_block_delta" else name for name, frame in frames}
        assert set() == names & {"signature_delta", "content_block_stop", "message_delta", "message_stop"}
        error = frames[-1][1]["error"]
    else:
        error = json.loads(raw)["error"]
    assert kind == error["type"]
    assert re.fullmatch(message, error["message"])
    if status == 429:
        headers = response.headers
        assert 7190 <= int(headers["retry-after"]) <= 7200
        assert "false" == headers["x-should-retry"]
        assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")


async def test_row_06_refused_reasoning(stage: Setting) -> None:
    """Exactly one retry at the same provider, without reasoning items, and its success is the answer."""
    scene = stage([Fault.refused_reasoning(), "second"], upstream={"identity": IDENTITY})
    history = [user("a"), assistant(thought(f"pp1.{OWN_SCOPE}.rs_1.{SEALED}"), text("b")), user("c")]
    answer = await scene.ask(thinking=ADAPTIVE, messages=history)
    assert [text("second")] == answer.json()["content"]
    kinds = [[item["type"] for item in request.input] for request in scene.upstream.requests]
    assert [["message", "reasoning", "message", "message"], ["message"] * 3] == kinds


async def test_row_13_long_tool_name(stage: Setting) -> None:
    """The upstream knows the short name, the client its own, and other tools change neither."""
    scene = stage(lambda request: Turn(calls=[Call(request.body["tools"][-1]["name"], {})]))
    first = frames_of(await stream_of(scene, tools=[tool(LONG_NAME, {})]))
    second = frames_of(await stream_of(scene, tools=[LS, tool(LONG_NAME, {})]))
    sent = [request.body["tools"][-1]["name"] for request in scene.upstream.requests]
    assert [SHORT_NAME, SHORT_NAME] == sent
    shown = [data["content_block"]["name"] for name, data in first + second if name == "content_block_start"]
    assert [LONG_NAME, LONG_NAME] == shown


async def test_row_20_prewarm(stage: Setting) -> None:
    """``max_tokens: 0`` gets an empty answer from here."""
    scene = stage("never asked")
    answer = (await scene.ask(max_tokens=0)).json()
    assert ([], "max_tokens") == (answer["content"], answer["stop_reason"])
    assert [] == scene.upstream.requests


async def test_row_21_local_limit(stage: Setting) -> None:
    """At least five tokens of text, the right reason, and an upstream that is no longer paid."""
    scene = stage(Turn("many words " * 3000))
    answer = (await scene.ask(max_tokens=5)).json()
    assert "max_tokens" == answer["stop_reason"]
    assert 5 <= len(answer["content"][0]["text"].split()) < 40
    assert "disconnected" == await scene.upstream.last_request.ended()


async def test_row_22_split_stop_sequence(stage: Setting) -> None:
    """A sequence split over three deltas ends the text before it, and nothing of it leaks."""
    scene = stage(Turn("one two STOP three" + " and more" * 3000, delta_characters=2))
    raw = await stream_of(scene, stop_sequences=["STOP"])
    answer = json.loads(fold(raw))
    assert ([text("one two ")], "stop_sequence", "STOP") == (
        answer["content"],
        answer["stop_reason"],
        answer["stop_sequence"],
    )
    assert "disconnected" == await scene.upstream.last_request.ended()


async def test_row_25_no_summary_is_asked_for(stage: Setting) -> None:
    """What is not displayed is not requested; the signature comes all the same."""
    scene = stage(Turn("Hi", reasoning=["Look."]))
    answer = (await scene.ask(thinking={**ADAPTIVE, "display": "omitted"})).json()
    assert {"effort": "high"} == scene.upstream.last_request.body["reasoning"]
    assert answer["content"][0]["signature"].startswith(f"pp1.{OWN_SCOPE}.rs_")


async def test_row_27_blocks_follow_each_other(stage: Setting) -> None:
    """Indexes are consecutive, and complete arguments are sent once."""
    calls = [Call("ls", {"p": "/a"}), Call("ls", {"p": "/b"})]
    for turn in (Turn(calls=calls, interleaves=True, delta_characters=1), Turn(calls=calls, detail="item")):
        frames = frames_of(await stream_of(stage(turn), tools=[LS]))
        check_grammar(frames)
        pieces = [
            (data["index"], data["delta"]["partial_json"])
            for name, data in frames
            if name == "content_block_delta"
        ]
        whole = ["".join(piece for at_index, piece in pieces if at_index == index) for index in (0, 1)]
        assert [{"p": "/a"}, {"p": "/b"}] == [json.loads(arguments) for arguments in whole]


async def test_row_37_usage_is_estimated(stage: Setting) -> None:
    """Where the upstream ends with ``[DONE]`` it sent no numbers."""
    answer = (await stage(Fault.done("Hello there")).ask()).json()
    assert answer["usage"]["input_tokens"] >= 8
    assert answer["usage"]["output_tokens"] >= 2


async def test_row_40_silent_upstream(stage: Setting) -> None:
    """``message_start`` at 15 s, pings after, and a 503 at 40 s is still retried unseen."""
    waits = iter([40.0])

    async def pace(_: int) -> None:
        await asyncio.sleep(next(waits, 0))

    scene = stage([Fault.status(503), "Hello"], upstream={"pace": pace})
    loop = asyncio.get_running_loop()
    started = loop.time()
    seen: list[tuple[int, str]] = []
    async with scene.stream() as response:
        async for chunk in response.aiter_raw():
            seen += [(round(loop.time() - started), name) for name, _ in frames_of(chunk)]
    assert [(15, "message_start"), (15, "ping"), (30, "ping")] == seen[:3]
    assert "message_stop" == seen[-1][1]
    assert 40 <= seen[-1][0] <= 42
    assert 1 == [name for _, name in seen].count("message_start")
    assert 2 == len(scene.upstream.requests)


async def test_row_44_client_disconnects(stage: Setting) -> None:
    """The upstream is closed within a second of a client that leaves mid-stream."""
    scene = stage(Fault.stall("Hello world", after_events=8))
    task = asyncio.create_task(stream_of(scene))
    received = await scene.upstream.received()
    await received.stalled()
    started = asyncio.get_running_loop().time()
    task.cancel()
    assert "disconnected" == await received.ended()
    assert asyncio.get_running_loop().time() - started < 1


async def test_row_45_whole_answers_are_folded_streams(stage: Setting) -> None:
    """For the same upstream bytes both ways of asking give the same message."""
    recorder = stage(Turn("Done.", reasoning=["Look."], calls=[Call("ls", {"p": "/"}, id="c1")]))
    await recorder.ask(thinking=ADAPTIVE, tools=[LS])
    async with httpx.AsyncClient(transport=StreamingASGITransport(recorder.upstream)) as upstream:
        url = "http://upstream.test/v1/responses"
        answer = await upstream.post(url, content=recorder.upstream.last_request.raw)
    scene = stage(Stream(answer.content))
    whole = (await scene.ask(thinking=ADAPTIVE, tools=[LS])).json()
    folded = json.loads(fold(await stream_of(scene, thinking=ADAPTIVE, tools=[LS])))
    assert {**whole, "id": ""} == {**folded, "id": ""}
    assert ["thinking", "text", "tool_use"] == [block["type"] for block in whole["content"]]


@pytest.mark.parametrize("name", ["cookie", "x-api-key", "chatgpt-account-id", "x-forwarded-for"])
async def test_row_51_headers_stay_here(stage: Setting, name: str) -> None:
    """What a client sends beside its body never reaches the upstream, under no name."""
    scene = stage("ok")
    body = {"model": "gpt-5", "max_tokens": 9, "messages": [user("x")]}
    await scene.client.post("/v1/messages", json=body, headers={name: "canary-value"})
    received = scene.upstream.last_request.headers
    assert name not in received
    assert "canary-value" not in " ".join(received.values())


async def test_row_52_unsupported_parameter(stage: Setting) -> None:
    """Retried without it, and the next request omits it at once."""
    scene = stage([Fault.detail(400, "Unsupported parameter: service_tier"), "first", "second"])
    answers = [await scene.ask(speed="fast") for _ in range(2)]
    assert [[text("first")], [text("second")]] == [answer.json()["content"] for answer in answers]
    tiers = [request.body.get("service_tier") for request in scene.upstream.requests]
    assert ["priority", None, None] == tiers


async def test_row_53_unknown_block_of_the_assistant(stage: Setting) -> None:
    """An old history stays replayable; the client is warned."""
    scene = stage("ok")
    history = [user("a"), assistant({"type": "hologram", "data": 1}, text("b")), user("c")]
    answer = await scene.ask(messages=history)
    assert (200, "unknown_block") == (answer.status_code, answer.headers["x-packyproxy-warnings"])
    expected = [said("user", "a"), said("assistant", "b"), said("user", "c")]
    assert expected == scene.upstream.last_request.input


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        ({"anthropic-version": "2023-06-01"}, {"data", "has_more", "first_id", "last_id"}),
        ({}, {"data", "object"}),
    ],
    ids=["with", "without"],
)
async def test_row_56_two_lists_of_models(stage: Setting, headers: dict[str, str], keys: set[str]) -> None:
    """``anthropic-version`` decides whose shape the list has."""
    answer = await stage().client.get("/v1/models", headers=headers)
    assert keys == answer.json().keys()


def test_every_row_of_messages_is_here(request: pytest.FixtureRequest) -> None:
    """No row of the table is without a case in this file."""
    ids = [str(case.id) for table in (REQUESTS, ANSWERS, REFUSALS, FAULTS) for case in table]
    names = [*ids, *vars(request.module)]
    covered = {int(number) for name in names for number in re.findall(r"row[-_](\d+)", name)}
    assert ROWS_OF_MESSAGES == covered


async def stream_of(scene: Any, **fields: Any) -> bytes:
    """Return the bytes of a streamed answer."""
    async with scene.stream(**fields) as response:
        raw: bytes = await response.aread()
    return raw


def frames_of(raw: bytes) -> list[Frame]:
    """Take an SSE body apart."""
    frames = []
    for frame in raw.decode().split("\n\n"):
        if frame:
            name, data = frame.split("\n")
            frames.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return frames


def check_grammar(frames: list[Frame]) -> None:
    """Blocks have consecutive indexes and never overlap; one start, one end."""
    names = [name for name, _ in frames if name != "ping"]
    assert ("message_start", "message_stop") == (names[0], names[-1])
    opened: list[int] = []
    is_open = False
    for name, data in frames:
        if name == "content_block_start":
            assert not is_open
            opened.append(data["index"])
            is_open = True
        elif name == "content_block_stop":
            assert opened[-1] == data["index"]
            is_open = False
        elif name == "content_block_delta":
            assert is_open
            assert opened[-1] == data["index"]
    assert not is_open
    assert list(range(len(opened))) == opened
