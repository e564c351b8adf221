"""The anthropic SDK against ``packyproxy serve``, over real sockets."""

from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest

from packyproxy.testing import Call, FakeUpstream, Fault, Turn
from tests.support.servers import ServeProcess

pytestmark = pytest.mark.e2e

MODEL = "claude-sonnet-5"
HI: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hi"}]
TOOLS: list[anthropic.types.ToolParam] = [
    {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
]


@pytest.fixture
async def sdk(proxy: ServeProcess) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """An asynchronous SDK client of the session's proxy."""
    async with anthropic.AsyncAnthropic(api_key="any", base_url=proxy.url, max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def blocking_sdk(proxy: ServeProcess) -> Iterator[anthropic.Anthropic]:
    """A synchronous one, as most scripts use it."""
    with anthropic.Anthropic(api_key="any", base_url=proxy.url, max_retries=0) as sdk:
        yield sdk


async def test_a_stream_is_accumulated(upstream: FakeUpstream, sdk: anthropic.AsyncAnthropic) -> None:
    """Text, a tool call and the final message come out of the SDK's own accumulator."""
    upstream.script = Turn("Let me look.", calls=[Call("weather", {"city": "Zürich"})])
    async with sdk.messages.stream(model=MODEL, max_tokens=500, messages=HI, tools=TOOLS) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()
    assert text == "Let me look."
    assert ["text", "tool_use"] == [block.type for block in message.content]
    assert message.stop_reason == "tool_use"


async def test_a_whole_answer_is_parsed(upstream: FakeUpstream, sdk: anthropic.AsyncAnthropic) -> None:
    """``messages.create`` without a stream gets the folded message and its usage."""
    upstream.script = "Hello from upstream"
    message = await sdk.messages.create(model=MODEL, max_tokens=500, messages=HI)
    assert [("text", "Hello from upstream")] == [(b.type, getattr(b, "text", None)) for b in message.content]
    assert message.usage.input_tokens > 0


async def test_a_broken_stream_raises(upstream: FakeUpstream, sdk: anthropic.AsyncAnthropic) -> None:
    """The SDK does not take half an answer for a whole one."""
    upstream.script = Fault.end("half an ans")
    with pytest.raises(anthropic.APIStatusError):
        async with sdk.messages.stream(model=MODEL, max_tokens=500, messages=HI) as stream:
            await stream.get_final_message()


async def test_a_quota_is_a_rate_limit_error(upstream: FakeUpstream, sdk: anthropic.AsyncAnthropic) -> None:
    """The class, the wait and the request id are those the SDK looks for."""
    upstream.script = Fault.usage_limit(resets_in_seconds=7200)
    with pytest.raises(anthropic.RateLimitError) as error:
        # A model of its own: it rests afterwards, and the proxy is the session's.
        await sdk.messages.create(model="gpt-quota-2", max_tokens=500, messages=HI)
    assert error.value.response.headers["x-should-retry"] == "false"
    assert error.value.request_id is not None


def test_the_model_list_can_be_paged(blocking_sdk: anthropic.Anthropic) -> None:
    """The synchronous SDK walks over all pages and meets no model twice."""
    ids = [model.id for model in blocking_sdk.models.list(limit=5)]
    assert len(set(ids)) == len(ids) > 5
    assert "anthropic-gpt-5" in ids
