"""The store in memory keeps the contract of ``store.contract``."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from packyproxy.store.contract import Store
from packyproxy.store.memory import MemoryStore


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def store(clock: _Clock) -> Store:
    return MemoryStore(clock=clock)


async def _replace(store: Store, value: bytes | None, instead_of: bytes | None) -> bool:
    return await store.replace("k", value, instead_of=instead_of, expires_in_seconds=10)


async def test_absent_keys_read_as_none(store: Store) -> None:
    """What nobody wrote is None."""
    assert [None, None] == await store.read(("a", "b"))


async def test_nothing_asked_nothing_told(store: Store) -> None:
    """No keys give no values."""
    assert [] == await store.read(())


async def test_values_come_in_the_order_of_their_keys(store: Store) -> None:
    """One reading answers several keys, each in its place, also twice."""
    await store.write("a", b"1", expires_in_seconds=10)
    await store.write("b", b"2", expires_in_seconds=10)
    assert [b"2", None, b"1", b"2"] == await store.read(("b", "c", "a", "b"))


async def test_last_writer_wins(store: Store) -> None:
    """Writing does not ask what was there."""
    await store.write("k", b"1", expires_in_seconds=10)
    await store.write("k", b"2", expires_in_seconds=10)
    assert [b"2"] == await store.read(("k",))


async def test_empty_value_is_a_value(store: Store) -> None:
    """No bytes are something else than no entry."""
    await store.write("k", b"", expires_in_seconds=10)
    assert ([b""], False) == (await store.read(("k",)), await _replace(store, b"new", None))


@pytest.mark.parametrize(
    ("seconds", "value"), [(9.9, b"1"), (10.0, None), (11.0, None)], ids=["before", "then", "after"]
)
async def test_entries_expire(store: Store, clock: _Clock, seconds: float, value: bytes | None) -> None:
    """An entry is absent from its very moment on."""
    await store.write("k", b"1", expires_in_seconds=10)
    clock.now += seconds
    assert [value] == await store.read(("k",))


async def test_each_entry_has_its_own_time(store: Store, clock: _Clock) -> None:
    """A longer life beside a shorter one is not cut."""
    await store.write("short", b"1", expires_in_seconds=1)
    await store.write("long", b"2", expires_in_seconds=3600)
    clock.now += 5
    assert [None, b"2"] == await store.read(("short", "long"))


@pytest.mark.parametrize("was_replaced", [False, True], ids=["written", "replaced"])
async def test_writing_again_starts_the_time_anew(store: Store, clock: _Clock, *, was_replaced: bool) -> None:
    """The time counts from the last change."""
    await store.write("k", b"1", expires_in_seconds=10)
    clock.now += 9
    if was_replaced:
        assert await _replace(store, b"1", b"1")
    else:
        await store.write("k", b"1", expires_in_seconds=10)
    clock.now += 9
    assert [b"1"] == await store.read(("k",))


@pytest.mark.parametrize(
    ("present", "instead_of", "value", "is_set", "afterwards"),
    [
        pytest.param(None, None, b"new", True, b"new", id="first"),
        pytest.param(None, b"old", b"new", False, None, id="gone-meanwhile"),
        pytest.param(b"old", b"old", b"new", True, b"new", id="as-read"),
        pytest.param(b"other", b"old", b"new", False, b"other", id="changed-meanwhile"),
        pytest.param(b"other", None, b"new", False, b"other", id="came-meanwhile"),
        pytest.param(b"old", b"old", None, True, None, id="deleted"),
        pytest.param(b"other", b"old", None, False, b"other", id="not-deleted"),
        pytest.param(None, None, None, True, None, id="nothing-to-delete"),
    ],
)
async def test_replaces_only_what_was_read(
    store: Store,
    present: bytes | None,
    instead_of: bytes | None,
    value: bytes | None,
    afterwards: bytes | None,
    *,
    is_set: bool,
) -> None:
    """A value is replaced if it still is what the caller read, and left alone otherwise."""
    if present is not None:
        await store.write("k", present, expires_in_seconds=10)
    assert is_set is await _replace(store, value, instead_of)
    assert [afterwards] == await store.read(("k",))


@pytest.mark.parametrize("value", [b"new", None], ids=["set", "deleted"])
async def test_expired_value_counts_as_absent(store: Store, clock: _Clock, value: bytes | None) -> None:
    """Who saw nothing may replace an expired value; who saw the value may not."""
    await store.write("k", b"old", expires_in_seconds=10)
    clock.now += 10
    assert (False, True) == (await _replace(store, value, b"old"), await _replace(store, value, None))
    assert [value] == await store.read(("k",))


async def test_is_bounded(clock: _Clock) -> None:
    """When it is full, what was not touched for longest goes; reading counts as touching."""
    store = MemoryStore(clock=clock, max_entries=2)
    await store.write("health", b"1", expires_in_seconds=10)
    for session in ("a", "b", "c"):
        await store.write(session, b"2", expires_in_seconds=10)
        assert [b"1"] == await store.read(("health",))
    assert [None, None, b"2"] == await store.read(("a", "b", "c"))


@pytest.mark.usefixtures("eager_threads")
def test_threads_lose_no_change(store: Store) -> None:
    """Event loops in several threads count together, and every one of them is counted."""
    together = Barrier(4)

    async def count_to(number: int) -> None:
        together.wait()
        for _ in range(number):
            while True:
                present = (await store.read(("k",)))[0]
                if await _replace(store, b"%d" % (int(present or b"0") + 1), present):
                    break

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: asyncio.run(count_to(number)), [4000] * 4))
    assert [b"16000"] == asyncio.run(store.read(("k",)))
