"""Where everything that has ended is noted: what it is counted in, and what the log says of it.

Attempts and requests come as finished records, once each, from any thread. They are counted in batches, or as
soon as somebody reads: code that runs for many records in a row costs each of them a third. Trials, health
checks and token counts are no requests of clients, and do not get here.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from packyproxy.runtime.observation.journal import WriteLine, log_request, log_tps
from packyproxy.runtime.observation.provider_notes import ProviderNotebook
from packyproxy.runtime.observation.telemetry import Telemetry
from packyproxy.usage.figures import Figures, Surface
from packyproxy.usage.records import AttemptRecord, RequestRecord, alike_attempts, alike_requests
from packyproxy.usage.totals import Totals, UsageReport
from packyproxy.usage.tps import Tps, TpsSamples, has_line, measure

__all__ = ["Recorder"]

_BATCH: Final = 384
"""Three for each request. They are counted, and their lines written, in one to two milliseconds; the first of
a batch take three times as long as the others, so smaller ones cost more."""
_HELD_SECONDS: Final = 0.1
_OVERDUE_SECONDS: Final = 1.0
"""After which a line that waits is taken for forgotten: the event loop of its timer has ended."""
_AT_ONCE: Final = 4
"""So many lines of that time do not wait: who tries something out sees it."""
_CLIENT_ERROR: Final = 400


class Recorder:
    """Take note of attempts and requests.

    Args:
        now: the clock, in Unix seconds.
    """

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._tps = TpsSamples()
        self._totals = Totals(now())
        self._figures = Figures()
        self._providers = ProviderNotebook()
        self._uncounted: deque[tuple[AttemptRecord | RequestRecord, bool] | None] = deque()
        """What has happened since somebody counted, and whether its line in the log has waited for that; None
        is the beginning of a request."""
        self._counting = threading.Lock()
        self._window_ends_at = 0.0
        self._in_window = 0
        self._will_catch_up = False
        self._overdue_at = 0.0
        self.telemetry = Telemetry()
        """Gives the same facts to OpenTelemetry."""
        self.log_together: Callable[[], AbstractContextManager[WriteLine]] | None = None
        """Where it is given, lines of a crowd wait a tenth of a second and are given, in a row, to what
        it returns, which costs each a third: for a process that does nothing but serve. The first few, and
        those of requests that failed, never wait."""

    def tps(self) -> TpsSamples:
        """Return the speed of every attempt that is kept: a copy, to be reported on at leisure."""
        self.catch_up()
        with self._counting:
            return self._tps.copy()

    def usage(self, masks: Mapping[str, str]) -> UsageReport:
        """Return the sums of everything so far; ``masks`` as :meth:`Totals.report` takes them."""
        self.catch_up()
        with self._counting:
            return self._totals.report(masks)

    def figures(self) -> Figures:
        """Return what metrics are made of: a copy, to be written out at leisure."""
        self.catch_up()
        with self._counting:
            return self._figures.copy()

    def providers(self) -> ProviderNotebook:
        """Return what was noted of each provider, up to now."""
        self.catch_up()
        return self._providers

    def request_begins(self) -> None:
        """Take note that a request is in flight; ``request_ended`` must follow."""
        self._uncounted.append(None)

    def request_ended(self, record: RequestRecord, *, is_log_wanted: bool) -> None:
        """Take note of a request's end; one that failed is logged in any case."""
        has_failed = record.status >= _CLIENT_ERROR
        is_held = is_log_wanted and not has_failed and self._may_wait(record.ended_at)
        if has_failed or (is_log_wanted and not is_held):
            log_request(record)
        self._take(record, is_held=is_held)

    def attempt_ended(self, record: AttemptRecord, *, base_url: str, is_log_wanted: bool) -> None:
        """Take note of an attempt's end, whatever it was.

        Args:
            record: the attempt's.
            base_url: the provider's.
            is_log_wanted: whether its tokens per second are logged, if there is anything to say.
        """
        self.telemetry.attempt_ended(record, base_url=base_url)
        is_wanted = is_log_wanted and has_line(record)
        is_held = is_wanted and self._may_wait(record.ended_at)
        if is_wanted and not is_held:
            log_tps(record, measure(record))
        self._take(record, is_held=is_held)

    def failed_over(self, provider: str) -> None:
        """Take note that somebody else is asked because a provider has failed."""
        with self._counting:
            self._figures.add_failover(provider)

    def denied(self, surface: Surface) -> None:
        """Take note of a request that showed no key, or none that is known here."""
        with self._counting:
            self._figures.add_denial(surface)

    def catch_up(self) -> None:
        """Count, and log, what has waited for it."""
        lines: list[tuple[AttemptRecord, Tps | None] | RequestRecord] = []
        attempts: list[AttemptRecord] = []
        requests: list[RequestRecord] = []
        with self._counting:
            self._will_catch_up = False
            uncounted, figures = self._uncounted, self._figures
            while uncounted:
                ended = uncounted.popleft()
                if ended is None:
                    figures.in_flight += 1
                    continue
                record, is_held = ended
                if isinstance(record, RequestRecord):
                    requests.append(record)
                    if is_held:
                        lines.append(record)
                else:
                    attempts.append(record)
                    speed = measure(record)
                    if speed is not None:
                        self._tps.add(speed, record, record.ended_at)
                    if is_held:
                        lines.append((record, speed))
            figures.in_flight -= len(requests)
            for some_attempts in alike_attempts(attempts):
                self._totals.add_attempts(some_attempts)
                figures.add_attempts(some_attempts)
            for some_requests in alike_requests(requests):
                self._totals.add_requests(some_requests)
                figures.add_requests(some_requests)
            self._providers.note(*attempts)
        if lines and self.log_together is not None:
            with self.log_together() as write:
                for line in lines:
                    if isinstance(line, RequestRecord):
                        log_request(line, write)
                    else:
                        log_tps(*line, write)

    def _take(self, record: AttemptRecord | RequestRecord, *, is_held: bool) -> None:
        # Appending needs no lock, and whoever counts under it takes one after the other.
        self._uncounted.append((record, is_held))
        if len(self._uncounted) >= _BATCH:
            self.catch_up()

    def _may_wait(self, at: float) -> bool:
        """Tell whether a line may wait, and see to it that it is written then."""
        if self.log_together is None:
            return False
        if at >= self._window_ends_at:
            self._window_ends_at, self._in_window = at + _HELD_SECONDS, 0
        self._in_window += 1
        if self._in_window > _AT_ONCE and (not self._will_catch_up or at >= self._overdue_at):
            try:
                asyncio.get_running_loop().call_later(_HELD_SECONDS, self.catch_up)
            except RuntimeError:
                return False
            self._will_catch_up, self._overdue_at = True, at + _OVERDUE_SECONDS
        return self._in_window > _AT_ONCE
