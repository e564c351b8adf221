"""One proxy on several event loops, one after the other and at once, started or not: nothing is left behind."""

import asyncio
import gc
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, TypeVar
from weakref import ref

import httpx
import pytest

from packyproxy import PackyProxy
from packyproxy.config import config_from_mapping
from packyproxy.runtime.observation.journal import give_to_handlers
from packyproxy.runtime.upstream.engine import Engine
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from tests.support.servers import Listener
from tests.support.settings import provider

HELLO = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}

_Self = TypeVar("_Self")


class _UpstreamThread(threading.Thread):
    """A scripted upstream on a real socket, on an event loop of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = Listener()
        self.is_up = threading.Event()

    def run(self) -> None:
        """Serve until ``close``."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._is_over = asyncio.get_running_loop(), asyncio.Event()
        async with self.listener.serving(FakeUpstream("Hello.")):
            self.is_up.set()
            await self._is_over.wait()

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._is_over.set)
        self.join()
        self.listener.close()


@pytest.fixture(scope="module")
def upstream_url() -> Iterator[str]:
    """Return where a scripted upstream listens, for all event loops."""
    thread = _UpstreamThread()
    thread.start()
    thread.is_up.wait()
    yield thread.listener.url
    thread.close()


@pytest.fixture
def proxy(upstream_url: str) -> PackyProxy:
    """Return a proxy that opens connections of its own."""
    return PackyProxy({"packycode": provider(**{"base-url": f"{upstream_url}/v1"})})


async def ask(proxy: PackyProxy, **fields: Any) -> int:
    """Ask a model once; returns the status."""
    transport = StreamingASGITransport(proxy)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy.test") as client:
        return (await client.post("/v1/messages", json={**HELLO, **fields})).status_code


async def ask_started(proxy: PackyProxy) -> int:
    """Ask a model once, within a lifespan."""
    async with proxy:
        return await ask(proxy)


async def hold(proxy: PackyProxy) -> int:
    """Ask a model, and end when the answer has begun; returns the status."""
    status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        transport = StreamingASGITransport(proxy)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://proxy.test") as client,
            client.stream("POST", "/v1/messages", json={**HELLO, "stream": True}) as answer,
        ):
            status.set_result(answer.status_code)
            await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    try:
        return await status
    finally:
        assert not reading.done()


@pytest.mark.parametrize("use", [ask, ask_started, hold])
def test_nothing_outlives_its_loop(
    proxy: PackyProxy, caplog: pytest.LogCaptureFixture, use: Callable[[PackyProxy], Awaitable[int]]
) -> None:
    """Connections close with ``asyncio.run``, started or not, and also amid an answer: nobody complains of them."""
    loops = []

    async def run() -> int:
        loops.append(ref(asyncio.get_running_loop()))
        return await use(proxy)

    assert [200] * 3 == [asyncio.run(run()) for _ in range(3)]
    gc.collect()
    assert ([None] * 3, []) == ([loop() for loop in loops], _complaints(caplog))
    assert not proxy.runtime.has_lifespan


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_loop_that_closed_without_a_word_is_let_go(
    proxy: PackyProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connections cannot be closed any longer; the next loop forgets them, and it."""
    loop = asyncio.new_event_loop()
    gone = ref(loop)
    loop.run_until_complete(_settled(ask(proxy)))
    loop.close()
    del loop
    assert 200 == asyncio.run(ask(proxy))
    gc.collect()
    assert (None, []) == (gone(), _complaints(caplog))


async def test_a_proxy_that_is_dropped_closes_its_connections(
    upstream_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """On a loop that goes on: a test suite makes one for each test, and starts none."""
    proxy = PackyProxy({"packycode": provider(**{"base-url": f"{upstream_url}/v1"})})
    assert 200 == await _settled(ask(proxy))
    gone = ref(proxy)
    del proxy
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0.001)
    gc.collect()
    assert (None, []) == (gone(), _complaints(caplog))


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_proxy_that_is_dropped_after_its_loop_is_silent(
    upstream_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can be closed then, and nobody is told."""
    proxy = PackyProxy({"packycode": provider(**{"base-url": f"{upstream_url}/v1"})})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_settled(ask(proxy)))
    loop.close()
    del loop, proxy
    for _ in range(2):  # what the first round lets go is for the second
        gc.collect()
    assert [] == _complaints(caplog)


async def test_a_request_starts_no_task(proxy: PackyProxy) -> None:
    """A proxy that nobody has started has nothing running when its answer is over."""
    before = asyncio.all_tasks()
    assert 200 == await _settled(ask(proxy))
    assert before == asyncio.all_tasks()
    await proxy.runtime.aclose()


HEALTH_CHECKS = {"health-check": {"enabled": True, "interval": 10}}
DISCOVERY = {"discover-models": True}


