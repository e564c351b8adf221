"""What event loops in several threads share: used by all at once, none of it breaks."""

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from weakref import ref

import pytest
from msgspec import Raw, json

from packyproxy.config import config_from_mapping
from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.latency import Latencies
from packyproxy.providers.learned import Learned
from packyproxy.providers.provider import Provider
from packyproxy.runtime.background.tasks import Background
from packyproxy.runtime.per_loop import Entries, PerLoop
from packyproxy.runtime.routing import Routing
from packyproxy.store.memory import MemoryStore
from packyproxy.translate.token_count import ScaleFactors
from packyproxy.translate.tool_memory import ToolMemory

pytestmark = pytest.mark.usefixtures("eager_threads")

THREADS = 4
ROUNDS = 3000


def in_threads(use: Callable[[int], object]) -> None:
    """Call something in several threads at once, with the number of each; what one raises is raised."""
    start = Barrier(THREADS)

    def run(number: int) -> None:
        start.wait()
        use(number)

    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(run, number) for number in range(THREADS)]:
            done.result()


def test_the_memory_of_tools() -> None:
    """A full one, of which every thread pushes the others' lists out."""
    memory = ToolMemory(json.Decoder(list[str]).decode, max_bytes=3000)
    lists = [Raw(b'["tool_%d"]' % number) for number in range(12)]

    def use(number: int) -> None:
        for turn in range(ROUNDS):
            each = (turn * (number + 1)) % len(lists)
            assert memory.read(lists[each]) == [f"tool_{each}"]

    in_threads(use)


def test_what_providers_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than is kept, so that each thread takes out what another has just found."""
    monkeypatch.setattr("packyproxy.providers.learned._MAX_TARGETS", 4)
    monkeypatch.setattr("packyproxy.providers.learned._MAX_REASONING", 4)
    learned, moment = Learned(), count()

    def use(number: int) -> None:
        for turn in range(ROUNDS):
            now = float(next(moment)) * 900
            learned.remove_parameter("p", f"m{turn % 9}", "phase")
            learned.miss_route(f"p{turn % 7}", "/responses")
            learned.refuse_reasoning("s", [f"r{(turn + number) % 6}"], now)
            facts = learned.attempt_facts("p", "m1", scope="s", now=now)
            if facts.is_refused_reasoning is not None:
                for each in range(6):
                    facts.is_refused_reasoning(f"r{each}")

    in_threads(use)


def test_the_corrections_of_token_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more models than are kept."""
    monkeypatch.setattr("packyproxy.translate.token_count._MAX_MODELS", 3)
    scales = ScaleFactors()

    def use(number: int) -> None:
        for turn in range(ROUNDS):
            scales.feed(f"m{(turn + number) % 9}", 1000, 1100)

    in_threads(use)


