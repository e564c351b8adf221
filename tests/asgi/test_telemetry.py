"""Spans and metrics of attempts, as a host's OpenTelemetry SDK gets them."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from packyproxy.errors import FailureKind
from packyproxy.runtime.observation.telemetry import Telemetry
from packyproxy.testing import Fault, Turn
from packyproxy.testing.upstream.script import Usage
from packyproxy.usage.figures import MOST_TARGETS
from tests.support.records import attempt

pytestmark = pytest.mark.virtual_time

COUNTED = Usage(input_tokens=1200, output_tokens=57, cached_tokens=1000, reasoning_tokens=20)


class Sdk:
    """What a host sets up, with exporters that keep everything."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        (only,) = self.spans
        return only

    def points(self, name: str) -> list[Any]:
        """Return the data points of one metric."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def sdk() -> Sdk:
    """Return a set-up of its own for each test."""
    return Sdk()


@pytest.fixture
def observed(stage: Any, sdk: Sdk) -> Callable[..., Any]:
    """Return a function that sets the stage for a proxy whose host has set up the SDK."""

    def make(*args: Any, **options: Any) -> Any:
        scene = stage(*args, **options)
        scene.proxy.runtime.recorder.telemetry = sdk.telemetry
        return scene

    return make


def tempo(*seconds: float) -> dict[str, Any]:
    """Return the settings of an upstream each of whose writes waits for its own number of seconds."""

    async def pace(number: int) -> None:
        if number < len(seconds):
            await asyncio.sleep(seconds[number])

    return {"pace": pace}


async def test_a_span_per_attempt(observed: Any, sdk: Sdk) -> None:
    """A streamed answer is one client span with names and numbers of the GenAI conventions."""
    scene = observed(Turn("hello", delta_characters=3, usage=COUNTED), upstream=tempo(0, 0, 0, 0, 1.5, 0.5))
    answer = await scene.ask(stream=True)
    span = sdk.span
    assert ("chat gpt-5", SpanKind.CLIENT, StatusCode.UNSET) == (
        span.name,
        span.kind,
        span.status.status_code,
    )
    attributes = dict(span.attributes or {})
    assert pytest.approx(1.5) == attributes.pop("gen_ai.response.time_to_first_chunk")
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "packycode",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 57,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "server.address": "upstream.test",
        "server.port": 80,
        "packyproxy.request_id": answer.headers["x-request-id"],
    } == attributes
    assert span.start_time is not None
    assert span.end_time is not None
    assert pytest.approx(2.0, abs=1e-6) == (span.end_time - span.start_time) / 1e9
    assert ("packyproxy", ()) == (span.instrumentation_scope.name, span.events)  # type: ignore[union-attr]


async def test_a_whole_answer_is_no_stream(observed: Any, sdk: Sdk) -> None:
    """The span of a request for a whole answer does not say that a stream was asked for."""
    await observed(Turn("hello", usage=COUNTED)).ask()
    assert "gen_ai.request.stream" not in (sdk.span.attributes or {})


async def test_the_hosts_span_is_the_parent(observed: Any, sdk: Sdk) -> None:
    """A host that traces its requests finds the attempts under them."""
    scene = observed()
    with sdk.tracer_provider.get_tracer("host").start_as_current_span("request") as parent:
        await scene.ask()
    child = next(span for span in sdk.spans if span.name == "chat gpt-5")
    assert child.parent is not None
    assert parent.get_span_context().span_id == child.parent.span_id


async def test_a_failed_attempt(observed: Any, sdk: Sdk) -> None:
    """A refusal is an error of its kind and status; the attempt after it is a span of its own."""
    await observed([Fault.overloaded(), Turn("ok")]).ask()
    failed, answered = sdk.spans
    assert (StatusCode.ERROR, None) == (failed.status.status_code, failed.status.description)
    attributes = failed.attributes or {}
    assert ("overloaded", 503) == (attributes["error.type"], attributes["http.response.status_code"])
    assert StatusCode.UNSET == answered.status.status_code
    assert "error.type" not in (answered.attributes or {})


async def test_metrics(observed: Any, sdk: Sdk) -> None:
    """Durations, times to the first output and tokens are histograms of the conventions' names."""
    scene = observed(Turn("hello", delta_characters=3, usage=COUNTED), upstream=tempo(0, 0, 0, 0, 1.5, 0.5))
    await scene.ask()
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "packycode",
        "gen_ai.request.model": "gpt-5",
        "server.address": "upstream.test",
        "server.port": 80,
    }
    for name, seconds in (
        ("gen_ai.client.operation.duration", 2.0),
        ("gen_ai.client.operation.time_to_first_chunk", 1.5),
    ):
        (point,) = sdk.points(name)
        assert (1, pytest.approx(seconds)) == (point.count, point.sum)
        assert expected == dict(point.attributes)
        assert (0.01, 0.02) == point.explicit_bounds[:2]
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum for point in sdk.points("gen_ai.client.token.usage")
    }
    assert {"input": 1200, "output": 57} == tokens


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"failure": FailureKind.IDLE_TIMEOUT}, "idle_timeout"),
        ({"is_cut_off": True}, "cut_off"),
        ({}, None),
    ],
    ids=["failed", "cut off", "answered"],
)
def test_how_an_attempt_ended(sdk: Sdk, fields: dict[str, Any], error: str | None) -> None:
    """``error.type`` says of spans and durations alike how an attempt ended; who is cut off has not failed."""
    sdk.telemetry.attempt_ended(attempt(**fields), base_url="https://provider.example.com/v1")
    (point,) = sdk.points("gen_ai.client.operation.duration")
    assert (error, error) == (
        point.attributes.get("error.type"),
        (sdk.span.attributes or {}).get("error.type"),
    )
    assert (StatusCode.ERROR if "failure" in fields else StatusCode.UNSET) == sdk.span.status.status_code


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("https://provider.example.com/v1", "provider.example.com", 443),
        ("http://127.0.0.1:8080", "127.0.0.1", 8080),
        ("https://[::1]:8443/v1", "::1", 8443),
    ],
)
def test_the_server(sdk: Sdk, url: str, address: str, port: int) -> None:
    """The provider's host and port are told, its path is not."""
    sdk.telemetry.attempt_ended(attempt(), base_url=url)
    attributes = sdk.span.attributes or {}
    assert (address, port) == (attributes["server.address"], attributes["server.port"])


