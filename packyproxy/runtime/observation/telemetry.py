"""Spans and metrics for OpenTelemetry, where the host has set it up: names and numbers, never content.

Names follow the semantic conventions for generative AI clients. Everything is told when an attempt has ended,
with its times, so a stream costs nothing. OpenTelemetry's API is looked for at the first attempt, and only
where somebody has imported it before: whoever has set up its SDK has.
"""

import logging
import sys
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from packyproxy.usage.figures import CUT_OFF, MOST_TARGETS, OPERATION_BOUNDS, TOKEN_BOUNDS, operation_of
from packyproxy.usage.names import Targets
from packyproxy.usage.records import AttemptRecord
from packyproxy.version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

__all__ = ["Telemetry"]

_log = logging.getLogger("packyproxy")

_SCOPE: Final = "packyproxy"
_NANOSECONDS: Final = 1e9

_Attributes = dict[str, str | int | float | bool]


class Telemetry:
    """Tell OpenTelemetry of attempts.

    Args:
        tracer_provider: makes the spans; by default the one that the host has set for the process.
        meter_provider: likewise for metrics.
    """

    def __init__(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
    ) -> None:
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._tracing: _Tracing | None = None
        self._metering: _Metering | None = None
        self._is_missing = False
        self._has_failed = False

    def attempt_ended(self, record: AttemptRecord, *, base_url: str) -> None:
        """Tell of one attempt: a span, child of the host's current one, and what it adds to the metrics.

        Never raises: the host's exporters are not ours.
        """
        if self._is_missing or "opentelemetry" not in sys.modules:
            return
        try:
            self._tell(record, base_url)
        except ImportError:
            self._is_missing = True
        except Exception as error:  # noqa: BLE001 - whatever the host has set up, requests are served
            if not self._has_failed:
                self._has_failed = True
                _log.warning(
                    "OpenTelemetry failed: %s",
                    type(error).__name__,
                    extra={"event": "telemetry_failed", "error": type(error).__name__},
                )

    def _tell(self, record: AttemptRecord, base_url: str) -> None:
        from opentelemetry import metrics, trace  # noqa: PLC0415 - an extra; loaded by the host

        tracer_provider = self._tracer_provider or trace.get_tracer_provider()
        meter_provider = self._meter_provider or metrics.get_meter_provider()
        if not _is_the_api(tracer_provider):
            if self._tracing is None or self._tracing.provider is not tracer_provider:
                self._tracing = _Tracing(tracer_provider)
            self._tracing.tell(record, base_url)
        if not _is_the_api(meter_provider):
            if self._metering is None or self._metering.provider is not meter_provider:
                self._metering = _Metering(meter_provider)
            self._metering.tell(record, base_url)


class _Tracing:
    """Makes spans."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415 - see above

        self.provider = provider
        self._tracer: Tracer = provider.get_tracer(_SCOPE, __version__)
        self._kind = SpanKind.CLIENT
        self._error = Status(StatusCode.ERROR)

    def tell(self, record: AttemptRecord, base_url: str) -> None:
        attributes = _attributes(record, record.provider, record.model, base_url)
        attributes["packyproxy.request_id"] = record.request_id
        if record.is_streaming:
            attributes["gen_ai.request.stream"] = True
        if record.first_output_seconds is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = record.first_output_seconds
        tokens = record.tokens
        if tokens is not None:
            attributes["gen_ai.usage.input_tokens"] = tokens.input
            attributes["gen_ai.usage.cache_read.input_tokens"] = tokens.cached
            attributes["gen_ai.usage.output_tokens"] = tokens.output
            attributes["gen_ai.usage.reasoning.output_tokens"] = tokens.reasoning
        if record.status is not None:
            attributes["http.response.status_code"] = record.status
        operation = attributes["gen_ai.operation.name"]
        span = self._tracer.start_span(
            f"{operation} {record.model}" if record.model else str(operation),
            kind=self._kind,
            attributes=attributes,
            start_time=int(record.sent_at * _NANOSECONDS),
        )
        if record.failure is not None:
            span.set_status(self._error)
        span.end(end_time=int((record.sent_at + record.duration_seconds) * _NANOSECONDS))


class _Metering:
    """Feeds histograms."""

    def __init__(self, provider: "MeterProvider") -> None:
        meter = provider.get_meter(_SCOPE, __version__)
        self.provider = provider
        self._lock = threading.Lock()
        self._targets = Targets(MOST_TARGETS)
        self._duration: Histogram = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=OPERATION_BOUNDS,
        )
        self._first_chunk: Histogram = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time from sending a request until the first chunk of a streamed answer.",
            explicit_bucket_boundaries_advisory=OPERATION_BOUNDS,
        )
        self._tokens: Histogram = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKEN_BOUNDS,
        )

    def tell(self, record: AttemptRecord, base_url: str) -> None:
        with self._lock:
            target = self._targets.of(record.provider, record.model, is_proven=record.is_success)
        attributes = _attributes(record, *target, base_url)
        self._duration.record(record.duration_seconds, attributes)
        if record.first_output_seconds is not None:
            self._first_chunk.record(record.first_output_seconds, attributes)
        tokens = record.tokens
        if tokens is not None:
            self._tokens.record(tokens.input, {**attributes, "gen_ai.token.type": "input"})
            self._tokens.record(tokens.output, {**attributes, "gen_ai.token.type": "output"})


def _attributes(record: AttemptRecord, provider: str, model: str, base_url: str) -> _Attributes:
    """Return what spans and metrics say alike."""
    url = urlsplit(base_url)
    attributes: _Attributes = {
        "gen_ai.operation.name": operation_of(record.protocol),
        "gen_ai.provider.name": provider,
        "server.address": url.hostname or "",
        "server.port": url.port or (443 if url.scheme == "https" else 80),
    }
    if model:
        attributes["gen_ai.request.model"] = model
    if record.failure is not None:
        attributes["error.type"] = record.failure.value
    elif record.is_cut_off:
        attributes["error.type"] = CUT_OFF
    return attributes


def _is_the_api(provider: object) -> bool:
    """Tell whether a provider is one of the API's own, which do nothing: nobody has set up an SDK."""
    return type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))
