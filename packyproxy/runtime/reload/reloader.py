"""Follow the configuration's files: notice a change, read it, and bring it into force or keep what is.

Files are looked at and not subscribed to (docs/decisions/0007-noticing-changes.md): by one task under a
lifespan, else on requests. Looking and reading happen in a thread. A file with problems, or one that is gone,
leaves the configuration in force as it is; that is logged once per content.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from packyproxy.config import Config
from packyproxy.config.changes import Change
from packyproxy.errors import ConfigError, Problem
from packyproxy.runtime.observation.audit import Audit
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.reload.file_changes import STILL_SECONDS, Look, Sighting, Signatures, judge, sign

__all__ = ["OnDisk", "ReloadError", "ReloadState", "Reloader"]

_LOOK_SECONDS: Final = 0.25
"""A change is in force within a second: this, 50 ms of stillness, and the reading."""
_LOOK_SECONDS_ON_REQUESTS: Final = 1.0
_LONGEST_DELAY_SECONDS: Final = 1.0
"""How long a request waits for its look; file systems of other machines may hang."""
_MOST_BYTES: Final = 1 << 20


class OnDisk(StrEnum):
    """How the files stand to the configuration in force."""

    SAME = "same"
    PENDING = "pending"
    """Changed a moment ago; not read yet."""
    INVALID = "invalid"
    MISSING = "missing"


class ReloadError(Struct, frozen=True, kw_only=True):
    """Why the files are not what is in force."""

    problems: tuple[Problem, ...]
    at: float
    """Unix seconds."""


class ReloadState(Struct, frozen=True, kw_only=True):
    """The configuration in force against the one on disk."""

    number: int
    """1 at the start; one more with each change that was applied."""
    applied_at: float
    """Unix seconds."""
    source: str
    on_disk: OnDisk | None
    """None: nothing on disk is followed."""
    last_error: ReloadError | None
    """Of the last reading; None when it went well."""


class Reloader:
    """Keep the configuration in force in step with its files.

    Args:
        file: where to read it.
        apply: brings a valid configuration into force, and says what it changed.
        audit: told of files that cannot be used.
    """

    def __init__(self, file: ConfigFile, apply: Callable[[Config], tuple[Change, ...]], audit: Audit) -> None:
        self._file = file
        self._apply = apply
        self._audit = audit
        self._reading = threading.Lock()
        self.revision: str = file.loaded.revision
        """``text_revision`` of the file in force, or of an older one: what is in force changes first."""
        self._sighting = Sighting()
        self._is_pending = False
        self._read_as = OnDisk.SAME
        self._complained_of: bytes | None = None
        self._turn_to_look = threading.Lock()
        self._next_look_at = 0.0
        self.last_error: ReloadError | None = None
        if file.loaded.path is None:
            audit.config_picked_up(file.loaded.config.source)

    @property
    def on_disk(self) -> OnDisk:
        """How the files stood at the last look."""
        return OnDisk.PENDING if self._is_pending else self._read_as

    def reload(self) -> tuple[Change, ...]:
        """Read the files and apply what they say, whatever they look like; blocks.

        Raises:
            ConfigError: with every problem; the configuration in force stays.
        """
        with self._reading:
            return self._read(sign(self._file.loaded.watched))

    def look(self, clock: float) -> float:
        """Look at the files, and read and apply them once a change stands still; blocks.

        Args:
            clock: the moment on a clock in seconds that never goes back.

        Returns:
            After how many seconds another look is worthwhile.
        """
        if not self._reading.acquire(blocking=False):
            return _LOOK_SECONDS  # somebody is reading at this moment
        try:
            seen = sign(self._file.loaded.watched)
            self._sighting, look = judge(self._sighting, seen, clock=clock, now=time.time())
            self._is_pending = look is Look.PENDING
            if look is Look.CHANGED:
                self._try_to_read(seen)
            return STILL_SECONDS if self._is_pending else _LOOK_SECONDS
        finally:
            self._reading.release()

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            seconds = await asyncio.to_thread(self.look, loop.time())
            await asyncio.sleep(seconds)

    async def catch_up(self) -> None:
        """Look on behalf of a request, at most once a second; of several requests only one looks.

        The others go on. A change that is not still yet is waited for: it holds for this very request.
        """
        clock = asyncio.get_running_loop().time
        # The clock of another loop may have set this; more than a second ahead is none of ours.
        if 0 < self._next_look_at - clock() <= _LOOK_SECONDS_ON_REQUESTS:
            return
        if not self._turn_to_look.acquire(blocking=False):
            return
        try:
            self._next_look_at = clock() + _LOOK_SECONDS_ON_REQUESTS
            async with asyncio.timeout(_LONGEST_DELAY_SECONDS):
                await asyncio.to_thread(self.look, clock())
                while self._is_pending:
                    await asyncio.sleep(STILL_SECONDS)
                    await asyncio.to_thread(self.look, clock())
        except TimeoutError:
            pass  # the request is served with what is in force
        finally:
            self._turn_to_look.release()

    def _try_to_read(self, seen: Signatures) -> None:
        try:
            self._read(seen)
        except ConfigError:
            pass  # kept and logged
        except Exception as error:  # noqa: BLE001 - a bug of ours, or a listener's, must not end the following
            message = f"reading the configuration failed ({type(error).__name__})"
            problem = Problem(
                field="", code="internal_error", message=message, fix="report it with this file's shape"
            )
            self._refuse((problem,), seen)

    def _read(self, seen: Signatures) -> tuple[Change, ...]:
        # What the files looked like before the reading is remembered: whoever writes meanwhile is seen next.
        self._sighting = Sighting(read=seen, seen=seen)
        self._is_pending = False
        try:
            changes = self._apply(self._file.read())
            self.revision = self._file.loaded.revision
        except ConfigError as error:
            self._refuse(error.problems, seen)
            raise
        if self._complained_of is not None and not changes:
            self._audit.config_recovered(self._file.loaded.config.source)
        self._read_as, self.last_error, self._complained_of = OnDisk.SAME, None, None
        return changes

    def _refuse(self, problems: tuple[Problem, ...], seen: Signatures) -> None:
        self.last_error = ReloadError(problems=problems, at=time.time())
        path, source = self._file.loaded.path, self._file.loaded.config.source
        is_gone = path is not None and seen.get(path) is None
        self._read_as = OnDisk.MISSING if is_gone else OnDisk.INVALID
        content = b"" if is_gone else _digest(seen)
        if content == self._complained_of:
            return
        self._complained_of = content
        if is_gone:
            self._audit.config_missing(source)
        else:
            self._audit.config_invalid(problems, source=source)


def _digest(paths: Signatures) -> bytes:
    """Return what tells the content of these files apart from any other."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(_content_digest(path))
    return digest.digest()


def _content_digest(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b"-" * 32
        with path.open("rb") as file:
            return hashlib.sha256(file.read(_MOST_BYTES)).digest()
    except OSError:
        return b"?" * 32
