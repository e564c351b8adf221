"""Law: for any script of failures the client never sees bytes of two attempts."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.app import PackyProxy
from packyproxy.testing import Answer, FakeUpstream, Fault, StreamingASGITransport, Turn

PROVIDERS = "ab"


def settings(hedge_after: float | None) -> dict[str, Any]:
    """Return a configuration of several providers, each of which is asked again and again."""
    return {
        "tppc": {
            "providers": [
                {
                    "name": name,
                    "enabled": True,
                    "base-url": f"http://{name}.test/v1",
                    "api-key": "sk-0123456789",
                }
                for name in PROVIDERS
            ]
        },
        "routing": {"hedge-after": hedge_after},
        "request-retry": 10,
    }


VOICES = "ABCDEF"
"""What each attempt says, again and again: one letter."""

SHOWN = re.compile(r'"(?:text|thinking|content|reasoning_content|delta)": ?"([^"]*)"')
"""Every piece of model output that a client is shown, streamed or whole."""

NAMED = re.compile(r'"response": ?{"id": ?"([^"]*)"')
"""The upstream's name for its response, wherever a client is shown it."""

SURFACES: dict[str, tuple[str, dict[str, Any]]] = {
    "messages": (
        "/v1/messages",
        {
            "max_tokens": 50_000,
            "thinking": {"type": "adaptive"},
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "t", "input_schema": {}}],
        },
    ),
    "chat": (
        "/v1/chat/completions",
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": {"name": "t", "parameters": {}}}],
        },
    ),
    "responses": (
        "/v1/responses",
        {
            "input": "hi",
            "reasoning": {"summary": "auto"},
            "tools": [{"type": "function", "name": "t", "parameters": {"type": "object", "properties": {}}}],
        },
    ),
}
"""Where a client asks, and what."""

silent_faults = st.sampled_from(
    [
        Fault.status(500),
        Fault.status(409),
        Fault.html(),
        Fault.overloaded(),
        Fault.empty(),
        Fault.failed(),
        Fault.error_event(),
        Fault.cut(after_events=1),
        Fault.refused_reasoning(),
        Fault.detail(400, "Unsupported parameter: prompt_cache_key"),
        Fault.detail(400, "Unsupported parameter: parallel_tool_calls"),
    ]
)


@st.composite
def scripts(draw: st.DrawFn) -> list[Answer]:
    """Draw one answer per attempt, each speaking in a voice of its own."""
    script: list[Answer] = []
    for voice in VOICES:
        reasoning = draw(st.sampled_from([None, [voice * 5]]))
        turn = Turn(text=voice * draw(st.integers(1, 40)), reasoning=reasoning, delta_characters=3)
        script.append(
            draw(
                st.one_of(
                    silent_faults,
                    st.just(turn),
                    st.builds(Fault.end, st.just(turn), after_events=st.integers(0, 12)),
                    st.builds(Fault.cut, st.just(turn), after_events=st.integers(0, 12)),
                    st.builds(Fault.failed, turn=st.just(turn), after_events=st.integers(1, 12)),
                    st.builds(Fault.end, st.just(turn), after_bytes=st.integers(0, 2500)),
                    st.builds(Fault.stall, st.just(turn), after_events=st.integers(0, 12)),
                )
            )
        )
    return script


async def answer_of(
    surface: str, script: list[Answer], *, streams: bool, hedge_after: float | None, delays: list[float]
) -> str:
    """Return everything that one client gets to see; all providers speak from one script, call by call."""

    async def pace(number: int) -> None:
        await asyncio.sleep(delays[number % len(delays)])

    upstream = StreamingASGITransport(FakeUpstream(script, pace=pace))
    proxy = PackyProxy(settings(hedge_after), transport=upstream)
    path, question = SURFACES[surface]
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(proxy), base_url="http://proxy.test", timeout=None
    ) as client:
        return (await client.post(path, json={"model": "gpt-5", "stream": streams, **question})).text


@pytest.mark.virtual_time
@pytest.mark.parametrize("surface", SURFACES)
@given(
    script=scripts(),
    streams=st.booleans(),
    hedge_after=st.sampled_from([None, 0.001, 5.0]),
    delays=st.lists(st.sampled_from([0.0, 0.001, 0.002, 1.0]), min_size=1, max_size=7),
)
async def test_the_client_hears_one_voice(
    surface: str, script: list[Answer], streams: bool, hedge_after: float | None, delays: list[float]
) -> None:
    """Bytes of a second attempt never follow those of a first, at whichever provider, also of two at once."""
    heard = await answer_of(surface, script, streams=streams, hedge_after=hedge_after, delays=delays)
    assert len(set("".join(SHOWN.findall(heard)))) <= 1
    assert len(set(NAMED.findall(heard))) <= 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("surface", SURFACES)
async def test_a_voice_is_heard(surface: str, streams: bool) -> None:
    """The law would hold for clients that hear nothing, too."""
    heard = await answer_of(surface, [Turn(text="A")], streams=streams, hedge_after=None, delays=[0.0])
    assert "A" in SHOWN.findall(heard)
