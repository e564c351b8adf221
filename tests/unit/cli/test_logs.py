"""Log output of the commands."""

import asyncio
import io
import json
import logging

import pytest

from packyproxy.cli.logs import configure_logging
from packyproxy.config.schema import LogFormat


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def log_to(stream: io.StringIO, log_format: LogFormat = "auto", *, debug: bool = False) -> logging.Logger:
    configure_logging(log_format, debug=debug, stream=stream)
    return logging.getLogger("packyproxy")


def test_json_lines_carry_the_facts() -> None:
    """Extra attributes become members beside time, level, logger and message."""
    stream = io.StringIO()
    log_to(stream).warning("upstream %s", "down", extra={"event": "x", "status": 502, "at": object})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert isinstance(line.pop("at"), str)
    assert {
        "level": "warning",
        "logger": "packyproxy",
        "message": "upstream down",
        "event": "x",
        "status": 502,
    } == line


def test_console_lines_are_one_line_each() -> None:
    """A line break in a message cannot forge a second record."""
    stream = io.StringIO()
    log_to(stream, "console").info("a\nb", extra={"event": "x"})
    assert "info     a\\nb\n" == stream.getvalue()[9:]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_exceptions_show_their_type_only(log_format: LogFormat) -> None:
    """An exception's text may quote content; its traceback stays out as well."""
    stream = io.StringIO()
    log = log_to(stream, log_format)
    try:
        int("canary")
    except ValueError:
        log.exception("failed")
    assert "ValueError" in stream.getvalue()
    assert "canary" not in stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "log_format", "is_json"),
    [
        (io.StringIO(), "auto", True),
        (Terminal(), "auto", False),
        (Terminal(), "json", True),
        (io.StringIO(), "console", False),
    ],
    ids=["auto elsewhere", "auto on a terminal", "json", "console"],
)
def test_auto_means_console_on_a_terminal(stream: io.StringIO, log_format: LogFormat, is_json: bool) -> None:
    """Elsewhere it means JSON lines; the explicit formats hold everywhere."""
    log_to(stream, log_format).info("hello")
    assert is_json == stream.getvalue().startswith("{")


def test_debug_is_for_packyproxy_alone() -> None:
    """Other libraries stay at WARNING: their debug output may show content."""
    stream = io.StringIO()
    log = log_to(stream, "console", debug=True)
    log.debug("ours")
    logging.getLogger("aiohttp").info("theirs")
    assert ["ours"] == [line.split()[-1] for line in stream.getvalue().splitlines()]
    log_to(stream, "console", debug=False).debug("not now")
    assert "not now" not in stream.getvalue()


def lines_of(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["message"] for line in stream.getvalue().splitlines()]


def log_many(log: logging.Logger, count: int) -> list[str]:
    """Log so many lines and return them."""
    for number in range(count):
        log.info("%s", number)
    return [str(number) for number in range(count)]


@pytest.mark.virtual_time
async def test_few_lines_are_written_at_once() -> None:
    """Who logs little waits for nothing."""
    stream = io.StringIO()
    log = log_to(stream)
    assert log_many(log, 4) == lines_of(stream)


@pytest.mark.virtual_time
async def test_many_lines_are_written_together() -> None:
    """While an event loop runs, most lines of a crowd wait a twentieth of a second, and keep their order."""
    stream = io.StringIO()
    expected = log_many(log_to(stream), 20)
    assert expected[:4] == lines_of(stream)
    await asyncio.sleep(0.06)
    assert expected == lines_of(stream)


@pytest.mark.virtual_time
async def test_warnings_are_written_at_once() -> None:
    """What is urgent waits for nothing, and comes after what was logged before it."""
    stream = io.StringIO()
    log = log_to(stream)
    expected = log_many(log, 20)
    log.warning("urgent")
    assert [*expected, "urgent"] == lines_of(stream)


@pytest.mark.virtual_time
async def test_the_lines_that_wait_are_bounded() -> None:
    """No more than 64 lines are kept."""
    stream = io.StringIO()
    assert log_many(log_to(stream), 70)[:68] == lines_of(stream)


async def test_threads_do_not_wait() -> None:
    """Where no event loop runs there is nobody to write later."""
    stream = io.StringIO()
    log = log_to(stream)
    assert await asyncio.to_thread(log_many, log, 20) == lines_of(stream)


def test_lines_outlive_their_event_loop() -> None:
    """What an event loop left unwritten is written when the program ends."""
    stream = io.StringIO()
    log = log_to(stream)

    async def say() -> list[str]:
        return log_many(log, 20)

    expected = asyncio.run(say())
    logging.shutdown([lambda: logging.getLogger().handlers[0]])
    assert expected == lines_of(stream)


@pytest.mark.virtual_time
async def test_a_new_configuration_leaves_no_line_behind() -> None:
    """What waits is written before another handler takes over."""
    stream = io.StringIO()
    expected = log_many(log_to(stream), 20)
    log_to(io.StringIO())
    assert expected == lines_of(stream)


def test_a_broken_stream_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """Who logs does not hear of a stream that takes no more lines."""
    stream = io.StringIO()
    log = log_to(stream)
    stream.close()
    log.info("one")
    assert "Logging error" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", ["\ud800", 10**30, {("a", 1): 2}], ids=["surrogate", "huge number", "keys that are no texts"]
)
def test_json_lines_take_any_fact(value: object) -> None:
    """What is no JSON in the narrow sense is written in some way, and the line stays one."""
    stream = io.StringIO()
    log_to(stream).info("odd", extra={"fact": value})
    (line,) = stream.getvalue().splitlines()
    assert "odd" == json.loads(line)["message"]
