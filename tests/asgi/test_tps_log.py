"""The log event ``per-request-tps``: one for each attempt that gave output, with exactly its fields."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from packyproxy.cli.logs import ConsoleFormatter, JsonFormatter
from packyproxy.testing import Fault, Turn
from packyproxy.testing.upstream.script import Usage
from tests.support.surfaces import SURFACES, Surface

pytestmark = pytest.mark.virtual_time

EVENT = "per-request-tps"
FIELDS = {
    "request_id",
    "provider",
    "model",
    "provider_model",
    "is_streaming",
    "request_duration_seconds",
    "stream_duration_seconds",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "tps_completion",
    "tps_total",
    "measured_at",
}
COUNTED = Usage(input_tokens=1200, output_tokens=57)
COUNTS = ("input_tokens", "output_tokens", "total_tokens", "tps_completion", "tps_total")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that gives the facts of each line so far."""
    caplog.set_level(logging.INFO, "packyproxy")
    return lambda: [json.loads(JsonFormatter().format(record)) for record in records_of(caplog)]


def records_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "event", "") == EVENT]


def tempo(*seconds: float) -> dict[str, Any]:
    """Return the settings of an upstream each of whose writes waits for its own number of seconds."""

    async def pace(number: int) -> None:
        if number < len(seconds):
            await asyncio.sleep(seconds[number])

    return {"pace": pace}


SPOKEN = tempo(0, 0, 1.0, 0, 0, 1.38)
"""The output begins after a second, and its second and last delta comes 1.38 s later."""


def samples(scene: Any) -> int:
    return len(scene.proxy.runtime.recorder.tps())


async def test_the_fields(stage: Any, lines: Any) -> None:
    """A streamed answer is told with all its fields; tokens count per second from the first output to the last."""
    scene = stage(Turn("hello", delta_characters=3, usage=COUNTED), upstream=SPOKEN)
    answer = await scene.ask(stream=True)
    (line,) = lines()
    assert FIELDS | {"time", "level", "logger", "message", "event"} == line.keys()
    assert line.pop("measured_at")[-1] == "Z"
    assert {
        "request_id": answer.headers["x-request-id"],
        "provider": "packycode",
        "model": "gpt-5",
        "provider_model": "packycode/gpt-5",
        "is_streaming": True,
        "request_duration_seconds": 2.38,
        "stream_duration_seconds": 1.38,
        "input_tokens": 1200,
        "output_tokens": 57,
        "total_tokens": 1257,
        "tps_completion": 41.3,
        "tps_total": 528.15,
    } == {name: line[name] for name in FIELDS - {"measured_at"}}


@pytest.mark.parametrize("surface", SURFACES, ids=str)
async def test_reasoning_that_nobody_is_shown(stage: Any, lines: Any, surface: Surface) -> None:
    """Its tokens are counted, so its time is too: the speed is the same whatever the client is shown."""
    thought = Turn(reasoning=[], text="hello", delta_characters=3, usage=COUNTED)
    scene = stage(thought, upstream=tempo(0, 0, 1.0, 9.5))
    await surface.ask(scene.client, stream=True)
    (line,) = lines()
    assert (9.5, 6.0) == (line["stream_duration_seconds"], line["tps_completion"])


async def test_a_whole_answer(stage: Any, lines: Any) -> None:
    """For a client that asked for no stream, tokens count per second of the whole request."""
    scene = stage(Turn("hello", delta_characters=3, usage=COUNTED), upstream=SPOKEN)
    await scene.ask()
    (line,) = lines()
    assert (False, 2.38, 23.95) == (
        line["is_streaming"],
        line["request_duration_seconds"],
        line["tps_completion"],
    )


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("surface", SURFACES, ids=str)
async def test_every_surface_has_it(stage: Any, lines: Any, surface: Surface, streams: bool) -> None:
    """Each client protocol is measured alike."""
    scene = stage(Turn("hello", usage=COUNTED), upstream=tempo(2.0))
    answer = await surface.ask(scene.client, stream=streams)
    (line,) = lines()
    assert (answer.headers["x-request-id"], streams, 57) == (
        line["request_id"],
        line["is_streaming"],
        line["output_tokens"],
    )


@pytest.mark.parametrize(
    ("log_format", "streams", "expected"),
    [
        (ConsoleFormatter(), True, "packycode/gpt-5: 57 tokens, 41.30 tokens/s (stream 1.38 s)"),
        (ConsoleFormatter(), False, "packycode/gpt-5: 57 tokens, 23.95 tokens/s (request 2.38 s)"),
    ],
    ids=["stream", "whole"],
)
async def test_people_read_a_sentence(
    stage: Any, lines: Any, caplog: pytest.LogCaptureFixture, log_format: Any, streams: bool, expected: str
) -> None:
    """On a terminal the line says who gave how much in what time."""
    scene = stage(Turn("hello", delta_characters=3, usage=COUNTED), upstream=SPOKEN)
    await scene.ask(stream=streams)
    (record,) = records_of(caplog)
    assert log_format.format(record).endswith(expected)


async def test_an_uncounted_answer(stage: Any, lines: Any) -> None:
    """Where the upstream counted nothing, its numbers are null, and there is no sample."""
    scene = stage(Turn("hello", has_usage=False), upstream=tempo(2.0))
    await scene.ask()
    (line,) = lines()
    assert dict.fromkeys(COUNTS) == {name: line[name] for name in COUNTS}
    assert "packycode/gpt-5: the upstream counted no tokens (request 2.00 s)" == line["message"]
    assert 0 == samples(scene)


