"""Write ``config.yaml``: whole or not at all, and never over a change that somebody else made.

Writers of all processes and threads take turns by locking a file beside the target for the length of
read, edit and write; it is gone when nobody writes. An editor takes no lock, so the file is compared
once more right before it is replaced, and the work starts over when it has changed.
"""

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError, Problem

if sys.platform == "win32":  # pragma: no cover - tests run where fcntl is
    import msvcrt
else:
    import fcntl

__all__ = ["write_config"]

_MOST_TRIES: Final = 5
_NEW_FILE_MODE: Final = 0o600
_GROUP_BITS: Final = 0o070
_WRITE_BITS: Final = 0o222
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_config(path: Path, edit: Callable[[str], str], *, validate: Callable[[str], object]) -> bool:
    """Replace a file by its edited text, and tell whether there was anything to write.

    A link stays and its target is written. A file keeps its mode and, where permitted, its owner; a new one
    is for its owner alone, and its folder must exist. Blocks while another writer is at work.

    Args:
        path: the file; it need not exist, and is then edited as an empty text.
        edit: from the text as it is to the text as it shall be; called again when the file has changed
            meanwhile. What it raises is passed on, and nothing is written.
        validate: raises what is wrong with the new text; then nothing is written.

    Raises:
        ConfigError: the file cannot be read or written, is no UTF-8 text, or changes all the time.
    """
    try:
        target = Path(os.path.realpath(path))
        with _turn(target):
            for _ in range(_MOST_TRIES):
                before = _read(target)
                old = _decoded(before or b"")
                new = edit(old)
                if new == old and before is not None:
                    return False
                validate(new)
                if _replace(target, before, new.encode()):
                    return True
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        fix = "check the permissions of the file and of its folder"
        if isinstance(error, FileNotFoundError):
            fix = "make its folder first"
        elif error.errno in _NO_ROOM:
            fix = "make room on its disk"
        elif error.errno == errno.EBUSY:  # how a container has a single file of its host
            fix = "mount its folder, not the file alone"
        raise _problem("not_writable", f"{path} cannot be written ({reason})", fix) from error
    raise _problem("busy", f"{path} changes all the time", "stop what else is writing it, then try again")


def _read(target: Path) -> bytes | None:
    """Return the content of a file that may be written to, or None when there is none."""
    if not target.exists():
        return None
    if not target.is_file():
        raise _problem("not_a_file", f"{target} is not a regular file", "name a YAML file")
    # Replacing a file needs the permission of its folder only, so a protected file is asked for its own.
    if not (target.stat().st_mode & _WRITE_BITS and os.access(target, os.W_OK)):
        raise _problem(
            "not_writable", f"{target} is read-only", "make it writable (chmod u+w), or edit it by hand"
        )
    return target.read_bytes()


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigError(read_text(data).problems) from None


def _replace(target: Path, before: bytes | None, after: bytes) -> bool:
    """Put new content in place of the old by renaming; False when somebody else was faster."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            file.flush()
            _take_over_access(target, temporary)
            os.fsync(file.fileno())
        if _read(target) != before:
            return False
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return True


def _take_over_access(target: Path, temporary: Path) -> None:
    """Give a new file the owner and mode of the one it replaces, and never more readers than that had."""
    if not target.exists():
        temporary.chmod(_NEW_FILE_MODE)
        return
    old = target.stat()
    mode = old.st_mode & 0o7777
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(temporary, old.st_uid, -1)
        try:
            os.chown(temporary, -1, old.st_gid)
        except PermissionError:
            mode &= ~_GROUP_BITS
    temporary.chmod(mode)


def _sync_folder(folder: Path) -> None:
    """Make a renaming last; not every system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _turn(target: Path) -> Iterator[None]:
    """Wait for the writers before this one; the system ends the turn of a process that dies."""
    lock = target.with_name(f".{target.name}.lock")
    descriptor = _locked(lock)
    try:
        yield
    finally:
        # Whoever waits for this file finds it gone, and makes a new one.
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _locked(lock: Path) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, _NEW_FILE_MODE)
        try:
            if sys.platform == "win32":  # pragma: no cover - tests run where fcntl is
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), lock.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _problem(code: str, message: str, fix: str) -> ConfigError:
    return ConfigError((Problem(field="", code=code, message=message, fix=fix),))
