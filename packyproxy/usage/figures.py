"""The figures behind ``/metrics`` and ``/status``: plain counters and histograms since the start.

What is measured of attempts says how providers fare, what is measured of requests how clients do. Each is
kept for a bounded number of providers and models, and durations of failures by kind only while there is room:
whoever invents names of models, or fails in many ways, cannot make these figures grow.
"""

from collections.abc import Sequence
from typing import Final, Literal

from packyproxy.errors import FailureKind
from packyproxy.usage.histogram import Histogram
from packyproxy.usage.names import MOST_PROVIDERS, Names, Targets
from packyproxy.usage.records import GAP_BOUNDS, NO_GAPS, AttemptRecord, RequestRecord
from packyproxy.usage.tokens import cache_hit_rate
from packyproxy.usage.totals import CANCELLED, failure_of

__all__ = [
    "CUT_OFF",
    "FIRST_EVENT_BOUNDS",
    "MOST_FAILED_DURATIONS",
    "MOST_TARGETS",
    "OPERATION_BOUNDS",
    "OTHER_FAILURE",
    "PER_TOKEN_BOUNDS",
    "PROMPT_SECONDS",
    "TOKEN_BOUNDS",
    "Figures",
    "Surface",
    "TargetFigures",
    "operation_of",
]

Surface = Literal["gateway", "management"]
"""Where a client was refused."""

OPERATION_BOUNDS: Final = tuple(round(0.01 * 2**power, 2) for power in range(17))
"""Seconds: 10 ms to 655 s. The GenAI conventions end at 82 s, before many answers of reasoning models do."""
PROMPT_SECONDS: Final = 2.0
"""A first event within this time counts as prompt."""
FIRST_EVENT_BOUNDS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0),
    *(PROMPT_SECONDS, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0),
)
"""Seconds: those of the GenAI conventions, which end at 10 s; some more for models that think first."""
PER_TOKEN_BOUNDS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
"""Seconds, as in the GenAI conventions."""
TOKEN_BOUNDS: Final = tuple(float(4**power) for power in range(14))
"""1, 4, 16 ... 67108864 tokens, as in the GenAI conventions."""

MOST_TARGETS: Final = 64
"""Pairs of provider and model that are told apart."""
MOST_FAILED_DURATIONS: Final = 128
"""Triples of provider, model and failure of which durations are kept; any other is :data:`OTHER_FAILURE`."""
OTHER_FAILURE: Final = "_OTHER"
"""What the conventions call a failure without a name of its own."""
CUT_OFF: Final = "cut_off"
"""The failure of an attempt that we ended: its client left, or another provider was quicker."""

_OPERATIONS: Final = {"compact": "compact", "search": "search"}
_PROMPT_BUCKETS: Final = FIRST_EVENT_BOUNDS.index(PROMPT_SECONDS) + 1


def operation_of(protocol: str) -> str:
    """Return what a request of a protocol is for, as ``gen_ai.operation.name`` has it."""
    return _OPERATIONS.get(protocol, "chat")


class TargetFigures:
    """What is kept of one operation of one model at one provider."""

    __slots__ = (
        "attempt_seconds",
        "cached_tokens",
        "chunk_seconds",
        "first_chunk_seconds",
        "first_event_seconds",
        "input_tokens",
        "output_tokens",
        "reasoning_tokens",
        "request_seconds",
        "requests",
        "seconds_per_token",
    )

    def __init__(self) -> None:
        self.attempt_seconds: dict[str, Histogram] = {}
        """Durations of attempts by what they failed of, ``""`` for nothing."""
        self.request_seconds: dict[str, Histogram] = {}
        """Durations of requests, likewise."""
        self.first_chunk_seconds = Histogram(OPERATION_BOUNDS)
        """From sending an attempt to its first output."""
        self.chunk_seconds = Histogram(GAP_BOUNDS)
        """From one output of an attempt to the next."""
        self.input_tokens = Histogram(TOKEN_BOUNDS)
        """Of attempts."""
        self.output_tokens = Histogram(TOKEN_BOUNDS)
        self.cached_tokens = 0
        """Of all input tokens."""
        self.reasoning_tokens = 0
        """Of all output tokens."""
        self.requests: dict[tuple[str, int], int] = {}
        """By protocol and class of the status: 2 for 200 to 299."""
        self.first_event_seconds = Histogram(FIRST_EVENT_BOUNDS)
        """From accepting a request to its first output."""
        self.seconds_per_token = Histogram(PER_TOKEN_BOUNDS)
        """Of answers, after their first output."""

    def copy(self) -> "TargetFigures":
        """Return the same figures, to be read while these go on."""
        copied = TargetFigures()
        for name in self.__slots__:
            setattr(copied, name, _copied(getattr(self, name)))
        return copied


