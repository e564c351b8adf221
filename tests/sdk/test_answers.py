"""What the anthropic SDK makes of whole answers."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from packyproxy.testing import Call, Citation, Search, Turn, Usage

MODEL = "claude-sonnet-5"
TOOLS: list[Any] = [
    {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
    {"name": "clock", "input_schema": {"type": "object"}},
]
WEB_SEARCH: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


def question(text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": text}], **fields}


async def test_a_message_has_text_and_usage(stage: Callable[..., Any]) -> None:
    """``messages.create`` returns the text, the requested model's name and the usage with cached tokens apart."""
    it = stage(Turn("Hello.", usage=Usage(input_tokens=1234, output_tokens=57, cached_tokens=1024)))
    message = await it.sdk.messages.create(**question())
    usage = message.usage
    assert ("Hello.", MODEL, "end_turn") == (message.content[0].text, message.model, message.stop_reason)
    assert (210, 1024, 57) == (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens)


async def test_a_message_knows_its_request_id(stage: Callable[..., Any]) -> None:
    """``_request_id`` is the id that the proxy gave this request, and the upstream was told the same one."""
    it = stage("Hello.")
    message = await it.sdk.messages.create(**question())
    assert message._request_id.startswith("req_")
    assert it.upstream.last_request.headers["x-client-request-id"] == message._request_id


async def test_thinking_comes_before_the_text(stage: Callable[..., Any]) -> None:
    """A reasoning summary is a thinking block with a signature, in front of the text."""
    it = stage(Turn("Done.", reasoning=["First.", "Then."]))
    message = await it.sdk.messages.create(**question(thinking={"type": "adaptive"}))
    thinking, text = message.content
    assert ("First.\n\nThen.", "Done.") == (thinking.thinking, text.text)
    assert thinking.signature.startswith("pp1.")


async def test_parallel_calls_are_blocks_of_one_message(stage: Callable[..., Any]) -> None:
    """Two function calls of one answer are two ``tool_use`` blocks with their own input."""
    it = stage(Turn(calls=[Call("weather", {"city": "Bern"}), Call("clock")], interleaves=True))
    message = await it.sdk.messages.create(**question(tools=TOOLS))
    assert message.stop_reason == "tool_use"
    assert [("weather", {"city": "Bern"}), ("clock", {})] == [(b.name, b.input) for b in message.content]


async def test_a_refusal_is_told_as_one(stage: Callable[..., Any]) -> None:
    """A refusal is text with ``stop_reason`` refusal and ``stop_details``."""
    message = await stage(Turn(refusal="I cannot help.")).sdk.messages.create(**question())
    assert ("refusal", "I cannot help.") == (message.stop_reason, message.content[0].text)
    assert message.stop_details.type == "refusal"


async def test_an_incomplete_answer_stops_at_max_tokens(stage: Callable[..., Any]) -> None:
    """An answer that the upstream cut for length says ``max_tokens``."""
    it = stage(Turn("Half an ans", incomplete="max_output_tokens"))
    message = await it.sdk.messages.create(**question())
    assert ("max_tokens", "Half an ans") == (message.stop_reason, message.content[0].text)


async def test_max_tokens_is_kept_although_the_upstream_has_no_limit(stage: Callable[..., Any]) -> None:
    """``max_tokens`` bounds the answer of an upstream that refuses the parameter, and ends its request."""
    it = stage("word " * 400)
    message = await it.sdk.messages.create(**question(max_tokens=20))
    assert message.stop_reason == "max_tokens"
    assert 0 < len(message.content[0].text) < 400
    assert "max_output_tokens" not in it.upstream.last_request.body


async def test_a_stop_sequence_ends_the_text(stage: Callable[..., Any]) -> None:
    """The text ends before the stop sequence, which is named."""
    it = stage("one two three STOP four")
    message = await it.sdk.messages.create(**question(stop_sequences=["STOP"]))
    assert ("stop_sequence", "STOP") == (message.stop_reason, message.stop_sequence)
    assert message.content[0].text == "one two three "


async def test_web_search_shows_results_and_citations(stage: Callable[..., Any]) -> None:
    """A search is a server tool use with its results; the text cites the page; usage counts the search."""
    url = "https://news.example/python"
    it = stage(
        Turn(
            "Python is out.",
            searches=[Search("python news", sources=[url])],
            citations=[Citation(url, "Python news", "Python is out.")],
        )
    )
    message = await it.sdk.messages.create(**question(tools=[WEB_SEARCH]))
    use, result, text = message.content
    assert ("server_tool_use", {"query": "python news"}) == (use.type, use.input)
    assert [(url, "Python news")] == [(page.url, page.title) for page in result.content]
    assert [(url, "Python news")] == [(note.url, note.title) for note in text.citations]
    assert message.usage.server_tool_use.web_search_requests == 1


