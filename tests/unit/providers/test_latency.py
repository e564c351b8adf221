"""How quickly providers have answered lately."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.providers.latency import Latencies

_NOW = 1_000_000.0


def _after(*seconds: float) -> float | None:
    latencies = Latencies()
    for number, measured in enumerate(seconds):
        latencies.note("p", "m", measured, _NOW + number)
    return latencies.of("p", "m", _NOW + len(seconds))


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        pytest.param((), None, id="nothing"),
        pytest.param((2.0,), 2.0, id="one"),
        pytest.param((2.0, 2.0, 2.0), 2.0, id="steady"),
        pytest.param((2.0, 4.0), 2.6, id="slower"),
        pytest.param((4.0, 2.0), 3.4, id="quicker"),
    ],
)
def test_average(measured: tuple[float, ...], expected: float | None) -> None:
    """The first measurement stands for itself; each later one moves the average by its share."""
    average = _after(*measured)
    assert expected == (round(average, 9) if average is not None else None)


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=20))
def test_average_stays_among_the_measurements(measured: list[float]) -> None:
    """No average is quicker than the quickest answer or slower than the slowest."""
    average = _after(*measured)
    assert average is not None
    assert min(measured) * 0.999999 <= average <= max(measured) * 1.000001


@pytest.mark.parametrize(("provider", "model"), [("q", "m"), ("p", "n")])
def test_measurements_belong_to_one_target(provider: str, model: str) -> None:
    """Another provider or model remains unmeasured."""
    latencies = Latencies()
    latencies.note("p", "m", 2.0, _NOW)
    assert latencies.of(provider, model, _NOW) is None


@pytest.mark.parametrize(("seconds", "expected"), [(299.9, 2.0), (300.0, None)], ids=["known", "forgotten"])
def test_forgotten_after_five_minutes(seconds: float, expected: float | None) -> None:
    """Who was not measured for five minutes is unmeasured, and so tried again."""
    latencies = Latencies()
    latencies.note("p", "m", 2.0, _NOW)
    assert expected == latencies.of("p", "m", _NOW + seconds)


def test_measured_anew_after_it_was_forgotten() -> None:
    """What was forgotten has no part in the next average."""
    latencies = Latencies()
    latencies.note("p", "m", 60.0, _NOW)
    latencies.note("p", "m", 1.0, _NOW + 300)
    assert 1.0 == latencies.of("p", "m", _NOW + 301)


def test_each_measurement_keeps_it_known() -> None:
    """The five minutes count from the last measurement."""
    latencies = Latencies()
    latencies.note("p", "m", 2.0, _NOW)
    latencies.note("p", "m", 2.0, _NOW + 200)
    assert 2.0 == latencies.of("p", "m", _NOW + 400)


def test_is_bounded() -> None:
    """Model names may come from clients: the target that was measured longest ago goes first."""
    latencies = Latencies()
    latencies.note("p", "kept", 1.0, _NOW)
    latencies.note("p", "old", 1.0, _NOW)
    for number in range(1023):
        latencies.note("p", "kept", 1.0, _NOW)
        latencies.note("p", str(number), 1.0, _NOW)
    assert [1.0, None, 1.0] == [latencies.of("p", model, _NOW) for model in ("kept", "old", "0")]
