"""Where everything that has ended is noted: what it is counted in, and what the log says of it.

Attempts and requests come as finished records, once each, from any thread. They are counted in batches, or as
soon as somebody reads: code that runs for many records in a row costs each of them a third. Trials, health
checks and token counts are no requests of clients, and do not get here.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from packyproxy.runtime.observation.journal import log_request, log_tps
from packyproxy.runtime.observation.provider_notes import ProviderNotebook
from packyproxy.runtime.observation.telemetry import Telemetry
from packyproxy.usage.figures import Figures, Surface
from packyproxy.usage.records import AttemptRecord, RequestRecord
from packyproxy.usage.totals import Totals, UsageReport
from packyproxy.usage.tps import Tps, TpsSamples, has_line, measure

__all__ = ["Recorder"]

_BATCH: Final = 96
"""Three for each request; they are counted in a quarter of a millisecond, which holds nobody up."""

_Attempt = tuple[AttemptRecord, Tps | None]


class Recorder:
    """Take note of attempts and requests.

    Args:
        now: the clock, in Unix seconds.
        notes: of the providers.
    """

    def __init__(self, *, now: Callable[[], float], notes: ProviderNotebook) -> None:
        self._notes = notes
        self._tps = TpsSamples()
        self._totals = Totals(now())
        self._figures = Figures()
        self._uncounted: deque[_Attempt | RequestRecord | None] = deque()
        """What has happened since somebody counted; None is the beginning of a request."""
        self._counting = threading.Lock()
        self.telemetry = Telemetry()
        """Gives the same facts to OpenTelemetry."""

    def tps(self) -> TpsSamples:
        """Return the speed of every attempt that is kept: a copy, to be reported on at leisure."""
        with self._counting:
            self._count()
            return self._tps.copy()

    def usage(self, masks: Mapping[str, str]) -> UsageReport:
        """Return the sums of everything so far; ``masks`` as :meth:`Totals.report` takes them."""
        with self._counting:
            self._count()
            return self._totals.report(masks)

    def figures(self) -> Figures:
        """Return what metrics are made of: a copy, to be written out at leisure."""
        with self._counting:
            self._count()
            return self._figures.copy()

    def request_begins(self) -> None:
        """Take note that a request is in flight; ``request_ended`` must follow."""
        self._uncounted.append(None)

    def request_ended(self, record: RequestRecord, *, is_log_wanted: bool) -> None:
        """Take note of a request's end; one that failed is logged in any case."""
        self._take(record)
        log_request(record, is_wanted=is_log_wanted)

    def attempt_ended(self, record: AttemptRecord, *, base_url: str, is_log_wanted: bool) -> None:
        """Take note of an attempt's end, whatever it was.

        Args:
            record: the attempt's.
            base_url: the provider's.
            is_log_wanted: whether its tokens per second are logged, if there is anything to say.
        """
        speed = measure(record)
        self._take((record, speed))
        self._notes.note(record)
        self.telemetry.attempt_ended(record, base_url=base_url)
        if is_log_wanted and has_line(record):
            log_tps(record, speed)

    def failed_over(self, provider: str) -> None:
        """Take note that somebody else is asked because a provider has failed."""
        with self._counting:
            self._figures.add_failover(provider)

    def denied(self, surface: Surface) -> None:
        """Take note of a request that showed no key, or none that is known here."""
        with self._counting:
            self._figures.add_denial(surface)

    def _take(self, ended: _Attempt | RequestRecord) -> None:
        # Appending needs no lock, and whoever counts under it takes one after the other.
        self._uncounted.append(ended)
        if len(self._uncounted) >= _BATCH:
            with self._counting:
                self._count()

    def _count(self) -> None:
        uncounted, tps, totals, figures = self._uncounted, self._tps, self._totals, self._figures
        while uncounted:
            ended = uncounted.popleft()
            if ended is None:
                figures.request_begins()
            elif isinstance(ended, RequestRecord):
                figures.request_ends()
                figures.add_request(ended)
                totals.add_request(ended)
            else:
                attempt, speed = ended
                if speed is not None:
                    tps.add(speed, attempt, attempt.ended_at)
                totals.add_attempt(attempt)
                figures.add_attempt(attempt)