def test_an_attempt_without_a_model(sdk: Sdk) -> None:
    """A search names no model, and nothing stands in its place."""
    sdk.telemetry.attempt_ended(attempt(protocol="search", model=""), base_url="http://a.test/v1")
    assert ("search", False) == (sdk.span.name, "gen_ai.request.model" in (sdk.span.attributes or {}))


def test_models_of_metrics_are_bounded(sdk: Sdk) -> None:
    """Whoever makes up names of models adds no series without end."""
    for number in range(MOST_TARGETS * 3):
        sdk.telemetry.attempt_ended(attempt(model=f"made-up-{number}"), base_url="http://a.test/v1")
    points = sdk.points("gen_ai.client.operation.duration")
    assert MOST_TARGETS + 1 == len(points)
    assert "other" in {point.attributes["gen_ai.request.model"] for point in points}


class Broken(SpanProcessor):
    """A host's processor that fails."""

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("canary")


async def test_a_broken_exporter(observed: Any, sdk: Sdk, caplog: pytest.LogCaptureFixture) -> None:
    """Requests are served all the same; the log has the kind of the error, once."""
    caplog.set_level(logging.INFO, "packyproxy")
    sdk.tracer_provider.add_span_processor(Broken())
    scene = observed()
    assert [200, 200] == [(await scene.ask()).status_code for _ in range(2)]
    told = [record for record in caplog.records if getattr(record, "event", "") == "telemetry_failed"]
    assert ["OpenTelemetry failed: RuntimeError"] == [record.getMessage() for record in told]


@pytest.mark.parametrize("has_sdk", [True, False], ids=["the API is gone", "nobody has set up an SDK"])
def test_without_an_sdk(sdk: Sdk, monkeypatch: pytest.MonkeyPatch, has_sdk: bool) -> None:
    """Nothing is told, and nobody hears of it."""
    telemetry = sdk.telemetry if has_sdk else Telemetry()
    if has_sdk:
        monkeypatch.setitem(sys.modules, "opentelemetry", None)
    for _ in range(2):
        telemetry.attempt_ended(attempt(), base_url="http://a.test/v1")
    assert () == sdk.spans


@pytest.mark.parametrize("is_imported", [True, False], ids=["imported", "not imported"])
def test_the_global_providers(is_imported: bool) -> None:
    """What the host has set for its process is used, also when it does so late; the API is never imported for it."""
    program = f"""
import sys
from packyproxy.runtime.observation.telemetry import Telemetry
from packyproxy.usage.records import AttemptRecord
import packyproxy.app
record = AttemptRecord(request_id="r", protocol="chat", provider="p", provider_id="i", model="m",
                       is_streaming=False, sent_at=1.0, duration_seconds=1.0)
telemetry = Telemetry()
telemetry.attempt_ended(record, base_url="http://a.test/v1")
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
if {is_imported}:
    from opentelemetry import trace
    telemetry.attempt_ended(record, base_url="http://a.test/v1")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    telemetry.attempt_ended(record, base_url="http://a.test/v1")
    telemetry.attempt_ended(record, base_url="http://a.test/v1")
    assert 2 == len(exporter.get_finished_spans())
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (0, "") == (run.returncode, run.stderr)
