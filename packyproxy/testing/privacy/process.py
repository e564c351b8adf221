"""Watch everything that a process shows of itself: its log, warnings, output, files and connections.

Nothing is hidden from whoever else listens: records go on to other handlers, output to its stream.
"""

import io
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, TextIO, cast

from packyproxy.testing.privacy.canaries import Canary
from packyproxy.testing.privacy.watch import Watch

__all__ = ["exception_texts", "look_into_files", "watching_process"]

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_MOST_BYTES: Final = 16 * 1024 * 1024
_CONFIG: Final = "config.yaml"
_CACHE: Final = "__pycache__"
_LOCK: Final = ".lock"
_EVENTS: Final = frozenset({"open", "os.rename", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"})


@contextmanager
def watching_process(watch: Watch) -> Iterator[set[str]]:
    """Look at whatever this process shows until the block ends; yields the paths that it writes to."""
    with ExitStack() as stack:
        written = stack.enter_context(_writes(watch))
        stack.enter_context(_log(watch))
        stack.enter_context(_warnings(watch))
        stack.enter_context(_output(watch))
        stack.enter_context(_last_words(watch))
        yield written


def look_into_files(watch: Watch, written: Iterable[str], folder: Path) -> None:
    """Look into files; one called ``config.yaml`` in ``folder`` may hold secrets, and nothing else.

    Args:
        watch: what is told.
        written: what was written to, wherever it is.
        folder: of whose files every one is looked into.
    """
    paths = {Path(path) for path in written} | {path for path in folder.rglob("*") if path.is_file()}
    for path in paths:
        if _CACHE not in path.parts:
            _look_into(path, watch, is_config=path.name == _CONFIG and path.is_relative_to(folder))


def exception_texts(error: BaseException, *, shows_locals: bool = False) -> Iterator[str]:
    """Yield all that can be read of an exception and of those behind it, maybe with the variables."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=shows_locals)
    yield "".join(shown.format())
    behind: BaseException | None = error
    while behind is not None:
        yield str(behind)
        yield repr(behind)
        yield repr(behind.args)
        behind = behind.__cause__ or behind.__context__


class _Handler(logging.Handler):
    """Looks at every record as the most talkative of formatters could."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        facts = (f"{value!s} {value!r}" for value in vars(record).values())
        error = record.exc_info[1] if record.exc_info else None
        raised = () if error is None else exception_texts(error, shows_locals=True)
        self._watch.see("log records", record.getMessage(), *facts, *raised)


@contextmanager
def _log(watch: Watch) -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("packyproxy")
    levels = root.level, ours.level
    handler = _Handler(watch)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


@contextmanager
def _warnings(watch: Watch) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        show = warnings.showwarning

        def look(message: Warning | str, *rest: Any, **more: Any) -> None:
            watch.see("warnings", str(message), repr(message))
            show(message, *rest, **more)

        warnings.showwarning = look
        yield


class _Stream:
    """A stream that is looked at as it is written to."""

    def __init__(self, stream: TextIO, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    def write(self, text: str) -> int:
        """Look at a text and write it."""
        self._watch.see("standard output", text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _output(watch: Watch) -> Iterator[None]:
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", _Stream(stream or io.StringIO(), watch)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def _last_words(watch: Watch) -> Iterator[None]:
    """Look at exceptions that nobody catches: of finalisers and of threads."""
    unraisable, in_thread = sys.unraisablehook, threading.excepthook

    def look_unraisable(facts: "sys.UnraisableHookArgs") -> None:
        raised = () if facts.exc_value is None else exception_texts(facts.exc_value)
        watch.see("exceptions", repr(facts.object), facts.err_msg or "", *raised)
        unraisable(facts)

    def look_in_thread(facts: threading.ExceptHookArgs) -> None:
        watch.see("exceptions", *(() if facts.exc_value is None else exception_texts(facts.exc_value)))
        in_thread(facts)

    sys.unraisablehook, threading.excepthook = look_unraisable, look_in_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = unraisable, in_thread


class _Writes:
    """The paths that were opened for writing, under the names that they were renamed to."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.paths: set[str] = set()

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take in one audit event of the interpreter."""
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes) and flags & _WRITING:
                self.paths.add(os.fsdecode(path))
        elif event == "os.rename":
            old, new = (os.fsdecode(each) for each in arguments[:2])
            if old in self.paths:
                self.paths.remove(old)
                self.paths.add(new)
        else:
            self._watch.report("network", "a process" if event == "subprocess.Popen" else "a connection")


_active: list[_Writes] = []
_is_installed = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _active and event in _EVENTS:
        for writes in _active:
            writes.note(event, arguments)


@contextmanager
def _writes(watch: Watch) -> Iterator[set[str]]:
    global _is_installed  # noqa: PLW0603 - an audit hook cannot be taken off again, so there is one for ever
    if not _is_installed:
        sys.addaudithook(_hook)
        _is_installed = True
    writes = _Writes(watch)
    _active.append(writes)
    try:
        yield writes.paths
    finally:
        _active.remove(writes)


def _look_into(path: Path, watch: Watch, *, is_config: bool) -> None:
    try:
        if path.exists() and not S_ISREG(path.stat().st_mode):
            return  # a terminal, /dev/null
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        if not path.exists() and path.suffix == _LOCK:
            return  # empty all the time, as whoever holds one knows
        watch.report("files", "a file that was removed before it could be looked into")
        return
    watch.see("files", str(path), text, allows=_belongs_in_config if is_config else None)


def _belongs_in_config(canary: Canary) -> bool:
    return canary.category == "secret" and canary.kind != "management key"
