"""Claude Code before several providers: it never notices which one serves it, nor that one has failed."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing import Answer, Call, FakeUpstream, Fault, Turn
from tests.clients.conftest import ClaudeCode
from tests.support.servers import Listener, ServeProcess, free_port

pytestmark = pytest.mark.client

NAMES = ("a", "b")


class Pair:
    """Two providers, the proxy before them, and Claude Code before that."""

    def __init__(self, binary: str, folder: Path, urls: dict[str, str]) -> None:
        self._urls = urls
        self._path = folder / "config.yaml"
        self.upstreams = {name: FakeUpstream(f"Hello from {name}.") for name in urls}
        self.save()
        self.proxy = ServeProcess(self._path)
        self.claude = ClaudeCode(binary, folder, self.proxy.url)

    def save(self, *, disabled: str = "", **settings: Any) -> None:
        """Write the configuration, with one provider disabled if need be."""
        providers = [
            {"name": name, "enabled": name != disabled, "base-url": f"{url}/v1", "api-key": f"sk-{name}-0123"}
            for name, url in self._urls.items()
        ]
        self._path.write_text(json.dumps({"tppc": {"providers": providers}, **settings}), "utf-8")

    def calls(self) -> dict[str, int]:
        """Return how many requests each provider has had."""
        return {name: len(upstream.requests) for name, upstream in self.upstreams.items()}


@pytest.fixture
async def pair(binary: str, tmp_path: Path) -> AsyncIterator[Pair]:
    """Return both providers at work."""
    listeners = {name: Listener() for name in NAMES}
    pair = Pair(binary, tmp_path, {name: listener.url for name, listener in listeners.items()})
    async with AsyncExitStack() as stack:
        for name, listener in listeners.items():
            await stack.enter_async_context(listener.serving(pair.upstreams[name]))
        yield pair
        pair.proxy.close()
    for listener in listeners.values():
        listener.close()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.unauthorized(), id="401"),
        pytest.param(Fault.status(503), id="503"),
        pytest.param(Fault.usage_limit(), id="quota"),
        pytest.param(Fault.html(), id="HTML"),
        pytest.param(Fault.empty(), id="empty"),
        pytest.param(Fault.failed(), id="failed"),
    ],
)
async def test_failover_is_not_noticed(pair: Pair, fault: Answer) -> None:
    """The turn succeeds with the answer of the other provider."""
    pair.upstreams["a"].script = fault
    run = await pair.claude.run("Say hello.")
    assert (0, "Hello from b.") == (run.exit_code, run.result["result"])


async def test_failover_in_the_middle_of_a_tool_loop(pair: Pair) -> None:
    """The provider that asked for a tool fails; the other one gets the result, without foreign reasoning."""
    (pair.claude.work / "note.txt").write_text("forty-two", "utf-8")
    read = Turn(
        reasoning=["I shall read it."],
        calls=[Call("Read", {"file_path": str(pair.claude.work / "note.txt")})],
    )
    pair.upstreams["a"].script = [read, Fault.status(503), Fault.status(503)]
    pair.upstreams["b"].script = "It says forty-two."
    run = await pair.claude.run("What does note.txt say?")
    assert (0, "It says forty-two.") == (run.exit_code, run.result["result"])
    items = pair.upstreams["b"].last_request.body["input"]
    assert [] == [item for item in items if item["type"] == "reasoning"]
    assert "forty-two" in next(item["output"] for item in items if item["type"] == "function_call_output")


async def test_both_fail(pair: Pair) -> None:
    """The user reads who was tried, and why that was in vain."""
    pair.upstreams["a"].script = Fault.usage_limit(resets_in_seconds=7200)
    pair.upstreams["b"].script = Fault.usage_limit(resets_in_seconds=3600)
    run = await pair.claude.run("Say hello.", CLAUDE_CODE_MAX_RETRIES="10")
    shown = run.result["result"]
    assert shown.startswith(
        "API Error: Request rejected (429) · usage limit reached for b (plan plus); resets at "
    )
    assert "also tried: a (" in shown
    assert {"a": 1, "b": 1} == pair.calls()


async def test_a_session_stays_where_it_began(pair: Pair) -> None:
    """Turns of a continued session go to one provider, so that its prompt cache and reasoning are of use."""
    pair.save(routing={"strategy": "round-robin"})
    await pair.claude.run("Say hello.")
    await pair.claude.run("Again.", "--continue")
    await pair.claude.run("And again.", "--continue")
    assert [0, 3] == sorted(pair.calls().values())


async def test_disabling_takes_effect_with_the_next_turn(pair: Pair) -> None:
    """A provider that is disabled in the file gets no further request; restored, it is asked again."""
    heard = []
    for disabled in ("", "a", ""):
        pair.save(disabled=disabled)
        heard.append((await pair.claude.run("Say hello.")).result["result"])
    assert ["Hello from a.", "Hello from b.", "Hello from a."] == heard


async def test_nobody_listens_at_the_first(binary: str, tmp_path: Path) -> None:
    """A provider that is down costs the user nothing but a moment."""
    listener = Listener()
    pair = Pair(binary, tmp_path, {"a": f"http://127.0.0.1:{free_port()}", "b": listener.url})
    try:
        async with listener.serving(pair.upstreams["b"]):
            run = await pair.claude.run("Say hello.")
    finally:
        pair.proxy.close()
        listener.close()
    assert (0, "Hello from b.") == (run.exit_code, run.result["result"])
