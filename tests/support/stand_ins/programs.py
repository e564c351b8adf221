"""Programs of the documents that a test cannot have, or must not run to their end: each checks what it was given.

:mod:`tests.support.reader` puts a script for each onto the ``PATH``, which calls :func:`main` with its name.
"""

import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.stand_ins import clients, installers
from tests.support.stand_ins.packyproxy_command import packyproxy
from tests.support.stand_ins.world import become, complain, not_run, root, say, with_files, world

__all__ = ["NAMES", "main"]

_USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"


def main(program: str, *words: str) -> int:
    """Stand in for a program."""
    return _PROGRAMS[program](program, words)


def _server(program: str, words: Sequence[str]) -> int:
    """Complain of an option that the server does not have, and of an application that is not there."""
    path = Path(world().python).with_name(program)
    if not path.exists():
        return not_run()
    usage = subprocess.run([path, "--help"], capture_output=True, text=True, check=False).stdout
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and not re.search(rf"{option}\b(?!-)", usage):
            complain(program, f"there is no option {option}")
        if match := re.fullmatch(r"(\w+):(\w+)(\(\))?", word):
            statement = f"import {match[1]}; assert callable({match[1]}.{match[2]})"
            subprocess.run([world().python, "-c", statement], check=True)
    return not_run()


def _openssl(program: str, words: Sequence[str]) -> int:
    """Run it; a random key is the one that the page's proxy, which began earlier, has."""
    if words[:2] == ("rand", "-hex"):
        return say(world().management_key)
    path = shutil.which(program, path=_USUAL_PATH)
    if path is None:
        complain(program, "is not installed here")
    return become(path, *words)


def _sudo(program: str, words: Sequence[str]) -> int:
    """Let a stand-in do it, or look at the files only: nothing runs as somebody else."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        if rest.pop(0) in {"-u", "-g"}:
            rest.pop(0)
    if not rest:
        complain(program, "names no program")
    return _PROGRAMS.get(rest[0], with_files)(rest[0], rest[1:])


def _script(program: str, words: Sequence[str]) -> int:
    """Look at the arguments of a script of the tree; of all of them only the demo is run."""
    if not os.access(root() / program, os.X_OK):
        complain(program, "is no program")
    match Path(program).name:
        case "demo":
            return packyproxy(program, ["demo", *words])
        case "bench":
            return _benchmark(program, words)
        case "test" | "test-clients" | "coverage":
            named = (word.partition("::")[0] for word in words if "/" in word and not word.startswith("-"))
            if missing := [name for name in named if not (root() / name).exists()]:
                complain(program, f"there are no tests {missing[0]}")
            return not_run()
        case _:
            return with_files(program, words)


def _benchmark(program: str, words: Sequence[str]) -> int:
    """Read the arguments as the benchmarks do, which need what is installed."""
    site.main()
    sys.path.insert(0, str(root() / "benchmarks"))
    import run  # type: ignore[import-not-found]

    for question in run._parser().parse_args(list(words)).questions:
        if question not in run.QUESTIONS:
            complain(program, f"there is no question {question!r}")
    return not_run()


_WITH_FILES = (
    *("apt", "apt-get", "brew", "caddy", "chown", "docker", "helm", "install", "journalctl", "kubectl"),
    *("loginctl", "logrotate", "nginx", "npm", "npx", "open", "podman", "systemctl", "systemd-analyze"),
    *("systemd-creds", "useradd", "xdg-open"),
)
"""Of what these are told, only the files of the tree are looked for."""
_SCRIPTS = (".ci/run", *(f"scripts/{path.name}" for path in sorted((root() / "scripts").iterdir())))
_PROGRAMS: Mapping[str, Callable[[str, Sequence[str]], int]] = {
    "packyproxy": packyproxy,
    "claude": clients.claude,
    "codex": clients.codex,
    "openssl": _openssl,
    "sudo": _sudo,
    "git": installers.git,
    **dict.fromkeys(("pip", "pip3"), installers.pip),
    "pipx": installers.pipx,
    "uv": installers.uv,
    "uvx": installers.uvx,
    **dict.fromkeys(("python", "python3"), installers.python),
    "pytest": installers.pytest,
    **dict.fromkeys(("uvicorn", "hypercorn", "granian"), _server),
    **dict.fromkeys(_WITH_FILES, with_files),
    **dict.fromkeys(_SCRIPTS, _script),
}
NAMES = tuple(_PROGRAMS)
"""Of all stand-ins; those with a slash stand in the reader's folder, the others on the path."""
