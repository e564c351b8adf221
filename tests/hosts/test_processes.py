"""An application in a file, run by the command of each server as its users run it."""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from packyproxy.testing import FakeUpstream, Fault
from tests.support.servers import Listener, write_config
from tests.support.streams import read_until
from tests.support.surfaces import MESSAGES

pytestmark = pytest.mark.e2e

WAIT_SECONDS = 20.0
SOON_SECONDS = 5.0

TROUBLE = re.compile(r"(?i).*(?:warning|error|exception|traceback|unclosed).*")
"""What a line of a log has in it when something is wrong."""

WITH_LIFESPAN = """\
from fastapi import FastAPI
from packyproxy import PackyProxy

proxy = PackyProxy("config.yaml")
app = FastAPI(lifespan=proxy.lifespan)
app.mount("/llm", proxy)
"""
WITHOUT_LIFESPAN = WITH_LIFESPAN.replace("lifespan=proxy.lifespan", "")


def hypercorn(listener: socket.socket) -> list[str]:
    """Its command, for a socket that is bound."""
    return ["hypercorn", "app:app", "--bind", f"fd://{listener.fileno()}"]


def uvicorn(listener: socket.socket) -> list[str]:
    """Its command, for a socket that is bound."""
    return ["uvicorn", "app:app", "--fd", str(listener.fileno())]


def granian(listener: socket.socket) -> list[str]:
    """Its command, which takes no socket: it shares the port."""
    return ["granian", "app:app", "--interface", "asgi", "--port", str(listener.getsockname()[1])]


@asynccontextmanager
async def running(
    command: Callable[[socket.socket], list[str]], folder: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Run ``app.py`` of a folder until the block ends; its output goes to ``app.log`` there."""
    with socket.socket() as listener, (folder / "app.log").open("wb") as log:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        process = subprocess.Popen(  # noqa: ASYNC220 - takes no time that a test would miss
            [sys.executable, "-X", "dev", "-m", *command(listener)],
            cwd=folder,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
        )
        host, port = listener.getsockname()
        try:
            async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=WAIT_SECONDS) as client:
                await answering(client, process)
                yield client
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


async def answering(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> None:
    """Wait until the proxy answers."""
    async with asyncio.timeout(WAIT_SECONDS):
        while process.poll() is None:
            try:
                assert 200 == (await client.get("/llm/healthz")).status_code
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize("command", [hypercorn, uvicorn, granian])
@pytest.mark.parametrize("source", [WITH_LIFESPAN, WITHOUT_LIFESPAN], ids=["lifespan", "no-lifespan"])
async def test_a_file_with_three_lines(
    command: Callable[[socket.socket], list[str]], source: str, tmp_path: Path
) -> None:
    """Answers stream, leaving ends them, a signal ends all, and Python's development mode finds nothing left over."""
    listener = Listener()
    upstream = FakeUpstream(Fault.stall("First and then second.", after_events=5))
    write_config(tmp_path, listener.url)
    (tmp_path / "app.py").write_text(source, "utf-8")
    async with listener.serving(upstream), running(command, tmp_path) as client:
        await read_and_leave(client)
        async with asyncio.timeout(SOON_SECONDS):
            assert "disconnected" == await upstream.last_request.ended()
        upstream.script = "Hello."
        whole = await client.post("/llm/v1/messages", json=MESSAGES.hello)
    listener.close()
    assert [{"type": "text", "text": "Hello."}] == whole.json()["content"]
    assert [] == TROUBLE.findall((tmp_path / "app.log").read_text("utf-8"))


async def read_and_leave(client: httpx.AsyncClient) -> None:
    """Read the first words of a stream that then stalls."""
    body = {**MESSAGES.hello, "stream": True}
    async with (
        asyncio.timeout(WAIT_SECONDS),
        client.stream("POST", "/llm/v1/messages", json=body) as response,
    ):
        await read_until(response.aiter_text(), "First ")