@pytest.mark.parametrize(
    ("config", "level"),
    [({}, logging.INFO), (HEALTH_CHECKS, logging.WARNING), (DISCOVERY, logging.WARNING)],
    ids=["nothing is missed", "health checks", "discovery"],
)
async def test_a_missing_lifespan_is_told_once(
    config: dict[str, Any], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With the line that mends it; a warning only where something that was configured does not run."""
    caplog.set_level(logging.INFO, "packyproxy")
    proxy = PackyProxy({"packycode": provider(), **config}, transport=_upstream())
    for _ in range(3):
        await ask(proxy)
    [line] = _lines(caplog, "no_lifespan")
    assert level == line.levelno
    for mended_by in ("lifespan=proxy.lifespan", "async with proxy", "PackyProxyMiddleware"):
        assert mended_by in line.getMessage()


async def test_a_proxy_that_was_started_misses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Neither while it runs nor, once it has, after its end."""
    caplog.set_level(logging.INFO, "packyproxy")
    proxy = PackyProxy({"packycode": provider()}, transport=_upstream())
    assert [200, 200] == [await ask_started(proxy), await ask(proxy)]
    assert [] == _lines(caplog, "no_lifespan")


async def test_who_enters_and_who_leaves_may_be_different_tasks() -> None:
    """Fixtures and exit stacks do that, in whatever order."""
    proxy = PackyProxy({"packycode": provider()}, transport=_upstream())
    first, second = proxy.lifespan(), proxy.lifespan()
    seen = []
    for step in (first.__aenter__(), second.__aenter__(), first.__aexit__(None, None, None)):
        await asyncio.create_task(_awaiting(step))
        seen.append(proxy.runtime.has_lifespan)
    await asyncio.create_task(_awaiting(second.__aexit__(None, None, None)))
    assert ([True, True, True], False) == (seen, proxy.runtime.has_lifespan)


async def test_no_line_is_lost_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Lines that wait to be written together are written when the proxy has stopped."""
    caplog.set_level(logging.INFO, "packyproxy")
    proxy = PackyProxy({"packycode": provider()}, transport=_upstream())
    proxy.runtime.recorder.log_together = lambda: nullcontext(give_to_handlers)
    async with proxy:
        assert [200] * 9 == [await ask(proxy) for _ in range(9)]
        before = len(_lines(caplog, "per-request-tps"))
    assert (True, 9) == (before < 9, len(_lines(caplog, "per-request-tps")))


async def test_who_leaves_first_takes_nothing_away(
    upstream_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections, and what runs beside the requests, are there until all who have entered have left."""
    closed: list[Engine] = []
    monkeypatch.setattr(Engine, "aclose", _noting(closed, Engine.aclose))
    proxy = PackyProxy({"packycode": provider(**{"base-url": f"{upstream_url}/v1"}), **DISCOVERY})
    before = asyncio.all_tasks()
    async with proxy:
        async with proxy:
            assert 200 == await _settled(ask(proxy))
        assert ([], True) == (closed, asyncio.all_tasks() > before)
    assert (1, before) == (len(closed), asyncio.all_tasks())


async def test_a_start_that_is_cancelled_has_started_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the management key to be hashed, for example."""
    proxy = PackyProxy({"packycode": provider()}, transport=_upstream())
    monkeypatch.setattr(proxy.runtime.management_key, "protect", asyncio.Event().wait)
    before = asyncio.all_tasks()
    starting = asyncio.create_task(_awaiting(proxy.__aenter__()))
    await asyncio.sleep(0)
    await _cancelled(starting)
    assert (False, before) == (proxy.runtime.has_lifespan, asyncio.all_tasks())


async def test_a_stop_that_is_cancelled_stops_all_the_same(
    proxy: PackyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections close although the tasks beside them are slow to end."""
    may_end = asyncio.Event()

    async def slow(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    closed: list[Engine] = []
    monkeypatch.setattr("packyproxy.runtime.runtime.run_discovery", slow)
    monkeypatch.setattr(Engine, "aclose", _noting(closed, Engine.aclose))
    proxy = PackyProxy(proxy.runtime.snapshot.config)
    before = asyncio.all_tasks()
    await proxy.__aenter__()
    assert 200 == await _settled(ask(proxy))
    stopping = asyncio.create_task(_awaiting(proxy.__aexit__(None, None, None)))
    await asyncio.sleep(0)
    await _cancelled(stopping)
    may_end.set()
    await _settled(asyncio.sleep(0))
    assert (False, before) == (proxy.runtime.has_lifespan, asyncio.all_tasks())
    assert [False] == [each.is_open for each in closed]


def test_leaving_where_nobody_has_entered_is_an_error() -> None:
    """On another event loop than the one that was entered: both would be left in disorder."""
    proxy = PackyProxy({"packycode": provider()}, transport=_upstream())
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        first.run_until_complete(proxy.__aenter__())
        with pytest.raises(RuntimeError, match="event loop that has not entered"):
            second.run_until_complete(proxy.__aexit__(None, None, None))
        first.run_until_complete(proxy.__aexit__(None, None, None))
    finally:
        first.close()
        second.close()


def test_the_loop_that_stays_goes_on_with_what_runs_beside_the_requests() -> None:
    """When the loop that began with it leaves; when that one leaves too, nothing runs."""
    config = {"packycode": provider(), "discover-models": True}
    proxy = PackyProxy(config, transport=_upstream())
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        first.run_until_complete(_settled(_awaiting(proxy.__aenter__())))
        second.run_until_complete(_settled(_awaiting(proxy.__aenter__())))
        busy = [len(asyncio.all_tasks(loop)) > 0 for loop in (first, second)]
        first.run_until_complete(_settled(proxy.__aexit__(None, None, None)))
        second.run_until_complete(_settled(asyncio.sleep(0)))
        busy += [len(asyncio.all_tasks(loop)) > 0 for loop in (first, second)]
        second.run_until_complete(_settled(proxy.__aexit__(None, None, None)))
        busy += [len(asyncio.all_tasks(loop)) > 0 for loop in (first, second)]
        assert [True, False, False, True, False, False] == busy
    finally:
        first.close()
        second.close()


def test_a_loop_that_left_meanwhile_takes_nothing_over() -> None:
    """It was told to go on, and ends before it comes to that."""
    config = {"packycode": provider(), "discover-models": True}
    proxy = PackyProxy(config, transport=_upstream())
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        for loop in (first, second):
            loop.run_until_complete(proxy.__aenter__())
        leaving = second.create_task(proxy.__aexit__(None, None, None))
        first.run_until_complete(proxy.__aexit__(None, None, None))
        second.run_until_complete(_settled(leaving))
        assert (set(), set()) == (asyncio.all_tasks(first), asyncio.all_tasks(second))
    finally:
        first.close()
        second.close()


@pytest.mark.usefixtures("eager_threads")
def test_threads_with_loops_of_their_own_share_a_proxy(caplog: pytest.LogCaptureFixture) -> None:
    """Every request is answered while loops come and go, started or not, and the configuration changes."""
    caplog.set_level(logging.ERROR)
    configs = [
        config_from_mapping({"tppc": {"providers": [_named("a"), _named("b", **more)]}})
        for more in ({}, {"priority": 5}, {"enabled": False})
    ]
    proxy = PackyProxy(configs[0], transport=_upstream())

    async def serve(dice: random.Random) -> list[int]:
        async def some() -> list[int]:
            tools = [{"name": f"t{dice.randrange(9)}", "input_schema": {"type": "object"}}]
            return list(await asyncio.gather(*(ask(proxy, tools=tools) for _ in range(8))))

        if dice.random() < 0.5:
            return await some()
        async with proxy:
            return await some()

    def run(seed: int) -> list[int]:
        dice = random.Random(seed)
        return [status for _ in range(6) for status in asyncio.run(serve(dice))]

    def reload() -> None:
        for number in range(60):
            proxy.runtime.apply(configs[number % len(configs)])

    with ThreadPoolExecutor(5) as threads:
        runs = [threads.submit(run, seed) for seed in range(4)]
        threads.submit(reload).result()
        statuses = [status for each in runs for status in each.result()]
    assert [200] * 192 == statuses
    assert 192 == proxy.runtime.recorder.usage({}).total.requests
    assert ([], False) == (caplog.messages, proxy.runtime.has_lifespan)


def _named(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "enabled": True,
        "base-url": f"http://{name}.test/v1",
        "api-key": f"sk-{name}-0123456789",
        **more,
    }


def _upstream() -> StreamingASGITransport:
    return StreamingASGITransport(FakeUpstream("Hello."))


async def _awaiting(step: Awaitable[Any]) -> None:
    await step


def _noting(
    noted: list[_Self], method: Callable[[_Self], Awaitable[None]]
) -> Callable[[_Self], Awaitable[None]]:
    def call(self: _Self) -> Awaitable[None]:
        noted.append(self)
        return method(self)

    return call


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _settled(doing: Awaitable[Any]) -> Any:
    """Wait for something, and until what it has left for later is done."""
    done = await doing
    for _ in range(20):
        await asyncio.sleep(0.001)
    return done


def _lines(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "event", None) == event]


def _complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what asyncio has logged: aiohttp tells it of what was not closed."""
    return [record.getMessage() for record in caplog.records if record.name == "asyncio"]
