"""The fixtures of the pytest plugin, used as the author of an application uses them."""

import asyncio
import socket
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anthropic
import openai
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from packyproxy import PackyProxy
from packyproxy.testing import Call, FakeUpstream, Fault, Turn, anthropic_client, sync_openai_client

ASKED: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Do I need an umbrella in Oslo?"}],
}
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
STALLED = Fault.stall("An answer that takes its time", after_events=8)


def advise(client: anthropic.Anthropic, city: str) -> str:
    """Ask for advice, looking the weather up whenever the model wants to know it: the application under test."""
    messages: list[Any] = [{"role": "user", "content": f"Do I need an umbrella in {city}?"}]
    while True:
        answer = client.messages.create(
            model="claude-sonnet-5",
            max_tokens=1000,
            messages=messages,
            tools=[WEATHER],  # type: ignore[list-item]  # the SDK's own TypedDict
        )
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            return "".join(block.text for block in answer.content if block.type == "text")
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]
        messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]


class _GiveWay:
    def __await__(self) -> Generator[None, None, None]:
        yield


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every use of a socket, and every wait for time to pass, an error."""

    def refuse(*_: object, **__: object) -> Any:
        pytest.fail("a test needs neither sockets nor sleep")

    async def give_way_only(delay: float) -> None:
        assert delay == 0
        await _GiveWay()

    for name in ("connect", "connect_ex", "bind", "listen", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(time, "sleep", refuse)
    monkeypatch.setattr(asyncio, "sleep", give_way_only)


@pytest.mark.usefixtures("_offline")
def test_an_application_is_played_a_conversation(
    packy_upstream: FakeUpstream, packy_anthropic_sync: anthropic.Anthropic
) -> None:
    """The script's answers come in order, and what was asked can be looked at; no socket, no sleep."""
    packy_upstream.script = [Turn(calls=[Call("weather", {"city": "Oslo"})]), "Leave it at home"]
    assert "Leave it at home" == advise(packy_anthropic_sync, "Oslo")
    asked = packy_upstream.last_request
    assert ["Do I need an umbrella in Oslo?", "sunny"] == asked.texts
    assert (["weather"], ["sunny"], 0) == (
        asked.tool_names,
        list(asked.tool_outputs.values()),
        packy_upstream.remaining,
    )


@pytest.mark.usefixtures("_offline")
async def test_both_sdks_share_a_script(
    packy_upstream: FakeUpstream, packy_anthropic: anthropic.AsyncAnthropic, packy_openai: openai.AsyncOpenAI
) -> None:
    """The clients of one test ask one upstream; streams come through."""
    packy_upstream.script = ["To Anthropic", "To OpenAI"]
    async with packy_anthropic.messages.stream(**ASKED) as stream:
        texts = [text async for text in stream.text_stream]
    answer = await packy_openai.responses.create(model="gpt-5", input="hi")
    assert ("To Anthropic", "To OpenAI") == ("".join(texts), answer.output_text)


@pytest.mark.usefixtures("_offline")
def test_without_a_script_the_upstream_repeats(packy_openai_sync: openai.OpenAI) -> None:
    """A test that does not care what is answered writes no script."""
    answer = packy_openai_sync.chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": "repeat me"}]
    )
    assert "repeat me" == answer.choices[0].message.content


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.rate_limit(), anthropic.RateLimitError),
        (Fault.usage_limit(), anthropic.RateLimitError),
        (Fault.overloaded(), anthropic.OverloadedError),
        (Fault.unauthorized(), anthropic.APIStatusError),
        (Fault.html(), anthropic.InternalServerError),
        (Fault.cut("Half an answer", after_events=0), anthropic.InternalServerError),
    ],
    ids=["rate limit", "usage limit", "overloaded", "unauthorized", "html", "cut"],
)
@pytest.mark.usefixtures("_offline")
def test_an_error_uses_up_one_answer_and_is_forgotten(
    packy_upstream: FakeUpstream,
    packy_anthropic_sync: anthropic.Anthropic,
    fault: Fault,
    error: type[anthropic.APIError],
) -> None:
    """Neither SDK nor proxy repeats of its own accord, and the next request finds the upstream well."""
    packy_upstream.script = [fault, "Second time lucky"]
    with pytest.raises(error):
        packy_anthropic_sync.messages.create(**ASKED)
    [block] = packy_anthropic_sync.messages.create(**ASKED).content
    assert ("text", "Second time lucky") == (block.type, getattr(block, "text", None))


async def test_leaving_a_stream_reaches_the_upstream(
    packy_upstream: FakeUpstream, packy_anthropic: anthropic.AsyncAnthropic
) -> None:
    """A client that awaits and leaves early closes the request behind the proxy."""
    packy_upstream.script = STALLED
    async with packy_anthropic.messages.stream(**ASKED) as stream:
        await anext(aiter(stream.text_stream))
    assert "disconnected" == await packy_upstream.last_request.ended()


