"""Hedging: ask a second provider when the first is slow, and keep the one that shows content first.

An attempt in a race has a clock of its own, and its bytes pass a gate: whoever comes to it first wins, the
other is cancelled at once, and its upstream closed. Client bytes of two attempts can therefore never mix. The
winner goes on under the exchange's own deadlines.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Protocol

from packyproxy.errors import Failure
from packyproxy.runtime.serving.attempt import TIMEOUTS, Clock, Guard, Take
from packyproxy.runtime.serving.deadlines import Deadlines, Due
from packyproxy.runtime.serving.inquiry import Inquiry
from packyproxy.runtime.serving.watch import Aborted, Watch
from packyproxy.runtime.time_limits import TimeLimits
from packyproxy.translate.failure_table import FAILURES
from packyproxy.translate.failures import transport_failure

__all__ = ["Ask", "Race"]


class Ask(Protocol):
    """What asks one provider to the end."""

    def __call__(self, inquiry: Inquiry, guard: Guard, clock: Clock, take: Take) -> Awaitable[Failure | None]:
        """Return None after a whole answer, else what went wrong."""
        ...


class _Lane:
    """One inquiry in the race; stands in for the watch, the deadlines and the client of its attempts."""

    def __init__(self, race: "Race", inquiry: Inquiry, started_at: float) -> None:
        self._race = race
        self._last_read_at: float | None = None
        self._waiting_since: float | None = None
        self.inquiry = inquiry
        self.started_at = self.ended_at = started_at
        self.too_late: Due | None = None
        """Why it is being cancelled, when that is for its slowness."""
        self.task: asyncio.Task[Failure | None]

    @contextmanager
    def abortable(self) -> Iterator[None]:
        """Turn a cancellation for slowness into ``Aborted``; a loser's passes untouched."""
        try:
            yield
        except asyncio.CancelledError as error:
            due, self.too_late = self.too_late, None
            if due is None:
                raise
            self.task.uncancel()
            raise Aborted(due) from error

    @property
    def last_read_at(self) -> float | None:
        return self._last_read_at

    @last_read_at.setter
    def last_read_at(self, now: float | None) -> None:
        self._last_read_at = now
        if self._race.winner is self:
            self._race.deadlines.last_read_at = now

    def start_attempt(self, now: float) -> None:
        self._waiting_since = now
        self._last_read_at = None
        if self._race.winner is self:
            self._race.deadlines.start_attempt(now)

    def headers_received(self, now: float) -> None:
        self._waiting_since = None
        self._last_read_at = now
        if self._race.winner is self:
            self._race.deadlines.headers_received(now)

    def end_attempt(self) -> None:
        self._waiting_since = None
        self._last_read_at = None
        if self._race.winner is self:
            self._race.deadlines.end_attempt()

    def due(self, limits: TimeLimits) -> tuple[float, Due]:
        """Return when this lane is too late, and of what; between attempts no limit runs."""
        if self.too_late is None and self._waiting_since is not None:
            return self._waiting_since + limits.headers, Due.HEADERS_TIMEOUT
        if self.too_late is None and self._last_read_at is not None:
            return self._last_read_at + limits.idle, Due.IDLE_TIMEOUT
        return inf, Due.IDLE_TIMEOUT

    def end(self, due: Due) -> None:
        """Cancel it for its slowness."""
        self.too_late = due
        self.task.cancel()

    async def take(self, data: bytes, *, is_last: bool) -> None:
        """Pass client bytes on, if this lane is the first to have any."""
        await self._race.pass_gate(self)
        await self._race.downstream_take(data, is_last=is_last)


