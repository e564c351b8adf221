"""What the openai SDK makes of Responses, whole and streamed, and of the routes beside them."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel

from packyproxy.testing import Call, Citation, Fault, Reasoning, Search, Turn, Usage

MODEL = "gpt-5"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
CLOCK: dict[str, Any] = {
    "type": "function",
    "name": "clock",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}


class Person(BaseModel):
    name: str
    age: int


class Weather(BaseModel):
    city: str
    days: int


async def ask(it: Any, said: Any = "hi", **fields: Any) -> Any:
    return await it.openai.responses.create(**{"model": MODEL, "input": said, **fields})


async def test_a_response_has_text_and_usage(stage: Callable[..., Any]) -> None:
    """``create`` returns the text, the requested model's name and the upstream's own usage."""
    usage = Usage(input_tokens=1234, output_tokens=57, cached_tokens=1024, reasoning_tokens=32)
    response = await ask(stage(Turn("Hello.", usage=usage)), model="gpt-5-low")
    assert ("Hello.", "completed", "gpt-5-low") == (response.output_text, response.status, response.model)
    told = response.usage
    assert (1234, 57, 1291) == (told.input_tokens, told.output_tokens, told.total_tokens)
    assert (1024, 32) == (
        told.input_tokens_details.cached_tokens,
        told.output_tokens_details.reasoning_tokens,
    )


async def test_a_string_is_a_user_message(stage: Callable[..., Any]) -> None:
    """``input`` as a string reaches the upstream as the list that it insists on, with what it needs beside it."""
    it = stage("Hello.")
    await ask(it, "Say hello.", instructions="Be brief.")
    body = it.upstream.last_request.body
    [item] = body["input"]
    assert ("user", [{"type": "input_text", "text": "Say hello."}]) == (item["role"], item["content"])
    assert ("Be brief.", False, True) == (body["instructions"], body["store"], body["stream"])
    assert ["reasoning.encrypted_content"] == body["include"]


async def test_a_response_is_the_upstreams_own(stage: Callable[..., Any]) -> None:
    """Ids of the response and its items are not touched; ``_request_id`` is what the upstream was told."""
    it = stage(Turn("Hello.", calls=[Call("clock", id="call_1")]))
    response = await ask(it, tools=[CLOCK])
    assert ["resp", "msg", "fc"] == [made.id.partition("_")[0] for made in (response, *response.output)]
    assert response.output[1].call_id == "call_1"
    assert response._request_id == it.upstream.last_request.headers["x-client-request-id"]


async def test_headers_name_what_was_left_out(stage: Callable[..., Any]) -> None:
    """``with_raw_response`` shows the ids, the provider and the fields that no upstream was sent."""
    it = stage("Hello.")
    raw = await it.openai.responses.with_raw_response.create(
        model=MODEL, input="hi", store=True, max_output_tokens=400, truncation="auto", top_logprobs=2
    )
    assert {"store", "max_output_tokens", "truncation", "top_logprobs"} == set(
        raw.headers["x-packyproxy-warnings"].split(",")
    )
    assert ("packycode", "gpt-5") == (
        raw.headers["x-packyproxy-provider"],
        raw.headers["x-packyproxy-upstream-model"],
    )
    assert raw.headers["x-request-id"].startswith("req_")
    assert ("Hello.", False) == (raw.parse().output_text, raw.parse().model_dump()["store"])


async def test_output_is_filled_when_the_upstream_leaves_it_out(stage: Callable[..., Any]) -> None:
    """A terminal event without output, as codex back ends send it, still gives a response that has all items."""
    turn = Turn("Text.", calls=[Call("clock")], has_final_output=False)
    it = stage(turn)
    whole = await ask(it, tools=[CLOCK])
    async with it.openai.responses.stream(model=MODEL, input="hi", tools=[CLOCK]) as stream:
        streamed = await stream.get_final_response()
    for response in (whole, streamed):
        assert ["message", "function_call"] == [item.type for item in response.output]
        assert response.output_text == "Text."


async def test_text_arrives_in_pieces(stage: Callable[..., Any]) -> None:
    """The events of the helper tell of the text piece by piece, each with what there is so far."""
    text = "A somewhat longer answer — in several pieces ✓."
    async with stage(text).openai.responses.stream(model=MODEL, input="hi") as stream:
        deltas = [event async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert (text, text, text) == ("".join(e.delta for e in deltas), deltas[-1].snapshot, final.output_text)
    assert len(deltas) > 3


async def test_a_stream_and_a_whole_answer_agree(stage: Callable[..., Any]) -> None:
    """The last event of a stream holds what a whole answer to the same question is, ids and times apart."""
    turn = Turn("Text.", reasoning=["Thought."], calls=[Call("clock", id="call_1")])
    it = stage([turn, turn])
    whole = await ask(it, tools=[CLOCK], reasoning={"summary": "auto"})
    events = await ask(it, tools=[CLOCK], reasoning={"summary": "auto"}, stream=True)
    *_, last = [event async for event in events]
    assert last.type == "response.completed"
    apart: Any = {"id", "created_at", "completed_at", "output", "usage"}
    assert whole.model_dump(exclude=apart) == last.response.model_dump(exclude=apart)
    own: Any = {"id", "encrypted_content"}
    items = [
        [item.model_dump(exclude=own) for item in response.output] for response in (whole, last.response)
    ]
    assert items[0] == items[1]


async def test_calls_have_their_parsed_arguments(stage: Callable[..., Any]) -> None:
    """Two calls of one answer, also when the upstream mixes their deltas, are parsed into the tools' classes."""
    calls = [Call("Weather", {"city": "Bern", "days": 3}), Call("Person", {"name": "Ada", "age": 36})]
    it = stage(Turn(calls=calls, interleaves=True))
    tools: Any = [pydantic_function_tool(Weather), pydantic_function_tool(Person)]
    async with it.openai.responses.stream(model=MODEL, input="hi", tools=tools) as stream:
        final = await stream.get_final_response()
    assert [Weather(city="Bern", days=3), Person(name="Ada", age=36)] == [
        item.parsed_arguments for item in final.output
    ]