def test_how_quick_providers_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more targets than are kept."""
    monkeypatch.setattr("packyproxy.providers.latency._MAX_TARGETS", 3)
    latencies = Latencies()

    def use(number: int) -> None:
        for turn in range(ROUNDS):
            latencies.note("p", f"m{(turn + number) % 9}", 0.1, float(turn))

    in_threads(use)


def test_providers_that_start_afresh() -> None:
    """A reload switches some on, and requests of all loops take them up."""
    store = MemoryStore(clock=lambda: 0.0)
    routing = Routing(store, now=lambda: 0.0)
    entries = [
        {"name": name, "enabled": True, "base-url": f"http://{name}.test/v1", "api-key": "sk-0123456789"}
        for name in "abc"
    ]
    config = config_from_mapping({"tppc": {"providers": entries}})
    providers = [Provider.from_config(each) for each in config.providers]

    async def serve() -> None:
        for _ in range(ROUNDS // 3):
            routing.restore(providers)
            assert await routing.can_serve(providers)

    in_threads(lambda _: asyncio.run(serve()))


def test_how_providers_fare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures, rests and turns of more providers and models than are remembered."""
    for limit in ("_MOST_NOTED", "_MOST_TURNS", "_MOST_RESTED"):
        monkeypatch.setattr(f"packyproxy.runtime.routing.{limit}", 3)
    moment = count()
    routing = Routing(MemoryStore(clock=lambda: 0.0), now=lambda: next(moment) / 10)
    failure = Failure(kind=FailureKind.RATE_LIMIT)
    providers = [
        Provider(id=f"id-{name}", name=name, base_url="http://x", api_key=None, reasoning_scope="x")
        for name in "abcdef"
    ]

    async def serve(number: int) -> None:
        for turn in range(ROUNDS // 10):
            provider, model = providers[(turn + number) % len(providers)], f"m{turn % 7}"
            tried = await routing.failed(
                provider, model, failure, is_probe=False, seconds_ago=0.0, longest_cooldown_seconds=30
            )
            assert provider.name == tried.provider
            routing.answered_after(provider, model, 0.1)
            await routing.check_passed(provider)
            assert len(providers) == len(await routing.conditions([(each, [model]) for each in providers]))
            await routing.available(providers)

    in_threads(lambda number: asyncio.run(serve(number)))


def test_a_duty_is_done_once() -> None:
    """However many loops start it at one moment."""
    begun: list[int] = []
    start, end = Barrier(THREADS), Barrier(THREADS)

    async def duty() -> None:
        begun.append(1)
        await asyncio.Event().wait()

    background = Background({f"duty {number}": duty for number in range(20)})

    async def live() -> None:
        start.wait()
        background.start()
        await asyncio.sleep(0)
        end.wait()
        await background.stop()

    for _ in range(10):
        begun.clear()
        in_threads(lambda _: asyncio.run(live()))
        assert 20 == len(begun)


def test_a_duty_whose_loop_has_closed_is_done_elsewhere() -> None:
    """A loop that ended without its tasks leaves their work to the next one that starts it."""
    begun: list[int] = []

    async def duty() -> None:
        begun.append(1)
        await asyncio.Event().wait()

    background = Background({"duty": duty})

    async def start() -> None:
        background.start()
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(start())
    assert background.is_running("duty")
    loop.close()
    assert not background.is_running("duty")
    asyncio.run(start())
    assert 2 == len(begun)


def test_each_loop_has_a_thing_of_its_own() -> None:
    """Loops come and go; those that have gone are let go with what was theirs, once each."""
    made, numbers = [], count()
    abandoned: list[int] = []

    def make() -> int:
        made.append(next(numbers))
        return made[-1]

    things: PerLoop[int] = PerLoop(make, abandoned.append)

    async def use() -> None:
        mine = things.here()
        await asyncio.sleep(0)
        assert mine == things.here()

    def run(_: int) -> None:
        for _ in range(20):
            asyncio.run(use())

    in_threads(run)
    asyncio.run(use())
    assert sorted(made[:-1]) == sorted(abandoned)
    assert made[-1:] == list(things.by_loop().values())


def test_entries_are_counted_by_loop() -> None:
    """A loop that closed inside of it does not count."""
    entries = Entries()

    async def use(*, leaves: bool) -> None:
        for _ in range(3):
            entries.enter()
            await asyncio.sleep(0)
        assert [False, False] == [entries.leave() for _ in range(2)]
        loop = asyncio.get_running_loop()
        assert entries.has_entered(loop)
        assert loop in entries.loops()
        if leaves:
            assert entries.leave()

    def run(number: int) -> None:
        for turn in range(20):
            asyncio.run(use(leaves=(turn + number) % 2 == 0))

    in_threads(run)
    assert [] == entries.loops()


def test_a_loop_that_closed_inside_is_not_held() -> None:
    """The next one that enters lets go of it."""
    entries = Entries()

    async def enter() -> None:
        entries.enter()

    loop = asyncio.new_event_loop()
    gone = ref(loop)
    loop.run_until_complete(enter())
    loop.close()
    del loop
    asyncio.run(enter())
    gc.collect()
    assert gone() is None