class Race:
    """Run one inquiry, and after a while a second one beside it.

    Args:
        ask: asks one provider to the end.
        take: what the winner's bytes are given to.
        deadlines: the exchange's; the winner's from its first content on.
        limits: how long a lane may wait for headers and for bytes.
        on_win: told of the winner, and of who is cancelled for it after how many seconds, before its first
            bytes are taken.
    """

    def __init__(
        self,
        ask: Ask,
        take: Take,
        *,
        deadlines: Deadlines,
        limits: TimeLimits,
        on_win: Callable[[Inquiry, Sequence[tuple[Inquiry, float]]], None],
    ) -> None:
        self._ask = ask
        self._limits = limits
        self._shortest_limit = min(limits.headers, limits.idle)
        self._on_win = on_win
        self._time = asyncio.get_running_loop().time
        self._lanes: list[_Lane] = []
        self._won = asyncio.Event()
        self.downstream_take = take
        self.deadlines = deadlines
        self.winner: _Lane | None = None
        self.failures: list[tuple[Inquiry, Failure]] = []
        """Who failed; whoever had shown content, last."""
        self.cancelled: list[tuple[Inquiry, float]] = []
        """Who was cancelled because the other won or made it pointless, and the seconds it had run."""

    async def run(
        self,
        first: Inquiry,
        second: Callable[[], Awaitable[Inquiry | None]],
        *,
        hedge_after_seconds: float,
        watch: Watch,
    ) -> Inquiry | None:
        """Return who gave a whole answer; None when everybody asked has failed.

        Args:
            first: asked at once.
            second: returns whom to ask besides; called once, and only if the first is slow.
            hedge_after_seconds: how long the first is waited for.
            watch: whose aborts end the race.

        Raises:
            Aborted: the client left, or took no bytes for too long.
        """
        self._start(first)
        try:
            with watch.abortable():
                if await self._is_undecided_until(self._time() + hedge_after_seconds):
                    inquiry = await second()
                    if inquiry is not None:
                        self._start(inquiry)
                    await self._is_undecided_until(inf)
                if self.winner is not None:
                    await asyncio.wait({self.winner.task})
        except Aborted as aborted:
            if aborted.due not in TIMEOUTS:
                raise
            for lane in self._running():
                if self.winner in {None, lane}:
                    lane.end(aborted.due)
        finally:
            await self._end()
        return self._settle()

    async def pass_gate(self, lane: _Lane) -> None:
        """Let the first lane through that comes here, and none after it."""
        if self.winner is None:
            self.winner = lane
            self._won.set()
            losers = [other for other in self._running() if other is not lane]
            for loser in losers:
                loser.task.cancel()
            now = self._time()
            self.deadlines.headers_received(now)
            self._on_win(lane.inquiry, [(loser.inquiry, now - loser.started_at) for loser in losers])
        elif self.winner is not lane:
            await asyncio.get_running_loop().create_future()  # its cancellation is under way

    def _start(self, inquiry: Inquiry) -> None:
        lane = _Lane(self, inquiry, self._time())
        lane.task = asyncio.ensure_future(self._run(lane))
        self._lanes.append(lane)
        if self.winner is not None:
            lane.task.cancel()  # somebody won while this one was being found

    async def _run(self, lane: _Lane) -> Failure | None:
        try:
            return await self._ask(lane.inquiry, lane, lane, lane.take)
        except asyncio.CancelledError as error:
            # The task keeps it while the winner's answer streams, and its frames hold the request.
            raise error.with_traceback(None) from None
        finally:
            lane.ended_at = self._time()

    def _running(self) -> list[_Lane]:
        return [lane for lane in self._lanes if not lane.task.done()]

    async def _is_undecided_until(self, at: float) -> bool:
        """Wait until a moment, or until the race is decided: somebody won, or nobody runs who still could."""
        won = asyncio.ensure_future(self._won.wait())
        try:
            while self.winner is None and not self._is_pointless() and (running := self._running()):
                now = self._time()
                if now >= at:
                    return True
                # A limit that starts to run meanwhile cannot fall due before the next look.
                until = min(at, now + self._shortest_limit, *(lane.due(self._limits)[0] for lane in running))
                await asyncio.wait(
                    {won, *(lane.task for lane in running)},
                    timeout=max(0.0, until - now),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                self._end_the_late()
        finally:
            won.cancel()
        return False

    def _end_the_late(self) -> None:
        """Cancel whoever has reached a limit; a winner is under the exchange's."""
        if self.winner is None:
            for lane in self._running():
                moment, due = lane.due(self._limits)
                if moment <= self._time():
                    lane.end(due)

    def _is_pointless(self) -> bool:
        """Tell whether a lane has failed in a way that nobody else could do better."""
        return any(
            failure is not None and not FAILURES[failure.kind].fails_over
            for lane in self._lanes
            if lane.task.done() and not lane.task.cancelled()
            for failure in (lane.task.result(),)
        )

    async def _end(self) -> None:
        """Cancel whoever still runs, and wait until each upstream is closed."""
        running = self._running()
        for lane in running:
            if lane.too_late is None:
                lane.task.cancel()
        if running:
            await asyncio.wait([lane.task for lane in running])

    def _settle(self) -> Inquiry | None:
        """Say of each lane how it ended; a bug of ours in one is raised."""
        answered: Inquiry | None = None
        for lane in sorted(self._lanes, key=lambda lane: lane is self.winner):
            if lane.task.cancelled():
                if lane.too_late is not None:  # between two attempts, or while one was being closed
                    self.failures.append((lane.inquiry, transport_failure(TIMEOUTS[lane.too_late])))
                else:
                    self.cancelled.append((lane.inquiry, lane.ended_at - lane.started_at))
            elif (failure := lane.task.result()) is not None:
                self.failures.append((lane.inquiry, failure))
            else:
                answered = lane.inquiry
        return answered
