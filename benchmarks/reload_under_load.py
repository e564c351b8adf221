"""Does a reload harm a request, does anything stay behind, and how soon does a saved file apply?

Fifty clients stream without a pause while the configuration is replaced again and again. Each version has
another provider at another URL, so every reload retires connections that are in use. The two upstreams say
different things: an answer must be whole, of one upstream alone, and of the one its header names.
"""

import asyncio
import json
import re
import time
from typing import Self

from goals import (
    RELOAD_CONNECTIONS,
    RELOAD_FORCE,
    RELOAD_LEFTOVERS,
    RELOAD_LOSSES,
    RELOAD_MEMORY,
    RELOAD_OBJECTS,
)
from msgspec import Struct
from rig.figures import Figure, percentile
from rig.processes import ServerProcess, started_proxy, started_reloading_proxy
from rig.upstream_server import Paced, UpstreamServer, started_upstream
from rig.workloads import long_text, messages_request

__all__ = ["measure"]

_CLIENTS = 50
_BEAT_SECONDS = 0.02
_STREAM_SECONDS = 0.25
"""All streams end so often, at once: no client is ever between two answers for long."""
_WARM_UP_RELOADS = 200
_SETTLE_SECONDS = 1.0
_SAVES = 20
_PATIENCE_SECONDS = 10.0
_WORDS = {"alpha": b"alpha-txt", "bravo": b"bravo-txt"}
"""What the upstream of each provider says, over and over."""


async def measure(*, quick: bool) -> list[Figure]:
    """Reload under load and look for growth; then save a served file and wait for it to apply."""
    reloads = 200 if quick else 1000
    async with started_upstream() as alpha, started_upstream() as bravo:
        upstreams = {"alpha": alpha, "bravo": bravo}
        for name, upstream in upstreams.items():
            upstream.set_plan(_speaking(_WORDS[name]))
        versions = _Versions(upstreams)
        async with started_reloading_proxy(versions.next()) as proxy:
            clients = [await _Client.connect(proxy.port) for _ in range(_CLIENTS)]
            await _reload_under_load(proxy, clients, versions, _WARM_UP_RELOADS)
            before = await _holdings(proxy, upstreams)
            load = await _reload_under_load(proxy, clients, versions, reloads)
            after = await _holdings(proxy, upstreams)
            for client in clients:
                client.close()
    return [
        Figure(name=f"{reloads}_reloads.answers", unit="answers", samples=(load.answers,)),
        Figure(
            name=f"{reloads}_reloads.dropped", unit="answers", samples=(load.dropped,), goal=RELOAD_LOSSES
        ),
        Figure(name=f"{reloads}_reloads.mixed", unit="answers", samples=(load.mixed,), goal=RELOAD_LOSSES),
        Figure(name="reload", unit="ms", samples=tuple(load.reload_ms)),
        Figure(name="reload.p99", unit="ms", samples=(percentile(load.reload_ms, 0.99),)),
        *(
            Figure(name=f"growth.{name}", unit=unit, samples=(after[name] - before[name],), goal=goal)
            for name, unit, goal in _GROWTH
        ),
        Figure(
            name="upstream_connections_left",
            unit="open",
            samples=(after["upstream_connections"],),
            goal=RELOAD_CONNECTIONS,
        ),
        await _save_to_force(5 if quick else _SAVES),
    ]


_GROWTH = (
    ("tasks", "tasks", RELOAD_LEFTOVERS),
    ("objects", "objects", RELOAD_OBJECTS),
    ("other_files", "files", RELOAD_LEFTOVERS),
    ("rss", "MB", RELOAD_MEMORY),
)


class _Versions:
    """One version of the configuration after the other."""

    def __init__(self, upstreams: dict[str, UpstreamServer]) -> None:
        self.upstreams = upstreams
        self._number = 0

    def next(self) -> str:
        """Return the text of the next one: the other provider is on, at a URL that was never there."""
        self._number += 1
        names = list(self.upstreams)
        providers = [
            {
                "name": name,
                "enabled": name == names[self._number % len(names)],
                "base-url": f"http://127.0.0.1:{upstream.port}/version-{self._number}",
                "api-key": "sk-benchmark",
            }
            for name, upstream in self.upstreams.items()
        ]
        return json.dumps({"tppc": {"providers": providers}})