class Figures:
    """All of it; not to be read while somebody adds to it."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Requests that have begun and not ended."""
        self.targets: dict[tuple[str, str, str], TargetFigures] = {}
        """By provider, model and operation; the first two are ``""`` where nobody was asked."""
        self.attempt_failures: dict[tuple[str, str], int] = {}
        """By provider and kind."""
        self.request_failures: dict[tuple[str, str], int] = {}
        """By protocol and failure."""
        self.failovers: dict[str, int] = {}
        """By the provider that was given up."""
        self.denials: dict[Surface, int] = {"gateway": 0, "management": 0}
        """Requests without a key that is known here, where one is needed."""
        self._providers = Names(MOST_PROVIDERS)
        self._names = Targets(MOST_TARGETS)
        self._failed_durations = 0

    def copy(self) -> "Figures":
        """Return the same figures, to be read while these go on; 3 ms for as many as there can be."""
        copied = Figures()
        copied.in_flight = self.in_flight
        copied.targets = {target: figures.copy() for target, figures in self.targets.items()}
        copied.attempt_failures = self.attempt_failures.copy()
        copied.request_failures = self.request_failures.copy()
        copied.failovers = self.failovers.copy()
        copied.denials = self.denials.copy()
        return copied

    @property
    def requests(self) -> int:
        """How many requests have ended."""
        return sum(sum(figures.requests.values()) for figures in self.targets.values())

    @property
    def failures(self) -> int:
        """How many of them ended in an error; those that lost their client did not."""
        return sum(count for (_, failure), count in self.request_failures.items() if failure not in CANCELLED)

    @property
    def prompt_share(self) -> float | None:
        """Which share of first events came within 2 s of their request; None before the first one."""
        spreads = [figures.first_event_seconds.counts for figures in self.targets.values()]
        first_events = sum(map(sum, spreads))
        return (
            sum(sum(counts[:_PROMPT_BUCKETS]) for counts in spreads) / first_events if first_events else None
        )

    def credential_failures(self) -> dict[str, int]:
        """Return how often each provider has refused its key."""
        kind = FailureKind.CREDENTIALS_REJECTED.value
        return {
            provider: count for (provider, failure), count in self.attempt_failures.items() if failure == kind
        }

    def cache_hit_rates(self) -> dict[str, float]:
        """Return which share of its input tokens each provider has read from its prompt cache."""
        cached: dict[str, int] = {}
        taken: dict[str, int] = {}
        for (provider, _, _), figures in self.targets.items():
            cached[provider] = cached.get(provider, 0) + figures.cached_tokens
            taken[provider] = taken.get(provider, 0) + int(figures.input_tokens.sum)
        rates = {provider: cache_hit_rate(cached[provider], taken[provider]) for provider in taken}
        return {provider: rate for provider, rate in rates.items() if rate is not None}

    def add_attempts(self, records: Sequence[AttemptRecord]) -> None:
        """Count attempts, one or several that are alike."""
        some = records[0]
        operation = operation_of(some.protocol)
        figures = self.targets.get((some.provider, some.model, operation))
        if figures is None:
            figures = self._meet(some.provider, some.model, operation, is_proven=some.is_success)
        failure = ""
        if some.failure is not None:
            failure = some.failure.value
            failed = (self._providers.of(some.provider), failure)
            self.attempt_failures[failed] = self.attempt_failures.get(failed, 0) + len(records)
        elif some.is_cut_off:
            failure = CUT_OFF
        durations = figures.attempt_seconds.get(failure) or self._room_for(figures.attempt_seconds, failure)
        durations.observe([record.duration_seconds for record in records])
        figures.first_chunk_seconds.observe(
            [record.first_output_seconds for record in records if record.first_output_seconds is not None]
        )
        counts = [record.tokens for record in records if record.tokens is not None]
        figures.input_tokens.observe([tokens.input for tokens in counts])
        figures.output_tokens.observe([tokens.output for tokens in counts])
        for tokens in counts:
            figures.cached_tokens += tokens.cached
            figures.reasoning_tokens += tokens.reasoning
        for record in records:
            if record.gaps is not NO_GAPS:
                figures.chunk_seconds.merge(record.gaps, record.stream_seconds)

    def add_requests(self, records: Sequence[RequestRecord]) -> None:
        """Count requests, one or several that are alike, whoever has served them, if anybody."""
        some, count = records[0], len(records)
        failure = failure_of(some) or ""
        provider, model = some.provider or "", some.model or ""
        operation = operation_of(some.protocol)
        figures = self.targets.get((provider, model, operation))
        if figures is None:
            figures = self._meet(provider, model, operation, is_proven=not failure)
        answered = (some.protocol, some.status // 100)
        figures.requests[answered] = figures.requests.get(answered, 0) + count
        if failure:
            failed = (some.protocol, failure)
            self.request_failures[failed] = self.request_failures.get(failed, 0) + count
        durations = figures.request_seconds.get(failure) or self._room_for(figures.request_seconds, failure)
        durations.observe([record.duration_seconds for record in records])
        first_events, per_token = [], []
        for record in records:
            if record.first_output_seconds is not None:
                first_events.append(record.first_output_seconds)
                tokens = record.tokens.output if record.tokens is not None else 0
                if tokens > 1 and not failure:
                    seconds = record.duration_seconds - record.first_output_seconds
                    per_token.append(seconds / (tokens - 1))
        figures.first_event_seconds.observe(first_events)
        figures.seconds_per_token.observe(per_token)

    def add_failover(self, provider: str) -> None:
        """Count that somebody else is asked because a provider has failed."""
        provider = self._providers.of(provider)
        self.failovers[provider] = self.failovers.get(provider, 0) + 1

    def add_denial(self, surface: Surface) -> None:
        """Count a request without a key that is known here."""
        self.denials[surface] += 1

    def _meet(self, provider: str, model: str, operation: str, *, is_proven: bool) -> TargetFigures:
        target = (*self._names.of(provider, model, is_proven=is_proven), operation)
        figures = self.targets.get(target)
        return self.targets.setdefault(target, TargetFigures()) if figures is None else figures

    def _room_for(self, durations: dict[str, Histogram], failure: str) -> Histogram:
        if failure:
            if self._failed_durations >= MOST_FAILED_DURATIONS:
                failure = OTHER_FAILURE
            self._failed_durations += failure not in durations
        return durations.setdefault(failure, Histogram(OPERATION_BOUNDS))


def _copied(value: object) -> object:
    if isinstance(value, Histogram):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value
