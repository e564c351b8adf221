"""The figures in Prometheus' words: what ``GET /metrics`` answers; needs the extra ``metrics``.

Names of the semantic conventions for generative AI are used where they have one: ``gen_ai_client_*`` for
attempts at providers, ``gen_ai_server_*`` for what clients get. Everything is read when it is asked for, into
a registry that is made for it, so requests pay nothing, and two proxies in one process never meet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from packyproxy.providers.health import Breaker, ProviderState
from packyproxy.runtime.observation.survey import ProviderReport
from packyproxy.usage.figures import Figures, TargetFigures
from packyproxy.usage.histogram import Histogram

__all__ = ["Exposition", "expose"]

_TARGET: Final = ("gen_ai_provider_name", "gen_ai_request_model", "gen_ai_operation_name")
_OWN_TARGET: Final = ("provider", "model")

L = TypeVar("L", bound=tuple[str, ...])


class Exposition(Struct, frozen=True):
    """Metrics as text."""

    body: bytes
    media_type: str


def expose(
    figures: Figures, providers: Sequence[ProviderReport], *, version: str, accept: str = ""
) -> Exposition:
    """Write all metrics in the format that is asked for: Prometheus' text, or OpenMetrics.

    Args:
        figures: what was counted; nobody may add to it meanwhile.
        providers: how they stand.
        version: of this program.
        accept: the client's ``accept`` header.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(figures, providers, version))
    encode, media_type = choose_encoder(accept)
    return Exposition(encode(registry), media_type)