async def test_parse_returns_the_typed_object(stage: Callable[..., Any]) -> None:
    """``parse`` sends its schema as ``text.format`` and reads the answer into the class."""
    it = stage('{"name":"Ada","age":36}')
    response = await it.openai.responses.parse(model=MODEL, input="Who?", text_format=Person)
    assert response.output_parsed == Person(name="Ada", age=36)
    sent = it.upstream.last_request.body["text"]["format"]
    assert ("json_schema", "Person", True) == (sent["type"], sent["name"], sent["strict"])


async def test_a_streamed_object_is_parsed_at_its_end(stage: Callable[..., Any]) -> None:
    """The streaming helper reads the text into the class once it is whole."""
    it = stage('{"name":"Ada","age":36}')
    async with it.openai.responses.stream(model=MODEL, input="Who?", text_format=Person) as stream:
        final = await stream.get_final_response()
    assert final.output_parsed == Person(name="Ada", age=36)


async def test_reasoning_and_calls_return_to_where_they_were_made(stage: Callable[..., Any]) -> None:
    """Output that is sent back as input reaches the upstream with its encrypted reasoning as it was issued."""
    it = stage([Turn("I look.", reasoning=["Look."], calls=[Call("weather", {"city": "Bern"})]), "Sunny."])
    history: list[Any] = [{"role": "user", "content": "Weather in Bern?"}]
    first = await ask(it, history, tools=[WEATHER])
    reasoning, _, call = first.output
    history += first.output
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "22 degrees"})
    second = await ask(it, history, tools=[WEATHER])
    assert second.output_text == "Sunny."
    items = it.upstream.last_request.input
    kinds = ["message", "reasoning", "message", "function_call", "function_call_output"]
    assert kinds == [item.get("type", "message") for item in items]
    assert items[1]["encrypted_content"] == reasoning.encrypted_content
    assert {"call_id": call.call_id, "output": "22 degrees"}.items() <= items[4].items()


async def test_a_custom_tool_takes_plain_text(stage: Callable[..., Any]) -> None:
    """A call of a custom tool comes as it is, and its output is understood."""
    it = stage([Turn(calls=[Call("shell", "ls -l", kind="custom")]), "Listed."])
    tools: list[Any] = [{"type": "custom", "name": "shell"}]
    first = await ask(it, tools=tools)
    [call] = first.output
    assert ("custom_tool_call", "shell", "ls -l") == (call.type, call.name, call.input)
    output = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "a.txt"}
    second = await ask(it, [{"role": "user", "content": "List."}, call, output], tools=tools)
    assert second.output_text == "Listed."


