"""Log output of the commands: readable lines on a terminal, JSON lines elsewhere; always on stderr.

Only commands configure logging; the library never does. A record's facts travel as its extra attributes: JSON
lines carry each as a member, console lines carry the message alone.
"""

import asyncio
import json
import logging
import sys
from contextlib import nullcontext
from datetime import datetime
from typing import Final, TextIO

import msgspec

from packyproxy.config.schema import LogFormat
from packyproxy.runtime.observation.log_line import LogLine
from packyproxy.usage.timestamps import timestamp

__all__ = ["BatchHandler", "ConsoleFormatter", "JsonFormatter", "configure_logging"]

_STANDARD_ATTRIBUTES: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}
_OURS: Final = "packyproxy"
_WINDOW_SECONDS: Final = 0.05
_AT_ONCE: Final = 4
"""So many lines of a window do not wait: who tries something out sees it."""
_MOST_WAITING: Final = 64
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time`` (UTC), ``level``, ``logger``, ``message`` and the record's facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line: dict[str, object] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if type(record) is LogLine:
            line |= record.facts
        else:
            line |= {k: value for k, value in record.__dict__.items() if k not in _STANDARD_ATTRIBUTES}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        try:
            return _encode(line).decode()
        except (TypeError, ValueError):  # a lone surrogate, a number beyond 64 bits, keys that are no texts
            return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """``12:30:59 warning  message``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line; of an exception only its type, since its text may quote content."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        error = f" ({record.exc_info[0].__name__})" if record.exc_info and record.exc_info[0] else ""
        message = record.getMessage().replace("\n", "\\n")
        return f"{time} {record.levelname.lower():<8} {message}{error}"


class BatchHandler(logging.StreamHandler[TextIO]):
    """Write lines at once while there are few, and many at a time when there are many.

    A busy proxy logs each request. Lines that are formatted in a row cost a third, all of them are one write,
    and an event loop that is serving others waits for the stream less often. Warnings and worse are written
    at once, after what was logged before them.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[logging.LogRecord] = []
        self._window_ends_at = 0.0
        self._in_window = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; those that wait are written within a twentieth of a second."""
        if record.created >= self._window_ends_at:
            self._window_ends_at = record.created + _WINDOW_SECONDS
            self._in_window = 0
        self._in_window += 1
        waiting = self._waiting
        waiting.append(record)
        if (
            self._in_window <= _AT_ONCE
            or record.levelno > logging.INFO
            or len(waiting) >= _MOST_WAITING
            or (len(waiting) == 1 and not self._is_scheduled())
        ):
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self.lock or nullcontext():
            waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            try:
                self.stream.write("".join([f"{self.format(record)}\n" for record in waiting]))
                self.stream.flush()
            except Exception:  # noqa: BLE001 - as logging does: a broken stream must not stop the program
                self.handleError(waiting[-1])

    def _is_scheduled(self) -> bool:
        """Let a running event loop write later; False where none runs."""
        try:
            asyncio.get_running_loop().call_later(_WINDOW_SECONDS, self.flush)
        except RuntimeError:
            return False
        return True


def configure_logging(log_format: LogFormat, *, debug: bool, stream: TextIO | None = None) -> None:
    """Send all logging to ``stream``, stderr by default.

    ``auto`` is ``console`` when the stream is a terminal and ``json`` otherwise. ``debug`` lowers
    packyproxy's own level; other libraries stay at WARNING, since their debug output may show content.
    """
    output: TextIO = stream if stream is not None else sys.stderr
    is_console = log_format == "console" or (log_format == "auto" and output.isatty())
    handler = logging.StreamHandler(output) if is_console else BatchHandler(output)
    handler.setFormatter(ConsoleFormatter() if is_console else JsonFormatter())
    root = logging.getLogger()
    for former in root.handlers:
        former.flush()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(logging.DEBUG if debug else logging.INFO)
