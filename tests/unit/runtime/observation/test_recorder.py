"""When lines of the log are written: at once while there are few, together where a crowd may be held."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from packyproxy.errors import FailureKind
from packyproxy.runtime.observation.journal import WriteLine, give_to_handlers
from packyproxy.runtime.observation.recorder import Recorder
from tests.support.records import NOW, attempt, request


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return a function that gives the request ids of the lines so far."""
    caplog.set_level(logging.INFO, "packyproxy")
    return lambda: [vars(record)["request_id"] for record in caplog.records]


def together() -> AbstractContextManager[WriteLine]:
    return nullcontext(give_to_handlers)


def holding() -> Recorder:
    recorder = Recorder(now=lambda: NOW)
    recorder.log_together = together
    return recorder


def end(recorder: Recorder, numbers: range, **facts: Any) -> None:
    """Let requests of these numbers end at one moment."""
    for number in numbers:
        recorder.request_begins()
        recorder.request_ended(request(request_id=str(number), **facts), is_log_wanted=True)


def ids(numbers: range) -> list[str]:
    return [str(number) for number in numbers]


@pytest.mark.virtual_time
async def test_no_line_waits_unless_that_is_wanted(lines: Callable[[], list[str]]) -> None:
    """A host reads its log as it is written."""
    end(Recorder(now=lambda: NOW), range(20))
    assert ids(range(20)) == lines()


@pytest.mark.virtual_time
async def test_few_lines_do_not_wait(lines: Callable[[], list[str]]) -> None:
    """Who tries something out sees it."""
    end(holding(), range(4))
    assert ids(range(4)) == lines()


@pytest.mark.virtual_time
async def test_lines_of_a_crowd_wait_and_keep_their_order(lines: Callable[[], list[str]]) -> None:
    """From the fifth within a tenth of a second on, they come together after another."""
    end(holding(), range(20))
    assert ids(range(4)) == lines()
    await asyncio.sleep(0.11)
    assert ids(range(20)) == lines()


@pytest.mark.virtual_time
async def test_lines_of_failed_requests_do_not_wait(lines: Callable[[], list[str]]) -> None:
    """What went wrong is seen at once."""
    recorder = holding()
    end(recorder, range(10))
    end(recorder, range(10, 11), status=502, failure="overloaded")
    assert "10" in lines()


@pytest.mark.virtual_time
async def test_few_lines_are_held(lines: Callable[[], list[str]]) -> None:
    """However many requests end at once, some four hundred records are the most that wait."""
    end(holding(), range(800))
    assert len(lines()) > 800 - 200


@pytest.mark.virtual_time
async def test_who_reads_figures_finds_the_lines_written(lines: Callable[[], list[str]]) -> None:
    """To read is to catch up."""
    recorder = holding()
    end(recorder, range(10))
    assert 10 == recorder.figures().requests
    assert ids(range(10)) == lines()


@pytest.mark.virtual_time
async def test_speeds_wait_like_requests(caplog: pytest.LogCaptureFixture) -> None:
    """A line about tokens per second is held by the same rule, and says the same."""
    caplog.set_level(logging.INFO, "packyproxy")
    recorder = holding()
    for _ in range(6):
        recorder.attempt_ended(attempt(), base_url="http://upstream.test/v1", is_log_wanted=True)
    assert 4 == len(caplog.records)
    recorder.catch_up()
    assert {(10.0, 55.0)} == {
        (vars(record)["tps_completion"], vars(record)["tps_total"]) for record in caplog.records
    }
    assert 6 == len(caplog.records)


def test_where_no_event_loop_runs_no_line_waits(lines: Callable[[], list[str]]) -> None:
    """There would be nobody to write it later."""
    end(holding(), range(20))
    assert ids(range(20)) == lines()


def test_what_happened_last_at_a_provider_counts() -> None:
    """However much is counted at once: a key that was refused after answers is refused, and the reverse."""
    recorder = Recorder(now=lambda: NOW)
    verdicts = []
    for failures in ([None, None, FailureKind.CREDENTIALS_REJECTED], [None]):
        for failure in failures:
            ended = attempt(failure=failure, first_output_seconds=1.0 if failure is None else None)
            recorder.attempt_ended(ended, base_url="http://a.test", is_log_wanted=False)
        verdicts.append(recorder.providers().of(attempt().provider_id).is_key_accepted)
    assert [False, True] == verdicts


def test_who_was_cut_off_tells_nothing() -> None:
    """An attempt that we ended before its output does not hide the answer before it."""
    recorder = Recorder(now=lambda: NOW)
    for facts in ({}, {"is_cut_off": True, "first_output_seconds": None, "tokens": None}):
        recorder.attempt_ended(attempt(**facts), base_url="http://a.test", is_log_wanted=False)
    assert recorder.providers().of(attempt().provider_id).is_key_accepted


def test_lines_whose_loop_has_ended_are_written_on_the_next(
    lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer that they waited for is gone; later ones bring them along."""
    recorder = holding()

    async def crowd(numbers: range, at: float) -> None:
        end(recorder, numbers, ended_at=at)
        await asyncio.sleep(0.005)

    asyncio.run(crowd(range(10), NOW))
    assert ids(range(4)) == lines()
    monkeypatch.setattr("packyproxy.runtime.observation.recorder._HELD_SECONDS", 0.001)
    asyncio.run(crowd(range(10, 20), NOW + 2))
    assert set(ids(range(20))) == set(lines())
