"""What the anthropic SDK accumulates from streamed answers."""

from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from packyproxy.testing import Call, Citation, Fault, Search, Turn

ASKED: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "hi"}],
}
TOOLS: list[Any] = [
    {"name": "weather", "input_schema": {"type": "object"}},
    {"name": "clock", "input_schema": {}},
]
WEB_SEARCH: Any = {"type": "web_search_20250305", "name": "web_search"}


async def test_text_arrives_in_pieces(stage: Callable[..., Any]) -> None:
    """``text_stream`` yields the text as the upstream sends it, in more than one piece."""
    text = "A somewhat longer answer — in several pieces ✓."
    async with stage(text).sdk.messages.stream(**ASKED) as stream:
        pieces = [piece async for piece in stream.text_stream]
    assert (text, True) == ("".join(pieces), len(pieces) > 3)


async def test_events_come_in_the_order_of_the_sdk(stage: Callable[..., Any]) -> None:
    """Thinking, text and a call are three blocks, one after another, each with its own events."""
    it = stage(Turn("Text.", reasoning=["Thought."], calls=[Call("weather", {"city": "Bern"})]))
    seen: list[str] = []
    async with it.sdk.messages.stream(**ASKED, tools=TOOLS, thinking={"type": "adaptive"}) as stream:
        async for event in stream:
            if event.type in {"thinking", "signature", "text", "input_json", "content_block_stop"}:
                seen += [event.type] if seen[-1:] != [event.type] else []
        final = await stream.get_final_message()
    stop = "content_block_stop"
    assert ["thinking", "signature", stop, "text", stop, "input_json", stop] == seen
    assert ["thinking", "text", "tool_use"] == [block.type for block in final.content]


async def test_calls_that_interleave_upstream_are_accumulated_apart(stage: Callable[..., Any]) -> None:
    """The deltas of two calls that the upstream mixes become the input of two blocks."""
    calls = [Call("weather", {"city": "Bern", "days": 3}), Call("clock", {"zone": "Europe/Zurich"})]
    it = stage(Turn(calls=calls, interleaves=True))
    async with it.sdk.messages.stream(**ASKED, tools=TOOLS) as stream:
        final = await stream.get_final_message()
    assert [(call.name, call.arguments) for call in calls] == [(b.name, b.input) for b in final.content]
    assert final.stop_reason == "tool_use"


async def test_citations_are_accumulated_on_the_text(stage: Callable[..., Any]) -> None:
    """A streamed web search has its results in a block of their own and its citations on the text."""
    url = "https://a.example/page"
    turn = Turn("Found here.", searches=[Search("q", sources=[url])], citations=[Citation(url, "Page")])
    async with stage(turn).sdk.messages.stream(**ASKED, tools=[WEB_SEARCH]) as stream:
        final = await stream.get_final_message()
    assert ["server_tool_use", "web_search_tool_result", "text"] == [block.type for block in final.content]
    assert [url] == [note.url for note in final.content[2].citations]


@pytest.mark.parametrize(
    ("turn", "fields", "reason"),
    [
        pytest.param(Turn("Hello."), {}, "end_turn", id="end-of-turn"),
        pytest.param(Turn(calls=[Call("clock")]), {"tools": TOOLS}, "tool_use", id="tool-use"),
        pytest.param(Turn("Half", incomplete="max_output_tokens"), {}, "max_tokens", id="incomplete"),
        pytest.param(Turn("word " * 300), {"max_tokens": 20}, "max_tokens", id="local-limit"),
        pytest.param(Turn("a b STOP c"), {"stop_sequences": ["STOP"]}, "stop_sequence", id="stop-sequence"),
        pytest.param(Turn(refusal="No."), {}, "refusal", id="refusal"),
        pytest.param(Turn("x", incomplete="content_filter"), {}, "refusal", id="content-filter"),
        pytest.param(Turn(), {}, "end_turn", id="empty"),
    ],
)
async def test_every_end_has_its_stop_reason(
    stage: Callable[..., Any], turn: Turn, fields: dict[str, Any], reason: str
) -> None:
    """The final message of a stream says why it ended."""
    async with stage(turn).sdk.messages.stream(**{**ASKED, **fields}) as stream:
        final = await stream.get_final_message()
    assert final.stop_reason == reason


async def test_a_stream_and_a_whole_answer_agree(stage: Callable[..., Any]) -> None:
    """The accumulated stream equals the whole answer to the same question, ids apart."""
    script = [Turn("Text.", reasoning=["Thought."], calls=[Call("weather", {"a": 1.5}, id="call_1")])] * 2
    it = stage(script)
    async with it.sdk.messages.stream(**ASKED, tools=TOOLS, thinking={"type": "adaptive"}) as stream:
        streamed = await stream.get_final_message()
    whole = await it.sdk.messages.create(**ASKED, tools=TOOLS, thinking={"type": "adaptive"})
    streamed.content[0].signature = whole.content[0].signature = ""
    fields = {"content", "model", "role", "stop_reason", "stop_sequence", "type"}
    assert whole.model_dump(include=fields) == streamed.model_dump(include=fields)


async def test_leaving_a_stream_ends_the_upstream_request(stage: Callable[..., Any]) -> None:
    """A client that leaves its ``stream`` block early closes the request behind the proxy."""
    it = stage(Fault.stall("A long answer that nobody waits for", after_events=8))
    async with it.sdk.messages.stream(**ASKED) as stream:
        async for _ in stream.text_stream:
            break
    assert await it.upstream.last_request.ended() == "disconnected"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        pytest.param(
            Fault.cut("Half an answer", after_events=7),
            "api_error",
            "ended before response.completed",
            id="cut",
        ),
        pytest.param(
            Fault.end("Half an answer", after_events=7),
            "api_error",
            "ended before response.completed",
            id="end",
        ),
        pytest.param(
            Fault.failed("server_is_overloaded", "Busy now.", turn="Half an answer", after_events=7),
            "overloaded_error",
            "Busy now.",
            id="overloaded",
        ),
        pytest.param(
            Fault.error_event("server_error", "Broken.", turn="Half an answer", after_events=7),
            "api_error",
            "Broken.",
            id="error-event",
        ),
    ],
)
async def test_a_failure_in_mid_answer_raises(
    stage: Callable[..., Any], fault: Fault, kind: str, words: str
) -> None:
    """Half an answer is never taken for a whole one: the SDK raises, after the text that there was."""
    it = stage(fault)
    text = ""

    async def read() -> None:
        nonlocal text
        async with it.sdk.messages.stream(**ASKED) as stream:
            async for piece in stream.text_stream:
                text += piece

    with pytest.raises(anthropic.APIStatusError) as caught:
        await read()
    body: Any = caught.value.body
    assert (True, kind) == ("Half an answer".startswith(text) and bool(text), body["error"]["type"])
    assert words in body["error"]["message"]
    assert body["request_id"] == caught.value.response.headers["request-id"]


async def test_a_failure_before_the_answer_is_invisible(stage: Callable[..., Any]) -> None:
    """A stream that breaks before its first word is asked for again, and the SDK sees one whole answer."""
    it = stage([Fault.cut("Half an answer", after_events=2), "A whole answer."])
    async with it.sdk.messages.stream(**ASKED) as stream:
        assert await stream.get_final_text() == "A whole answer."
    assert len(it.upstream.requests) == 2
