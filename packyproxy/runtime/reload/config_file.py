"""The configuration on disk: read once when it is named, and again whenever it is asked."""

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from packyproxy.config import Config, process_ambient
from packyproxy.config.reading import Loaded, discover_config, parse_config

__all__ = ["ConfigFile"]


class ConfigFile:
    """What can be read again: config.yaml, with the environment and the Codex CLI's files under it.

    Once a file was found it is the one that counts, also when it vanishes or the process changes its folder.

    Args:
        explicit: the file's path; None to look in the usual places.
        amend: applied to everything that is read; may raise ConfigError.

    Raises:
        ConfigError: there is nothing to read, or it has problems.
    """

    def __init__(
        self, explicit: str | None = None, *, amend: Callable[[Config], Config] | None = None
    ) -> None:
        self._explicit = explicit
        self._amend = amend
        self.loaded: Loaded = self._load()
        """What was read last, with absolute paths."""

    def read(self) -> Config:
        """Read everything anew.

        Raises:
            ConfigError: with every problem; ``loaded`` stays as it was.
        """
        self.loaded = self._load()
        return self.loaded.config

    def judge(self, text: str) -> Config:
        """Return what a text would mean if the file held it now.

        Raises:
            ConfigError: with every problem.
        """
        config = parse_config(text.encode(), source=self.loaded.config.source, ambient=process_ambient())
        return config if self._amend is None else self._amend(config)

    def _load(self) -> Loaded:
        found = discover_config(self._explicit)
        config = found.config if self._amend is None else self._amend(found.config)
        path = None if found.path is None else _absolute(found.path)
        if path is not None:
            self._explicit = str(path)
        return replace(found, config=config, path=path, watched=tuple(map(_absolute, found.watched)))


def _absolute(path: Path) -> Path:
    """Return a path that stays right when the process changes its folder, unless that folder is gone."""
    try:
        return path.absolute()
    except FileNotFoundError:
        return path
