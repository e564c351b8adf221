"""The proxy's lifetime under a server, around a host, and under nobody."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from starlette.applications import Starlette

from packyproxy import PackyProxy, PackyProxyMiddleware
from packyproxy.asgi.lifespan import serve_lifespan, serve_lifespan_around
from tests.support.settings import provider

Message = MutableMapping[str, Any]
SETTINGS = {"packycode": provider()}


class Server:
    """The server's side of a lifespan scope; waits for ever when it has said all."""

    def __init__(self, *says: str) -> None:
        self.heard: list[str] = []
        self.has_heard = asyncio.Event()
        self.reasons: list[str] = []
        self.scope: dict[str, Any] = {"type": "lifespan", "state": {"of": "the host"}}
        self._says = [f"lifespan.{each}" for each in says or ("startup", "shutdown")]

    async def receive(self) -> Message:
        """Say the next thing."""
        if not self._says:
            await asyncio.Event().wait()
        return {"type": self._says.pop(0)}

    async def send(self, message: Message) -> None:
        """Hear an answer."""
        self.heard.append(message["type"].removeprefix("lifespan."))
        self.has_heard.set()
        self.reasons += [message["message"]] if "message" in message else []

    async def run(self, app: Any) -> None:
        """Let an application live."""
        await app(self.scope, self.receive, self.send)


class Resource:
    """Notes when it is entered and left; may fail at either."""

    def __init__(self, events: list[str], fails: Iterable[str] = ()) -> None:
        self._events = events
        self._fails = frozenset(fails)

    async def __aenter__(self) -> None:
        """Start, or fail."""
        if "start" in self._fails:
            raise OSError("no start")
        self._events.append("proxy starts")

    async def __aexit__(self, *_: object) -> None:
        """Stop, or fail."""
        await asyncio.sleep(0)
        self._events.append("proxy stops")
        if "stop" in self._fails:
            raise OSError("no stop")


class Host:
    """An application that goes through a list of steps in its lifespan.

    ``"?"`` takes a message, ``"return"`` and ``"raise"`` end it, ``"cancel"`` is cancelled; all else is sent.
    """

    def __init__(self, events: list[str], *steps: str) -> None:
        self._events = events
        self._steps = steps

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        """Live."""
        for step in self._steps:
            if step == "?":
                self._events.append(f"host gets {(await receive())['type'].removeprefix('lifespan.')}")
            elif step == "raise":
                raise ValueError("the host's")
            elif step == "cancel":
                raise asyncio.CancelledError
            else:
                self._events.append(f"host says {step}")
                text = {"message": "the host's"} if step.endswith("failed") else {}
                await send({"type": f"lifespan.{step}", **text})


async def live(
    *steps: str, fails: Iterable[str] = (), server: Server | None = None
) -> tuple[Server, list[str]]:
    """Run a host of these steps inside of a resource; returns the server, and what happened in which order."""
    server = server or Server()
    events: list[str] = []
    resource, host = Resource(events, fails), Host(events, *steps)
    try:
        await serve_lifespan_around(resource, host, server.scope, server.receive, server.send)
    except ValueError:
        events.append("raised")
    except asyncio.CancelledError:
        events.append("cancelled")
    return server, events


async def test_a_server_starts_and_stops_the_proxy() -> None:
    """Both halves of the lifespan are answered."""
    server = Server()
    await server.run(PackyProxy(SETTINGS))
    assert ["startup.complete", "shutdown.complete"] == server.heard


@pytest.mark.parametrize(
    ("fails", "heard"),
    [("start", ["startup.failed"]), ("stop", ["startup.complete", "shutdown.failed"])],
)
async def test_a_failure_is_said_not_raised(fails: str, heard: list[str]) -> None:
    """With its reason: raising would leave some servers serving."""
    server = Server()
    await serve_lifespan(Resource([], [fails]), server.receive, server.send)
    assert (heard, [f"no {fails}"]) == (server.heard, server.reasons)


async def test_the_host_lives_within() -> None:
    """The proxy starts first and stops last; each is answered once."""
    server, events = await live("?", "startup.complete", "?", "shutdown.complete")
    assert [
        "proxy starts",
        "host gets startup",
        "host says startup.complete",
        "host gets shutdown",
        "host says shutdown.complete",
        "proxy stops",
    ] == events
    assert ["startup.complete", "shutdown.complete"] == server.heard


