"""What happens at the routes that models are asked through, as scenarios."""

import asyncio
import gzip
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import httpx

from packyproxy.testing.privacy.answers import PATHS, Path, canary_answer
from packyproxy.testing.privacy.canaries import canary_text, careless_text
from packyproxy.testing.privacy.requests import SURFACES, Surface
from packyproxy.testing.privacy.stage import Scenario, ScenarioFailed, Stage
from packyproxy.testing.upstream.faults import Fault

__all__ = ["GATEWAY_SCENARIOS"]

_WriteBody = Callable[[str], bytes]
_MOST_BYTES: Final = 2048

_WRONG_BODIES: Final[Mapping[str, tuple[int, _WriteBody, Mapping[str, str]]]] = {
    "not JSON": (400, lambda word: f'{{"model": "gpt-5", "{word}'.encode(), {}),
    "not UTF-8": (400, lambda word: b'{"model": "\xff' + word.encode() + b'"}', {}),
    "nothing but a text": (400, lambda word: f'"{word}"'.encode(), {}),
    "deeply nested": (400, lambda word: b'{"a":' * 5000 + f'"{word}"'.encode(), {}),
    "not compressed as it says": (400, lambda word: word.encode(), {"content-encoding": "gzip"}),
    "compressed": (
        400,
        lambda word: gzip.compress(f'{{"model": "{word}'.encode()),
        {"content-encoding": "gzip"},
    ),
    "of another type": (415, lambda word: word.encode(), {"content-type": "text/plain"}),
    "too large": (413, lambda word: word.encode() * 100, {}),
}


def _along(path: Path, surface: Surface, *, streams: bool) -> Scenario:
    """Return a request that goes one of the ways, and another client's request after it."""

    async def play(stage: Stage) -> None:
        fields = {"stream": streams} if surface.can_stream else {}
        reply = await stage.ask(surface.path, surface.request(stage.owner) | fields)
        if reply.has_failed != (path.ends == "failed"):
            raise ScenarioFailed(f"answered with {reply.status}, and not {path.ends}")
        if not stage.first.requests:
            raise ScenarioFailed("nobody was asked")
        following = stage.owner + 1
        stage.first.script = path.first(following)
        stage.second.script = path.second(following) if path.second else None
        await stage.ask(surface.path, surface.request(following) | fields, owner=following)

    form = ("stream" if streams else "whole") if surface.can_stream else "document"
    return Scenario(
        name=f"{surface.protocol}, {form}: {path.name}",
        play=play,
        first=path.first,
        second=path.second,
        settings=lambda _: dict(path.settings),
        shows_all=path is PATHS[0],
    )


def _mistake(surface: Surface, name: str) -> Scenario:
    async def play(stage: Stage) -> None:
        body = surface.request(stage.owner) | surface.mistakes[name](stage.owner)
        reply = await stage.ask(surface.path, body)
        reply.must_be(400, 404)
        if surface.counting_path is not None:
            await stage.ask(surface.counting_path, body)

    return Scenario(name=f"{surface.protocol}: {name}", play=play)


def _wrong_body(surface: Surface, name: str) -> Scenario:
    status, write, headers = _WRONG_BODIES[name]

    async def play(stage: Stage) -> None:
        body = write(canary_text("wrong value", stage.owner))
        reply = await stage.ask(surface.path, body, headers=headers)
        reply.must_be(status)

    return Scenario(
        name=f"{surface.protocol}: a body that is {name}",
        play=play,
        settings=lambda _: {"max-body-bytes": _MOST_BYTES} if status == 413 else {},
    )


def _counted(surface: Surface) -> Scenario:
    async def play(stage: Stage) -> None:
        assert surface.counting_path is not None
        reply = await stage.ask(surface.counting_path, surface.request(stage.owner))
        reply.must_be(200)

    return Scenario(name=f"{surface.protocol}: tokens counted", play=play)


def _stranger(surface: Surface) -> Scenario:
    async def play(stage: Stage) -> None:
        body = surface.request(stage.owner)
        wrong = canary_text("wrong client key", stage.owner)
        for key, headers in ((wrong, {}), ("", {}), ("", {"x-api-key": wrong})):
            reply = await stage.ask(surface.path, body, key=key, headers=headers)
            reply.must_be(401)
        if stage.first.requests:
            raise ScenarioFailed("a stranger was served")

    return Scenario(name=f"{surface.protocol}: wrong client keys", play=play)


def _leaving(surface: Surface, pieces: int) -> Scenario:
    async def play(stage: Stage) -> None:
        body = surface.request(stage.owner) | ({"stream": True} if surface.can_stream else {})
        await stage.ask(surface.path, body, leaves_after=pieces)

    when = "before the answer" if pieces == 0 else "in the middle"
    return Scenario(
        name=f"{surface.protocol}: the client leaves {when}",
        play=play,
        first=lambda owner: [Fault.stall(canary_answer(owner), after_events=14 * pieces)],
        settings=lambda _: {"streaming": {"commit-deadline": 0.01}} if pieces else {},
    )


