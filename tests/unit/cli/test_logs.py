"""Log output of the commands."""

import io
import json
import logging
from contextlib import suppress

import pytest

from packyproxy.cli.logs import configure_logging, log_together
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


class Counted(io.StringIO):
    """Counts its writes."""

    writes = 0

    def write(self, text: str, /) -> int:
        self.writes += 1
        return super().write(text)


def line(text: str) -> tuple[float, str, tuple[object, ...], dict[str, object]]:
    return 0.0, text, (), {}


def test_lines_may_be_written_together() -> None:
    """Lines of one block are one write; after it, each is one again."""
    stream = Counted()
    log = log_to(stream)
    with log_together() as write:
        write(*line("1"))
        write(*line("2"))
        assert "" == stream.getvalue()
    log.info("3")
    assert ["1", "2", "3"] == [json.loads(text)["message"] for text in stream.getvalue().splitlines()]
    assert 2 == stream.writes


def test_a_line_that_cannot_be_written_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text does not fit its arguments; those beside it are written."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stream = io.StringIO()
    log_to(stream)
    with log_together() as write:
        write(0.0, "%d", ("one",), {})
        write(*line("2"))
    assert ["2"] == [json.loads(text)["message"] for text in stream.getvalue().splitlines()]


def test_lines_are_written_though_their_block_fails() -> None:
    """What was logged before an exception is not lost."""
    stream = io.StringIO()
    log_to(stream)
    with suppress(KeyError), log_together() as write:
        write(*line("1"))
        raise KeyError
    assert '"1"' in stream.getvalue()


def test_other_handlers_are_left_alone() -> None:
    """Where the log is not ours, every handler gets each line at once."""
    logging.getLogger().handlers[:] = [logging.StreamHandler(stream := io.StringIO())]
    with log_together() as write:
        write(*line("1"))
        assert "1\n" == stream.getvalue()


def test_a_stream_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging never ends a request."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stream = io.StringIO()
    log = log_to(stream)
    stream.close()
    log.info("1")
    with log_together() as write:
        write(*line("2"))