async def test_no_output_on_success(stage: Any, lines: Any) -> None:
    """An answer without any output is told as 0.00 tokens per second."""
    scene = stage(Turn(usage=Usage(input_tokens=30, output_tokens=0)), upstream=tempo(2.0))
    await scene.ask()
    (line,) = lines()
    assert (0, 0.0, 15.0) == (line["output_tokens"], line["tps_completion"], line["tps_total"])
    assert 1 == samples(scene)


async def test_a_failure_without_output(stage: Any, lines: Any) -> None:
    """Who failed before any output is not told of; who answered in its place is."""
    scene = stage([Fault.overloaded(), Turn("hello", usage=COUNTED)])
    await scene.ask()
    (line,) = lines()
    assert 57 == line["output_tokens"]
    assert 1 == samples(scene)


async def test_a_failure_after_output(stage: Any, lines: Any) -> None:
    """A stream that breaks has given output, and is told of, once."""
    scene = stage(
        Fault.cut(Turn("hello", delta_characters=3), after_events=6),
        config={"request-retry": 0},
        upstream=SPOKEN,
    )
    await scene.ask(stream=True)
    (line,) = lines()
    assert (1.38, None) == (line["stream_duration_seconds"], line["output_tokens"])


async def test_each_provider_by_its_name(ensemble: Any, lines: Any) -> None:
    """After a failover the line is that of the provider who answered."""
    stage = ensemble({"a": Fault.unauthorized(), "b": Turn("hello", usage=COUNTED)})
    await stage.ask()
    assert ["b/gpt-5"] == [line["provider_model"] for line in lines()]


async def test_a_hedge_has_one_line(ensemble: Any, lines: Any) -> None:
    """Who lost gave nothing: only the winner is told of."""
    routing = {"hedge-after": 2, "session-affinity": False}
    stage = ensemble(
        {"a": Turn("from a"), "b": Turn("from b")},
        config={"routing": routing},
        upstreams={"a": tempo(9), "b": tempo(1)},
    )
    await stage.ask()
    assert ["b/gpt-5"] == [line["provider_model"] for line in lines()]


async def test_a_client_that_left(stage: Any, lines: Any) -> None:
    """What was heard until the client left is told without tokens: the upstream had not counted yet."""
    scene = stage(Fault.stall(Turn("hello", delta_characters=3), after_events=6), upstream=SPOKEN)
    async with scene.stream() as response:
        await asyncio.sleep(20)
        await response.aclose()
    await asyncio.sleep(1)
    (line,) = lines()
    assert (1.38, None) == (line["stream_duration_seconds"], line["tps_completion"])


async def test_it_can_be_switched_off(stage: Any, lines: Any) -> None:
    """Without ``tps-log`` nothing is logged, and samples are kept all the same."""
    scene = stage(Turn("hello", usage=COUNTED), config={"tps-log": False})
    await scene.ask()
    assert ([], 1) == (lines(), samples(scene))


async def test_the_request_line(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    """``request-log`` tells sizes, counts, times and ids of a request."""
    caplog.set_level(logging.INFO, "packyproxy")
    usage = Usage(input_tokens=1200, output_tokens=57, cached_tokens=1000, reasoning_tokens=20)
    scene = stage(
        Turn("hello", delta_characters=3, usage=usage), config={"request-log": True}, upstream=SPOKEN
    )
    answer = await scene.ask(stream=True)
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "request"]
    line = json.loads(JsonFormatter().format(record))
    assert line.pop("time")
    assert {
        "level": "info",
        "logger": "packyproxy",
        "message": f"request {answer.headers['x-request-id']} (packycode, gpt-5): 200 in 2.38 s",
        "event": "request",
        "request_id": answer.headers["x-request-id"],
        "protocol": "messages",
        "provider": "packycode",
        "model": "gpt-5",
        "effort": answer.headers["x-packyproxy-effort"],
        "is_streaming": True,
        "attempts": 1,
        "status": 200,
        "body_bytes": len(scene.upstream.last_request.raw),
        "request_duration_seconds": 2.38,
        "first_output_seconds": 1.0,
        "input_tokens": 1200,
        "cached_tokens": 1000,
        "output_tokens": 57,
        "reasoning_tokens": 20,
    } == line


async def test_lines_show_their_place(stage: Any, lines: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A host's own formatter finds everything in them that it finds in other lines."""
    scene = stage(Turn("hello", usage=COUNTED))
    await scene.ask()
    (record,) = records_of(caplog)
    assert ("packyproxy", "INFO", logging.INFO) == (record.name, record.levelname, record.levelno)
    assert "log_line.py" == record.filename
    text = "%(asctime)s %(threadName)s %(process)d %(module)s %(lineno)d %(funcName)s %(message)s"
    assert "log_line" in logging.Formatter(text).format(record)


async def test_nothing_is_said_below_the_level(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A logger that hides INFO hides these lines."""
    caplog.set_level(logging.WARNING, "packyproxy")
    await stage(Turn("hello", usage=COUNTED), config={"request-log": True}).ask()
    assert [] == caplog.records
