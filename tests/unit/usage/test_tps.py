"""Tokens per second: of one attempt, and of many."""

import sys
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import FailureKind
from packyproxy.usage.tps import Tps, TpsSamples, has_line, measure, parse_group, parse_window
from tests.support.records import NOW, attempt, tokens

_FAILED = {"failure": FailureKind.TRUNCATED}
_SILENT = {"first_output_seconds": None, "stream_seconds": 0.0}
_DAY = 24 * 3600


@pytest.mark.parametrize(
    ("facts", "completion", "total"),
    [
        pytest.param({}, 10.0, 55.0, id="stream"),
        pytest.param({"is_streaming": False}, 5.0, 55.0, id="whole"),
        pytest.param({"stream_seconds": 0.0}, 5.0, 55.0, id="one-read"),
        pytest.param({"stream_seconds": 0.25}, 40.0, 55.0, id="short-window"),
        pytest.param({"tokens": tokens(100, 0)}, 0.0, 50.0, id="no-tokens"),
        pytest.param({"tokens": tokens(100, 0), **_SILENT}, 0.0, 50.0, id="no-output"),
        pytest.param({"tokens": tokens(0, 0), **_SILENT}, 0.0, 0.0, id="nothing-counted"),
        pytest.param(_FAILED, 10.0, 55.0, id="failed-after-output"),
        pytest.param({"is_cut_off": True}, 10.0, 55.0, id="cut-off-after-output"),
        pytest.param({"tokens": tokens(-5, -1)}, 0.0, 0.0, id="negative"),
        pytest.param({"tokens": tokens(0, 10**30)}, 1e9, 5e8, id="absurd"),
    ],
)
def test_completion_and_total_have_times_of_their_own(
    facts: dict[str, Any], completion: float, total: float
) -> None:
    """Completion is output over its own time, or the attempt's; total is everything over the attempt."""
    tps = measure(attempt(**facts))
    assert tps is not None
    assert (completion, total) == (tps.completion, tps.total)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"tokens": None}, id="not-counted"),
        pytest.param({**_FAILED, **_SILENT}, id="failed-without-output"),
        pytest.param({"is_cut_off": True, **_SILENT}, id="cut-off-without-output"),
        pytest.param({"duration_seconds": 0.0}, id="no-time"),
        pytest.param({"duration_seconds": 4e-7, "stream_seconds": 0.0}, id="below-a-microsecond"),
    ],
)
def test_without_output_count_or_time_there_is_no_speed(facts: dict[str, Any]) -> None:
    """There is no speed without output, without a count, or without time."""
    assert measure(attempt(**facts)) is None


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({}, True, id="answered"),
        pytest.param({"tokens": None}, True, id="answered-not-counted"),
        pytest.param(_SILENT, True, id="empty-success"),
        pytest.param(_FAILED, True, id="failed-after-output"),
        pytest.param({**_FAILED, **_SILENT}, False, id="failed-without-output"),
        pytest.param({"is_cut_off": True, **_SILENT}, False, id="cut-off-without-output"),
    ],
)
def test_what_gave_output_is_logged(facts: dict[str, Any], *, expected: bool) -> None:
    """What gave output is logged, counted or not, and so is an empty success."""
    assert expected == has_line(attempt(**facts))


@pytest.mark.parametrize(
    ("output", "seconds", "expected"),
    [
        pytest.param(1, 200.0, 0.01, id="0.005"),
        pytest.param(201, 200.0, 1.01, id="1.005"),
        pytest.param(1, 1.6, 0.63, id="0.625"),
        pytest.param(1, 201.0, 0.0, id="below"),
        pytest.param(2, 3.0, 0.67, id="thirds"),
        pytest.param(1, 3.0, 0.33, id="third"),
        pytest.param(57, 1.38, 41.3, id="one-decimal"),
    ],
)
def test_speeds_are_rounded_half_up(output: int, seconds: float, expected: float) -> None:
    """Two decimals, rounded half up as written in decimals: 0.005 is 0.01."""
    tps = measure(attempt(duration_seconds=seconds, is_streaming=False, tokens=tokens(0, output)))
    assert tps is not None
    assert expected == tps.completion


@given(st.integers(0, 10**9), st.integers(1, 10**10))
def test_rounding_is_that_of_decimals(output: int, microseconds: int) -> None:
    """Any rate is what decimal arithmetic makes of it."""
    seconds = Decimal(microseconds) / 10**6
    record = attempt(duration_seconds=float(seconds), is_streaming=False, tokens=tokens(0, output))
    tps = measure(record)
    assert tps is not None
    expected = (output / seconds).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert float(expected) == tps.completion


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1d2h3m4s", 93_784),
        ("90m", 5400),
        ("30d", 2_592_000),
        ("007s", 7),
    ],
)
def test_a_window_is_read(text: str, seconds: int) -> None:
    """A window is days, hours, minutes and seconds, as many of them as needed."""
    assert seconds == parse_window(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "0s", "0h0m", "s", "30", "30S", "30 s", " 30s", "30s\n", "-30s", "+30s", "1.5h", "30ms", "1w"),
        *("30m1h", "1h1h", "31d", "9999999s", "٣s", "1h 30m", "1e3s", "999999999999999999999999d"),
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    """Anything else is refused with a text that says what a window looks like, and does not quote it."""
    with pytest.raises(ValueError, match=r"^a window is 1s to 30d, written like 30s, 5m, 1h or 1h30m$"):
        parse_window(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("provider", ("provider",)),
        ("model", ("model",)),
        ("provider,model", ("provider", "model")),
        ("model, provider", ("provider", "model")),
        ("model,model", ("model",)),
    ],
)
def test_a_grouping_is_read(text: str, expected: tuple[str, ...]) -> None:
    """What is to be told apart may be named in any order, and more than once."""
    assert expected == parse_group(text)


