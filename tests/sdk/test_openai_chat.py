"""What the openai SDK makes of Chat Completions, whole and streamed."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel

from packyproxy.testing import Call, Citation, Fault, Reasoning, Search, Turn, Usage
from tests.support.settings import provider

MODEL = "gpt-5"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CLOCK: dict[str, Any] = {"type": "function", "function": {"name": "clock"}}


class Person(BaseModel):
    name: str
    age: int


class Weather(BaseModel):
    city: str
    days: int


def question(text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


async def ask(it: Any, **fields: Any) -> Any:
    return await it.openai.chat.completions.create(**question(**fields))


async def chunks(it: Any, **fields: Any) -> list[Any]:
    return [chunk async for chunk in await ask(it, stream=True, **fields)]


async def test_a_completion_has_text_and_usage(stage: Callable[..., Any]) -> None:
    """``create`` returns the text, the requested model's name, and usage that includes what was cached."""
    usage = Usage(input_tokens=1234, output_tokens=57, cached_tokens=1024, reasoning_tokens=32)
    completion = await ask(stage(Turn("Hello.", usage=usage)), model="gpt-5-low")
    [choice] = completion.choices
    told = completion.usage
    assert ("Hello.", "stop", "assistant") == (
        choice.message.content,
        choice.finish_reason,
        choice.message.role,
    )
    assert ("gpt-5-low", "chat.completion") == (completion.model, completion.object)
    assert (1234, 57, 1291) == (told.prompt_tokens, told.completion_tokens, told.total_tokens)
    assert told.prompt_tokens_details.cached_tokens == 1024
    assert told.completion_tokens_details.reasoning_tokens == 32


async def test_a_completion_is_dated_and_known_by_ids(stage: Callable[..., Any]) -> None:
    """It carries the time it was made and an id of its own; ``_request_id`` is what the upstream was told."""
    it = stage("Hello.")
    completion = await ask(it)
    assert completion.id.startswith("chatcmpl-")
    assert completion.created == pytest.approx(time.time(), abs=60)
    assert completion._request_id == it.upstream.last_request.headers["x-client-request-id"]


async def test_headers_name_what_was_left_out(stage: Callable[..., Any]) -> None:
    """``with_raw_response`` shows the ids, the provider and the fields that no upstream was sent."""
    it = stage("Hello.")
    asked = question(logprobs=True, seed=7)
    raw = await it.openai.chat.completions.with_raw_response.create(**asked)
    assert {"logprobs", "seed"} == set(raw.headers["x-packyproxy-warnings"].split(","))
    assert ("packycode", "gpt-5") == (
        raw.headers["x-packyproxy-provider"],
        raw.headers["x-packyproxy-upstream-model"],
    )
    assert raw.headers["x-request-id"].startswith("req_")
    completion = raw.parse()
    assert (None, "Hello.") == (completion.choices[0].logprobs, completion.choices[0].message.content)


async def test_chunks_belong_together(stage: Callable[..., Any]) -> None:
    """Every chunk of a stream has one id, time and model; the first names the role, the last the end."""
    text = "A somewhat longer answer — in several pieces ✓."
    seen = await chunks(stage(text))
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in seen}) == 1
    assert len(seen) > 5
    deltas = [chunk.choices[0].delta for chunk in seen]
    assert ["assistant"] == [delta.role for delta in deltas if delta.role]
    assert (text, "assistant") == ("".join(delta.content or "" for delta in deltas), deltas[0].role)
    assert [None] * (len(seen) - 1) + ["stop"] == [chunk.choices[0].finish_reason for chunk in seen]


@pytest.mark.parametrize("is_asked", [True, False], ids=["asked", "not-asked"])
async def test_usage_comes_in_a_chunk_of_its_own(stage: Callable[..., Any], is_asked: bool) -> None:
    """With ``include_usage`` one last chunk without choices carries the usage; without it none has any."""
    it = stage(Turn("Hello.", usage=Usage(input_tokens=9, output_tokens=3)))
    options = {"stream_options": {"include_usage": True}} if is_asked else {}
    *others, last = await chunks(it, **options)
    assert {None} == {chunk.usage for chunk in others}
    told = (len(last.choices), last.usage.total_tokens if last.usage else None)
    assert ((0, 12) if is_asked else (1, None)) == told