async def test_parse_returns_the_typed_object(stage: Callable[..., Any]) -> None:
    """``messages.parse`` sends its schema as ``text.format`` and reads the answer into the class."""

    class Person(BaseModel):
        name: str
        age: int

    it = stage('{"name":"Ada","age":36}')
    message = await it.sdk.messages.parse(**question(output_format=Person))
    assert message.parsed_output == Person(name="Ada", age=36)
    sent = it.upstream.last_request.body["text"]["format"]
    assert ("json_schema", {"name", "age"}) == (sent["type"], set(sent["schema"]["properties"]))


async def test_output_config_carries_a_schema_and_an_effort(stage: Callable[..., Any]) -> None:
    """``output_config`` sets the format and the reasoning effort of one request."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    it = stage('{"a":1}')
    config: Any = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    await it.sdk.messages.create(**question(output_config=config))
    body = it.upstream.last_request.body
    assert ("json_schema", "low") == (body["text"]["format"]["type"], body["reasoning"]["effort"])


async def test_tokens_are_counted_without_the_upstream(stage: Callable[..., Any]) -> None:
    """``count_tokens`` answers a number that grows with the input, and asks nobody."""
    it = stage()
    short = await it.sdk.messages.count_tokens(model=MODEL, messages=question()["messages"])
    long = await it.sdk.messages.count_tokens(
        model=MODEL, messages=question("word " * 200)["messages"], tools=TOOLS
    )
    assert 0 < short.input_tokens < 20
    assert 200 < long.input_tokens < 400
    assert it.upstream.requests == []


async def test_reasoning_returns_to_where_it_was_made(stage: Callable[..., Any]) -> None:
    """A thinking block that is sent back reaches the upstream as the very item that it had issued."""
    it = stage([Turn(reasoning=["Look."], calls=[Call("clock", id="call_1")]), "It is noon."])
    asked = question("What time is it?", tools=TOOLS, thinking={"type": "adaptive"})
    first = await it.sdk.messages.create(**asked)
    asked["messages"] += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "12:00"}]},
    ]
    second = await it.sdk.messages.create(**asked)
    _, reasoning, call, output = it.upstream.last_request.input
    assert first.content[0].signature.endswith(reasoning["encrypted_content"])
    assert ("call_1", "call_1", "12:00") == (call["call_id"], output["call_id"], output["output"])
    assert second.content[0].text == "It is noon."


async def test_a_long_tool_name_survives_both_ways(stage: Callable[..., Any]) -> None:
    """A name over 64 characters is shortened for the upstream, the same way every time, and restored."""
    name = "mcp__a_server_with_a_long_name__a_tool_whose_name_no_responses_api_would_ever_accept"
    it = stage(lambda request: Turn(calls=[Call(request.body["tools"][0]["name"], {"x": 1})]))
    asked = question(tools=[{"name": name, "input_schema": {"type": "object"}}])
    message = await it.sdk.messages.create(**asked)
    asked["messages"] += [
        {"role": "assistant", "content": message.content},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": message.content[0].id, "content": "ok"}],
        },
    ]
    await it.sdk.messages.create(**asked)
    short = it.bodies[0]["tools"][0]["name"]
    assert (name, {"x": 1}) == (message.content[0].name, message.content[0].input)
    assert (True, short) == (len(short) <= 64, it.upstream.last_request.input[1]["name"])


@pytest.mark.filterwarnings(
    "ignore:The model:DeprecationWarning"
)  # the SDK's list of old names grows with time
@pytest.mark.parametrize(
    ("asked", "model", "effort"),
    [
        ("claude-opus-4-1", "gpt-5", "high"),
        ("claude-haiku-4-5", "gpt-5", "low"),
        ("gpt-5-minimal", "gpt-5", "minimal"),
        ("gpt-5-codex", "gpt-5-codex", "high"),
    ],
)
async def test_model_names_choose_model_and_effort(
    stage: Callable[..., Any], asked: str, model: str, effort: str
) -> None:
    """A Claude name gets the provider's default, a small one less effort, and an id with a suffix what it says."""
    it = stage("ok")
    message = await it.sdk.messages.create(**question(model=asked))
    body = it.upstream.last_request.body
    assert (asked, model, effort) == (message.model, body["model"], body["reasoning"]["effort"])