@pytest.mark.parametrize("text", ["", "provider,", "day", "provider;model", "Provider"])
def test_what_is_no_grouping_is_refused(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="groups are"):
        parse_group(text)


def _samples(*speeds: float, every_seconds: float = 1.0, **facts: Any) -> TpsSamples:
    """Return samples of these speeds, the last one taken now."""
    samples = TpsSamples()
    for number, speed in enumerate(speeds):
        tps = Tps(round(speed * 100), round(speed * 200))
        samples.add(tps, attempt(**facts), NOW - (len(speeds) - 1 - number) * every_seconds)
    return samples


def _report(samples: TpsSamples, **question: Any) -> Any:
    question.setdefault("now", NOW)
    report = samples.report(question.pop("now"), **question)
    return msgspec.json.decode(msgspec.json.encode(report))


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        pytest.param((), {"count": 0, "avg": None, "median": None, "p95": None}, id="none"),
        pytest.param((3.5,), {"count": 1, "avg": 3.5, "median": 3.5, "p95": 3.5}, id="one"),
        pytest.param((0.0,), {"count": 1, "avg": 0.0, "median": 0.0, "p95": 0.0}, id="zero"),
        pytest.param((9, 1, 2), {"count": 3, "avg": 4.0, "median": 2.0, "p95": 9.0}, id="odd"),
        pytest.param((1, 2, 4, 9), {"count": 4, "avg": 4.0, "median": 3.0, "p95": 9.0}, id="even"),
        pytest.param((0.01, 0.02), {"count": 2, "avg": 0.02, "median": 0.02, "p95": 0.02}, id="half-up"),
        pytest.param((1, 1, 2), {"count": 3, "avg": 1.33, "median": 1.0, "p95": 2.0}, id="thirds"),
        pytest.param(range(1, 21), {"count": 20, "avg": 10.5, "median": 10.5, "p95": 19.0}, id="p95-of-20"),
        pytest.param(range(1, 22), {"count": 21, "avg": 11.0, "median": 11.0, "p95": 20.0}, id="p95-of-21"),
    ],
)
def test_samples_are_summarised(speeds: Any, expected: dict[str, Any]) -> None:
    """Average and median are rounded like the speeds; p95 is a speed that was measured (nearest rank)."""
    assert expected == _report(_samples(*speeds))["completion"]


def test_completion_and_total_are_apart() -> None:
    """A sample has two speeds, and each is summarised by itself."""
    report = _report(_samples(1, 2, 3))
    assert (2.0, 4.0) == (report["completion"]["median"], report["total"]["median"])


def test_samples_are_picked_by_provider_and_model() -> None:
    """Only samples of the provider and of the model that is asked for count."""
    samples = _samples(1, 1, 1)
    for provider, model in (("packycode", "gpt-5-mini"), ("other one", "gpt-5"), ("other one", "gpt-5")):
        samples.add(Tps(500, 900), attempt(provider=provider, model=model), NOW)
    questions = [
        {},
        {"provider": "packycode"},
        {"model": "gpt-5"},
        {"provider": "other one", "model": "gpt-5"},
        {"provider": "nobody"},
        {"model": "GPT-5"},
    ]
    assert [6, 4, 5, 2, 0, 0] == [_report(samples, **question)["total"]["count"] for question in questions]


def test_a_window_counts_back_from_now() -> None:
    """A window counts back from now, its beginning included, and says when it begins."""
    report = _report(_samples(1, 2, 3, 4, every_seconds=10), window_seconds=20)
    assert (3, "2026-11-21T14:59:40.000Z") == (report["completion"]["count"], report["since"])


def test_an_empty_window_says_when_it_begins() -> None:
    """A window in which nothing was measured says so, and when it begins."""
    report = _report(_samples(1), now=NOW + 60, window_seconds=30)
    assert (0, "2026-11-21T15:00:30.000Z") == (report["completion"]["count"], report["since"])


@pytest.mark.parametrize(
    ("samples", "question", "expected"),
    [
        pytest.param(_samples(), {}, None, id="nothing-measured"),
        pytest.param(_samples(1, 2, 3), {}, "2026-11-21T14:59:58.000Z", id="oldest"),
        pytest.param(_samples(1), {"provider": "nobody"}, None, id="nothing-found"),
    ],
)
def test_without_a_window_the_oldest_sample_is_the_beginning(
    samples: TpsSamples, question: dict[str, Any], expected: str | None
) -> None:
    """Without a window, a report goes back to the oldest sample in it."""
    assert expected == _report(samples, **question)["since"]


