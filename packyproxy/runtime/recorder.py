"""Where everything that has ended is noted: what it is counted in, and what the log says of it.

Attempts and requests come as finished records, once each, from any thread; one lock holds what they are
counted in. Trials, health checks and token counts are no requests of clients, and do not get here.
"""

import threading
from collections.abc import Callable

from packyproxy.runtime.provider_states import ProviderStates
from packyproxy.runtime.serving.journal import log_request, log_tps
from packyproxy.runtime.telemetry import Telemetry
from packyproxy.usage.figures import Figures, Surface
from packyproxy.usage.records import AttemptRecord, RequestRecord
from packyproxy.usage.totals import Totals
from packyproxy.usage.tps import TpsSamples, has_line, measure

__all__ = ["Recorder"]


class Recorder:
    """Take note of attempts and requests.

    Args:
        now: the clock, in Unix seconds.
        states: what is known of the providers.
        telemetry: gives the same facts to OpenTelemetry.
    """

    def __init__(
        self, *, now: Callable[[], float], states: ProviderStates, telemetry: Telemetry | None = None
    ) -> None:
        self._now = now
        self._states = states
        self.telemetry = telemetry or Telemetry()
        self.lock = threading.Lock()
        """To be held while one of the following is read."""
        self.tps = TpsSamples()
        self.totals = Totals(now())
        self.figures = Figures()

    def request_begins(self) -> None:
        """Take note that a request is in flight; ``request_ended`` must follow."""
        with self.lock:
            self.figures.request_begins()

    def request_ended(self, record: RequestRecord, *, is_log_wanted: bool) -> None:
        """Take note of a request's end; one that failed is logged in any case."""
        with self.lock:
            self.figures.request_ends()
            self.figures.add_request(record)
            self.totals.add_request(record)
        log_request(record, is_wanted=is_log_wanted)

    def attempt_ended(self, record: AttemptRecord, *, base_url: str, is_log_wanted: bool) -> None:
        """Take note of an attempt's end, whatever it was.

        Args:
            record: the attempt's.
            base_url: the provider's.
            is_log_wanted: whether its tokens per second are logged, if there is anything to say.
        """
        measured_at = self._now()
        tps = measure(record)
        with self.lock:
            if tps is not None:
                self.tps.add(tps, record, measured_at)
            self.totals.add_attempt(record)
            self.figures.add_attempt(record)
        self._states.note(record)
        self.telemetry.attempt_ended(record, base_url=base_url)
        if is_log_wanted and has_line(record):
            log_tps(record, tps, measured_at)

    def failed_over(self, provider: str) -> None:
        """Take note that somebody else is asked because a provider has failed."""
        with self.lock:
            self.figures.add_failover(provider)

    def denied(self, surface: Surface) -> None:
        """Take note of a request that showed no key, or none that is known here."""
        with self.lock:
            self.figures.add_denial(surface)
