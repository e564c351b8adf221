"""Where a scenario is played: a proxy of its own over two upstreams, and whoever talks to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol, Self

import httpx
import msgspec
import yaml
from msgspec import Struct

from packyproxy.asgi.management.families import management_operations
from packyproxy.errors import ConfigError
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing.cassettes.recording import RecordingTransport, Tape
from packyproxy.testing.privacy.canaries import Canary, canary_text
from packyproxy.testing.privacy.objects import look_at_objects
from packyproxy.testing.privacy.process import exception_texts
from packyproxy.testing.privacy.requests import client_headers
from packyproxy.testing.privacy.telemetry import look_at_telemetry
from packyproxy.testing.privacy.watch import Place, Watch, is_of, nothing
from packyproxy.testing.streaming_transport import StreamingASGITransport
from packyproxy.testing.upstream.fake_upstream import Answer, FakeUpstream

__all__ = ["MANAGEMENT", "MakeProxy", "Proxy", "Reply", "Scenario", "ScenarioFailed", "Stage", "Upstreams"]

MANAGEMENT: Final = "/v0/management"
_OPERATOR: Final = 0
"""The owner of what belongs to the process: ``MANAGEMENT_PASSWORD``."""
_MOVED: Final = ("/providers?detail=1", "/tps?group=provider,model", "/usage", "/status", "/audit")
"""The management routes that show what requests have done."""
_LOCAL: Final = ("127.0.0.1", 50000)
_NEIGHBOUR: Final = ("127.0.0.2", 50000)
"""As local as the other one, and not banned with it."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Proxy(Protocol):
    """What is proved to be silent: :class:`packyproxy.PackyProxy`."""

    @property
    def runtime(self) -> Runtime:
        """What the components share."""
        ...

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send, /) -> None:
        """Serve one ASGI scope."""
        ...

    async def reload(self) -> object:
        """Read the configuration now."""
        ...

    async def __aenter__(self) -> Self:
        """Start."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        ...


class MakeProxy(Protocol):
    """Makes a proxy of a configuration or of its file; ``packyproxy.PackyProxy`` itself."""

    def __call__(
        self, config: str | Mapping[str, object], /, *, transport: httpx.AsyncBaseTransport
    ) -> Proxy:
        """Return one that reaches its upstreams through ``transport``."""
        ...


class ScenarioFailed(Exception):
    """A scenario did not go as it is told; nothing is proved by it."""


class Reply(Struct, frozen=True):
    """What a client was answered; ``repr`` shows no content."""

    status: int
    """0 when the client left before there was one."""
    body: bytes
    is_cut: bool = False
    """Whether the connection ended before the answer did."""

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"

    @property
    def has_failed(self) -> bool:
        """Whether it is an error, or a stream that ends with one."""
        errors = (b"event: error", b"response.failed", b'data: {"error"')
        return self.status >= 400 or any(error in self.body for error in errors)

    def must_be(self, *statuses: int) -> None:
        """Tell whether this is as the scenario tells it.

        Raises:
            ScenarioFailed: the status is another one.
        """
        if self.status not in statuses:
            expected = " or ".join(map(str, statuses))
            raise ScenarioFailed(f"answered with {self.status}, not with {expected}")


class Upstreams(httpx.AsyncBaseTransport):
    """Both upstreams; ``broken`` is raised in the place of whatever they would answer."""

    def __init__(self, first: FakeUpstream, second: FakeUpstream) -> None:
        self.broken: Callable[[], Exception] | None = None
        self.pieces_before: int | None = None
        """How many pieces of an answer come before that; None: not even its headers."""
        self._transports = {
            "first.test": StreamingASGITransport(first),
            "second.test": StreamingASGITransport(second),
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the upstream that a request is addressed to."""
        if self.broken is not None and self.pieces_before is None:
            raise self.broken()
        response = await self._transports[request.url.host].handle_async_request(request)
        if self.broken is not None and self.pieces_before is not None:
            response.stream = _BrokenBody(response.stream, self.pieces_before, self.broken)
        return response

    async def aclose(self) -> None:
        """End answers that are still being given."""
        for transport in self._transports.values():
            await transport.aclose()


