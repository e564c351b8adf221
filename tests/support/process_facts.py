"""What a process has one of, and every part of it may rely on. Imports nothing of ours: importing counts too."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import warnings

__all__ = ["process_facts"]


def process_facts() -> dict[str, object]:
    """Return how this process is set up, by subject; loggers that nobody has configured are left out."""
    loggers = {
        name: (logger.level, logger.propagate, logger.disabled, len(logger.handlers), len(logger.filters))
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    root = logging.root
    return {
        "loggers": {name: facts for name, facts in loggers.items() if facts != (0, True, False, 0, 0)},
        "root logger": (root.level, [*root.handlers], [*root.filters], root.manager.disable),
        "logging": (logging.getLoggerClass(), logging.getLogRecordFactory(), logging.raiseExceptions),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook),
        "event loops": vars(asyncio.events).get("_event_loop_policy"),
        "asynchronous generators": tuple(sys.get_asyncgen_hooks()),
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 - a Path would be no less
        "warnings": [*warnings.filters],
        "showing warnings": warnings.showwarning,
        "turns of threads": sys.getswitchinterval(),
        "depth": sys.getrecursionlimit(),
        "garbage": (gc.isenabled(), gc.get_threshold(), len(gc.callbacks)),
        "sockets": (socket.getdefaulttimeout(), socket.getaddrinfo),
        "imports": ([*sys.path], [*sys.meta_path], [*sys.path_hooks]),
        "tracing": (sys.gettrace(), sys.getprofile()),
    }