class _Load(Struct):
    """What the clients saw, and how long the reloads took."""

    answers: int = 0
    dropped: int = 0
    mixed: int = 0
    reload_ms: list[float] = []


class _Client:
    """One keep-alive connection; it stays open while the configuration changes."""

    def __init__(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._port = port
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Open the connection."""
        return cls(port, *await asyncio.open_connection("127.0.0.1", port))

    async def stream(self, load: _Load, is_over: asyncio.Event) -> None:
        """Ask again and again, and judge each answer."""
        request = messages_request()
        while not is_over.is_set():
            try:
                self._writer.write(request)
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    answer = await self._reader.readuntil(b"\r\n0\r\n\r\n")
            except (OSError, EOFError, TimeoutError):
                load.dropped += 1
                self.close()
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            else:
                _judge(answer, load)

    def close(self) -> None:
        """Leave."""
        self._writer.close()


def _judge(answer: bytes, load: _Load) -> None:
    load.answers += 1
    load.dropped += not (answer.startswith(b"HTTP/1.1 200") and b'"message_stop"' in answer)
    named = re.search(rb"\r\nx-packyproxy-provider: (\w+)", answer)
    said = {name for name, word in _WORDS.items() if word in answer}
    load.mixed += named is None or said != {named[1].decode()}


async def _reload_under_load(
    proxy: ServerProcess, clients: list[_Client], versions: _Versions, reloads: int
) -> _Load:
    load = _Load()
    is_over = asyncio.Event()
    streams = [asyncio.create_task(client.stream(load, is_over)) for client in clients]
    ending = asyncio.create_task(_end_streams(versions))
    for _ in range(reloads):
        _replace(proxy, versions.next())
        load.reload_ms.append(await proxy.reload() * 1e3)
    is_over.set()
    await asyncio.gather(*streams)
    ending.cancel()
    return load


async def _end_streams(versions: _Versions) -> None:
    while True:
        await asyncio.sleep(_STREAM_SECONDS)
        for upstream in versions.upstreams.values():
            upstream.finish_streams()


async def _save_to_force(saves: int) -> Figure:
    """Measure from a saved file to the first answer that knows of it, in ``packyproxy serve`` as it is."""
    found = []
    async with started_upstream() as upstream, started_proxy(upstream.url) as proxy:
        assert proxy.config_file is not None, "it serves a file"
        enabled = proxy.config_file.read_text()
        for number in range(saves):
            is_on = bool(number % 2)
            # Saves fall anywhere between two looks.
            await asyncio.sleep(0.3 + 0.25 * number / saves)
            saved_at = time.perf_counter()
            _replace(proxy, enabled if is_on else enabled.replace("enabled: true", "enabled: false"))
            while True:
                if await _is_ready(proxy.port) == is_on:
                    break
                await asyncio.sleep(0.005)
            found.append((time.perf_counter() - saved_at) * 1e3)
    return Figure(name="save_to_force", unit="ms", samples=tuple(found), goal=RELOAD_FORCE)


async def _is_ready(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    finally:
        writer.close()


def _replace(proxy: ServerProcess, text: str) -> None:
    """Save a version of the configuration, whole or not at all."""
    assert proxy.config_file is not None, "it serves a file"
    beside = proxy.config_file.with_name("config.new")
    beside.write_text(text)
    beside.replace(proxy.config_file)


def _speaking(word: bytes) -> Paced:
    """Return an endless answer that says one word."""
    head, delta, tail = long_text()
    found = re.search(rb'"delta":"([^"]+)"', delta)
    assert found is not None, "the beat is a text delta"
    return Paced(head, (delta.replace(found[1], word),), tail, _BEAT_SECONDS)


async def _holdings(process: ServerProcess, upstreams: dict[str, UpstreamServer]) -> dict[str, float]:
    """Count what the process holds; of its files, those that are no connection to an upstream."""
    await asyncio.sleep(_SETTLE_SECONDS)
    tasks, objects = await process.object_counts()
    connections = sum(len(upstream.open_connections) for upstream in upstreams.values())
    return {
        "tasks": tasks,
        "objects": objects,
        "other_files": process.open_files() - connections,
        "upstream_connections": connections,
        "rss": process.rss_bytes() / 1e6,
    }
