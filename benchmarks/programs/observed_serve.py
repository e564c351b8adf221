"""``packyproxy`` with one addition: it stops observing on SIGUSR2, and observes again on SIGUSR1.

Not to observe means: nothing is recorded, counted or logged of requests and attempts, and the loop over an
answer measures nothing. After each change FILE is written.

Usage: python benchmarks/programs/observed_serve.py FILE serve ...
"""

import signal
import sys
from pathlib import Path
from types import CodeType
from typing import Any

from packyproxy.cli.main import main
from packyproxy.errors import FailureKind, UpstreamFailed
from packyproxy.runtime.observation.recorder import Recorder
from packyproxy.runtime.serving.asking import Asking
from packyproxy.runtime.serving.attempt import Attempt
from packyproxy.runtime.serving.exchange import Exchange
from packyproxy.runtime.upstream import UpstreamResponse

__all__ = ["Switch"]


def _nothing(*_: Any, **__: Any) -> None:
    """Stand for what observes."""


async def _relay(attempt: Any, response: UpstreamResponse) -> None:
    """Do what an attempt does with an answer, and measure nothing; these benchmarks compress no answers."""
    transcoder, take, deadlines, time = (
        attempt._transcoder,
        attempt._take,
        attempt._deadlines,
        attempt._time,
    )
    try:
        async for chunk in response:
            deadlines.last_read_at = time()
            if out := transcoder.feed(chunk):
                await take(out, is_last=transcoder.is_over and transcoder.is_finished)
            if transcoder.is_over:
                return
    except UpstreamFailed as error:
        if error.failure.kind is not FailureKind.TRUNCATED:
            raise
    if out := transcoder.finish():
        await take(out, is_last=transcoder.is_finished)


_REPLACEMENTS: tuple[tuple[type, str, Any], ...] = (
    (Recorder, "request_begins", _nothing),
    (Recorder, "failed_over", _nothing),
    (Exchange, "_end", _nothing),
    (Asking, "_record", _nothing),
    (Attempt, "_relay", _relay),
)


class Switch:
    """Takes away what observes, and puts it back."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._methods = [getattr(owner, name) for owner, name, _ in _REPLACEMENTS]
        self._observing = [method.__code__ for method in self._methods]
        self._not_observing = [replacement.__code__ for _, _, replacement in _REPLACEMENTS]

    def turn_on(self, *_: object) -> None:
        """Observe."""
        self._set(self._observing)

    def turn_off(self, *_: object) -> None:
        """Do not."""
        self._set(self._not_observing)

    def _set(self, codes: list[CodeType]) -> None:
        # Other methods would make the interpreter forget what it knows of their classes, which slows down all
        # that comes after; other code of the same methods does not.
        for method, code in zip(self._methods, codes, strict=True):
            method.__code__ = code
        self._file.touch()


if __name__ == "__main__":
    switch = Switch(Path(sys.argv.pop(1)))
    signal.signal(signal.SIGUSR1, switch.turn_on)
    signal.signal(signal.SIGUSR2, switch.turn_off)
    sys.exit(main(sys.argv[1:]))
