"""What the commands that write ``config.yaml`` share."""

import shlex
from contextlib import suppress
from pathlib import Path

from packyproxy.config import Config
from packyproxy.config.reading import found_file
from packyproxy.config.sources import Ambient, complete
from packyproxy.config.validate import validate
from packyproxy.config.yaml_file import read_file, read_text
from packyproxy.errors import ConfigError

__all__ = ["command_line", "text_of", "usable_config"]


def text_of(file: Path) -> str:
    """Return a file's text; a file that does not exist is empty.

    Raises:
        ConfigError: it cannot be read, or is no YAML.
    """
    with suppress(OSError):  # a folder that may not be entered: reading says so
        if not file.exists():
            return ""
    if problems := read_file(file).problems:
        raise ConfigError(problems)
    return file.read_bytes().decode()


def usable_config(text: str, ambient: Ambient) -> Config:
    """Return what a file of this text would mean to a command run here.

    Raises:
        ConfigError: it would be refused; carries every problem.
    """
    document, _ = complete(read_text(text), ambient)
    config, problems = validate(document, source="text")
    if config is None:
        raise ConfigError(problems)
    return config


def command_line(command: str, file: Path) -> str:
    """Return how to run a command over a file from here, as it is typed in a shell."""
    is_found = False
    with suppress(OSError):  # the folder of this process may be gone
        is_found = (found_file(None) or Path("config.yaml")).resolve() == file.resolve()
    return f"packyproxy {command}" + ("" if is_found else f" --config {shlex.quote(str(file))}")