async def test_the_helper_accumulates_what_a_whole_answer_is(stage: Callable[..., Any]) -> None:
    """What ``stream()`` makes of the chunks equals the whole answer to the same question, ids apart."""
    it = stage([Turn("Text.", reasoning=["Thought."], calls=[Call("weather", {"a": 1.5}, id="call_1")])] * 2)
    async with it.openai.chat.completions.stream(
        **question(tools=[WEATHER], stream_options={"include_usage": True})
    ) as stream:
        streamed = await stream.get_final_completion()
    whole = await ask(it, tools=[WEATHER])
    apart = {
        "id": True,
        "created": True,
        "service_tier": True,
        "usage": {"prompt_tokens", "total_tokens"},
        "choices": {0: {"message": {"annotations", "parsed", "tool_calls"}}},
    }
    assert whole.model_dump(exclude=apart) == streamed.model_dump(exclude=apart)
    [call], [streamed_call] = (completion.choices[0].message.tool_calls for completion in (whole, streamed))
    assert ("call_1", "function", "weather", '{"a":1.5}') == (
        call.id,
        call.type,
        call.function.name,
        call.function.arguments,
    )
    assert (call.id, call.function.arguments) == (streamed_call.id, streamed_call.function.arguments)


@pytest.mark.parametrize("interleaves", [False, True], ids=["in-turn", "mixed"])
async def test_calls_have_their_parsed_arguments(stage: Callable[..., Any], interleaves: bool) -> None:
    """The helper tells of each finished call with its arguments as the tool's own class.

    It parses a call as soon as the next one begins: those that the upstream mixes must come one after another.
    """
    calls = [Call("Weather", {"city": "Bern", "days": 3}), Call("Person", {"name": "Ada", "age": 36})]
    it = stage(Turn("I look.", calls=calls, interleaves=interleaves))
    tools = [pydantic_function_tool(Weather), pydantic_function_tool(Person)]
    async with it.openai.chat.completions.stream(**question(tools=tools)) as stream:
        done = [
            (event.index, event.name, event.parsed_arguments)
            async for event in stream
            if event.type == "tool_calls.function.arguments.done"
        ]
        final = await stream.get_final_completion()
    expected = [(0, "Weather", Weather(city="Bern", days=3)), (1, "Person", Person(name="Ada", age=36))]
    assert expected == done
    assert ("I look.", "tool_calls") == (final.choices[0].message.content, final.choices[0].finish_reason)
    assert [True, True] == [tool["strict"] for tool in it.upstream.last_request.body["tools"]]


async def test_calls_that_interleave_upstream_are_accumulated_apart(stage: Callable[..., Any]) -> None:
    """The deltas of two calls that the upstream mixes become the arguments of two calls."""
    calls = [
        Call("weather", {"city": "Bern", "days": 3}, id="call_a"),
        Call("clock", {"zone": "Europe/Zurich"}, id="call_b"),
    ]
    it = stage(Turn(calls=calls, interleaves=True))
    async with it.openai.chat.completions.stream(**question(tools=[WEATHER, CLOCK])) as stream:
        final = await stream.get_final_completion()
    made = [
        (call.id, call.function.name, call.function.arguments) for call in final.choices[0].message.tool_calls
    ]
    assert [(call.id, call.name, call.arguments_text) for call in calls] == made
    assert final.choices[0].message.content is None


async def test_a_tool_loop_runs_to_its_end(stage: Callable[..., Any]) -> None:
    """Calls and results that are sent back reach the upstream as its own items, in order."""
    it = stage([Turn("I look.", calls=[Call("weather", {"city": "Bern"}, id="call_1")]), "Sunny."])
    asked = question(tools=[WEATHER])
    first = (await it.openai.chat.completions.create(**asked)).choices[0].message
    asked["messages"] += [first, {"role": "tool", "tool_call_id": "call_1", "content": "22 degrees"}]
    second = await it.openai.chat.completions.create(**asked)
    assert second.choices[0].message.content == "Sunny."
    items = it.upstream.last_request.input
    assert ["message", "message", "function_call", "function_call_output"] == [item["type"] for item in items]
    assert {"call_id": "call_1", "arguments": '{"city":"Bern"}'}.items() <= items[2].items()
    assert {"call_id": "call_1", "output": "22 degrees"}.items() <= items[3].items()


