"""The exponents, holds and profiles that the benchmarks print are those of what they measured."""

import asyncio
import random
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from packyproxy.translate.protocols import PROTOCOLS

_SIZES = (10, 30, 100, 300, 600, 1000, 1500, 2000)
_SURFACES = ("messages", "chat", "responses")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks are scripts that import each other from their folder."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5, 2.0])
def test_an_exponent_is_found_under_a_fixed_part(exponent: float) -> None:
    """A part that does not grow hides no exponent."""
    law = _fit(_SIZES, [5_000 + 3 * size**exponent for size in _SIZES])
    assert (round(exponent, 2), 5_000) == (round(law.exponent, 2), round(law.fixed))


def test_a_small_quadratic_part_is_not_taken_for_a_linear_one() -> None:
    """What doubles the cost at the largest size only, and has a slope below 1 in logarithms, is quadratic."""
    law = _fit(_SIZES, [5_000 + 0.00125 * size**2 for size in _SIZES])
    assert (2.0, 0.5) == (round(law.exponent, 2), round(law.grown, 2))


def test_without_a_fixed_part_none_is_found() -> None:
    """A cost that begins at nothing has no fixed part, and never a negative one."""
    law = _fit(_SIZES, [7 * size - 60 for size in _SIZES])
    assert 0.0 == law.fixed


def test_noise_moves_an_exponent_little() -> None:
    """Deviations of two percent leave the exponent of a linear cost below what is promised."""
    chance = random.Random(7)
    exponents = [
        _fit(_SIZES, [(1_000 + 10 * size) * chance.gauss(1, 0.02) for size in _SIZES]).exponent
        for _ in range(20)
    ]
    assert 0.9 < min(exponents) <= max(exponents) < 1.1


def test_few_points_are_not_fitted() -> None:
    """Three numbers from five points would always look right."""
    with pytest.raises(ValueError, match="5 points say too little"):
        _fit(_SIZES[:5], _SIZES[:5])


@pytest.mark.parametrize("surface", _SURFACES)
@pytest.mark.parametrize("body_bytes", [10_000, 100_000, 1_000_000])
def test_requests_have_the_size_that_was_asked_for(surface: str, body_bytes: int) -> None:
    """A conversation of a given size is a request that its surface reads, within five percent of that size."""
    head, _, body = (
        import_module("rig.conversations").request_of_size(surface, body_bytes).partition(b"\r\n\r\n")
    )
    assert b"content-length: %d" % len(body) in head
    assert PROTOCOLS[surface]().read(body).is_stream
    assert 0.95 < len(body) / body_bytes < 1.05


@pytest.mark.parametrize("surface", _SURFACES)
def test_turns_of_a_session_bring_the_ones_before_along(surface: str) -> None:
    """Each request of a session is longer than the last, by about 5 KB per turn, and can be read."""
    requests = list(import_module("rig.conversations").session_requests(surface, 30))
    lengths = [len(request) for request in requests]
    assert sorted(set(lengths)) == lengths
    assert 4_000 < (lengths[-1] - lengths[0]) / 29 < 6_000
    assert PROTOCOLS[surface]().read(requests[-1].partition(b"\r\n\r\n")[2]).is_stream


def test_the_longest_hold_of_a_loop_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The longest time between two rounds of the loop is written, and forgotten then."""
    held_run, now, told = import_module("programs.held_run"), [0.0], []
    monkeypatch.setattr(held_run.time, "thread_time", lambda: now[0])
    file = tmp_path / "longest"

    async def hold_twice() -> None:
        holds = held_run.LoopHolds(file)
        holds.tell()
        for seconds in (0.25, 0.5, 0.0):
            await asyncio.sleep(0)
            now[0] += seconds
        await asyncio.sleep(0)
        for _ in range(2):
            holds.tell()
            told.append(float(file.read_text()))

    asyncio.run(hold_twice())
    assert [0.5, 0.0] == told


def test_samples_are_told_by_layer_and_by_function() -> None:
    """The standard library works for whoever called it, and what started the loop for nobody."""
    start = "main (packyproxy/cli/main.py:28);Runner.run (asyncio/runners.py:118)"
    found = import_module("rig.profile_layers").read_profile(
        [
            f"{start};feed (packyproxy/transcode.py:90);search (re/__init__.py:7) 3",
            f"{start};run (packyproxy/runtime/serving/attempt.py:9);write (aiohttp/http_writer.py:171) 4",
            f"{start};send (hypercorn/protocol/h11.py:5) 1",
            f"{start} 2",
        ]
    )
    layers = {"packyproxy/transcode.py": 0.3, "HTTP client": 0.4, "server": 0.1, "event loop": 0.2}
    assert layers == found.layers
    assert 0.3 == found.own["search (re/__init__.py)"] == found.whole["feed (packyproxy/transcode.py)"]
    assert "main (packyproxy/cli/main.py)" not in found.whole


def _fit(sizes: Any, costs: Any) -> Any:
    return import_module("rig.power_law").fit_power_law(sizes, costs)
