"""The openai SDK against ``packyproxy serve``, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from packyproxy.testing import Call, FakeUpstream, Fault, Turn
from tests.support.servers import ServeProcess

pytestmark = pytest.mark.e2e

MODEL = "gpt-5"
HI: Any = [{"role": "user", "content": "hi"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


class Person(BaseModel):
    """What a model is to fill in."""

    name: str
    age: int


@pytest.fixture
async def sdk(proxy: ServeProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    """An asynchronous SDK client of the session's proxy."""
    async with openai.AsyncOpenAI(api_key="any", base_url=f"{proxy.url}/v1", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def blocking_sdk(proxy: ServeProcess) -> Iterator[openai.OpenAI]:
    """A synchronous one, whose base URL lacks the ``/v1``, as it is often written."""
    with openai.OpenAI(api_key="any", base_url=proxy.url, max_retries=0) as sdk:
        yield sdk


async def test_a_chat_stream_is_accumulated(upstream: FakeUpstream, sdk: openai.AsyncOpenAI) -> None:
    """Text, a tool call and the final completion come out of the SDK's own accumulator."""
    upstream.script = Turn("Let me look.", calls=[Call("weather", {"city": "Zürich"})])
    async with sdk.chat.completions.stream(model=MODEL, messages=HI, tools=TOOLS) as stream:
        text = "".join([event.delta async for event in stream if event.type == "content.delta"])
        [choice] = (await stream.get_final_completion()).choices
    assert ("Let me look.", "tool_calls") == (text, choice.finish_reason)
    assert [("weather", '{"city":"Zürich"}')] == [
        (call.function.name, call.function.arguments) for call in choice.message.tool_calls or []
    ]


async def test_a_responses_stream_is_accumulated(upstream: FakeUpstream, sdk: openai.AsyncOpenAI) -> None:
    """The text in pieces and the final response come out of the SDK's own accumulator."""
    upstream.script = "Hello from upstream"
    async with sdk.responses.stream(model=MODEL, input="hi") as stream:
        text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
        final = await stream.get_final_response()
    assert ("Hello from upstream", "Hello from upstream") == (text, final.output_text)


async def test_an_object_is_parsed(upstream: FakeUpstream, sdk: openai.AsyncOpenAI) -> None:
    """``parse`` of both surfaces reads the answer into the class that it was asked for."""
    upstream.script = '{"name":"Ada","age":36}'
    completion = await sdk.chat.completions.parse(model=MODEL, messages=HI, response_format=Person)
    response = await sdk.responses.parse(model=MODEL, input="hi", text_format=Person)
    ada = Person(name="Ada", age=36)
    assert (ada, ada) == (completion.choices[0].message.parsed, response.output_parsed)


async def test_a_synchronous_client_is_served(upstream: FakeUpstream, blocking_sdk: openai.OpenAI) -> None:
    """Without ``/v1`` in its base URL the synchronous SDK gets models, whole answers and a token count."""

    def ask() -> tuple[list[str], str | None, str, int]:
        ids = [model.id for model in blocking_sdk.models.list()]
        completion = blocking_sdk.chat.completions.create(model=MODEL, messages=HI)
        response = blocking_sdk.responses.create(model=MODEL, input="hi")
        counted = blocking_sdk.responses.input_tokens.count(model=MODEL, input="hi")
        return ids, completion.choices[0].message.content, response.output_text, counted.input_tokens

    ids, said, answered, tokens = await asyncio.to_thread(ask)
    assert ("Hello.", "Hello.", True) == (said, answered, 0 < tokens < 20)
    assert {"gpt-5", "gpt-5-codex-low"} <= set(ids)


async def test_a_broken_stream_raises(upstream: FakeUpstream, sdk: openai.AsyncOpenAI) -> None:
    """The SDK does not take half an answer for a whole one."""
    upstream.script = Fault.end("half an ans")
    with pytest.raises(openai.APIError):
        async with sdk.chat.completions.stream(model=MODEL, messages=HI) as stream:
            await stream.get_final_completion()


async def test_a_quota_is_a_rate_limit_error(upstream: FakeUpstream, sdk: openai.AsyncOpenAI) -> None:
    """The class, the upstream's own words, the wait and the request id are those the SDK looks for."""
    upstream.script = Fault.usage_limit(resets_in_seconds=7200)
    with pytest.raises(openai.RateLimitError) as error:
        # A model of its own: it rests afterwards, and the proxy is the session's.
        await sdk.responses.create(model="gpt-quota-3", input="hi")
    assert ("usage_limit_reached", "false") == (
        error.value.type,
        error.value.response.headers["x-should-retry"],
    )
    assert error.value.request_id is not None
