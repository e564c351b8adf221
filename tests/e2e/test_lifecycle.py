"""The beginning and the end of ``packyproxy serve``, and its door."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from packyproxy.testing import FakeUpstream, Fault
from tests.support.servers import Listener, ServeProcess, free_port, run_command, write_config

pytestmark = pytest.mark.e2e

ASKED = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
AT_ONCE_SECONDS = 5.0
"""Far below the 30 s that running answers get."""


@pytest.mark.parametrize(
    ("workers", "terminate"),
    [("1", ServeProcess.terminate), ("2", ServeProcess.terminate), ("2", ServeProcess.terminate_each)],
    ids=["one worker", "two workers", "each of two workers"],
)
async def test_sigterm_lets_a_running_stream_finish(
    listener: Listener, tmp_path: Path, workers: str, terminate: Callable[[ServeProcess], None]
) -> None:
    """Asked to end in mid-answer, the server takes no new connection, finishes the answer and exits with 0."""
    upstream = FakeUpstream(Fault.stall("First and then second.", after_events=5))
    config = write_config(tmp_path, listener.url)
    async with listener.serving(upstream), httpx.AsyncClient(timeout=20) as http:
        with ServeProcess(config, "--workers", workers) as proxy:
            async with http.stream(
                "POST", f"{proxy.url}/v1/messages", json={**ASKED, "stream": True}
            ) as response:
                pieces = response.aiter_text()
                text = await anext(pieces)
                terminate(proxy)
                await _refuses_connections(proxy.port)
                upstream.release()
                text += "".join([piece async for piece in pieces])
            assert await proxy.ended() == 0
    assert text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize("workers", ["1", "2"], ids=["one worker", "two workers"])
async def test_grace_is_how_long_a_running_stream_may_go_on(
    listener: Listener, tmp_path: Path, workers: str
) -> None:
    """With ``--grace 0`` the server ends without the answer that it gives, in whichever worker."""
    upstream = FakeUpstream(Fault.stall("First and then second.", after_events=5))
    config = write_config(tmp_path, listener.url)
    async with listener.serving(upstream), httpx.AsyncClient(timeout=20) as http:
        with ServeProcess(config, "--grace", "0", "--workers", workers) as proxy:
            async with http.stream(
                "POST", f"{proxy.url}/v1/messages", json={**ASKED, "stream": True}
            ) as response:
                pieces = response.aiter_text()
                await anext(pieces)
                proxy.terminate()
                async with asyncio.timeout(AT_ONCE_SECONDS):
                    with pytest.raises(httpx.RemoteProtocolError):
                        _ = [piece async for piece in pieces]
                    assert await proxy.ended() == 0
        upstream.release()


@pytest.mark.parametrize("workers", ["1", "2"], ids=["one worker", "two workers"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_who_has_read_the_banner_may_end_it(
    tmp_path: Path, number: signal.Signals, workers: str
) -> None:
    """A signal that comes before the server is quite there ends it in order, as any later one does."""
    with ServeProcess(write_config(tmp_path, "http://127.0.0.1:9"), "--workers", workers) as proxy:
        proxy.send(number)
        assert 0 == await proxy.ended()


@pytest.mark.parametrize("workers", ["1", "2"], ids=["one worker", "two workers"])
async def test_a_service_manager_is_told_of_beginning_and_end(tmp_path: Path, workers: str) -> None:
    """It hears once that the port is open, at which it finds somebody, and once that the end has begun."""
    config = write_config(tmp_path, "http://127.0.0.1:9")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(AT_ONCE_SECONDS)
        env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with ServeProcess(config, "--workers", workers, env=env) as proxy:
            assert b"READY=1" == await asyncio.to_thread(manager.recv, 64)
            async with httpx.AsyncClient() as http:
                assert 200 == (await http.get(f"{proxy.url}/healthz")).status_code
            proxy.terminate_each()
            assert b"STOPPING=1" == await asyncio.to_thread(manager.recv, 64)
            assert 0 == await proxy.ended()
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(64)


async def _refuses_connections(port: int) -> None:
    """Return once nothing accepts connections there any more."""
    with contextlib.suppress(ConnectionRefusedError):
        async with asyncio.timeout(AT_ONCE_SECONDS):
            while True:
                with contextlib.suppress(ConnectionResetError):  # the server was faster than the handshake
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()


async def test_sigterm_does_not_wait_for_idle_connections(listener: Listener, tmp_path: Path) -> None:
    """A client that only keeps its connection open does not hold up the end."""
    async with listener.serving(FakeUpstream("Hello.")), httpx.AsyncClient(timeout=20) as http:
        with ServeProcess(write_config(tmp_path, listener.url)) as proxy:
            assert (await http.post(f"{proxy.url}/v1/messages", json=ASKED)).status_code == 200
            proxy.terminate()
            async with asyncio.timeout(AT_ONCE_SECONDS):
                assert await proxy.ended() == 0


async def test_the_key_is_checked_before_the_body_is_read(listener: Listener, tmp_path: Path) -> None:
    """A wrong key is a 401 while the body has not even been sent; the right one is let in, by either header."""
    config = write_config(tmp_path, listener.url, **{"api-keys": ["right-key"]})
    upstream = FakeUpstream("Hello.")
    async with listener.serving(upstream), httpx.AsyncClient(timeout=20) as http:
        with ServeProcess(config) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            head = (
                "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: wrong-key\r\ncontent-length: 90\r\n\r\n"
            )
            writer.write(head.encode())
            async with asyncio.timeout(AT_ONCE_SECONDS):
                assert await reader.readline() == b"HTTP/1.1 401 \r\n"
            writer.close()
            await writer.wait_closed()
            statuses = [
                (await http.post(f"{proxy.url}/v1/messages", json=ASKED, headers=headers)).status_code
                for headers in ({"authorization": "Bearer right-key"}, {"x-api-key": "right-key"}, {})
            ]
            assert "-key" not in proxy.log
    assert ([200, 200, 401], 2) == (statuses, len(upstream.requests))


def _broken(folder: Path, _: int) -> list[str]:
    path = folder / "config.yaml"
    path.write_text(json.dumps({"prot": 1, "packycode": {"enabled": True, "base-url": "nowhere"}}))
    return ["--config", str(path)]


def _open_to_others(folder: Path, _: int) -> list[str]:
    return ["--config", str(write_config(folder, "http://127.0.0.1:9")), "--host", "0.0.0.0", "--port", "0"]


def _occupied(folder: Path, port: int) -> list[str]:
    return ["--config", str(write_config(folder, "http://127.0.0.1:9")), "--port", str(port)]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(
            _broken,
            2,
            ["prot:", "packycode.base-url:", "packycode.credentials.openai-api-key:"],
            id="bad-config",
        ),
        pytest.param(_open_to_others, 2, ["api-keys:", "--allow-open"], id="open-to-others"),
        pytest.param(_occupied, 1, ["cannot listen on 127.0.0.1 port", "--port"], id="port-in-use"),
    ],
)
def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, arguments: Callable[[Path, int], list[str]], code: int, words: list[str]
) -> None:
    """The installed command ends with its exit code and every reason on stderr, one per line, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        ran = run_command("serve", *arguments(tmp_path, occupied.getsockname()[1]))
    lines = ran.stderr.splitlines()
    assert (code, "") == (ran.returncode, ran.stdout)
    assert all(any(word in line for line in lines) for word in words)
    assert "Traceback" not in ran.stderr


def test_check_reads_the_file_that_serve_reads(tmp_path: Path) -> None:
    """The installed ``check`` accepts a good file with exit code 0 and never shows the key."""
    ran = run_command("check", "--config", str(write_config(tmp_path, f"http://127.0.0.1:{free_port()}")))
    assert (0, "the configuration is valid") == (ran.returncode, ran.stdout.splitlines()[0])
    assert "sk-provider" not in ran.stdout + ran.stderr
