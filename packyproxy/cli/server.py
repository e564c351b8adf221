"""Run an ASGI app under hypercorn in this process: bind first, serve until told to stop, end in order."""

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, Final

from hypercorn.asyncio import run as hypercorn_run
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.typing import ASGIFramework

from packyproxy.cli.connection import Connection, ServerConfig
from packyproxy.cli.failures import CommandFailed

__all__ = [
    "Stop",
    "bind",
    "calm_the_collector",
    "is_loopback",
    "keep_freed_memory",
    "local_url",
    "loop_name",
    "run_in_loop",
    "serve_app",
    "server_url",
]

_BACKLOG: Final = 2048
"""Connections that wait while the loop is busy; agents open many at once."""
_KEEP_ALIVE_SECONDS: Final = 75.0
"""Longer than an agent pauses between two turns, and than the 60 s at which common clients drop theirs."""
_REQUESTS_PER_CONNECTION: Final = 1_000_000
_HEADER_BYTES: Final = 64 * 1024
_LEEWAY_SECONDS: Final = 2.0
"""By how much our limit comes before hypercorn's, which says nothing of what it cuts off."""
_CLOSING_SECONDS: Final = 1.0
_LAST_ACCEPT_SECONDS: Final = 0.01
_OBJECTS_BETWEEN_COLLECTIONS: Final = 10_000
_KEPT_BYTES: Final = 16 * 1024 * 1024
_OWN_MAPPING_BYTES: Final = 4 * 1024 * 1024
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_BIND_REMEDIES: Final = {
    errno.EADDRINUSE: "stop what uses it, or choose another with --port",
    errno.EADDRNOTAVAIL: "it is no address of this machine: set host or --host",
    errno.EACCES: "ports below 1024 are for the administrator: choose another with --port",
}

_log = logging.getLogger("packyproxy")


class Stop:
    """The wish to end: once in order, twice at once."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()

    def ask(self) -> None:
        """Ask for an orderly end; asked again, for an immediate one."""
        (self.insisted if self.asked.is_set() else self.asked).set()

    def on_signals(self, *signals: signal.Signals, first: Callable[[], object] = lambda: None) -> None:
        """Take each of these signals as a call of ``ask``, which that of ``first`` comes before."""
        loop = asyncio.get_running_loop()

        def act() -> None:
            first()
            self.ask()

        for number in signals:
            try:
                loop.add_signal_handler(number, act)
            except NotImplementedError:  # on Windows, whose loop wakes up for Python's own handlers
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))

    def obey(self, *, ask: signal.Signals, insist: signal.Signals) -> None:
        """Take one signal, however often it comes, as one wish for an orderly end, and another as haste."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(ask, self.asked.set)
        loop.add_signal_handler(insist, self.insisted.set)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens; clients may connect from now on. Port 0 takes any free one.

    Raises:
        CommandFailed: the address cannot be used; says why.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CommandFailed(
            f"the host {host} is not an address of this machine: set host or --host"
        ) from error
    # A name such as localhost may stand for both families; IPv4 is what the printed URL and most clients use.
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reason = (error.strerror or type(error).__name__).lower()
        remedy = _BIND_REMEDIES.get(error.errno or 0, "choose another address with --host and --port")
        raise CommandFailed(f"cannot listen on {host} port {port} ({reason}): {remedy}") from error
    return listener


def server_url(listener: socket.socket) -> str:
    """Return the URL under which clients on this machine reach a listening socket."""
    return local_url(*listener.getsockname()[:2])


def local_url(host: str, port: int) -> str:
    """Return the URL under which clients on this machine reach what listens on an address."""
    with suppress(ValueError):  # a name
        if ip_address(host.partition("%")[0]).is_unspecified:
            host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def loop_name() -> str:
    """Return what ``run_in_loop`` runs on: uvloop where it is installed, else asyncio's own loop."""
    return "asyncio" if find_spec("uvloop") is None else "uvloop"