async def test_parse_returns_the_typed_object(stage: Callable[..., Any]) -> None:
    """``parse`` sends its schema as ``text.format`` and reads the answer into the class."""
    it = stage('{"name":"Ada","age":36}')
    completion = await it.openai.chat.completions.parse(**question(response_format=Person))
    assert completion.choices[0].message.parsed == Person(name="Ada", age=36)
    sent = it.upstream.last_request.body["text"]["format"]
    assert ("json_schema", "Person", True) == (sent["type"], sent["name"], sent["strict"])
    assert {"name", "age"} == set(sent["schema"]["properties"])


async def test_a_streamed_object_is_parsed_at_its_end(stage: Callable[..., Any]) -> None:
    """The streaming helper reads the text into the class once it is whole."""
    it = stage('{"name":"Ada","age":36}')
    async with it.openai.chat.completions.stream(**question(response_format=Person)) as stream:
        parsed = [event.parsed async for event in stream if event.type == "content.done"]
    assert parsed == [Person(name="Ada", age=36)]


async def test_reasoning_is_shown_beside_the_text(stage: Callable[..., Any]) -> None:
    """Summaries are ``reasoning_content``, whole and streamed, and are asked for."""
    it = stage(Turn("Done.", reasoning=["First.", "Then."]))
    message = (await ask(it)).choices[0].message
    assert ("First.\n\nThen.", "Done.") == (message.reasoning_content, message.content)
    deltas = [chunk.choices[0].delta for chunk in await chunks(it)]
    assert "First.\n\nThen." == "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert it.upstream.last_request.body["reasoning"]["summary"] == "auto"


async def test_reasoning_can_be_kept_from_chat_clients(stage: Callable[..., Any]) -> None:
    """With ``chat-reasoning: false`` no summary is asked for, and none is shown."""
    packycode = provider(compat={"chat-reasoning": False})
    it = stage(Turn("Done.", reasoning=["First."]), config={"packycode": packycode})
    message = (await ask(it)).choices[0].message
    assert "reasoning_content" not in message.model_extra
    assert "summary" not in it.upstream.last_request.body.get("reasoning", {})


async def test_a_refusal_is_told_as_one(stage: Callable[..., Any]) -> None:
    """A refusal is no content but ``refusal``, whole and streamed, and ends as any answer."""
    it = stage(Turn(refusal="I cannot help."))
    choice = (await ask(it)).choices[0]
    assert (None, "I cannot help.", "stop") == (
        choice.message.content,
        choice.message.refusal,
        choice.finish_reason,
    )
    streamed = [chunk.choices[0] for chunk in await chunks(it)]
    assert "I cannot help." == "".join(choice.delta.refusal or "" for choice in streamed)
    assert "stop" == streamed[-1].finish_reason


