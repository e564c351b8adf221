"""A moment can be waited for wherever it happens."""

import asyncio
from threading import Thread

import pytest

from packyproxy.testing import Moment


async def test_a_moment_has_its_value_for_all_who_wait() -> None:
    """Waiters before and after get what it happened with; what is said later does not count."""
    moment: Moment[str] = Moment()
    waiting = asyncio.ensure_future(moment)
    await asyncio.sleep(0)
    moment.happen("first")
    moment.happen("second")
    assert ("first", "first", "first") == (await waiting, await moment, moment.wait())


async def test_a_moment_may_happen_on_another_thread() -> None:
    """Neither a loop nor a thread is bound to the one where it happens."""
    moment: Moment[int] = Moment()
    waiting = asyncio.ensure_future(moment)
    await asyncio.sleep(0)
    Thread(target=moment.happen, args=(1,)).start()
    assert (1, 1) == (await waiting, moment.wait())


async def test_who_stops_waiting_leaves_it_to_the_others() -> None:
    """A waiter that is cancelled cancels nobody else."""
    moment: Moment[int] = Moment()
    gone, waiting = asyncio.ensure_future(moment), asyncio.ensure_future(moment)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    moment.happen(2)
    assert (2, True) == (await waiting, gone.cancelled())


def test_waiting_on_a_thread_ends() -> None:
    """A test that waits for what never comes fails instead of hanging."""
    with pytest.raises(TimeoutError):
        Moment[int]().wait(timeout=0)


async def test_waiting_where_a_loop_runs_is_refused() -> None:
    """What would make the loop stand still is an error at once."""
    with pytest.raises(RuntimeError, match="await this instead"):
        Moment[int]().wait()
