"""What wakes a background task when a configuration comes into force."""

import asyncio
import threading

import pytest

from packyproxy.config import Config
from packyproxy.runtime.background.reload_signal import ReloadSignal
from packyproxy.runtime.runtime import Runtime


async def test_a_reload_on_another_thread_wakes() -> None:
    """Files are read in threads, and configurations applied there."""
    runtime = Runtime(Config())
    async with ReloadSignal(runtime) as reloads, asyncio.timeout(10):
        thread = threading.Thread(target=runtime.apply, args=(Config(debug=True),))
        thread.start()
        await reloads.wait(None)
        thread.join()
    assert runtime.snapshot.config.debug


@pytest.mark.virtual_time
async def test_a_reload_between_two_waits_is_not_missed() -> None:
    """The next wait ends at once, and the one after it does not."""
    runtime = Runtime(Config())
    async with ReloadSignal(runtime) as reloads:
        runtime.apply(Config(debug=True))
        started = runtime.monotonic()
        await reloads.wait(60.0)
        assert 0.0 == pytest.approx(runtime.monotonic() - started)
        await reloads.wait(60.0)
        assert 60.0 == pytest.approx(runtime.monotonic() - started)


@pytest.mark.virtual_time
async def test_after_its_end_it_is_not_told() -> None:
    """Starting and stopping for years leaves nothing behind."""
    runtime = Runtime(Config())
    async with ReloadSignal(runtime) as reloads:
        pass
    runtime.apply(Config(debug=True))
    started = runtime.monotonic()
    await reloads.wait(60.0)
    assert 60.0 == pytest.approx(runtime.monotonic() - started)


def test_a_loop_that_ended_without_its_tasks_stops_no_reload() -> None:
    """A host may close its loop without a word."""
    runtime = Runtime(Config())
    loop = asyncio.new_event_loop()

    async def begin() -> ReloadSignal:
        return await ReloadSignal(runtime).__aenter__()

    loop.run_until_complete(begin())
    loop.close()
    runtime.apply(Config(debug=True))
    assert runtime.snapshot.config.debug
