"""Does anything grow over two hundred thousand requests?

One ``packyproxy serve`` answers rounds of 250 requests of all three surfaces, streamed and whole: most are
answered, some are refused by us or by the upstream, fail over, break off, or are left by their client in any
phase; in between its management API and its metrics are read, and a provider is switched off and on. Every
5,000 requests the connections rest for a moment and the process is looked at. What counts is the slope of the
least squares line through those looks, the first fifth left out.

What is bounded is full before the first look: rounds are sent until the proxy holds as many samples of tokens
per second as it ever will, and clients come back with the same sessions.
"""

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import count, cycle

from goals import SOAK_FAILURES, SOAK_LEFTOVERS, SOAK_MEMORY, SOAK_OBJECTS
from msgspec import Struct
from rig.event_loop import wait_until
from rig.figures import Figure
from rig.processes import ServerProcess, started_proxy
from rig.upstream_server import Paced, Refused, Silent, UpstreamServer, Whole, started_upstream
from rig.workloads import SURFACES, long_text, messages_request, small_answer, unlike

from packyproxy.usage.tps import KEPT_SAMPLES

__all__ = ["measure", "slope"]

_REQUESTS = 200_000
"""What the process holds goes up and down by a megabyte; over half as many its slope would be that alone."""
_QUICK_REQUESTS = 5_000
_LOOKS = 40
_CONNECTIONS = 16
_WARM_UP_SHARE = 0.2
_READINGS = 3
_SETTLE_SECONDS = 0.3
"""Before each."""
_PATIENCE_SECONDS = 20.0
_NEVER = 3600.0

_ROUNDS_BETWEEN = 20
"""While it is filled; 5,000 requests."""
_SWITCHES = 60
"""After so many the audit trail has no room for further changes of the configuration: seven events each."""
_CLIENT_KEY = b"client-key-1"
_MANAGEMENT_KEY = "soak-management-key"
_CONFIG = """\
api-keys: ["client-key-1"]
remote-management: {{secret-key: "{key}"}}
metrics: true
tps-log: true
request-log: true
model-map: {{"claude-*": "serving/gpt-5"}}
tppc:
  providers:
    - {{name: "serving", enabled: true, base-url: "{serving}", api-key: "sk-serving",
       models: ["gpt-5", "gpt-5-mini"]}}
    - {{name: "refusing", enabled: true, base-url: "{refusing}", api-key: "sk-refusing", priority: 1,
       models: ["gpt-5-mini"]}}
"""
_VIEWS = (
    "/status",
    "/usage",
    "/tps?window=5m&group=provider,model",
    "/audit",
    "/models",
    "/providers?detail=1",
    "/tppc",
    "/config",
)
_BROKEN = 4
"""Streams of one round that break off: a fifth in a row would open the breaker."""
_SESSIONS = 200
_SESSION = b"eb557eef-d6a0-6f07-f5c8-aa69e3f0badd"
"""Of the requests in ``workloads``."""

_NOT_FOUND = b'{"error":{"message":"The model does not exist","code":"model_not_found"}}'
_BAD_REQUEST = b'{"error":{"message":"Invalid value","type":"invalid_request_error","param":"input"}}'


async def measure(*, quick: bool) -> list[Figure]:
    """Send the rounds, and fit a line through what the process held meanwhile."""
    requests = _QUICK_REQUESTS if quick else _REQUESTS
    async with AsyncExitStack() as stack:
        serving = await stack.enter_async_context(started_upstream())
        refusing = await stack.enter_async_context(started_upstream())
        refusing.set_plan(Refused(_http_answer(b"404 Not Found", _NOT_FOUND)))
        config = _CONFIG.format(key=_MANAGEMENT_KEY, serving=serving.url, refusing=refusing.url)
        proxy = await stack.enter_async_context(
            started_proxy(serving.url, config=config, counts_objects=True)
        )
        load = _Load(proxy, serving, [await _Peer.connect(proxy.port) for _ in range(_CONNECTIONS)])
        if not quick:
            await load.fill()
        looks = await _looks(load, proxy, (serving, refusing), requests)
        load.close()
        assert refusing.requests, "no request failed over"
        peak = proxy.peak_rss_bytes()
    return _figures(looks, load, peak, quick=quick)


class _Look(Struct, frozen=True):
    """What the process held after so many requests."""

    requests: int
    rss: int
    objects: int
    tasks: int
    files: int
    """Open ones that are no connection to an upstream."""


async def _looks(
    load: "_Load", proxy: ServerProcess, upstreams: Sequence[UpstreamServer], requests: int
) -> list[_Look]:
    looks: list[_Look] = []
    every = requests // _LOOKS
    begun_at = load.requests
    while load.requests < begun_at + requests:
        await load.round()
        if load.requests >= begun_at + every * (len(looks) + 1):
            await load.switch_provider()
            looks.append(await _look(proxy, upstreams, load.requests - begun_at))
    return looks