def test_leaving_a_stream_reaches_the_upstream_from_a_thread(
    packy_upstream: FakeUpstream, packy_anthropic_sync: anthropic.Anthropic
) -> None:
    """So does one that blocks."""
    packy_upstream.script = STALLED
    with packy_anthropic_sync.messages.stream(**ASKED) as stream:
        next(iter(stream.text_stream))
    assert "disconnected" == packy_upstream.last_request.ended().wait()


@pytest.mark.virtual_time
async def test_the_patience_of_a_client_ends(
    packy_upstream: FakeUpstream, packy_anthropic: anthropic.AsyncAnthropic
) -> None:
    """An upstream that never answers makes the SDK's own timeout, and learns that nobody waits any more."""
    packy_upstream.script = Fault.stall(after_events=0)
    with pytest.raises(anthropic.APITimeoutError):
        await packy_anthropic.with_options(timeout=30).messages.create(**ASKED)
    assert "disconnected" == await packy_upstream.last_request.ended()


def test_a_stalled_answer_goes_on_when_it_is_released(
    packy_upstream: FakeUpstream, packy_anthropic_sync: anthropic.Anthropic
) -> None:
    """What was sent before the pause has come before it: nothing is held back, and nobody sleeps."""
    packy_upstream.script = STALLED
    with packy_anthropic_sync.messages.stream(**ASKED) as stream:
        texts = iter(stream.text_stream)
        first = next(texts)
        packy_upstream.received().wait().stalled().wait()
        packy_upstream.release()
        assert "An answer that takes its time" == "".join([first, *texts])


def test_threads_share_a_client(
    packy_upstream: FakeUpstream, packy_openai_sync: openai.OpenAI, packy_anthropic_sync: anthropic.Anthropic
) -> None:
    """Every thread gets its own answer, whichever SDK it asks with."""
    packy_upstream.script = None

    def ask(number: int) -> str:
        messages: Any = [{"role": "user", "content": f"number {number}"}]
        if number % 2:
            answer = packy_openai_sync.chat.completions.create(model="gpt-5", messages=messages)
            return str(answer.choices[0].message.content)
        block = packy_anthropic_sync.messages.create(**{**ASKED, "messages": messages}).content[0]
        return str(getattr(block, "text", None))

    with ThreadPoolExecutor(8) as pool:
        assert [f"number {number}" for number in range(40)] == list(pool.map(ask, range(40)))
    assert 40 == len(packy_upstream.requests)


async def test_a_client_that_blocks_can_be_used_beside_one_that_awaits(
    packy_upstream: FakeUpstream,
    packy_anthropic: anthropic.AsyncAnthropic,
    packy_anthropic_sync: anthropic.Anthropic,
) -> None:
    """One proxy serves the loop of the test and that of the thread, and what happens there can be awaited here."""
    packy_upstream.script = [STALLED, "Meanwhile"]
    ask: Callable[[], anthropic.types.Message] = partial(packy_anthropic_sync.messages.create, **ASKED)
    blocking = asyncio.create_task(asyncio.to_thread(ask))
    await (await packy_upstream.received()).stalled()
    [block] = (await packy_anthropic.messages.create(**ASKED)).content
    packy_upstream.release()
    [late] = (await blocking).content
    assert ("Meanwhile", "An answer that takes its time") == (
        getattr(block, "text", None),
        getattr(late, "text", None),
    )


class TestOverriding:
    """A test module, class or conftest overrides fixtures as it does with any others."""

    @pytest.fixture
    def packy_config(self, packy_config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for a key."""
        return {**packy_config, "api-keys": ["sk-client"]}

    @pytest.fixture
    def packy_upstream(self) -> FakeUpstream:
        """Say always the same."""
        return FakeUpstream("Always the same")

    async def test_the_proxy_is_made_of_what_is_overridden(
        self, packy_proxy: PackyProxy, packy_anthropic: anthropic.AsyncAnthropic
    ) -> None:
        """Configuration and upstream are those of the test; a ready client has no key, so make one that has."""
        with pytest.raises(anthropic.AuthenticationError):
            await packy_anthropic.messages.create(**ASKED)
        [block] = (await anthropic_client(packy_proxy, api_key="sk-client").messages.create(**ASKED)).content
        assert "Always the same" == getattr(block, "text", None)


def test_the_proxy_can_be_mounted(packy_proxy: PackyProxy) -> None:
    """An application that mounts the proxy is asked below its prefix."""
    app = Starlette(routes=[Mount("/llm", packy_proxy)], lifespan=packy_proxy.lifespan)
    with sync_openai_client(app, path="/llm/v1") as client:
        assert "mounted" == client.responses.create(model="gpt-5", input="mounted").output_text
