"""The SDK's own tool loop, which prefers message threads on the server."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import beta_async_tool

from packyproxy.testing import Call, Turn


@beta_async_tool
async def add(left: int, right: int) -> str:
    """Add two numbers.

    Args:
        left: the first.
        right: the second.
    """
    return str(left + right)


async def test_the_tool_runner_falls_back_to_whole_histories(stage: Callable[..., Any]) -> None:
    """Threads are refused in the words that the runner understands, and the loop runs to its end without them."""
    it = stage([Turn(reasoning=["Sum."], calls=[Call("add", {"left": 2, "right": 3}, id="call_1")]), "Five."])
    statuses: list[int] = []

    async def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    it.http.event_hooks["response"] = [note]
    runner = it.sdk.beta.messages.tool_runner(
        model="claude-sonnet-5",
        max_tokens=1000,
        messages=[{"role": "user", "content": "2 + 3?"}],
        tools=[add],
        thinking={"type": "adaptive"},
    )
    final = await runner.until_done()
    assert final.content[0].text == "Five."
    assert [400, 200, 200] == statuses
    kinds = [item["type"] for item in it.upstream.last_request.input]
    assert ["message", "reasoning", "function_call", "function_call_output"] == kinds
    assert it.upstream.last_request.input[-1]["output"] == "5"


async def test_a_thread_is_refused_with_details(stage: Callable[..., Any]) -> None:
    """``thread`` is an error that says in its details that this one field is unsupported."""
    it = stage("Hello.")
    with pytest.raises(anthropic.BadRequestError) as caught:
        await it.sdk.messages.create(
            model="claude-sonnet-5",
            max_tokens=1000,
            messages=[{"role": "user", "content": "hi"}],
            extra_body={"thread": {"type": "create"}},
        )
    body: Any = caught.value.body
    expected = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert (expected, []) == (body["error"]["details"], it.upstream.requests)