async def _look(proxy: ServerProcess, upstreams: Sequence[UpstreamServer], requests: int) -> _Look:
    """Return the least of some readings: what is there for a moment only is no growth."""
    seen = []
    for _ in range(_READINGS):
        await asyncio.sleep(_SETTLE_SECONDS)
        tasks, objects = await proxy.object_counts()
        connections = sum(len(upstream.open_connections) for upstream in upstreams)
        seen.append((proxy.rss_bytes(), objects, tasks, proxy.open_files() - connections))
    return _Look(requests, *map(min, zip(*seen, strict=True)))


def _figures(looks: Sequence[_Look], load: "_Load", peak: int, *, quick: bool) -> list[Figure]:
    settled = looks[round(len(looks) * _WARM_UP_SHARE) :]
    requests = [look.requests for look in settled]
    memory = slope(requests, [look.rss for look in settled])
    objects = slope(requests, [look.objects for look in settled])
    return [
        Figure(name="requests", unit="requests", samples=(load.requests,)),
        Figure(name="rate", unit="req/s", samples=(load.requests / load.seconds,)),
        Figure(name="unexpected_answers", unit="answers", samples=(load.unexpected,), goal=SOAK_FAILURES),
        Figure(name="rss", unit="MB", samples=tuple(look.rss / 1e6 for look in settled)),
        Figure(name="rss.peak", unit="MB", samples=(peak / 1e6,)),
        Figure(name="rss.slope", unit="B/req", samples=(memory,), goal=None if quick else SOAK_MEMORY),
        Figure(name="rss.slope_per_10000", unit="KB", samples=(memory * 10,)),
        Figure(name="objects", unit="objects", samples=tuple(float(look.objects) for look in settled)),
        Figure(name="objects.slope", unit="/req", samples=(objects,), goal=None if quick else SOAK_OBJECTS),
        *(
            Figure(
                name=f"{name}.growth",
                unit=name,
                samples=(float(max(found) - getattr(settled[0], name)),),
                goal=SOAK_LEFTOVERS,
            )
            for name in ("tasks", "files")
            for found in ([getattr(look, name) for look in settled],)
        ),
        Figure(name="tasks", unit="tasks", samples=tuple(float(look.tasks) for look in settled)),
        Figure(name="files", unit="files", samples=tuple(float(look.files) for look in settled)),
    ]


def slope(places: Sequence[float], values: Sequence[float]) -> float:
    """Return how much a value grows per unit of place, by least squares."""
    middle, mean = sum(places) / len(places), sum(values) / len(values)
    spread = sum((place - middle) ** 2 for place in places)
    return sum((p - middle) * (v - mean) for p, v in zip(places, values, strict=True)) / spread


class _Peer:
    """One keep-alive connection that takes any answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "_Peer":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=4 * 1024 * 1024))

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Return the status and the body, as it was framed."""
        self._writer.write(request)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            if length is None:
                body = await self._reader.readuntil(b"\r\n0\r\n\r\n")
            else:
                body = await self._reader.readexactly(int(length[1]))
        return int(head[9:12]), body

    async def leave(self, request: bytes, *, reads_first: bool, may_leave: Awaitable[object]) -> None:
        """Send a request and go away before its answer is whole."""
        self._writer.write(request)
        if reads_first:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._reader.readuntil(b'"content_block_delta"')
        await may_leave
        self.close()

    def close(self) -> None:
        self._writer.close()


