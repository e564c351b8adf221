"""Real clients of a proxy that is part of an application, under servers that are not its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.asgi.types import ASGIApp
from packyproxy.testing import Call, FakeUpstream, Fault, StreamingASGITransport, Turn
from tests.clients.codex_cli import BASE_URL, CodexCli
from tests.support.asgi_servers import REAL_SERVERS, Server
from tests.support.settings import provider

pytestmark = [
    pytest.mark.client,
    pytest.mark.parametrize("server", REAL_SERVERS),
    pytest.mark.parametrize("placing", ["mounted", "middleware"]),
]

CONFIG = {"packycode": provider()}
STALLED = Fault.stall("First and then second.", after_events=5)
SOON_SECONDS = 30.0


class Application:
    """Where the proxy is found."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture
def upstream() -> FakeUpstream:
    """The upstream of this test, in its own process."""
    return FakeUpstream("Hello.")


def application(placing: str, upstream: FakeUpstream) -> ASGIApp:
    """Return an application of FastAPI with the proxy below ``/llm``."""
    transport = StreamingASGITransport(upstream)
    if placing == "middleware":
        return PackyProxyMiddleware(FastAPI(), CONFIG, prefix="/llm", transport=transport)
    proxy = PackyProxy(CONFIG, transport=transport)
    app = FastAPI(lifespan=proxy.lifespan)
    app.mount("/llm", proxy)
    return app


@pytest.fixture
async def proxy(upstream: FakeUpstream, placing: str, server: Server) -> AsyncIterator[Application]:
    """The application, served; the clients of this folder go there."""
    async with server(application(placing, upstream)) as client:
        yield Application(f"{str(client.base_url).rstrip('/')}/llm")
        upstream.release()


async def test_claude_code_uses_a_tool(upstream: FakeUpstream, claude: Any) -> None:
    """Claude Code runs what it is told to, and sends back what came of it."""
    upstream.script = [Turn("Let me see.", calls=[Call("Bash", {"command": "echo from the shell"})]), "Done."]
    run = await claude.run("Do it.")
    assert (0, "Done.") == (run.exit_code, run.result["result"])
    assert ["from the shell"] == list(upstream.last_request.tool_outputs.values())


async def test_claude_code_shows_words_as_they_come(upstream: FakeUpstream, claude: Any) -> None:
    """It has the first words while the upstream is silent about the next ones."""
    upstream.script = STALLED
    fates = []

    def see(event: dict[str, Any]) -> None:
        if "First" in str(event.get("event")):
            fates.append(upstream.last_request.fate)
            upstream.release()

    run = await claude.run("Write.", "--include-partial-messages", on_event=see)
    assert ("open", "First and then second.") == (fates[0], run.result["result"])


async def test_claude_code_leaves(upstream: FakeUpstream, claude: Any) -> None:
    """Whoever ends it in the middle of an answer ends the request to the upstream."""
    await _leave(upstream, claude.run("Write."))


async def test_claude_code_reads_a_failure(upstream: FakeUpstream, claude: Any) -> None:
    """What goes wrong upstream is told in its own words, not in those of the host."""
    upstream.script = Fault.context_overflow()
    run = await claude.run("Write.")
    assert run.result["is_error"]
    assert "Prompt is too long" in run.result["result"]


async def test_codex_uses_a_tool(upstream: FakeUpstream, codex: CodexCli) -> None:
    """The Codex CLI runs what it is told to, and sends back what came of it."""
    upstream.script = [Turn(calls=[Call("exec_command", {"cmd": "echo from the shell"})]), "Done."]
    run = await codex.run("Do it.")
    assert ("Done.", []) == (run.text, run.troubles)
    assert "from the shell" in str(upstream.last_request.tool_outputs)


async def test_codex_in_the_place_of_openai(upstream: FakeUpstream, codex: CodexCli, placing: str) -> None:
    """It tries a websocket first. A mount refuses that at once; around a host it is the host's to refuse."""
    codex.set_up(BASE_URL)
    run = await codex.run("Say hello.")
    assert ("Hello.", 1) == (run.text, len(upstream.requests))
    assert (placing == "mounted") == (not run.troubles)


async def test_codex_leaves(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Whoever ends it in the middle of an answer ends the request to the upstream."""
    await _leave(upstream, codex.run("Write."))


async def _leave(upstream: FakeUpstream, run: Any) -> None:
    upstream.script = STALLED
    running = asyncio.ensure_future(run)
    async with asyncio.timeout(SOON_SECONDS):
        await (await upstream.received()).stalled()
        running.cancel()
        assert "disconnected" == await upstream.last_request.ended()
    await asyncio.gather(running, return_exceptions=True)
