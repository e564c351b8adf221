"""Two providers asked at once: one wins, the other is cancelled, and nothing of it is lost to the limits."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from packyproxy.errors import ClientLeft, Failure, FailureKind
from packyproxy.runtime.serving.attempt import TIMEOUTS, Clock, Guard, Take
from packyproxy.runtime.serving.deadlines import Deadlines
from packyproxy.runtime.serving.race import Race
from packyproxy.runtime.serving.watch import Aborted, Watch
from packyproxy.runtime.time_limits import TimeLimits
from packyproxy.translate.failures import transport_failure

pytestmark = pytest.mark.virtual_time

LIMITS = TimeLimits(headers=20.0, idle=30.0, total=100.0)
Behaviour = Callable[[Clock, Take], Awaitable[Failure | None]]


def speaks(text: bytes, *, after: float, ends_after: float = 0.0, fails: bool = False) -> Behaviour:
    """Return a provider that shows content after some seconds, and ends some seconds later."""

    async def ask(clock: Clock, take: Take) -> Failure | None:
        now = asyncio.get_running_loop().time
        clock.start_attempt(now())
        await asyncio.sleep(after)
        clock.headers_received(now())
        await take(text, is_last=False)
        await asyncio.sleep(ends_after)
        clock.end_attempt()
        if fails:
            return Failure(kind=FailureKind.TRUNCATED)
        await take(text, is_last=True)
        return None

    return ask


def fails(kind: FailureKind, *, after: float) -> Behaviour:
    """Return a provider that fails after some seconds without any content."""

    async def ask(clock: Clock, take: Take) -> Failure | None:
        clock.start_attempt(asyncio.get_running_loop().time())
        await asyncio.sleep(after)
        return Failure(kind=kind)

    return ask


class Heat:
    """One race between behaviours that stand in for inquiries."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.inquiries: list[Any] = [
            SimpleNamespace(name=name, ask=ask) for name, ask in zip("ab", behaviours, strict=False)
        ]
        self.taken: list[bytes] = []
        self.told: list[str] = []
        self.losers: list[tuple[str, float]] = []
        self.gone = asyncio.Event()
        now = asyncio.get_running_loop().time()
        self.deadlines = Deadlines(LIMITS, accepted_at=now, is_stream=False)
        self.race = Race(
            self._ask,
            self._take,
            deadlines=self.deadlines,
            limits=LIMITS,
            on_win=self._tell,
        )

    async def run(self, hedge_after: float = 2.0) -> str | None:
        """Return the name of who answered."""
        second = self.inquiries[1] if len(self.inquiries) > 1 else None

        async def next_inquiry() -> Any:
            return second

        async def ignore(_: object) -> None:
            pass

        async with Watch(self.deadlines, wait_gone=self.gone.wait, interject=ignore) as watch:  # type: ignore[arg-type]
            winner = await self.race.run(
                self.inquiries[0], next_inquiry, hedge_after_seconds=hedge_after, watch=watch
            )
        return winner.name if winner else None  # type: ignore[attr-defined]

    @property
    def failures(self) -> list[tuple[str, FailureKind]]:
        """Return who failed of what."""
        return [(inquiry.name, failure.kind) for inquiry, failure in self.race.failures]  # type: ignore[attr-defined]

    @property
    def cancelled(self) -> list[tuple[str, float]]:
        """Return who was cancelled after how many seconds."""
        return [(inquiry.name, seconds) for inquiry, seconds in self.race.cancelled]  # type: ignore[attr-defined]

    async def _ask(self, inquiry: Any, guard: Guard, clock: Clock, take: Take) -> Failure | None:
        try:
            with guard.abortable():
                return await inquiry.ask(clock, take)  # type: ignore[no-any-return]
        except Aborted as aborted:
            return transport_failure(TIMEOUTS[aborted.due])

    def _tell(self, winner: Any, losers: Sequence[tuple[Any, float]]) -> None:
        self.told.append(winner.name)
        self.losers += [(loser.name, round(seconds, 3)) for loser, seconds in losers]

    async def _take(self, data: bytes, *, is_last: bool) -> None:
        self.taken.append(data)


async def test_the_second_wins_and_the_first_is_cancelled() -> None:
    """The second starts after the hedge time; whoever shows content first is the only one heard."""
    heat = Heat(speaks(b"a", after=10), speaks(b"b", after=1, ends_after=20))
    assert "b" == await heat.run()
    assert ([b"b", b"b"], ["b"], [("a", 3.0)]) == (heat.taken, heat.told, heat.losers)
    assert [("a", 3.0)] == [(name, round(seconds, 3)) for name, seconds in heat.cancelled]