class _Load:
    """The clients, round after round."""

    def __init__(self, proxy: ServerProcess, upstream: UpstreamServer, peers: list[_Peer]) -> None:
        self.requests = 0
        self.unexpected = 0
        """Answers with another status, or another ending, than the round expects."""
        self.seconds = 0.0
        """Spent on rounds."""
        self._port = proxy.port
        self._upstream = upstream
        self._peers = peers
        self._views = cycle(_VIEWS)
        self._markers = count()
        self._kinds = _Kinds()

    async def fill(self) -> None:
        """Send rounds until nothing that is bounded can grow any more."""
        for _ in range(_SWITCHES):
            await self.switch_provider()
        while await self._samples() < KEPT_SAMPLES:
            for _ in range(_ROUNDS_BETWEEN):
                await self.round()

    async def round(self) -> None:
        """Send 250 requests of all kinds."""
        began = time.perf_counter()
        kinds, upstream = self._kinds, self._upstream
        whole = Whole(small_answer())
        upstream.set_plan(whole)
        for surface, requests in kinds.streamed.items():
            await self._ask(55, requests, status=200, ending=SURFACES[surface].ending)
        await self._ask(21, kinds.whole, status=200, ending=b'"end_turn"')
        await self._ask(15, kinds.failing_over, status=200, ending=SURFACES["responses"].ending)
        await self._ask(5, kinds.of_unknown_model, status=404)
        await self._ask(5, kinds.without_key, status=401)
        await self._ask(5, kinds.misshapen, status=400)
        upstream.set_plan(Refused(_http_answer(b"400 Bad Request", _BAD_REQUEST)))
        await self._ask(10, kinds.streamed["chat"], status=400)
        upstream.set_plan(Whole(whole.frames[:12]))
        await self._ask(_BROKEN, kinds.streamed["messages"], status=200, ending=b"event: error")
        for plan, is_stream, shows_content in _PHASES:
            upstream.set_plan(plan)
            await self._leave(5, is_stream=is_stream, shows_content=shows_content)
        self.seconds += time.perf_counter() - began
        await self._view(f"/v0/management{next(self._views)}")
        await self._view("/metrics")

    async def switch_provider(self) -> None:
        """Take a provider out and bring it back."""
        for is_enabled in (b"false", b"true"):
            body = b'{"enabled": %b}' % is_enabled
            await self._manage(
                b"PATCH /v0/management/providers/refusing HTTP/1.1\r\ncontent-type: application/json\r\n"
                b"content-length: %d" % len(body),
                body,
            )

    def close(self) -> None:
        for peer in self._peers:
            peer.close()

    async def _ask(self, number: int, requests: Iterator[bytes], *, status: int, ending: bytes = b"") -> None:
        left = number

        async def work(peer: _Peer) -> None:
            nonlocal left
            while left > 0:
                left -= 1
                found, body = await peer.exchange(next(requests))
                if found != status or ending not in body[-400:]:
                    self.unexpected += 1
                    print(f"{found} instead of {status}: {body[-200:]!r}", file=sys.stderr)

        await asyncio.gather(*map(work, self._peers))
        self.requests += number

    async def _leave(self, number: int, *, is_stream: bool, shows_content: bool) -> None:
        numbers = [next(self._markers) for _ in range(number)]
        upstream = self._upstream
        due = upstream.requests + number

        async def arrival() -> None:
            if not await wait_until(lambda: upstream.requests >= due, seconds=_PATIENCE_SECONDS):
                raise RuntimeError("a request never reached the upstream")

        peers = [await _Peer.connect(self._port) for _ in numbers]
        await asyncio.gather(
            *(
                peer.leave(
                    messages_request(marker=marker, is_stream=is_stream),
                    reads_first=shows_content,
                    may_leave=arrival(),
                )
                for peer, marker in zip(peers, numbers, strict=True)
            )
        )
        if not await wait_until(lambda: upstream.closed_at.keys() >= set(numbers), seconds=_PATIENCE_SECONDS):
            raise RuntimeError("an upstream stayed open after its client left")
        upstream.closed_at.clear()
        self.requests += number

    async def _samples(self) -> int:
        """Return how many samples of tokens per second the proxy keeps."""
        found = re.search(rb'"count":(\d+)', await self._view("/v0/management/tps"))
        assert found is not None, "the answer counts its samples"
        return int(found[1])

    async def _view(self, target: str) -> bytes:
        return await self._manage(b"GET %b HTTP/1.1" % target.encode())

    async def _manage(self, head: bytes, body: bytes = b"") -> bytes:
        request = b"%b\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n\r\n%b" % (
            head,
            _MANAGEMENT_KEY.encode(),
            body,
        )
        status, answer = await self._peers[0].exchange(request)
        if status != 200:
            self.unexpected += 1
            print(f"{status} to {head[:60]!r}: {answer[-200:]!r}", file=sys.stderr)
        return answer


class _Kinds:
    """Requests of each kind without an end, no two bodies equal."""

    def __init__(self) -> None:
        self.streamed = {name: _of_sessions(unlike(surface.request())) for name, surface in SURFACES.items()}
        self.whole = _of_sessions(unlike(messages_request(is_stream=False)))
        responses = SURFACES["responses"].request()
        self.failing_over = unlike(_altered(responses, b'"gpt-5"', b'"gpt-5-mini"'))
        self.of_unknown_model = unlike(_altered(responses, b'"gpt-5"', b'"nobody-has-this"'))
        self.without_key = unlike(messages_request().replace(_CLIENT_KEY, b"wrong" + _CLIENT_KEY[5:]))
        self.misshapen = unlike(_altered(messages_request(), b'"role":"user"', b'"role":"nobody"'))


def _of_sessions(requests: Iterator[bytes]) -> Iterator[bytes]:
    """Give requests to conversations in turn."""
    for request, number in zip(requests, cycle(range(_SESSIONS)), strict=False):
        yield request.replace(_SESSION, b"%08x" % number + _SESSION[8:])


def _altered(request: bytes, old: bytes, new: bytes) -> bytes:
    """Return a request with something else in its body, its length put right."""
    head, _, body = request.partition(b"\r\n\r\n")
    assert old in body, "what is replaced is there"
    changed = body.replace(old, new)
    length = b"content-length: %d"
    return b"\r\n\r\n".join((head.replace(length % len(body), length % len(changed)), changed))


def _http_answer(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _phases() -> tuple[tuple[Silent | Paced, bool, bool], ...]:
    """Return where clients leave: what the upstream does, whether they stream, whether they see content."""
    head, delta, tail = long_text()
    waiting = Paced(head[:2], (delta,), tail, _NEVER)
    return (
        (Silent(), True, False),
        (waiting, True, False),
        (Paced(head, (delta,), tail, 0.05), True, True),
        (waiting, False, False),
    )


_PHASES = _phases()