async def test_images_and_files_reach_the_upstream(stage: Callable[..., Any]) -> None:
    """Parts of a message are sent on as they are."""
    it = stage("Seen.")
    parts: list[Any] = [
        {"type": "input_text", "text": "Compare:"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0xLjQK", "filename": "a.pdf"},
    ]
    await ask(it, [{"role": "user", "content": parts}])
    assert parts == it.upstream.last_request.input[0]["content"]


async def test_raw_reasoning_passes(stage: Callable[..., Any]) -> None:
    """Reasoning text of a model that shows it is the item's content."""
    it = stage(Turn(output=[Reasoning(text="Hm."), Call("clock")]))
    response = await ask(it, tools=[CLOCK])
    assert ["Hm."] == [part.text for part in response.output[0].content]


async def test_a_search_has_its_sources_and_citations(stage: Callable[..., Any]) -> None:
    """A search is an item with the sources that were asked for; the text cites the page."""
    url = "https://news.example/python"
    turn = Turn(
        "Python is out.",
        searches=[Search("python news", sources=[url])],
        citations=[Citation(url, "Python news")],
    )
    response = await ask(
        stage(turn), tools=[{"type": "web_search"}], include=["web_search_call.action.sources"]
    )
    search, message = response.output
    assert [url] == [source.url for source in search.action.sources]
    assert [(url, "Python news")] == [(note.url, note.title) for note in message.content[0].annotations]


async def test_a_refusal_is_told_as_one(stage: Callable[..., Any]) -> None:
    """A refusal is a part of the message, whole and streamed."""
    it = stage(Turn(refusal="I cannot help."))
    whole = await ask(it)
    async with it.openai.responses.stream(model=MODEL, input="hi") as stream:
        streamed = await stream.get_final_response()
    for response in (whole, streamed):
        [part] = response.output[0].content
        assert ("refusal", "I cannot help.", "") == (part.type, part.refusal, response.output_text)


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
async def test_an_incomplete_answer_says_why(stage: Callable[..., Any], reason: str) -> None:
    """What the upstream cut is ``incomplete`` with its reason, whole and streamed."""
    it = stage(Turn("Half an ans", incomplete=reason))
    whole = await ask(it)
    *_, last = [event async for event in await ask(it, stream=True)]
    assert last.type == "response.incomplete"
    for response in (whole, last.response):
        assert ("incomplete", reason) == (response.status, response.incomplete_details.reason)
        assert response.output_text == "Half an ans"


async def test_settings_reach_the_upstream(stage: Callable[..., Any]) -> None:
    """Effort, verbosity, tier and cache key are sent on as they are."""
    it = stage("ok")
    await ask(
        it,
        reasoning={"effort": "low", "summary": "detailed"},
        text={"verbosity": "high"},
        service_tier="priority",
        prompt_cache_key="key-of-mine",
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
    )
    body = it.upstream.last_request.body
    assert {"effort": "low", "summary": "detailed"} == body["reasoning"]
    assert ("high", "priority", "key-of-mine") == (
        body["text"]["verbosity"],
        body["service_tier"],
        body["prompt_cache_key"],
    )
    assert ([WEATHER], "required", False) == (body["tools"], body["tool_choice"], body["parallel_tool_calls"])


async def test_tokens_are_counted_without_the_upstream(stage: Callable[..., Any]) -> None:
    """``input_tokens.count`` answers a number that grows with the input, and asks nobody."""
    it = stage()
    count = it.openai.responses.input_tokens.count
    short = await count(model=MODEL, input="hi")
    long = await count(model=MODEL, input="word " * 200, tools=[WEATHER, CLOCK], instructions="Be brief.")
    assert (short.object, long.object) == ("response.input_tokens",) * 2
    assert 0 < short.input_tokens < 20
    assert 200 < long.input_tokens < 500
    assert it.upstream.requests == []


async def test_a_conversation_is_compacted_and_goes_on(stage: Callable[..., Any]) -> None:
    """``compact`` returns the upstream's items, which the next request may begin with."""
    it = stage([Turn(usage=Usage(input_tokens=400, output_tokens=30)), "Go on."])
    history: list[Any] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Remember 7."}]},
        {"role": "assistant", "content": "I will."},
    ]
    compacted = await it.openai.responses.compact(model=MODEL, input=history)
    assert ("response.compaction", 400) == (compacted.object, compacted.usage.input_tokens)
    assert it.upstream.last_request.path.endswith("/responses/compact")
    assert compacted.output[-1].type == "compaction"
    # The SDK's type of messages knows those of the assistant only.
    kept = [item.to_dict(warnings=False) for item in compacted.output]
    response = await ask(it, [*kept, {"role": "user", "content": "Which number?"}])
    assert response.output_text == "Go on."
    [sent] = [item for item in it.upstream.last_request.input if item.get("type") == "compaction"]
    assert sent["encrypted_content"] == compacted.output[-1].encrypted_content


async def test_models_are_listed_and_retrieved(stage: Callable[..., Any]) -> None:
    """The list has every model once, made by OpenAI; one of it can be asked for, an unknown one cannot."""
    it = stage()
    models = [model async for model in it.openai.models.list()]
    ids = [model.id for model in models]
    assert (len(ids), {"model"}) == (len(set(ids)), {model.object for model in models})
    assert {"gpt-5", "gpt-5-high"} <= set(ids)
    one = await it.openai.models.retrieve("gpt-5")
    assert ("gpt-5", "openai", True) == (one.id, one.owned_by, one.created > 0)
    with pytest.raises(openai.NotFoundError) as caught:
        await it.openai.models.retrieve("no-such-model")
    assert caught.value.code == "model_not_found"


async def test_leaving_a_stream_ends_the_upstream_request(stage: Callable[..., Any]) -> None:
    """A client that leaves its ``stream`` block early closes the request behind the proxy."""
    it = stage(Fault.stall("A long answer that nobody waits for", after_events=8))
    async with it.openai.responses.stream(model=MODEL, input="hi") as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
    assert await it.upstream.last_request.ended() == "disconnected"
