"""Tasks beside the requests: one of each, on the loop that started them."""

import asyncio
import logging

import pytest

from packyproxy.runtime.background.tasks import Background


class Duty:
    """Goes on until it is cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    async def __call__(self) -> None:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


async def fail() -> None:
    raise RuntimeError("canary")


async def test_a_duty_runs_once() -> None:
    """Starting what runs changes nothing; stopping waits for its end."""
    duty = Duty()
    background = Background({"duty": duty})
    background.start()
    background.start()
    await asyncio.sleep(0)
    assert (1, True) == (duty.begun, background.is_running("duty"))
    await background.stop()
    await background.stop()
    assert (1, False) == (duty.ended, background.is_running("duty"))


async def test_a_duty_that_failed_is_logged_and_can_be_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By its name and the error's type: the text may quote content."""
    duties = {"failing": fail}
    background = Background(duties)
    with caplog.at_level(logging.ERROR, "packyproxy"):
        for _ in range(2):
            background.start()
            await asyncio.sleep(0.001)
            assert not background.is_running("failing")
    assert ["internal error: packyproxy failing ended with RuntimeError"] * 2 == caplog.messages


def test_each_loop_stops_its_own() -> None:
    """What another loop runs goes on; once that loop is closed it may be started elsewhere."""
    duty = Duty()
    background = Background({"duty": duty})
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def start() -> None:
        background.start()
        await asyncio.sleep(0)

    try:
        first.run_until_complete(start())
        second.run_until_complete(start())
        second.run_until_complete(background.stop())
        assert (1, True) == (duty.begun, background.is_running("duty"))
        first.run_until_complete(background.stop())
        second.run_until_complete(start())
        assert 2 == duty.begun
        second.run_until_complete(background.stop())
    finally:
        first.close()
        second.close()