WITHOUT_A_LIFESPAN = {
    "it raises at once": ("raise",),
    "it raises after the first message": ("?", "raise"),
    "it returns at once": (),
    "it returns after the first message": ("?",),
    "it returns when it has started": ("?", "startup.complete"),
    "it takes the last message and returns": ("?", "startup.complete", "?"),
    "it takes all and answers nothing": ("?", "?"),
}


@pytest.mark.parametrize("steps", WITHOUT_A_LIFESPAN.values(), ids=WITHOUT_A_LIFESPAN.keys())
async def test_what_a_host_leaves_unanswered_is_answered_for_it(steps: tuple[str, ...]) -> None:
    """A host without a lifespan, or with half of one, lets the proxy run until the shutdown."""
    server, events = await live(*steps)
    assert ["startup.complete", "shutdown.complete"] == server.heard
    assert ("proxy starts", "proxy stops") == (events[0], events[-1])


@pytest.mark.parametrize("steps", WITHOUT_A_LIFESPAN.values(), ids=WITHOUT_A_LIFESPAN.keys())
async def test_the_proxy_runs_as_long_as_the_server(steps: tuple[str, ...]) -> None:
    """It does not end with a host that takes no part."""
    server = Server("startup")
    events: list[str] = []
    resource, host = Resource(events), Host(events, *steps)
    living = asyncio.create_task(
        serve_lifespan_around(resource, host, server.scope, server.receive, server.send)
    )
    for _ in range(5):
        await asyncio.sleep(0)
    assert (["proxy starts"], False) == ([event for event in events if "proxy" in event], living.done())
    living.cancel()
    with suppress(asyncio.CancelledError):
        await living
    assert "proxy stops" == events[-1]


async def test_a_host_that_raises_is_named_by_its_error(caplog: pytest.LogCaptureFixture) -> None:
    """It may be one that knows no lifespan, or one whose start is broken; servers tell them apart as little."""
    caplog.set_level(logging.INFO, "packyproxy")
    await live("?", "raise")
    [line] = caplog.records
    assert ("host_without_lifespan", "ValueError") == (vars(line)["event"], vars(line)["error"])
    assert "the host's" not in line.getMessage()


@pytest.mark.parametrize(
    ("steps", "heard", "ends"),
    {
        "at the start": (("?", "startup.failed"), ["startup.failed"], []),
        "at the start, and raises": (("?", "startup.failed", "raise"), ["startup.failed"], ["raised"]),
        "at the stop": (
            ("?", "startup.complete", "?", "shutdown.failed"),
            ["startup.complete", "shutdown.failed"],
            [],
        ),
        "at the stop, and raises": (
            ("?", "startup.complete", "?", "shutdown.failed", "raise"),
            ["startup.complete", "shutdown.failed"],
            ["raised"],
        ),
        "while it runs": (
            ("?", "startup.complete", "shutdown.failed", "raise"),
            ["startup.complete", "shutdown.failed"],
            ["raised"],
        ),
        "by raising while it runs": (("?", "startup.complete", "raise"), ["startup.complete"], ["raised"]),
        "by raising at the stop": (
            ("?", "startup.complete", "?", "raise"),
            ["startup.complete"],
            ["raised"],
        ),
        "by being cancelled": (("?", "startup.complete", "cancel"), ["startup.complete"], ["cancelled"]),
        "by being cancelled at the start": (("?", "cancel"), [], ["cancelled"]),
    }.values(),
    ids=str,
)
async def test_a_host_that_fails_is_heard_and_stops_the_proxy(
    steps: tuple[str, ...], heard: list[str], ends: list[str]
) -> None:
    """What it says travels on with its reason, what it raises is raised, and nothing stays open."""
    server, events = await live(*steps)
    assert (heard, ["the host's"] * sum("failed" in each for each in heard)) == (server.heard, server.reasons)
    assert (1, ends) == (
        events.count("proxy stops"),
        [event for event in events if event in {"raised", "cancelled"}],
    )