def test_no_groups_unless_asked() -> None:
    """A report without grouping has no member for groups."""
    assert {"since", "completion", "total"} == set(_report(_samples(1)))


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        pytest.param(("provider",), [("a", None, 2), ("b", None, 1)], id="provider"),
        pytest.param(("model",), [(None, "x", 2), (None, "y", 1)], id="model"),
        pytest.param(("provider", "model"), [("a", "x", 1), ("a", "y", 1), ("b", "x", 1)], id="both"),
    ],
)
def test_groups_are_summarised_apart(group: Any, expected: list[tuple[str | None, str | None, int]]) -> None:
    """Groups are named by what tells them apart, in the order of their names, each with its own summary."""
    samples = TpsSamples()
    for provider, model in (("b", "x"), ("a", "y"), ("a", "x")):
        samples.add(Tps(100, 200), attempt(provider=provider, model=model), NOW)
    groups = _report(samples, group=group)["groups"]
    assert expected == [(each.get("provider"), each.get("model"), each["total"]["count"]) for each in groups]


@pytest.mark.parametrize(("age", "count"), [(_DAY - 1.0, 12), (_DAY, 10), (_DAY * 9, 10)])
def test_a_day_is_kept(age: float, count: int) -> None:
    """Samples are kept for 24 hours, and the last ten whatever their age."""
    samples = _samples(*range(12), every_seconds=0)
    assert count == _report(samples, now=NOW + age)["completion"]["count"]


def test_adding_drops_what_is_too_old() -> None:
    """Old samples go with the next one that is taken, not only when somebody asks."""
    samples = _samples(*range(12), every_seconds=0)
    samples.add(Tps(100, 100), attempt(), NOW + _DAY)
    assert 10 == len(samples)


def test_when_it_is_full_the_oldest_sample_goes() -> None:
    """When there is no room for another sample, the oldest one goes."""
    samples = TpsSamples(limit=16)
    for number in range(40):
        samples.add(Tps(number * 100, 0), attempt(), NOW + number)
    report = _report(samples, now=NOW + 40)
    assert (16, 31.5, "2026-11-21T15:00:24.000Z") == (
        len(samples),
        report["completion"]["avg"],
        report["since"],
    )


@given(st.lists(st.tuples(st.floats(0, 20_000), st.integers(0, 10**18)), max_size=80), st.integers(11, 24))
def test_the_ring_is_a_list_that_forgets(steps: list[tuple[float, int]], limit: int) -> None:
    """Whatever the times and the room, the report is that of a plain list with the same rules."""
    samples, now = TpsSamples(limit), NOW
    kept: list[tuple[float, int]] = []
    for seconds, speed in steps:
        now += seconds
        samples.add(Tps(speed, 0), attempt(), now)
        kept = [*kept, (now, speed)][-limit:]
        while len(kept) > 10 and kept[0][0] <= now - _DAY:
            kept.pop(0)
    report = _report(samples, now=now)["completion"]
    speeds = sorted(speed for _, speed in kept)
    expected = speeds[(len(speeds) * 95 + 99) // 100 - 1] / 100 if speeds else None
    assert (len(kept), expected) == (report["count"], report["p95"])


def test_a_copy_stays_as_it_was() -> None:
    """What is measured after copying is not in the copy."""
    samples = _samples(1, 2, 3)
    copied = samples.copy()
    samples.add(Tps(900, 900), attempt(model="later"), NOW)
    questions: list[dict[str, Any]] = [{}, {"model": "gpt-5"}, {"model": "later"}]
    assert [3, 3, 0] == [_report(copied, **question)["total"]["count"] for question in questions]
    assert [4, 3, 1] == [_report(samples, **question)["total"]["count"] for question in questions]


def test_memory_is_bounded() -> None:
    """A sample takes 26 bytes, and no more are kept than there is room for."""
    samples = TpsSamples()
    record, tps = attempt(), Tps(10**17, 2 * 10**17)
    before = _size(samples)
    for number in range(70_000):
        samples.add(tps, record, NOW + number / 1000)
    assert 65_536 == len(samples)
    assert 65_536 * 26 <= _size(samples) - before <= 65_536 * 26 * 9 / 8


def _size(samples: TpsSamples) -> int:
    return sum(map(sys.getsizeof, vars(samples).values()))


def test_names_are_bounded() -> None:
    """Whoever makes up models shares one name among them, and the known ones keep theirs."""
    samples = _samples(1)
    for number in range(1000):
        samples.add(Tps(100, 100), attempt(model=f"made-up-{number}"), NOW)
    groups = _report(samples, group=("model",))["groups"]
    counts = {each["model"]: each["total"]["count"] for each in groups}
    assert (257, 1, 745) == (len(counts), counts["gpt-5"], counts["other"])