class _BrokenBody(httpx.AsyncByteStream):
    """Raises in the middle of an answer."""

    def __init__(self, stream: object, pieces_before: int, broken: Callable[[], Exception]) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream = stream
        self._pieces_before = pieces_before
        self._broken = broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        number = 0
        async for piece in self._stream:
            if number == self._pieces_before:
                raise self._broken()
            yield piece
            number += 1

    async def aclose(self) -> None:
        await self._stream.aclose()


class Scenario(Struct, frozen=True, kw_only=True):
    """Something that happens to a proxy."""

    name: str
    play: Callable[["Stage"], Awaitable[None]]
    """Raises ScenarioFailed when it comes out otherwise than it is told."""
    first: Callable[[int], Sequence[Answer]] | None = None
    """What the provider ``packycode`` answers to an owner, in order; by default it repeats what is said."""
    second: Callable[[int], Sequence[Answer]] | None = None
    """What the provider ``other`` answers; without it there is none."""
    settings: Callable[[int], Mapping[str, object]] | None = None
    """Makes what stands over the usual configuration."""
    has_file: bool = False
    """Whether the configuration is a file, which takes longer."""
    shows_all: bool = False
    """Whether every management route is looked at afterwards, also those that requests cannot change."""


class Stage:
    """One proxy with its upstreams, and everybody who talks to it.

    Args:
        scenario: what will be played.
        owner: whose canaries are used; the second client's are those of ``owner + 1``.
        make_proxy: makes the proxy.
        watch: is shown every answer.
        folder: an empty one, for the configuration and the recording.
    """

    def __init__(
        self, scenario: Scenario, owner: int, *, make_proxy: MakeProxy, watch: Watch, folder: Path
    ) -> None:
        self.owner = owner
        self.watch = watch
        self.config = folder / "config.yaml"
        self.first = FakeUpstream(scenario.first(owner) if scenario.first else None)
        self.second = FakeUpstream(scenario.second(owner) if scenario.second else None)
        self.upstreams = Upstreams(self.first, self.second)
        self._cassette = folder / "cassette.jsonl"
        self._recorded: RecordingTransport | None = None
        self.settings = _usual(owner, has_second=scenario.second is not None)
        if scenario.settings is not None:
            self.settings |= scenario.settings(owner)
        self._has_file = scenario.has_file
        self._shows_all = scenario.shows_all
        self._make_proxy = make_proxy
        self._proxy: Proxy | None = None

    @property
    def proxy(self) -> Proxy:
        """The proxy, while the stage is open."""
        assert self._proxy is not None
        return self._proxy

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Make the proxy; close everything at the end."""
        config: str | Mapping[str, object] = self.settings
        if self._has_file:
            config = str(self.config)
            await self.save(yaml.safe_dump(self.settings, sort_keys=False))
        # What upstreams are asked and answer is recorded, into a file that is looked into as all files are.
        tape = await asyncio.to_thread(Tape, self._cassette)
        self._recorded = tape.wrap(self.upstreams)
        self._proxy = await asyncio.to_thread(self._make_proxy, config, transport=self._recorded)
        look_at_telemetry(self.watch, self.proxy.runtime)
        try:
            yield
            await self.look_around()
        finally:
            self.first.release()
            self.second.release()
            await self.proxy.runtime.aclose()
            await self.upstreams.aclose()
            await asyncio.to_thread(tape.close)
        if tape.problem is not None:
            raise ScenarioFailed(f"not recorded: {tape.problem}")

    async def look_around(self) -> None:
        """Look at whatever shows what has happened, and at whatever is left of it."""
        paths = list(_MOVED)
        if self._shows_all:
            operations = management_operations(self.proxy.runtime)
            paths += [operation.path for operation in operations if operation.method == "GET"]
        for path in paths:
            reply = await self.manage(path, address=_NEIGHBOUR)
            reply.must_be(200)
        await self._measure()
        look_at_objects(self.watch, self.proxy, without=self._recorded)

    async def _measure(self) -> None:
        headers = {"authorization": f"Bearer {canary_text('client key', self.owner)}"}
        reply = await self._send("metrics", ("GET", "/metrics", None, headers), allows=nothing)
        reply.must_be(200, 501)  # the latter without prometheus-client

    async def save(self, text: str) -> None:
        """Write the configuration file."""
        await asyncio.to_thread(self.config.write_text, text, "utf-8")

    async def reload(self) -> bool:
        """Read the configuration now, and look at what is raised; returns whether it was in order."""
        try:
            await self.proxy.reload()
        except ConfigError as error:
            self.watch.see("exceptions", *exception_texts(error))
            return False
        return True

    async def ask(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        owner: int | None = None,
        leaves_after: int | None = None,
    ) -> Reply:
        """Send what a client sends, and look at what it is answered: its own words, and no key.

        Args:
            path: with the query.
            body: JSON unless it is bytes; None for none.
            method: GET, POST and so on.
            headers: over those that a client sends.
            key: that it shows; by default the right one, ``""`` for none.
            owner: whose client it is.
            leaves_after: how many pieces of the answer it takes before it leaves, 0: none,
                once the upstream was asked; None for all.
        """
        owner = self.owner if owner is None else owner
        shown = canary_text("client key", self.owner) if key is None else key
        sent = {**client_headers(owner), **({"authorization": f"Bearer {shown}"} if shown else {})}
        return await self._send(
            "answers to clients",
            (method, path, body, {**sent, **(headers or {})}),
            allows=is_of(owner),
            leaves_after=leaves_after,
        )

    async def manage(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        address: tuple[str, int] = _LOCAL,
        place: Place = "management answers",
    ) -> Reply:
        """Send what an operator sends, who may see no canary at all; ``path`` is below the management API."""
        sent = {
            "content-type": "application/json",
            "authorization": f"Bearer {canary_text('MANAGEMENT_PASSWORD', _OPERATOR)}",
            **(headers or {}),
        }
        return await self._send(
            place, (method, MANAGEMENT + path, body, sent), allows=nothing, address=address
        )

    async def _send(
        self,
        place: Place,
        request: tuple[str, str, object, Mapping[str, str]],
        *,
        allows: Callable[[Canary], bool],
        address: tuple[str, int] = _LOCAL,
        leaves_after: int | None = None,
    ) -> Reply:
        method, path, body, headers = request
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        transport = StreamingASGITransport(self.proxy, client=address)
        sent = httpx.Request(method, f"http://proxy.test{path}", content=content, headers=dict(headers))
        reply, shown = await self._exchange(transport, sent, leaves_after)
        self.watch.see(place, shown, reply.body, allows=allows)
        return reply

    async def _exchange(
        self, transport: StreamingASGITransport, request: httpx.Request, leaves_after: int | None
    ) -> tuple[Reply, str]:
        """Return what was answered, and the headers as a text."""
        asking = asyncio.create_task(transport.handle_async_request(request))
        if leaves_after == 0:
            received = await self.first.received(len(self.first.requests) + 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await received.ended()
            await transport.aclose()
            return Reply(0, b"", is_cut=True), ""
        response = await asking
        assert isinstance(response.stream, httpx.AsyncByteStream)
        pieces: list[bytes] = []
        is_cut = False
        try:
            async for piece in response.stream:
                pieces.append(piece)
                if len(pieces) == leaves_after:
                    break
        except httpx.RemoteProtocolError:
            is_cut = True
        await response.aclose()
        if leaves_after is not None:
            await self.first.last_request.ended()
        await transport.aclose()
        return Reply(response.status_code, b"".join(pieces), is_cut), repr(response.headers.raw)


def _usual(owner: int, *, has_second: bool) -> dict[str, object]:
    """Return a configuration with a secret wherever one can be, and with every log line."""
    proxy = f"http://user:{canary_text('proxy password', owner)}@proxy.test:3128"
    token = canary_text("provider header", owner)
    second = {
        "name": "other",
        "enabled": True,
        "base-url": "http://second.test/v1",
        "api-key": f"sk-{canary_text('provider key', owner)}",
        "headers": {"x-relay-token": token},
        "proxy-url": proxy,
    }
    return {
        "api-keys": [canary_text("client key", owner)],
        "packycode": {
            "enabled": True,
            "base-url": "http://first.test/v1",
            "credentials": {"openai-api-key": canary_text("provider key", owner)},
            "headers": {"x-relay-token": token},
            "proxy-url": proxy,
        },
        **({"tppc": {"providers": [second]}} if has_second else {}),
        "request-retry": 0,
        "metrics": True,
        "request-log": True,
        "tps-log": True,
        "debug": True,
    }
