"""What each stand-in is told of the reader's world, and how it says what is wrong.

A complaint on stderr and exit code 64 say that a reader would be led astray.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

__all__ = ["UNCHECKED", "World", "become", "complain", "not_run", "root", "say", "with_files", "world"]

UNCHECKED = "\x1d"
"""What a program prints that was not run: the output that a document shows for it is not compared."""

_VARIABLE = "READERS_WORLD"
_OURS = re.compile(
    r"(?:[\w.@-]*/)*[\w.-]+\.(?:yaml|yml|toml|service|conf|txt|py|json|jsonl|ini|container)"
    r"|(?:.*/)?(?:Dockerfile|Containerfile|Caddyfile)"
)
"""What a file of a project may be called."""


@dataclass(frozen=True)
class World:
    """What :mod:`tests.support.reader` has made."""

    folder: str
    """In which the reader stands at first."""
    programs: str
    """The folder of the stand-ins."""
    packyproxy: str
    python: str
    names: tuple[tuple[str, str], ...]
    """Addresses as the documents write them, with the real ones."""
    config: str
    """What ``config.yaml`` holds in the beginning."""
    provider_key: str
    management_key: str
    port: int
    """At which the page's proxy serves."""
    free_port: int

    def write(self, path: Path) -> dict[str, str]:
        """Write this into a file; returns the variables by which stand-ins find it."""
        path.write_text(json.dumps(asdict(self)), "utf-8")
        return {_VARIABLE: str(path)}


@cache
def world() -> World:
    """Return what the reader's world is, in the process of a stand-in."""
    return World(**json.loads(Path(os.environ[_VARIABLE]).read_text("utf-8")))


def root() -> Path:
    """Return the top of the tree."""
    return Path(__file__).parents[3]


def complain(program: str, text: str) -> NoReturn:
    """Say what is wrong with how a program was called, and end."""
    sys.stderr.write(f"{program}: {text}\n")
    raise SystemExit(64)


def say(text: str) -> int:
    """Print a line; returns the exit code of a program that has done so."""
    sys.stdout.write(f"{text}\n")
    return 0


def become(program: str, *words: str) -> NoReturn:
    """Run another program in the place of this one."""
    os.execv(program, [program, *words])


def not_run() -> int:
    """Say that what was called was not run, so that its output is not looked for."""
    return say(UNCHECKED)


def with_files(program: str, words: Sequence[str]) -> int:
    """Demand that files among the words are there; what is absolute or in a home is not looked for."""
    for word in words:
        name = word.partition("=")[2] if word.startswith("--") else word.removeprefix("@")
        name = name.partition(":")[0]
        if not name.startswith(("/", "~", "$")) and _OURS.fullmatch(name) and not Path(name).exists():
            complain(program, f"there is no file {name} here")
    return not_run()
