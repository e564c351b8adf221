"""Programs that would bring packyproxy onto a machine: they look at what they are asked for, and install nothing."""

import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.stand_ins.packyproxy_command import packyproxy
from tests.support.stand_ins.world import become, complain, not_run, root, with_files, world

__all__ = ["IN_VENVS", "git", "pip", "pipx", "pytest", "python", "uv", "uvx"]

IN_VENVS = ("python", "python3", "pip", "packyproxy", "pytest", "uvicorn", "hypercorn", "granian")
"""What is in a virtual environment where packyproxy is installed."""

_PIP_COMMANDS = frozenset({"check", "inspect", "install", "list", "show", "uninstall", "wheel"})
_TAKES_A_WORD = frozenset(
    {"-w", "--wheel-dir", "--find-links", "-t", "--target", "-p", "--python", "--index-url"}
)
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w, -]+\])?([=<>~!]=?.*)?|(?:git\+)?https?://.*")


def pip(program: str, words: Sequence[str]) -> int:
    """Look at requirements, groups and files."""
    if not words or words[0] not in _PIP_COMMANDS:
        complain(program, f"does not know {' '.join(words[:1])!r}")
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word == "--group":
            _group(program, rest.pop(0))
        elif word in {"-r", "-c", "--requirement"}:
            with_files(program, [rest.pop(0)])
        elif word in _TAKES_A_WORD:
            rest.pop(0)
        elif words[0] == "install" and not word.startswith("-"):
            _requirement(program, word)
    return not_run()


def pipx(program: str, words: Sequence[str]) -> int:
    """Look at what would be installed, and run it if that is asked for."""
    if words and words[0] == "run":
        return _run_tool(program, words[1:], option="--spec")
    return pip(program, words)


def uvx(program: str, words: Sequence[str]) -> int:
    """Look at what would be installed, and run it."""
    return _run_tool(program, words, option="--from")


def uv(program: str, words: Sequence[str]) -> int:
    """Do what ``uvx``, ``pip`` and ``venv`` do; the rest is not run."""
    match list(words):
        case ["tool", "run", *rest]:
            return uvx(program, rest)
        case ["tool" | "pip", *rest]:
            return pip(program, rest)
        case ["venv", *rest]:
            return _make_venv(next((word for word in rest if not word.startswith("-")), ".venv"))
        case ["run" | "sync" | "build" | "add" | "python" | "export", *_]:
            return not_run()
        case _:
            return complain(program, f"does not know {' '.join(words[:1])!r}")


def python(program: str, words: Sequence[str]) -> int:
    """Run Python, but for modules that would install, build or measure."""
    match words:
        case ["-m", "venv", *rest]:
            return not_run() if rest[-1].startswith("/") else _make_venv(rest[-1])
        case ["-m", "pip", *rest]:
            return pip(program, rest)
        case ["-m", "pytest", *rest]:
            return pytest(program, rest)
        case ["-m", "build" | "twine" | "cyclonedx_py", *rest]:
            return with_files(program, rest)
        case [script, *_] if script.startswith("benchmarks/"):
            return with_files(program, [script])
    return become(world().python, *words)


def pytest(_: str, words: Sequence[str]) -> int:
    """Run pytest, without a cache in the tree."""
    become(world().python, "-m", "pytest", "-p", "no:cacheprovider", *words)


def git(_: str, words: Sequence[str]) -> int:
    """Let a clone be a folder in which the tree's files stand."""
    if not words or words[0] != "clone":
        return not_run()
    source, *target = [word for word in words[1:] if not word.startswith("-")]
    folder = Path(target[0] if target else source.rstrip("/").rpartition("/")[2].removesuffix(".git"))
    folder.mkdir()
    for path in Path(world().folder).iterdir():
        if path.name not in {"config.yaml", folder.name}:
            (folder / path.name).symlink_to(path)
    return 0


def _project() -> dict[str, Any]:
    return tomllib.loads((root() / "pyproject.toml").read_text("utf-8"))


def _group(program: str, name: str) -> None:
    if name not in _project()["dependency-groups"]:
        complain(program, f"there is no group {name!r} in pyproject.toml")


def _requirement(program: str, text: str) -> None:
    """Complain of a requirement that is none, or of an extra of ours that does not exist."""
    name, _, rest = text.partition("[")
    project = _project()["project"]
    if name.rstrip("/") in {".", "..", project["name"]} or name.endswith((".whl", ".tar.gz")):
        for extra in filter(None, (part.strip() for part in rest.partition("]")[0].split(","))):
            if extra not in project["optional-dependencies"]:
                complain(program, f"there is no extra {extra!r} in pyproject.toml")
    elif not _REQUIREMENT.fullmatch(text):
        complain(program, f"{text!r} is no requirement")


def _run_tool(program: str, words: Sequence[str], *, option: str) -> int:
    """Look at what would be installed, then run the program as if it were."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, _, value = rest.pop(0).partition("=")
        if name in {option, "--with", "--python", "--index-url"}:
            value = value or rest.pop(0)
        if name in {option, "--with"}:
            _requirement(program, value)
    if not rest:
        complain(program, "names no program to run")
    tool, *arguments = rest
    if not tool.startswith("packyproxy"):
        return not_run()
    _requirement(program, tool)
    return packyproxy(program, arguments)


def _make_venv(folder: str) -> int:
    programs = Path(folder) / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in IN_VENVS:
        shutil.copy(Path(world().programs) / name, programs / name)
    (programs / "activate").write_text(f'PATH="{programs.absolute()}:$PATH"\n', "utf-8")
    return 0
