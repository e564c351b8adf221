"""Addresses are banned for wrong keys in a row, and for half an hour."""

import asyncio
from typing import Any

import pytest

from packyproxy.asgi.management.bans import Bans, banned_name
from packyproxy.store.memory import MemoryStore


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that is set by hand."""
    return Clock()


@pytest.fixture
def bans(clock: Clock) -> Bans:
    """Return bans over an empty store."""
    return Bans(MemoryStore(clock=clock), now=clock)


async def fail(bans: Bans, times: int, address: str = "192.0.2.1") -> list[bool]:
    return [await bans.fail(address) for _ in range(times)]


async def test_the_fifth_failure_bans(bans: Bans) -> None:
    """Four failures in a row do nothing, the fifth tells that the ban begins, and further ones do not."""
    assert [False] * 4 == await fail(bans, 4)
    assert 0.0 == await bans.seconds_left("192.0.2.1")
    assert [True, False] == await fail(bans, 2)
    assert 1800.0 == await bans.seconds_left("192.0.2.1")


async def test_a_ban_ends(bans: Bans, clock: Clock) -> None:
    """After half an hour the address is as good as new: it takes five failures to ban it again."""
    await fail(bans, 5)
    clock.now += 1799
    assert 1.0 == await bans.seconds_left("192.0.2.1")
    clock.now += 1
    assert 0.0 == await bans.seconds_left("192.0.2.1")
    assert [False] * 4 + [True] == await fail(bans, 5)


async def test_a_store_that_keeps_longer_bans_no_longer(clock: Clock) -> None:
    """The end of a ban stands in the entry; a failure after it is the first of a new row."""
    store = MemoryStore(clock=lambda: 0.0)
    bans = Bans(store, now=clock)
    await fail(bans, 5)
    clock.now += 1800
    assert (0.0, [False] * 4 + [True]) == (await bans.seconds_left("192.0.2.1"), await fail(bans, 5))


async def test_a_success_starts_the_count_anew(bans: Bans) -> None:
    """Only failures in a row ban."""
    await fail(bans, 4)
    assert 0.0 == await bans.forgive("192.0.2.1")
    assert [False] * 4 == await fail(bans, 4)


async def test_a_success_ends_no_ban(bans: Bans) -> None:
    """Of many keys tried at once, one behind the fifth wrong one opens nothing even if it is right."""
    await fail(bans, 5)
    assert (1800.0, 1800.0) == (await bans.forgive("192.0.2.1"), await bans.seconds_left("192.0.2.1"))


async def test_each_address_has_a_count_of_its_own(bans: Bans) -> None:
    """A ban of one leaves the others alone."""
    await fail(bans, 5)
    assert 0.0 == await bans.seconds_left("192.0.2.2")


async def test_workers_share_their_bans(clock: Clock) -> None:
    """Failures at two workers over one store add up."""
    store = MemoryStore(clock=clock)
    one, other = Bans(store, now=clock), Bans(store, now=clock)
    await fail(one, 3)
    assert [False, True] == await fail(other, 2)
    assert 1800.0 == await one.seconds_left("192.0.2.1")


class Contended(MemoryStore):
    """A store at which somebody else is faster a number of times."""

    def __init__(self, clashes: int) -> None:
        super().__init__(clock=lambda: 0.0)
        self.clashes = clashes

    async def replace(self, key: str, value: bytes | None, **more: Any) -> bool:
        if self.clashes:
            self.clashes -= 1
            return False
        return await super().replace(key, value, **more)


@pytest.mark.parametrize(("clashes", "counted"), [(0, 1), (3, 1), (15, 1), (16, 0), (17, 0)])
async def test_a_failure_is_counted_however_many_come_at_once(
    clock: Clock, clashes: int, counted: int
) -> None:
    """Whoever is not fast enough reads again, sixteen times at most."""
    store = Contended(0)
    bans = Bans(store, now=clock)
    await fail(bans, 4)
    store.clashes = clashes
    assert bool(counted) is await bans.fail("192.0.2.1")


@pytest.mark.parametrize(("clashes", "left"), [(0, [True]), (15, [False]), (17, [True])])
async def test_a_success_tries_again_too(clock: Clock, clashes: int, left: list[bool]) -> None:
    """A count that cannot be taken back after sixteen tries stays; the success counts all the same."""
    store = Contended(0)
    bans = Bans(store, now=clock)
    await fail(bans, 4 if clashes else 5)
    store.clashes = clashes
    await bans.forgive("192.0.2.1")
    store.clashes = 0
    assert left == [bool(await bans.fail("192.0.2.1") or await bans.seconds_left("192.0.2.1"))]


async def test_failures_at_once_are_all_counted(bans: Bans) -> None:
    """Of five at once one tells that the ban begins."""
    told = await asyncio.gather(*(bans.fail("192.0.2.1") for _ in range(5)))
    assert (1, 1800.0) == (sum(told), await bans.seconds_left("192.0.2.1"))


@pytest.mark.parametrize(
    ("client", "is_local", "name"),
    [
        (("127.0.0.1", 1), True, "127.0.0.1"),
        (("127.0.0.1", 1), False, "127.0.0.1 (through a proxy)"),
        (("::ffff:127.0.0.1", 1), True, "127.0.0.1"),
        (("::1", 1), True, "::1"),
        (("192.0.2.1", 1), False, "192.0.2.1"),
        (("2600:db8:1:2:3:4:5:6", 1), False, "2600:db8:1:2::/64"),
        (("fe80::1%eth0", 1), False, "fe80::1%eth0"),
        (("/run/proxy.sock", 0), False, "unknown"),
        (None, False, "unknown"),
    ],
)
def test_who_is_banned(client: Any, *, is_local: bool, name: str) -> None:
    """It is the peer, an IPv6 host with its whole network; clients of a proxy share a name that is not its own."""
    assert name == banned_name({"client": client}, is_local=is_local)