async def test_parse_shows_a_refusal(stage: Callable[..., Any]) -> None:
    """``parse`` returns a refusal where the model would not fill the class, as the SDK's guide has it."""
    it = stage(Turn(refusal="I cannot help."))
    completion = await it.openai.chat.completions.parse(**question(), response_format=Person)
    message = completion.choices[0].message
    assert (None, "I cannot help.") == (message.parsed, message.refusal)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("turn", "fields", "content", "reason"),
    [
        pytest.param(Turn("Hello."), {}, "Hello.", "stop", id="end"),
        pytest.param(Turn(["One.", "Two."]), {}, "One.\n\nTwo.", "stop", id="two-messages"),
        pytest.param(Turn(), {}, "", "stop", id="empty"),
        pytest.param(Turn(calls=[Call("clock")]), {"tools": [CLOCK]}, None, "tool_calls", id="call"),
        pytest.param(Turn("Half", incomplete="max_output_tokens"), {}, "Half", "length", id="incomplete"),
        pytest.param(Turn("x", incomplete="content_filter"), {}, "x", "content_filter", id="filtered"),
        pytest.param(Turn("a b STOP c"), {"stop": "STOP"}, "a b ", "stop", id="stop-text"),
        pytest.param(Turn("a b STOP c"), {"stop": ["END", "STOP"]}, "a b ", "stop", id="stop-texts"),
    ],
)
async def test_every_end_has_its_reason(
    stage: Callable[..., Any],
    turn: Turn,
    fields: dict[str, Any],
    content: str | None,
    reason: str,
    is_streamed: bool,
) -> None:
    """The finish reason says why an answer ended, whether it was streamed or not."""
    it = stage(turn)
    if is_streamed:
        deltas = await chunks(it, **fields)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in deltas)
        assert (content or "", reason) == (text, deltas[-1].choices[0].finish_reason)
    else:
        choice = (await ask(it, **fields)).choices[0]
        assert (content, reason) == (choice.message.content, choice.finish_reason)


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_is_kept_although_the_upstream_has_none(stage: Callable[..., Any], limit: str) -> None:
    """A limit bounds the answer of an upstream that refuses the parameter, and ends its request."""
    it = stage("word " * 400)
    choice = (await ask(it, **{limit: 20})).choices[0]
    assert choice.finish_reason == "length"
    assert 0 < len(choice.message.content) < 400
    assert "max_output_tokens" not in it.upstream.last_request.body


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_legacy_functions_are_answered_in_their_shape(
    stage: Callable[..., Any], is_streamed: bool
) -> None:
    """A client that sends ``functions`` gets one ``function_call``, and its result is understood."""
    it = stage([Turn(calls=[Call("weather", {"city": "Bern"})]), "Sunny."])
    asked = question(functions=[WEATHER["function"]], function_call="auto")
    if is_streamed:
        seen = [
            chunk.choices[0] async for chunk in await it.openai.chat.completions.create(**asked, stream=True)
        ]
        parts = [choice.delta.function_call for choice in seen if choice.delta.function_call]
        name = "".join(part.name or "" for part in parts)
        arguments = "".join(part.arguments or "" for part in parts)
        reason = seen[-1].finish_reason
    else:
        choice = (await it.openai.chat.completions.create(**asked)).choices[0]
        called, reason = choice.message.function_call, choice.finish_reason
        name, arguments = called.name, called.arguments
        assert choice.message.tool_calls is None
    assert ("weather", '{"city":"Bern"}', "function_call") == (name, arguments, reason)
    asked["messages"] += [
        {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}},
        {"role": "function", "name": name, "content": "22 degrees"},
    ]
    second = await it.openai.chat.completions.create(**asked)
    _, call, output = it.upstream.last_request.input
    assert ("Sunny.", "22 degrees") == (second.choices[0].message.content, output["output"])
    assert call["call_id"] == output["call_id"]


async def test_a_custom_tool_takes_plain_text(stage: Callable[..., Any]) -> None:
    """A custom tool is sent flat with its grammar; its call comes back as ``custom`` and is answered as such."""
    call = Call("shell", "ls -l", id="call_1", kind="custom")
    it = stage([Turn(calls=[call]), "Listed."])
    grammar = {"syntax": "regex", "definition": ".+"}
    tool = {
        "type": "custom",
        "custom": {"name": "shell", "format": {"type": "grammar", "grammar": grammar}},
    }
    asked = question(tools=[tool])
    message = (await it.openai.chat.completions.create(**asked)).choices[0].message
    [made] = message.tool_calls
    assert ("custom", "shell", "ls -l") == (made.type, made.custom.name, made.custom.input)
    [sent] = it.upstream.last_request.body["tools"]
    assert {"type": "custom", "name": "shell", "format": {"type": "grammar", **grammar}} == sent
    asked["messages"] += [message, {"role": "tool", "tool_call_id": "call_1", "content": "a.txt"}]
    await it.openai.chat.completions.create(**asked)
    assert ["message", "custom_tool_call", "custom_tool_call_output"] == [
        item["type"] for item in it.upstream.last_request.input
    ]


async def test_a_custom_call_streams_as_a_function(stage: Callable[..., Any]) -> None:
    """The chunk type knows functions only: the plain text is streamed as its arguments."""
    it = stage(Turn(calls=[Call("shell", "ls -l", kind="custom")]))
    seen = await chunks(it, tools=[{"type": "custom", "custom": {"name": "shell"}}])
    parts = [call for chunk in seen for call in chunk.choices[0].delta.tool_calls or []]
    assert ("function", "shell") == (parts[0].type, parts[0].function.name)
    assert "ls -l" == "".join(part.function.arguments or "" for part in parts)