class _Families(Collector):
    """Hands out metrics that are read at this moment."""

    def __init__(self, figures: Figures, providers: Sequence[ProviderReport], version: str) -> None:
        self._figures = figures
        self._providers = _by_name(providers)
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its samples."""
        yield InfoMetricFamily("packyproxy_build", "The program.", value={"version": self._version})
        yield from self._of_attempts()
        yield from self._of_requests()
        yield from self._of_providers()

    def _of_attempts(self) -> Iterator[Metric]:
        yield self._durations(
            "gen_ai_client_operation_duration",
            "Attempts at providers, from sending until they ended; error_type is empty for whole answers.",
            lambda target: target.attempt_seconds,
        )
        yield self._spread(
            "gen_ai_client_operation_time_to_first_chunk",
            "Attempts, from sending until the model's first output.",
            lambda target: target.first_chunk_seconds,
        )
        yield self._spread(
            "gen_ai_client_operation_time_per_output_chunk",
            "Gaps between two reads of an attempt that brought output.",
            lambda target: target.chunk_seconds,
        )
        usage = HistogramMetricFamily(
            "gen_ai_client_token_usage",
            "Tokens of attempts that the upstream has counted.",
            labels=(*_TARGET, "gen_ai_token_type"),
        )
        tokens = CounterMetricFamily(
            "packyproxy_tokens",
            "Tokens of attempts; cached ones are part of the input, reasoning ones of the output.",
            labels=(*_OWN_TARGET, "type"),
        )
        sums: dict[tuple[str, ...], float] = {}
        for (provider, model, operation), target in self._figures.targets.items():
            for kind, histogram in (("input", target.input_tokens), ("output", target.output_tokens)):
                if histogram.count:
                    usage.add_metric((provider, model, operation, kind), _buckets(histogram), histogram.sum)
            if target.input_tokens.count:
                for kind, count in (
                    ("input", target.input_tokens.sum),
                    ("cached", target.cached_tokens),
                    ("output", target.output_tokens.sum),
                    ("reasoning", target.reasoning_tokens),
                ):
                    sums[provider, model, kind] = sums.get((provider, model, kind), 0) + count
        yield usage
        yield _filled(tokens, sums)
        yield _counter(
            "packyproxy_attempt_failures",
            "Attempts that failed, repeated ones as well.",
            ("provider", "failure"),
            self._figures.attempt_failures,
        )

    def _of_requests(self) -> Iterator[Metric]:
        figures = self._figures
        yield self._durations(
            "gen_ai_server_request_duration",
            "Requests of clients, from accepting to their end; error_type is empty for whole answers.",
            lambda target: target.request_seconds,
        )
        yield self._spread(
            "gen_ai_server_time_to_first_token",
            "Requests, from accepting to the first output.",
            lambda target: target.first_event_seconds,
        )
        yield self._spread(
            "gen_ai_server_time_per_output_token",
            "Answers, per output token after the first.",
            lambda target: target.seconds_per_token,
        )
        requests: dict[tuple[str, ...], float] = {}
        for (provider, model, _), target in figures.targets.items():
            for (protocol, status), count in target.requests.items():
                labels = (protocol, provider, model, f"{status}xx")
                requests[labels] = requests.get(labels, 0) + count
        yield _counter(
            "packyproxy_requests",
            "Requests of clients that have ended, by the class of their status.",
            ("protocol", "provider", "model", "status"),
            requests,
        )
        yield _counter(
            "packyproxy_request_failures",
            "Requests that ended in an error, or without their client.",
            ("protocol", "failure"),
            figures.request_failures,
        )
        yield _counter(
            "packyproxy_access_denied",
            "Requests without a key that is known here, where one is needed.",
            ("surface",),
            {(surface,): count for surface, count in figures.denials.items()},
        )
        yield GaugeMetricFamily(
            "packyproxy_requests_in_flight", "Requests that are being served.", value=figures.in_flight
        )
        if figures.prompt_share is not None:
            yield GaugeMetricFamily(
                "packyproxy_first_events_within_2s_ratio",
                "Share of first events that came within 2 s of their request, since the start.",
                value=figures.prompt_share,
            )

    def _of_providers(self) -> Iterator[Metric]:
        figures, providers = self._figures, self._providers
        never = dict.fromkeys(((name,) for name in providers), 0)
        failovers = {(name,): count for name, count in figures.failovers.items()}
        yield _counter(
            "packyproxy_failovers",
            "How often somebody else was asked because a provider had failed.",
            ("provider",),
            never | failovers,
        )
        refused = {(name,): count for name, count in figures.credential_failures().items()}
        yield _counter(
            "packyproxy_credential_failures",
            "How often a provider has refused its key.",
            ("provider",),
            never | refused,
        )
        yield _gauge(
            "packyproxy_cache_hit_ratio",
            "Share of a provider's input tokens that came from its prompt cache, since the start.",
            ("provider",),
            {(name,): rate for name, rate in figures.cache_hit_rates().items()},
        )
        yield _gauge(
            "packyproxy_providers",
            "How many configured providers are in each state.",
            ("state",),
            {
                (state.value,): sum(report.state is state for report in providers.values())
                for state in ProviderState
            },
        )
        yield _gauge(
            "packyproxy_breaker_state",
            "1 for the state that the breaker of a provider is in, 0 for the others.",
            ("provider", "state"),
            {
                (name, state.value): report.breaker is state
                for name, report in providers.items()
                for state in Breaker
            },
        )
        yield _gauge(
            "packyproxy_registered_models",
            "How many models of a provider clients can ask for.",
            ("provider",),
            {
                (name,): len(report.models) if report.config.enabled else 0
                for name, report in providers.items()
            },
        )

    def _spread(
        self, name: str, documentation: str, histogram_of: Callable[[TargetFigures], Histogram]
    ) -> Metric:
        family = HistogramMetricFamily(f"{name}_seconds", documentation, labels=_TARGET, unit="seconds")
        for labels, target in self._figures.targets.items():
            histogram = histogram_of(target)
            if histogram.count:
                family.add_metric(labels, _buckets(histogram), histogram.sum)
        return family

    def _durations(
        self, name: str, documentation: str, durations_of: Callable[[TargetFigures], Mapping[str, Histogram]]
    ) -> Metric:
        labels = (*_TARGET, "error_type")
        family = HistogramMetricFamily(f"{name}_seconds", documentation, labels=labels, unit="seconds")
        for values, target in self._figures.targets.items():
            for failure, histogram in durations_of(target).items():
                family.add_metric((*values, failure), _buckets(histogram), histogram.sum)
        return family


def _by_name(providers: Iterable[ProviderReport]) -> dict[str, ProviderReport]:
    """Return the providers that have a name; of several with one, that which is enabled counts."""
    named: dict[str, ProviderReport] = {}
    for report in providers:
        if report.name and (report.name not in named or report.config.enabled):
            named[report.name] = report
    return named


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    return [
        (str(floatToGoString(bound)), count)  # type: ignore[no-untyped-call]  # prometheus_client has none
        for bound, count in histogram.cumulative()
    ]


def _counter(name: str, documentation: str, labels: Sequence[str], values: Mapping[L, float]) -> Metric:
    return _filled(CounterMetricFamily(name, documentation, labels=labels), values)


def _gauge(name: str, documentation: str, labels: Sequence[str], values: Mapping[L, float]) -> Metric:
    return _filled(GaugeMetricFamily(name, documentation, labels=labels), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[L, float]) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
