"""Log output of the commands: readable lines on a terminal, JSON lines elsewhere; always on stderr.

Only commands configure logging; the library never does. A record's facts travel as its extra attributes: JSON
lines carry each as a member, console lines carry the message alone.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Final, TextIO

import msgspec

from packyproxy.config.schema import LogFormat
from packyproxy.runtime.observation.journal import WriteLine, give_to_handlers
from packyproxy.runtime.observation.log_line import LogLine
from packyproxy.usage.timestamps import timestamp

__all__ = ["ConsoleFormatter", "JsonFormatter", "configure_logging", "log_together"]

_STANDARD_ATTRIBUTES: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}
_OURS: Final = "packyproxy"
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time`` (UTC), ``level``, ``logger``, ``message`` and the record's facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        facts = (
            record.facts
            if type(record) is LogLine
            else {k: value for k, value in record.__dict__.items() if k not in _STANDARD_ATTRIBUTES}
        )
        if record.exc_info and record.exc_info[0]:
            facts = {**facts, "error": record.exc_info[0].__name__}
        return self.line(
            record.created, record.levelname.lower(), record.getMessage(), facts, logger=record.name
        )

    def line(
        self, at: float, level: str, message: str, facts: dict[str, object], *, logger: str = _OURS
    ) -> str:
        """Write the line of a record that there is not, with what would be in it."""
        line = {"time": timestamp(at), "level": level, "logger": logger, "message": message, **facts}
        try:
            return _encode(line).decode()
        except (TypeError, ValueError):  # a lone surrogate, a number beyond 64 bits, keys that are no texts
            return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """``12:30:59 warning  message``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line; of an exception only its type, since its text may quote content."""
        error = f" ({record.exc_info[0].__name__})" if record.exc_info and record.exc_info[0] else ""
        return self.line(record.created, record.levelname.lower(), record.getMessage(), {}) + error

    def line(self, at: float, level: str, message: str, _: dict[str, object]) -> str:
        """Write the line of a record that there is not."""
        time = datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
        one_line = message.replace("\n", "\\n")
        return f"{time} {level:<8} {one_line}"


class _Lines(logging.StreamHandler[TextIO]):
    """Writes a line at a time, or several ``together``."""

    def __init__(self, stream: TextIO, formatter: JsonFormatter | ConsoleFormatter) -> None:
        super().__init__(stream)
        self.setFormatter(formatter)
        self._line = formatter.line

    @contextmanager
    def together(self) -> Iterator[WriteLine]:
        """Make one write of all lines that are given to what this returns; others wait meanwhile."""
        row: list[str] = []
        line = self._line

        def write(at: float, text: str, args: tuple[object, ...], facts: dict[str, object]) -> None:
            try:
                row.append(line(at, "info", text % args, facts))
            except Exception:  # noqa: BLE001 - as in ``emit``: a line that cannot be written ends no request
                self.handleError(LogLine(text, args, facts))

        with self.lock or nullcontext():
            try:
                yield write
            finally:
                row.append("")
                with suppress(OSError, ValueError):  # a stream that is gone must not stop the program
                    self._write("\n".join(row))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            self._write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as logging does: a broken stream must not stop the program
            self.handleError(record)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def log_together() -> AbstractContextManager[WriteLine]:
    """Return what takes lines of packyproxy's log, and writes them all at once when its block ends."""
    handler = next((each for each in logging.getLogger().handlers if isinstance(each, _Lines)), None)
    return nullcontext(give_to_handlers) if handler is None else handler.together()


def configure_logging(log_format: LogFormat, *, debug: bool, stream: TextIO | None = None) -> None:
    """Send all logging to ``stream``, stderr by default.

    ``auto`` is ``console`` when the stream is a terminal and ``json`` otherwise. ``debug`` lowers
    packyproxy's own level; other libraries stay at WARNING, since their debug output may show content.
    """
    output: TextIO = stream if stream is not None else sys.stderr
    is_console = log_format == "console" or (log_format == "auto" and output.isatty())
    handler = _Lines(output, ConsoleFormatter() if is_console else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(logging.DEBUG if debug else logging.INFO)
