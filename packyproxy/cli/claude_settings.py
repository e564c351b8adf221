"""The variables that Claude Code's own settings files set, which stand over those of the shell.

Each file may have an ``env`` object: that of the user, of the project in the working folder, and the user's
own for that project, each over the ones before. A file that is no JSON sets nothing, as in Claude Code
itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

__all__ = ["VariableInFile", "variables_in_settings"]

_MOST_BYTES: Final = 1024 * 1024


class VariableInFile(Struct, frozen=True):
    """A variable's value, which may be a key, and the file that sets it."""

    value: str
    file: str
    """As a person writes it: ``~`` for the home folder."""

    def __repr__(self) -> str:
        return f"VariableInFile(file={self.file!r})"


class _Settings(Struct):
    env: dict[str, Any] = {}


def variables_in_settings(environ: Mapping[str, str]) -> dict[str, VariableInFile]:
    """Return what Claude Code, started in the working folder, would find set by its files.

    Args:
        environ: says where the user's folder is: ``CLAUDE_CONFIG_DIR``, or else ``.claude`` in the home.
    """
    home = next((Path(environ[name]) for name in ("HOME", "USERPROFILE") if environ.get(name)), None)
    named = environ.get("CLAUDE_CONFIG_DIR")
    users = Path(named) if named else home and home / ".claude"
    files = [
        *([users / "settings.json"] if users else []),
        Path(".claude", "settings.json"),
        Path(".claude", "settings.local.json"),
    ]
    return {
        name: VariableInFile(value, _shown(file, home))
        for file in dict.fromkeys(files)
        for name, value in _env(file).items()
    }


def _env(file: Path) -> dict[str, str]:
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return {}
        env = msgspec.json.decode(file.read_bytes(), type=_Settings).env
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    # Numbers and the like are taken for their text.
    return {name: it if isinstance(it, str) else msgspec.json.encode(it).decode() for name, it in env.items()}


def _shown(file: Path, home: Path | None) -> str:
    return f"~/{file.relative_to(home)}" if home and file.is_relative_to(home) else str(file)