async def test_the_proxy_stops_before_the_server_hears_of_the_end() -> None:
    """A server may close the loop as soon as it knows; hypercorn raises into whoever tells it of a failure."""
    events: list[str] = []

    class Strict(Server):
        async def send(self, message: Message) -> None:
            events.append(f"server hears {message['type'].removeprefix('lifespan.')}")
            if message["type"].endswith("failed"):
                raise ValueError("as hypercorn does")

    server = Strict()
    host = Host(events, "?", "startup.failed")
    with pytest.raises(ValueError, match="as hypercorn does"):
        await serve_lifespan_around(Resource(events), host, server.scope, server.receive, server.send)
    assert ["proxy stops", "server hears startup.failed"] == events[-2:]


async def test_a_proxy_that_cannot_start_keeps_the_host_from_starting() -> None:
    """The server is told why, and nothing of the host has to be ended."""
    server, events = await live("?", "startup.complete", "?", "shutdown.complete", fails=["start"])
    assert (["startup.failed"], ["no start"], []) == (server.heard, server.reasons, events)


@pytest.mark.parametrize(
    ("last", "reason"), [("shutdown.complete", "no stop"), ("shutdown.failed", "the host's")]
)
async def test_a_proxy_that_cannot_stop_is_told_of(last: str, reason: str) -> None:
    """Unless the host has failed too, which counts more."""
    server, _ = await live("?", "startup.complete", "?", last, fails=["stop"])
    assert (["startup.complete", "shutdown.failed"], [reason]) == (server.heard, server.reasons)


@pytest.mark.parametrize("make", [PackyProxy, lambda settings: PackyProxyMiddleware(Starlette(), settings)])
async def test_a_cancelled_lifespan_leaves_nothing_behind(make: Callable[[Any], Any]) -> None:
    """Neither a task nor a proxy that takes itself for running."""
    app, server, before = make(SETTINGS), Server("startup"), asyncio.all_tasks()
    living = asyncio.create_task(server.run(app))
    await server.has_heard.wait()
    runtime = app.runtime if isinstance(app, PackyProxy) else app.proxy.runtime
    assert runtime.has_lifespan
    living.cancel()
    with suppress(asyncio.CancelledError):
        await living
    assert (False, before) == (runtime.has_lifespan, asyncio.all_tasks())


async def test_the_state_of_the_scope_is_the_hosts() -> None:
    """What its lifespan yields gets there, and nothing of ours."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, int]]:
        yield {"answer": 42}

    server = Server()
    state = server.scope["state"]
    await server.run(PackyProxyMiddleware(Starlette(lifespan=lifespan), SETTINGS))
    assert ({"of": "the host", "answer": 42}, True) == (state, state is server.scope["state"])


async def test_a_framework_starts_the_proxy_in_its_stack() -> None:
    """Starlette's ``add_middleware`` calls it for the lifespan too, within that of the application."""
    seen: list[bool] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        each = app.middleware_stack
        while not isinstance(each, PackyProxyMiddleware):
            each = each.app  # type: ignore[union-attr]
        runtime = each.proxy.runtime
        seen.append(runtime.has_lifespan)
        yield
        seen.append(runtime.has_lifespan)

    app = Starlette(lifespan=lifespan)
    app.add_middleware(PackyProxyMiddleware, config=SETTINGS)
    server = Server()
    await server.run(app)
    assert ([True, True], ["startup.complete", "shutdown.complete"]) == (seen, server.heard)


async def test_hosts_enter_the_proxy_in_two_ways() -> None:
    """``async with proxy``, ``lifespan=proxy.lifespan`` and the middleware nest without harm."""
    middleware = PackyProxyMiddleware(Starlette(), SETTINGS)
    proxy = middleware.proxy
    async with proxy, proxy.lifespan(object()):
        await Server().run(middleware)
        await Server().run(proxy)
        assert proxy.runtime.has_lifespan
    assert not proxy.runtime.has_lifespan


async def test_a_scope_that_nobody_knows_is_rejected() -> None:
    """By raising, which is how ASGI wants a server to learn of it; its content is not looked at."""
    with pytest.raises(NotImplementedError, match="'webtransport'"):
        await PackyProxy(SETTINGS)({"type": "webtransport"}, Server().receive, Server().send)
