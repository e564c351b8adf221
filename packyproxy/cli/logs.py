"""Log output of the commands: readable lines on a terminal, JSON lines elsewhere; always on stderr.

Only commands configure logging; the library never does. A record's facts travel as its extra attributes: JSON
lines carry each as a member, console lines carry the message alone.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

from packyproxy.config.schema import LogFormat

__all__ = ["ConsoleFormatter", "JsonFormatter", "configure_logging"]

_STANDARD_ATTRIBUTES: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}
_OURS: Final = "packyproxy"
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time`` (UTC), ``level``, ``logger``, ``message`` and the record's facts."""

    def __init__(self) -> None:
        super().__init__()
        self._second = (-1, "")
        """The second of the last line, and how it is written: most lines share it with the one before."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line: dict[str, object] = {
            "time": self._time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD_ATTRIBUTES}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        try:
            return _encode(line).decode()
        except (TypeError, ValueError):  # a lone surrogate, a number beyond 64 bits, keys that are no texts
            return json.dumps(line, default=str)

    def _time(self, created: float) -> str:
        second, start = self._second
        if not second <= created < second + 1:
            second = int(created)
            start = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, start)
        return f"{start}.{int((created - second) * 1000):03}Z"


class ConsoleFormatter(logging.Formatter):
    """``12:30:59 warning  message``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line; of an exception only its type, since its text may quote content."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        error = f" ({record.exc_info[0].__name__})" if record.exc_info and record.exc_info[0] else ""
        message = record.getMessage().replace("\n", "\\n")
        return f"{time} {record.levelname.lower():<8} {message}{error}"


def configure_logging(log_format: LogFormat, *, debug: bool, stream: TextIO | None = None) -> None:
    """Send all logging to ``stream``, stderr by default.

    ``auto`` is ``console`` when the stream is a terminal and ``json`` otherwise. ``debug`` lowers
    packyproxy's own level; other libraries stay at WARNING, since their debug output may show content.
    """
    output: TextIO = stream if stream is not None else sys.stderr
    is_console = log_format == "console" or (log_format == "auto" and output.isatty())
    handler = logging.StreamHandler(output)
    handler.setFormatter(ConsoleFormatter() if is_console else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(logging.DEBUG if debug else logging.INFO)
