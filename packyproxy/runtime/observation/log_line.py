"""A log record that is made quickly, for the lines that every request has.

A host's handlers and formatters find everything in it that they find in other records; only the place in the
code is the same for all.
"""

import logging
import time
from os import getpid
from threading import current_thread, get_ident
from typing import Final

__all__ = ["LogLine"]

_STARTED_AT: Final = time.time()
_SAME: Final = {
    **logging.makeLogRecord({}).__dict__,
    "name": "packyproxy",
    "levelno": logging.INFO,
    "levelname": logging.getLevelName(logging.INFO),
    "pathname": __file__,
    "filename": "log_line.py",
    "module": "log_line",
}


class LogLine(logging.LogRecord):
    """What ``Logger.info`` with ``extra`` makes, in a third of the time: it does not look for its caller.

    Args:
        text: with a ``%`` format for each of ``args``.
        args: what goes into the text.
        facts: become attributes.
    """

    __slots__ = ("facts",)

    def __init__(self, text: str, args: tuple[object, ...], facts: dict[str, object]) -> None:
        # Not the base class's: it takes paths apart, which costs more than all the rest.
        created = time.time()
        self.__dict__ = {
            **_SAME,
            **facts,
            "msg": text,
            "args": args,
            "created": created,
            "msecs": (created - int(created)) * 1000,
            "relativeCreated": (created - _STARTED_AT) * 1000,
            "thread": get_ident(),
            "threadName": current_thread().name,
            "process": getpid(),
        }
        self.facts = facts
