"""``packyproxy serve`` follows its file: real processes, real saves."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.testing import FakeUpstream, Fault
from tests.support.servers import PROVIDER_KEY, Listener, ServeProcess, run_command, write_config

pytestmark = pytest.mark.e2e

ASKED = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
A_SECOND = 1.0
"""What a change may take."""
PATIENCE_SECONDS = 10.0


def save(path: Path, upstream_url: str, **settings: Any) -> None:
    """Save a configuration as editors do: beside the file, then renamed over it."""
    beside = path.parent / "new"
    beside.mkdir(exist_ok=True)
    write_config(beside, upstream_url, **settings).replace(path)


def provider(name: str, url: str, *, enabled: bool) -> dict[str, Any]:
    """Return an entry of ``tppc.providers``."""
    return {"name": name, "enabled": enabled, "base-url": f"{url}/v1", "api-key": PROVIDER_KEY}


async def status_of(proxy: ServeProcess, path: str) -> int:
    """Get a path on a connection of its own, as any worker may take it."""
    async with httpx.AsyncClient(base_url=proxy.url, timeout=20) as http:
        return (await http.get(path)).status_code


async def seconds_until(status: int, proxy: ServeProcess, *, in_a_row: int = 1) -> float:
    """Return how long it takes until ``/readyz`` answers like this, so often in a row."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(PATIENCE_SECONDS):
        seen, seconds = 0, 0.0
        while seen < in_a_row:
            if await status_of(proxy, "/readyz") == status:
                seen += 1
                seconds = seconds if seen > 1 else loop.time() - began
            else:
                seen = 0
    return seconds


@pytest.mark.parametrize("workers", ["1", "2"], ids=["one worker", "two workers"])
async def test_a_save_applies_within_a_second(listener: Listener, tmp_path: Path, workers: str) -> None:
    """Disabling the provider and restoring it, without a restart, in every worker."""
    path = write_config(tmp_path, listener.url)
    enabled = json.loads(path.read_text())["packycode"]
    with ServeProcess(path, "--workers", workers) as proxy:
        for is_enabled, status in ((False, 503), (True, 200)):
            save(path, listener.url, packycode={**enabled, "enabled": is_enabled})
            assert await seconds_until(status, proxy, in_a_row=20) <= A_SECOND
        assert proxy.log.count("packycode.enabled: true -> false") == int(workers)


async def test_a_running_stream_ends_on_what_it_began_with(listener: Listener, tmp_path: Path) -> None:
    """The next request goes to the new provider, and the old one's connections close after the stream."""
    old, new, second = (
        FakeUpstream(Fault.stall("First and then second.", after_events=5)),
        FakeUpstream(),
        Listener(),
    )
    path = write_config(tmp_path, listener.url)
    try:
        async with (
            listener.serving(old),
            second.serving(new),
            httpx.AsyncClient(timeout=20) as http,
        ):
            with ServeProcess(path) as proxy:
                url = f"{proxy.url}/v1/messages"
                async with http.stream("POST", url, json={**ASKED, "stream": True}) as response:
                    pieces = response.aiter_text()
                    text = await anext(pieces)
                    save(
                        path,
                        listener.url,
                        packycode={"enabled": False},
                        tppc={"providers": [provider("b", second.url, enabled=True)]},
                    )
                    await _until_logged(proxy, "config_reloaded")
                    assert "b" == (await http.post(url, json=ASKED)).headers["x-packyproxy-provider"]
                    old.release()
                    text += "".join([piece async for piece in pieces])
    finally:
        second.close()
    assert "packycode" == response.headers["x-packyproxy-provider"]
    assert text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')


async def test_an_invalid_file_is_told_and_not_used(listener: Listener, tmp_path: Path) -> None:
    """The log has every problem once; the proxy serves as before."""
    path = write_config(tmp_path, listener.url)
    with ServeProcess(path) as proxy:
        save(path, listener.url, prot=1, debug="maybe")
        await _until_logged(proxy, '"field":"debug"')
        await asyncio.sleep(0.6)  # a few looks more
        assert 200 == await status_of(proxy, "/readyz")
        lines = [json.loads(line) for line in proxy.log.splitlines()]
    assert ["debug", "prot"] == sorted(line["field"] for line in lines if line["event"] == "config_problem")
    assert PROVIDER_KEY not in proxy.log


async def test_the_command_line_stands_over_every_version_of_the_file(
    listener: Listener, tmp_path: Path
) -> None:
    """A port in the file is no change where ``--port`` says another; a host is one, and needs a restart."""
    path = write_config(tmp_path, listener.url)
    with ServeProcess(path) as proxy:
        save(path, listener.url, port=1, host="127.0.0.2")
        await _until_logged(proxy, "config_reloaded")
        fields = [
            (line["field"], line["needs_restart"])
            for line in map(json.loads, proxy.log.splitlines())
            if line["event"] == "config_changed"
        ]
        assert 200 == await status_of(proxy, "/readyz")
    assert [("host", True)] == fields


async def test_an_open_proxy_does_not_become_open_to_others(listener: Listener, tmp_path: Path) -> None:
    """Keys that protect a proxy beyond loopback cannot be taken out of the file while it serves."""
    path = write_config(tmp_path, listener.url, **{"api-keys": ["sk-client-0001"]})
    with ServeProcess(path, "--host", "0.0.0.0") as proxy:
        save(path, listener.url)
        await _until_logged(proxy, "can be reached from other machines")
        assert 401 == await status_of(proxy, "/v1/models")


async def test_the_form_of_the_log_follows(listener: Listener, tmp_path: Path) -> None:
    """``log-format`` applies without a restart."""
    path = write_config(tmp_path, listener.url)
    async with listener.serving(FakeUpstream()), httpx.AsyncClient(timeout=20) as http:
        with ServeProcess(path) as proxy:
            save(path, listener.url, **{"log-format": "console", "request-log": True})
            await _until_logged(proxy, "config_reloaded")
            await http.post(f"{proxy.url}/v1/messages", json=ASKED)
            await _until_logged(proxy, " info     request ")


def test_a_source_that_is_asked_for_must_be_there(listener: Listener, tmp_path: Path) -> None:
    """``--tppc`` without a provider there ends with exit code 2 and says what to do."""
    done = run_command("serve", "--tppc", "--config", str(write_config(tmp_path, listener.url)))
    assert 2 == done.returncode
    assert "tppc.providers: --tppc asks for its models, but nothing is configured there" in done.stderr


async def _until_logged(proxy: ServeProcess, text: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if text in proxy.log:
                return
            await asyncio.sleep(0.02)