def run_in_loop(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function on a new event loop, uvloop's when it is installed."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with suppress(ImportError):
        from uvloop import new_event_loop

        loop_factory = new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


class _Requests:
    """An ASGI app around another one that knows which requests are being answered."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._running: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        if task is None or scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self._running.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._running.discard(task)

    def cut_off(self) -> bool:
        """Cancel every answer that is not finished; tells whether there was one."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        return bool(running)


async def serve_app(
    app: Any, listener: socket.socket, stop: Stop, *, grace_seconds: float, linger_seconds: float = 0.0
) -> None:
    """Serve until ``stop`` is asked for; then accept nothing more and let running answers finish.

    They get ``grace_seconds``, and less when ``stop`` is asked for again. Takes over the socket.

    Args:
        app: the application.
        listener: where clients connect.
        stop: the wish to end.
        grace_seconds: how long running answers may go on then.
        linger_seconds: of these, how long a connection that was used last stays open for another request.

    Raises:
        CommandFailed: the app failed to start.
    """
    requests = _Requests(app)
    config = _hypercorn_config(listener, grace_seconds)
    config.linger_seconds = min(linger_seconds, grace_seconds)

    async def end() -> None:
        await stop.asked.wait()
        config.is_ending = True
        # One turn of the loop takes in those who have connected already; the system resets who still waits.
        await asyncio.sleep(_LAST_ACCEPT_SECONDS)

    framework: ASGIFramework = requests
    hypercorn_run.TCPServer = Connection  # type: ignore[attr-defined,assignment]  # the name it makes connections by
    server = asyncio.create_task(hypercorn_serve(framework, config, shutdown_trigger=end, mode="asgi"))
    await _first_of(server, stop.asked)
    asyncio.get_running_loop().set_exception_handler(_without_cancellations)
    if not server.done():
        await _first_of(server, stop.insisted, within_seconds=grace_seconds)
    if not server.done() and requests.cut_off():
        _log.warning("running answers were cut off at shutdown", extra={"event": "cut_off"})
    while not server.done():
        # It waits more than once, since Python 3.12 without a limit: a cancellation ends one wait.
        server.cancel()
        await asyncio.wait({server}, timeout=_CLOSING_SECONDS)
    try:
        await server
    except asyncio.CancelledError:
        pass
    except Exception as error:
        raise CommandFailed(f"the server ended with {type(error).__name__}") from error


def _without_cancellations(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep quiet about connections cut off on purpose, which asyncio reports as errors of a callback."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def calm_the_collector() -> None:
    """Let the cycle collector look less often, and never at what was loaded for good.

    A request leaves no cycles behind, so the usual pace, a run every 700 new objects, only costs time: 2-3 %
    of a small request. Neither does the start, so nothing is collected now: that would be 35 ms of it. For a
    process that does nothing but serve; a host that mounts the proxy keeps its own pace.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


def keep_freed_memory() -> None:
    """Let the allocator keep up to 16 MB of what is freed, instead of giving it back at once.

    glibc returns pieces over 128 KB when they are freed, so every large request has its pages made anew:
    20-25 % of the CPU of a 1 MB request. Does nothing where there is no glibc.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
            mallopt(_M_MMAP_THRESHOLD, _OWN_MAPPING_BYTES)


async def _first_of(
    server: asyncio.Task[None], event: asyncio.Event, *, within_seconds: float | None = None
) -> None:
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({server, waiting}, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


def _hypercorn_config(listener: socket.socket, grace_seconds: float) -> ServerConfig:
    config = ServerConfig()
    config.bind = [f"fd://{listener.detach()}"]
    config.backlog = _BACKLOG
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.keep_alive_max_requests = _REQUESTS_PER_CONNECTION
    config.graceful_timeout = grace_seconds + _LEEWAY_SECONDS
    config.include_server_header = False
    config.h11_max_incomplete_size = _HEADER_BYTES
    config.errorlog = logging.getLogger("hypercorn.error")
    config.accesslog = None
    return config
