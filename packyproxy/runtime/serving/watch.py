"""Watch over one exchange: its time limits and the client's presence, with one timer and one task.

``send`` does not fail after the client has left (measured on hypercorn, uvicorn and granian), so a task of
its own waits for the disconnect. Whatever ends an exchange from outside cancels the relaying task, but only
inside an ``abortable()`` block, where the cancellation turns into :class:`Aborted`; foreign cancellations
pass untouched.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

from packyproxy.errors import ClientLeft
from packyproxy.runtime.serving.deadlines import Deadlines, Due

__all__ = ["Aborted", "Watch"]

_THE_CLIENTS = frozenset({Due.CLIENT_GONE, Due.CLIENT_STALLED})
"""Reasons that end the exchange, not only an attempt."""


class Aborted(Exception):
    """The exchange, or its running attempt, has to end; ``due`` says why."""

    def __init__(self, due: Due) -> None:
        super().__init__(due.value)
        self.due = due


class Watch:
    """Guard the current task for the length of an ``async with`` block.

    Args:
        deadlines: the exchange's clock readings; written by the relay, read here.
        wait_gone: returns once the client's connection has ended.
        interject: called for ``Due.COMMIT`` and ``Due.KEEP_ALIVE``; runs as a task, at most one at a time.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        *,
        wait_gone: Callable[[], Awaitable[None]],
        interject: Callable[[Due], Awaitable[None]],
    ) -> None:
        self._deadlines = deadlines
        self._wait_gone = wait_gone
        self._interject = interject
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._gone_task: asyncio.Task[None] | None = None
        self.interjection: asyncio.Task[None] | None = None
        """Writes a commit or keep-alive at this moment."""
        self._timer: asyncio.TimerHandle | None = None
        self._longest_sleep = deadlines.shortest
        self._is_armed = False
        self._is_over = False
        self._client_may_leave = False
        self._due: Due | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._gone_task = self._loop.create_task(self._watch_client())
        self._sleep_until(self._deadlines.next_due()[0])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._gone_task is not None:
            # Its end is not waited for: that takes a further round of the loop, a tenth of what is ours of a
            # small request.
            self._gone_task.cancel()
        if self.interjection is not None:
            self.interjection.cancel()
            await self._see_end_of(self.interjection)
        self._task = self._gone_task = self._timer = None

    async def _see_end_of(self, task: asyncio.Task[None]) -> None:
        """Wait until a cancelled task has ended."""
        try:
            await task
        except asyncio.CancelledError:
            if self._task is not None and self._task.cancelling():
                raise  # it was we who were cancelled while waiting

    def abortable(self) -> AbstractContextManager[None]:
        """Return a context manager in which a due limit or the client's leaving raises :class:`Aborted`."""
        return self

    def answering(self) -> AbstractContextManager[None]:
        """Return the same for the last frames of the answer.

        Commits and keep-alives are over, and a limit of the upstream's that passed unseen no longer matters.
        """
        self._deadlines.is_answering = True
        if self._due not in _THE_CLIENTS:
            self._due = None
        return self

    def let_client_go(self) -> None:
        """Take a disconnect for the end from now on, as it is after the last byte; nothing may follow."""
        self._client_may_leave = True
        self._deadlines.is_answering = True

    async def settle(self) -> None:
        """Wait for a running interjection, so that two writes never overlap."""
        if self.interjection is not None:
            await self.interjection

    async def _watch_client(self) -> None:
        await self._wait_gone()
        if not self._client_may_leave:
            self._abort(Due.CLIENT_GONE)

    def _sleep_until(self, at: float) -> None:
        # A limit that starts to run later than this cannot fall due before the next look, so nobody has to
        # move the timer when a read, a write or an attempt begins.
        self._timer = self._loop.call_at(min(at, self._loop.time() + self._longest_sleep), self._tick)

    def _tick(self) -> None:
        at, due = self._deadlines.next_due()
        # Timers may fire a clock tick early; treat what is due within a millisecond as due.
        if at > self._loop.time() + 0.001:
            self._sleep_until(at)
        elif due is Due.COMMIT or due is Due.KEEP_ALIVE:
            if self.interjection is None:
                self.interjection = self._loop.create_task(self._run_interjection(due))
        else:
            self._abort(due)
            if due is not Due.CLIENT_STALLED:  # the next attempt has limits of its own
                self._sleep_until(self._loop.time() + self._longest_sleep)

    async def _run_interjection(self, due: Due) -> None:
        try:
            await self._interject(due)
        except ClientLeft:
            self._abort(Due.CLIENT_GONE)
        finally:
            self.interjection = None
            if not self._is_over:
                self._sleep_until(self._deadlines.next_due()[0])

    def _abort(self, due: Due) -> None:
        if self._due is None:
            self._due = due
            if self._is_armed and self._task is not None:
                self._task.cancel()

    # The block of ``abortable()``; an object of its own for each would cost more than what it does.
    def __enter__(self) -> None:
        if self._due is not None:
            raise Aborted(self._take_due())
        self._is_armed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_armed = False
        if self._due is not None and isinstance(error, asyncio.CancelledError):
            task = self._task
            if task is not None and task.uncancel() == 0:
                raise Aborted(self._take_due()) from error

    def _take_due(self) -> Due:
        """Hand out the reason; an upstream's limit is spent by it, the client's absence stays."""
        due = self._due
        assert due is not None, "asked for a reason that was never set"
        if due not in _THE_CLIENTS:
            self._due = None
        return due