def _bug(surface: Surface, *, is_later: bool) -> Scenario:
    """Return a request that ends with an exception that nobody foresaw, and that quotes content."""

    async def play(stage: Stage) -> None:
        stage.upstreams.broken = lambda: ValueError(careless_text(stage.owner))
        stage.upstreams.pieces_before = (10 if surface.can_stream else 0) if is_later else None
        for streams in (True, False) if surface.can_stream else (False,):
            reply = await stage.ask(surface.path, surface.request(stage.owner) | {"stream": streams})
            if not (reply.has_failed or reply.is_cut):
                raise ScenarioFailed("nothing was wrong")

    when = "in the middle" if is_later else "before the answer"
    return Scenario(
        name=f"{surface.protocol}: a bug {when}", play=play, first=lambda owner: [canary_answer(owner)]
    )


async def _other_routes(stage: Stage) -> None:
    word = canary_text("wrong value", stage.owner)
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", f"/v1/models/{canary_text('unknown model', stage.owner)}"),
        ("GET", f"/v1/models?client_version={canary_text('client version', stage.owner)}"),
        ("GET", f"/v1/responses/{word}"),
        ("DELETE", f"/v1/responses/{word}"),
        ("POST", f"/v1/{word}?{word}={word}"),
        ("GET", f"/{word}"),
        ("DELETE", f"/v1/messages?{word}"),
        ("HEAD", "/"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    ):
        await stage.ask(path, method=method)
        await stage.ask(path, method=method, headers={"anthropic-version": word})


async def _websocket(stage: Stage) -> None:
    key, word = canary_text("client key", stage.owner), canary_text("client header", stage.owner)
    sent: list[str] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(repr(message))

    headers = [(b"authorization", f"Bearer {key}".encode()), (b"cookie", word.encode())]
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "path": "/v1/responses",
        "raw_path": b"/v1/responses",
        "query_string": word.encode(),
        "root_path": "",
        "scheme": "ws",
        "http_version": "1.1",
        "headers": headers,
        "subprotocols": [word],
        "client": ("127.0.0.1", 50000),
        "server": ("proxy.test", 80),
        "extensions": {"websocket.http.response": {}},
    }
    await stage.proxy(scope, receive, send)
    if not sent:
        raise ScenarioFailed("nothing was answered")
    stage.watch.see("answers to clients", *sent)


async def _nobody(stage: Stage) -> None:
    for surface in SURFACES:
        reply = await stage.ask(surface.path, surface.request(stage.owner))
        reply.must_be(503)


async def _unreachable(stage: Stage) -> None:
    stage.upstreams.broken = lambda: httpx.ConnectError(careless_text(stage.owner))
    for surface in SURFACES:
        reply = await stage.ask(surface.path, surface.request(stage.owner))
        reply.must_be(502, 503)


async def _meanwhile(stage: Stage) -> None:
    """Look around while an answer is being given, and when it is over."""
    for surface in SURFACES:
        fields = {"stream": True} if surface.can_stream else {}
        number = len(stage.first.requests) + 1
        asking = asyncio.create_task(stage.ask(surface.path, surface.request(stage.owner) | fields))
        request = await stage.first.received(number)
        await request.stalled()
        await stage.look_around()
        request.release()
        (await asking).must_be(200)


def _gateway() -> Iterator[Scenario]:
    for surface in SURFACES:
        for path in PATHS:
            if surface.can_stream:
                yield _along(path, surface, streams=True)
                yield _along(path, surface, streams=False)
            elif not path.is_streamed:
                yield _along(path, surface, streams=False)
        yield from (_mistake(surface, name) for name in surface.mistakes)
        yield from (_wrong_body(surface, name) for name in _WRONG_BODIES)
        yield from (_leaving(surface, pieces) for pieces in ((0, 1) if surface.can_stream else (0,)))
        yield from (_bug(surface, is_later=is_later) for is_later in (False, True))
        yield _stranger(surface)
        if surface.counting_path is not None:
            yield _counted(surface)
    yield Scenario(name="every other route", play=_other_routes)
    yield Scenario(name="a websocket", play=_websocket)
    yield Scenario(name="no connection", play=_unreachable)
    yield Scenario(
        name="while answers are given",
        play=_meanwhile,
        first=lambda owner: [
            Fault.stall(canary_answer(owner), after_events=0 if not surface.can_stream else 14)
            for surface in SURFACES
        ],
        settings=lambda _: {"streaming": {"commit-deadline": 0.01}},
    )
    yield Scenario(
        name="no provider is enabled", play=_nobody, settings=lambda _: {"packycode": {"enabled": False}}
    )


GATEWAY_SCENARIOS: Final = tuple(_gateway())
"""Every protocol on every path, and the routes beside them."""
