"""Change the text of the configuration in force, and bring what it then means into force.

Where a file is followed, that file is written, and read again as the watcher of files reads it. Where a
program gave the configuration, a text that says it is kept in memory. Changes take turns: each one is made to
the text as it is then, so none is lost, also when the writers are several processes.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.config import Config
from packyproxy.config.changes import Change
from packyproxy.config.masking import masked_text
from packyproxy.config.merging import config_text
from packyproxy.config.reading import parse_config, text_revision
from packyproxy.config.yaml_file import read_bytes, read_text
from packyproxy.config.yaml_writer import write_config
from packyproxy.errors import ConfigError, PackyProxyError
from packyproxy.runtime.per_loop import PerLoop
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.reload.reloader import Reloader

__all__ = ["ConfigEditor", "ConfigText", "EditText", "FileText", "MemoryText", "NoFile", "StaleRevision"]

EditText: TypeAlias = Callable[[str, Config], str]
"""From a text, and what it means with all that completes it, to the text as it shall be.

Called once for each try: a file that somebody else changes meanwhile is read anew. If the text has problems,
the configuration is the one in force.
"""


class StaleRevision(PackyProxyError):
    """A change was meant for another text than the one there is; nothing was changed."""


class NoFile(PackyProxyError):
    """The configuration comes from the environment or the Codex CLI, so there is nothing to write to."""

    def __init__(self) -> None:
        super().__init__("there is no configuration file to write to: make one with packyproxy init")


class ConfigText(Protocol):
    """Where the text of the configuration is. Methods block; any may raise ConfigError or NoFile."""

    @property
    def revision(self) -> str:
        """Of the text in force."""
        ...

    def read(self) -> str:
        """Return the text as it is now."""
        ...

    def judge(self, text: str) -> Config:
        """Return what a text would mean."""
        ...

    def in_force(self) -> Config:
        """Return the configuration in force."""
        ...

    def change(self, edit: Callable[[str], str]) -> None:
        """Edit the text, and bring it into force if it is valid."""


class FileText:
    """The text of a file that is followed.

    Args:
        file: where it is.
        reloader: reads the file again and brings it into force.
        in_force: returns the configuration in force.
    """

    def __init__(self, file: ConfigFile, reloader: Reloader, in_force: Callable[[], Config]) -> None:
        self._file = file
        self._reloader = reloader
        self.in_force = in_force
        self.judge = file.judge

    @property
    def revision(self) -> str:
        """Of the text in force."""
        return self._reloader.revision

    def read(self) -> str:
        """Return what the file holds now."""
        data = read_bytes(self._path)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ConfigError(read_text(data).problems) from None

    def change(self, edit: Callable[[str], str]) -> None:
        """Write the edited text, unless it has problems, and read the file again."""
        path = self._path
        found = ""

        def edited(text: str) -> str:
            nonlocal found
            if not text:
                read_bytes(path)  # a file that is gone is not begun anew
            found = text
            return edit(text)

        is_written = write_config(path, edited, validate=self.judge)
        if is_written or text_revision(found) != self.revision:
            self._reloader.reload()

    @property
    def _path(self) -> Path:
        path = self._file.loaded.path
        if path is None:
            raise NoFile
        return path


class _Said(Struct, frozen=True):
    """A configuration, and the text that says it; ``repr`` shows the revision, since the text has keys."""

    config: Config
    text: str
    revision: str

    def __repr__(self) -> str:
        return f"_Said(revision={self.revision!r})"


class MemoryText:
    """The text of a configuration that a program gave.

    Args:
        in_force: returns the configuration in force.
        apply: brings another one into force.
    """

    def __init__(self, in_force: Callable[[], Config], apply: Callable[[Config], tuple[Change, ...]]) -> None:
        self.in_force = in_force
        self._apply = apply
        self._turn = threading.Lock()
        self._said: tuple[_Said, ...] = ()
        """What is in force; while that is replaced, what it is replaced by as well."""

    @property
    def revision(self) -> str:
        """Of the text in force; of an empty one where no text says what a program has made.

        Does not wait for a change that is being made.
        """
        try:
            return self._saying().revision
        except ConfigError:
            return text_revision("")

    def read(self) -> str:
        """Return a text that says what is in force."""
        with self._turn:
            return self._saying().text

    def judge(self, text: str) -> Config:
        """Return what a text would mean."""
        return parse_config(text, source=self.in_force().source)

    def change(self, edit: Callable[[str], str]) -> None:
        """Edit the text, and apply what it says if that is valid."""
        with self._turn:
            before = self._saying()
            text = edit(before.text)
            if text == before.text:
                return
            config = self.judge(text)
            after = _Said(config, text, text_revision(text))
            self._said = (before, after)
            try:
                self._apply(config)
            finally:
                in_force = self.in_force()
                # A text that means the same leaves in force what was.
                self._said = (replace(after, config=in_force),) if in_force == config else (before,)

    def _saying(self) -> _Said:
        config = self.in_force()
        for said in self._said:
            if said.config is config:
                return said
        text = config_text(config)
        said = _Said(config, text, text_revision(text))
        self._said = (said,)
        return said


class ConfigEditor:
    """Reads and changes the text of a runtime's configuration; work that blocks is done in threads.

    One change and one examination are made at a time: a large text takes seconds, and the threads are few,
    and needed for other things.
    """

    def __init__(self, text: ConfigText) -> None:
        self._text = text
        self._turns = PerLoop(asyncio.Lock)
        self._examinations = PerLoop(asyncio.Lock)

    @property
    def revision(self) -> str:
        """What tells the text in force from any other, alike in all workers: 16 hex digits."""
        return self._text.revision

    async def text(self) -> tuple[str, str]:
        """Return the text as it is now, and its revision; it need not be in force, nor valid.

        Raises:
            ConfigError: the file cannot be read.
            NoFile: there is none.
        """
        text = await asyncio.to_thread(self._text.read)
        return text, text_revision(text)

    async def shown(self) -> tuple[str, str]:
        """Return the text as it is now with its secrets masked, and the revision of what it masks.

        Raises:
            ConfigError: as ``text`` does, or its secrets cannot be masked.
            NoFile: there is none.
        """
        async with self._examinations.here():
            text, revision = await self.text()
            return await asyncio.to_thread(masked_text, text), revision

    async def change(self, edit: EditText, *, if_match: str | None = None) -> None:
        """Edit the text, and bring it into force; that goes on when the caller is cancelled.

        Args:
            edit: makes the new text; what it raises is passed on.
            if_match: the revision that the text must have; None for any.

        Raises:
            StaleRevision: it has another one.
            ConfigError: with every problem of the new text; it is not written. Or the file cannot be read or
                written, or somebody else broke it at the same moment.
            NoFile: there is none.
        """
        async with self._turns.here():
            await asyncio.to_thread(self._text.change, self._guarded(edit, if_match))

    async def preview(self, edit: EditText, *, if_match: str | None = None) -> Config:
        """Return what ``change`` would bring into force; without a file to read, what a new one would.

        Raises:
            StaleRevision: as ``change`` does.
            ConfigError: as ``change`` does.
        """
        async with self._examinations.here():
            return await asyncio.to_thread(self._previewed, self._guarded(edit, if_match))

    def _previewed(self, edit: Callable[[str], str]) -> Config:
        try:
            text = self._text.read()
        except (NoFile, ConfigError):
            text = ""
        return self._text.judge(edit(text))

    def _guarded(self, edit: EditText, if_match: str | None) -> Callable[[str], str]:
        def edited(text: str) -> str:
            meaning = self._meaning(text)
            if if_match is not None and if_match != text_revision(text):
                if meaning is None:
                    raise StaleRevision("the file has problems, so it is not in force: mend it first")
                raise StaleRevision("the configuration has changed since: GET it again")
            return edit(text, self._text.in_force() if meaning is None else meaning)

        return edited

    def _meaning(self, text: str) -> Config | None:
        try:
            return self._text.judge(text)
        except ConfigError:
            return None
