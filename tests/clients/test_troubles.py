"""What the user of the real Claude Code sees when something goes wrong: the cause, at once, and never half an answer.

Claude Code runs without retries of its own unless a test says otherwise.
"""

import asyncio
from typing import Any

import pytest

from packyproxy.testing import Answer, FakeUpstream, Fault, Turn
from tests.support.servers import Listener

pytestmark = pytest.mark.client


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(
            Fault.context_overflow(limit=272_000, tokens=300_123),
            "Prompt is too long · the request is ~300123 tokens (limit 272000)",
            id="context",
        ),
        pytest.param(
            Fault.unauthorized(),
            "API Error: 502 upstream rejected the gateway's credentials (provider: packycode)",
            id="provider-key",
        ),
        pytest.param(Fault.forbidden(), "This group only allows Codex official clients", id="restricted"),
        pytest.param(Fault.overloaded(), "Our servers are currently overloaded", id="overloaded"),
    ],
)
async def test_the_cause_is_shown(
    upstream: FakeUpstream, claude: Any, fault: Fault | Turn, words: str
) -> None:
    """The result is an error with the words of whoever said no."""
    upstream.script = fault
    run = await claude.run("Say hello.")
    assert (1, True) == (run.exit_code, run.result["is_error"])
    assert words in run.result["result"]


async def test_a_refusal_is_an_error(upstream: FakeUpstream, claude: Any) -> None:
    """Of the model's own words, or since 2.1.330 of Claude Code's."""
    upstream.script = Turn(refusal="I will not do that.")
    run = await claude.run("Say hello.")
    assert (1, True) == (run.exit_code, run.result["is_error"])
    said = ("I will not do that.", "safeguards flagged this message")
    assert any(words in run.result["result"] for words in said)


async def test_a_far_reset_ends_at_once(upstream: FakeUpstream, claude: Any) -> None:
    """With retries allowed, a usage limit that is hours away is shown after one request."""
    upstream.script = Fault.usage_limit(resets_in_seconds=7200)
    run = await claude.run("Say hello.", CLAUDE_CODE_MAX_RETRIES="10")
    expected = "API Error: Request rejected (429) · usage limit reached for packycode (plan plus); resets at "
    assert (True, 429) == (run.result["is_error"], run.result["api_error_status"])
    assert run.result["result"].startswith(expected)
    assert len(upstream.requests) == 1


async def test_a_short_limit_is_waited_for(upstream: FakeUpstream, claude: Any) -> None:
    """A rate limit that passes within seconds is bridged by the proxy; Claude Code does not notice."""
    upstream.script = [Fault.rate_limit(retry_after="0", try_again_in=None), "Hello again."]
    run = await claude.run("Say hello.")
    assert ("Hello again.", 2) == (run.result["result"], len(upstream.requests))


async def test_a_break_before_the_first_word_is_invisible(upstream: FakeUpstream, claude: Any) -> None:
    """A connection that breaks before any content is asked for again by the proxy."""
    upstream.script = [Fault.cut("Never shown.", after_events=2), "Hello again."]
    run = await claude.run("Say hello.")
    assert (0, "Hello again.") == (run.exit_code, run.result["result"])


class Curtain:
    """Holds an upstream back from a certain write on until Claude Code has shown a certain event.

    Without it a break could overtake the words before it, which the proxy would then never see.
    """

    def __init__(self, write: int, event: str) -> None:
        self._write = write
        self._event = event
        self._shown = asyncio.Event()

    async def pace(self, number: int) -> None:
        """Wait, where the upstream is about to make a write."""
        if number >= self._write:
            await self._shown.wait()

    def see(self, event: dict[str, Any]) -> None:
        """Take note of an event of Claude Code."""
        if event["type"] == "stream_event" and event["event"]["type"] == self._event:
            self._shown.set()


async def test_half_an_answer_is_an_error(listener: Listener, claude: Any) -> None:
    """An upstream that breaks after a finished block leaves that block and an error, not a success."""
    curtain = Curtain(11, "content_block_stop")
    answer = Turn(["First part.", "The second part is never whole."])
    upstream = FakeUpstream(Fault.cut(answer, after_events=12), pace=curtain.pace)
    async with listener.serving(upstream):
        run = await claude.run("Write.", "--include-partial-messages", on_event=curtain.see)
    assert (1, True) == (run.exit_code, run.result["is_error"])
    assert len(upstream.requests) in {1, 4}  # 2.1.330 asks three times more before it says so
    assert "First part." == run.blocks("text")[0]["text"]
    assert run.result["result"].startswith(
        ("API Error: Upstream stream ended before response.completed", "API Error: Server error mid-response")
    )


async def test_a_broken_first_block_is_asked_for_again(listener: Listener, claude: Any) -> None:
    """Before a block is finished Claude Code throws the half away and asks once more, without a stream."""
    curtain = Curtain(6, "content_block_delta")
    script: list[Answer] = [Fault.cut("This half is thrown away.", after_events=7), "A whole answer."]
    upstream = FakeUpstream(script, pace=curtain.pace)
    async with listener.serving(upstream):
        run = await claude.run("Write.", "--include-partial-messages", on_event=curtain.see)
    assert (0, "A whole answer.") == (run.exit_code, run.result["result"])
    assert ["A whole answer."] == [block["text"] for block in run.blocks("text")]
