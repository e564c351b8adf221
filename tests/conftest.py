"""Rules that hold for every test, and what tests may ask for.

No test reaches beyond loopback; no code of packyproxy may block a running event loop. A test marked
``virtual_time`` runs on an event loop whose clock jumps: deadlines of minutes pass in no time, in their right order.
"""

import asyncio
import ipaddress
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings

from packyproxy.runtime.runtime import Runtime

_Ts = TypeVarTuple("_Ts")
_T = TypeVar("_T")

# Shared machines stall for longer than any per-example deadline worth having, so there is none; ``ci`` looks
# further and is derandomised, so that a red build is red again on the next run.
settings.register_profile(
    "default", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci", deadline=None, max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))


class NetworkBlockedError(RuntimeError):
    """A test tried to talk to something that is not on this machine."""


def _is_local(sock: socket.socket, address: Any) -> bool:
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return True  # a Unix socket
    host = address[0]
    if host in {"", "localhost"}:
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> Iterator[None]:
    """Refuse connections and name look-ups beyond loopback, also those of libraries."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if not _is_local(self, address):
            raise NetworkBlockedError("this test tried to connect beyond loopback")
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if not _is_local(self, address):
            raise NetworkBlockedError("this test tried to connect beyond loopback")
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        try:
            is_literal = name is None or bool(ipaddress.ip_address(name))
        except ValueError:
            is_literal = False
        if is_literal or name in {"", "localhost"}:
            return getaddrinfo(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "tests look up no names")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the variables and the Codex CLI of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PACKYCODE_")]:
            patch.delenv(name)
        patch.delenv("PACKYPROXY_CONFIG", raising=False)
        patch.delenv("MANAGEMENT_PASSWORD", raising=False)
        patch.setenv("CODEX_HOME", str(tmp_path_factory.getbasetemp() / "no-codex"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_blocking_in_the_loop() -> Iterator[None]:
    """Make a blocking call under packyproxy's frames inside a running loop an error; test code is left alone.

    Importing a module for the first time, writing a log line, measuring coverage, and reading the configuration
    where a proxy is made block by nature, and are allowed.
    """
    blockbuster = BlockBuster("packyproxy")
    for function in blockbuster.functions.values():
        function.can_block_in("<frozen importlib._bootstrap>", {"_find_and_load"})
        function.can_block_in("logging/__init__.py", {"callHandlers"})
        function.can_block_in("coverage/collector.py", {"lock_data"})
        function.can_block_in("packyproxy/runtime/runtime.py", {"__init__"})
    blockbuster.activate()
    yield
    blockbuster.deactivate()


class _JumpingSelector(selectors.DefaultSelector):
    """Report I/O that is ready; where there is none, ask the loop to move its clock instead of waiting."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.loop.pending_threads:
            return super().select(0.01 if timeout is None else min(timeout, 0.01))
        if timeout is not None:
            self.loop.advance(timeout)
            return ready
        ready = super().select(self.loop.STUCK_AFTER_SECONDS)
        if not ready:
            self.loop.report_stuck()
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits for a timer: when nothing is ready, ``time()`` jumps to the next one.

    While work is in a thread the clock stands still. Real sockets do not fit here (a peer's answer is "not ready"
    for a moment, and the clock jumps): drive in-process transports.
    """

    STUCK_AFTER_SECONDS = 2.0
    """Real time without any timer or event after which a test counts as waiting for ever."""

    def __init__(self) -> None:
        self._now = 1000.0
        self.pending_threads = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual clock, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        # The smallest step must change a float of this size, or a timer would stay just out of reach.
        self._now += max(seconds, 1e-9)

    def report_stuck(self) -> None:
        """Cancel every task: the test waits for something that can no longer happen."""
        for task in asyncio.all_tasks(self):
            task.cancel("the virtual-time loop has no timer and no event left: this would wait for ever")

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Run in a thread, and hold the clock until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self.pending_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's own
        """Wait for the threads to end, for as long as that takes: they do not know of the virtual clock."""
        self.pending_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.pending_threads -= 1

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self.pending_threads -= 1


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads take turns thousands of times more often than they do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(autouse=True)
def _wall_clock_jumps_too(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the proxy's Unix time keep step with the virtual clock: cooldowns pass as deadlines do."""
    if request.node.get_closest_marker("virtual_time") is None:
        return
    started_at: list[tuple[float, float]] = []

    def now(_: Runtime) -> float:
        try:
            clock = asyncio.get_running_loop().time()
        except RuntimeError:
            return time.time()
        if not started_at:
            started_at.append((time.time(), clock))
        unix, start = started_at[0]
        return unix + clock - start

    monkeypatch.setattr(Runtime, "now", now)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give tests marked ``virtual_time`` the jumping clock and all others a plain loop."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    return {"asyncio": asyncio.new_event_loop}
