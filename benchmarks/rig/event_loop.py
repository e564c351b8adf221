"""The event loop of every benchmark process: uvloop where it is installed, as in ``packyproxy serve``."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

__all__ = ["run", "wait_until"]

T = TypeVar("T")

_POLL_SECONDS = 0.002


def run(main: Coroutine[None, None, T]) -> T:
    """Run a coroutine on a fresh loop."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)


async def wait_until(is_so: Callable[[], bool], *, seconds: float) -> bool:
    """Look again and again whether something is so; return False when it never was, for so long."""
    ends_at = time.perf_counter() + seconds
    while not is_so():
        if time.perf_counter() > ends_at:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