async def test_images_and_files_reach_the_upstream(stage: Callable[..., Any]) -> None:
    """Parts of a user message become the upstream's, in their order and with their detail and name."""
    it = stage("Seen.")
    parts: list[Any] = [
        {"type": "text", "text": "Compare:"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQK", "filename": "a.pdf"},
        },
    ]
    await it.openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
    assert it.upstream.last_request.input[0]["content"] == [
        {"type": "input_text", "text": "Compare:"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_image", "image_url": "https://images.example/a.png", "detail": "auto"},
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,JVBERi0xLjQK",
            "filename": "a.pdf",
        },
    ]


async def test_instructions_are_what_stands_before_the_conversation(stage: Callable[..., Any]) -> None:
    """System and developer messages at the start are the instructions; a later one keeps its place."""
    it = stage("ok")
    roles = [("system", "Be brief."), ("developer", "Be kind."), ("user", "hi"), ("system", "Now German.")]
    await it.openai.chat.completions.create(
        model=MODEL, messages=[{"role": role, "content": text} for role, text in roles]
    )
    body = it.upstream.last_request.body
    assert body["instructions"] == "Be brief.\n\nBe kind."
    assert ["user", "developer"] == [item["role"] for item in body["input"]]


async def test_a_search_annotates_the_text(stage: Callable[..., Any]) -> None:
    """``web_search_options`` add the upstream's tool; citations are annotations, whole and streamed."""
    url = "https://news.example/python"
    turn = Turn(
        "Python is out.",
        searches=[Search("python news", sources=[url])],
        citations=[Citation(url, "Python news", "Python")],
    )
    it = stage(turn)
    message = (await ask(it, web_search_options={"search_context_size": "low"})).choices[0].message
    [note] = message.annotations
    expected = (url, "Python news", 0, 6)
    cited = note.url_citation
    assert expected == (cited.url, cited.title, cited.start_index, cited.end_index)
    [tool] = it.upstream.last_request.body["tools"]
    assert ("web_search", "low") == (tool["type"], tool["search_context_size"])
    deltas = [chunk.choices[0].delta for chunk in await chunks(it, web_search_options={})]
    [streamed] = [note for delta in deltas for note in getattr(delta, "annotations", None) or []]
    assert streamed["url_citation"]["url"] == url


async def test_settings_reach_the_upstream(stage: Callable[..., Any]) -> None:
    """Effort, verbosity, tier, cache key, and parallel calls are the upstream's under its own names."""
    it = stage("ok")
    await ask(
        it,
        reasoning_effort="low",
        verbosity="high",
        service_tier="priority",
        prompt_cache_key="key-of-mine",
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
    )
    body = it.upstream.last_request.body
    assert ("low", "high") == (body["reasoning"]["effort"], body["text"]["verbosity"])
    assert ("priority", "key-of-mine", False) == (
        body["service_tier"],
        body["prompt_cache_key"],
        body["parallel_tool_calls"],
    )
    assert {"type": "function", "name": "weather"} == body["tool_choice"]


async def test_a_long_tool_name_survives_both_ways(stage: Callable[..., Any]) -> None:
    """A name over 64 characters is shortened for the upstream and restored for the client."""
    name = "mcp__a_server_with_a_long_name__a_tool_whose_name_no_responses_api_would_ever_accept"
    it = stage(lambda request: Turn(calls=[Call(request.body["tools"][0]["name"], {"x": 1})]))
    tool = {"type": "function", "function": {"name": name}}
    [call] = (await ask(it, tools=[tool])).choices[0].message.tool_calls
    assert (name, True) == (call.function.name, len(it.bodies[0]["tools"][0]["name"]) <= 64)


async def test_raw_reasoning_is_shown_too(stage: Callable[..., Any]) -> None:
    """A model that shows its reasoning itself has it in ``reasoning_content``."""
    it = stage(Turn(output=[Reasoning(text="Hm."), Call("clock")]))
    message = (await ask(it, tools=[CLOCK])).choices[0].message
    assert "Hm." == message.reasoning_content


async def test_leaving_a_stream_ends_the_upstream_request(stage: Callable[..., Any]) -> None:
    """A client that leaves its ``stream`` block early closes the request behind the proxy."""
    it = stage(Fault.stall("A long answer that nobody waits for", after_events=8))
    async with it.openai.chat.completions.stream(**question()) as stream:
        async for event in stream:
            if event.type == "content.delta":
                break
    assert await it.upstream.last_request.ended() == "disconnected"