async def test_the_first_may_still_win() -> None:
    """The second is cancelled when the first gets there before it."""
    heat = Heat(speaks(b"a", after=3, ends_after=1), speaks(b"b", after=5))
    assert "a" == await heat.run()
    assert ([b"a", b"a"], ["b"]) == (heat.taken, [name for name, _ in heat.cancelled])


async def test_the_second_is_asked_only_of_the_slow() -> None:
    """A first that shows content, or fails, within the hedge time stays alone."""
    for behaviour, expected in (
        (speaks(b"a", after=1, ends_after=10), "a"),
        (fails(FailureKind.SERVER_ERROR, after=1), None),
    ):
        heat = Heat(behaviour, speaks(b"b", after=0))
        assert expected == await heat.run()
        assert b"b" not in heat.taken


async def test_nobody_else_to_ask() -> None:
    """Without a second the first goes on."""
    heat = Heat(speaks(b"a", after=10))
    assert "a" == await heat.run()


async def test_the_other_goes_on_when_one_fails() -> None:
    """A failure before content leaves the race to the other, and is on record."""
    heat = Heat(fails(FailureKind.SERVER_ERROR, after=3), speaks(b"b", after=9))
    assert "b" == await heat.run()
    assert [("a", FailureKind.SERVER_ERROR)] == heat.failures


async def test_both_may_fail() -> None:
    """Then nobody answered, and both failures are on record."""
    heat = Heat(fails(FailureKind.SERVER_ERROR, after=3), fails(FailureKind.QUOTA, after=3))
    assert await heat.run() is None
    assert [("a", FailureKind.SERVER_ERROR), ("b", FailureKind.QUOTA)] == heat.failures


async def test_a_fault_of_the_clients_ends_the_race() -> None:
    """What no provider would take is not worth waiting for the other."""
    heat = Heat(fails(FailureKind.CONTEXT_OVERFLOW, after=3), speaks(b"b", after=9))
    assert await heat.run() is None
    assert [("a", FailureKind.CONTEXT_OVERFLOW)] == heat.failures
    assert ["b"] == [name for name, _ in heat.cancelled]


async def test_each_has_its_own_limits() -> None:
    """The first runs into its header limit while the second still has time."""
    heat = Heat(speaks(b"a", after=99), speaks(b"b", after=19))
    assert "b" == await heat.run()
    assert [("a", FailureKind.HEADERS_TIMEOUT)] == heat.failures


async def test_the_winner_is_under_the_exchanges_limits() -> None:
    """After its first content a winner that falls silent runs into the idle limit."""
    heat = Heat(speaks(b"a", after=9), speaks(b"b", after=1, ends_after=90))
    assert await heat.run() is None
    assert [("b", FailureKind.IDLE_TIMEOUT)] == heat.failures


async def test_the_winner_may_break() -> None:
    """A failure after content is the winner's, and nobody else is asked."""
    heat = Heat(speaks(b"a", after=9), speaks(b"b", after=1, fails=True))
    assert await heat.run() is None
    assert [("b", FailureKind.TRUNCATED)] == heat.failures
    assert [b"b"] == heat.taken


async def test_the_total_limit_ends_both() -> None:
    """Both then failed of it."""
    heat = Heat(speaks(b"a", after=9), speaks(b"b", after=9))
    heat.deadlines = Deadlines(
        TimeLimits(total=5.0), accepted_at=asyncio.get_running_loop().time(), is_stream=False
    )
    heat.race.deadlines = heat.deadlines
    assert await heat.run() is None
    assert [("a", FailureKind.TOTAL_TIMEOUT), ("b", FailureKind.TOTAL_TIMEOUT)] == heat.failures


async def test_a_client_that_leaves_ends_both() -> None:
    """Neither upstream is left open."""
    heat = Heat(speaks(b"a", after=9), speaks(b"b", after=9))
    asyncio.get_running_loop().call_later(4, heat.gone.set)
    with pytest.raises(Aborted):
        await heat.run()
    assert 1 == len(asyncio.all_tasks())


async def test_a_loser_holds_nothing() -> None:
    """What a cancelled attempt had in hand, its request above all, is gone while the other's answer streams."""

    class Request:
        pass

    held: list[weakref.ref[Request]] = []

    async def waits(clock: Clock, take: Take) -> Failure | None:
        request = Request()
        held.append(weakref.ref(request))
        await asyncio.sleep(99)
        return None

    async def speaks_on(clock: Clock, take: Take) -> Failure | None:
        await take(b"b", is_last=False)
        await asyncio.sleep(9)
        assert held[0]() is None
        return None

    assert "b" == await Heat(waits, speaks_on).run()


async def test_a_client_that_is_found_gone_while_writing() -> None:
    """What the writing raises reaches the exchange."""

    async def leaves(clock: Clock, take: Take) -> Failure | None:
        raise ClientLeft

    heat = Heat(leaves, speaks(b"b", after=0))
    with pytest.raises(ClientLeft):
        await heat.run()
