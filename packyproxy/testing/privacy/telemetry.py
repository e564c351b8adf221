"""Stand in for OpenTelemetry's SDK, and look at everything that it is told."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, cast

from packyproxy.runtime.observation.telemetry import Telemetry
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing.privacy.watch import Watch

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["look_at_telemetry"]


def look_at_telemetry(watch: Watch, runtime: Runtime) -> None:
    """Let a runtime tell the watch all of its spans and metrics: names, attributes, events, states.

    OpenTelemetry's API counts as in use from now on, if it is installed.
    """
    with suppress(ImportError):
        import_module("opentelemetry.trace")
        import_module("opentelemetry.metrics")
    seeing = _Seeing(watch)
    runtime.recorder.telemetry = Telemetry(
        tracer_provider=cast("TracerProvider", seeing), meter_provider=cast("MeterProvider", seeing)
    )


class _Seeing:
    """A provider of tracers and meters, a tracer, a span, a histogram: it has every method there is."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __getattr__(self, name: str) -> Callable[..., "_Seeing"]:
        return partial(self._told, name)

    def _told(self, name: str, *arguments: object, **named: object) -> "_Seeing":
        self._watch.see("OpenTelemetry", name, repr(arguments), repr(named))
        return self
