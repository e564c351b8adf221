"""The page about the architecture speaks of the tree as it is."""

import re
import tomllib
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import pytest

from tests.support.documents import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "packyproxy"
PARTS = sorted(
    {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    - {"__init__", "__main__"}
)
STEMS = {path.stem for path in PACKAGE.rglob("*.py")}


def _drawing(heading: str) -> list[str]:
    """Return the lines of the drawing under a heading."""
    found = re.search(rf"^## {heading}\n.*?```text\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1].splitlines()


def test_floors_are_those_that_imports_are_held_to() -> None:
    """The picture has the layers of the contract in ``pyproject.toml``, from the highest to the lowest."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = (it for it in pyproject["tool"]["importlinter"]["contracts"] if it["type"] == "layers")
    expected = [set(layer.split(" | ")) for layer in contract["layers"] if layer != "__main__"]
    left = "\n".join(line[:33].rstrip() for line in _drawing("Floors") if not line.startswith("-"))
    # A floor goes on in the next line unless an arrow leads down to that.
    floors = re.split(r"─▶|\n(?=F\d)", left)
    drawn = [set(re.findall(r"[a-z_]+", floor)) for floor in floors]
    assert expected == [names for names in drawn if names]


def _tree() -> list[tuple[str, str]]:
    """Return the path and the description of each entry of the tree."""
    entries: list[tuple[str, str]] = []
    folders: list[str] = []
    for line in _drawing("The tree"):
        found = re.match(r"((?:│   )*)(?:[├└]── )?([\w.]+(?:\.py)?/?(?:, [\w.]+\.py)*)(?:\s+(.*))?$", line)
        if found is None or line.startswith(" "):
            path, said = entries.pop()
            entries.append((path, f"{said} {line.strip('│ ')}"))
            continue
        depth = len(found[1]) // 4 + (0 if line[0].isalnum() else 1)
        names = found[2].split(", ")
        entries += [("/".join([*folders[:depth], name.rstrip("/")]), found[3] or "") for name in names]
        folders[depth:] = [found[2].rstrip("/")]
    return entries


def test_tree_is_that_of_the_package() -> None:
    """What the tree names is there, and every part of the package has its line."""
    paths = [path for path, _ in _tree() if not path.endswith("...")]
    assert [] == [path for path in paths if not (ROOT / path).exists()]
    named = {path.split("/")[1].removesuffix(".py") for path in paths if path.startswith("packyproxy/")}
    assert PARTS == sorted(named)


def test_tree_tells_of_modules_that_exist() -> None:
    """A name of two words in a description of the tree is that of a module, or of a folder of tests."""
    words = {word for _, said in _tree() for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", said)}
    folders = {path.name for path in (ROOT / "tests").iterdir()}
    assert set() == words - STEMS - folders - {"site_pages"}


@cache
def _exists(dotted: str) -> bool:
    """Tell whether a dotted name below ``packyproxy`` is a module, or is defined in one."""
    parent, _, last = dotted.rpartition(".")
    try:
        return find_spec(f"packyproxy.{dotted}") is not None
    except ModuleNotFoundError:
        return hasattr(import_module(f"packyproxy.{parent}"), last)


@pytest.mark.parametrize(
    "dotted", sorted(set(re.findall(rf"`((?:{'|'.join(PARTS)})\.\w+(?:\.\w+)*)`", PAGE)))
)
def test_names_in_the_text_exist(dotted: str) -> None:
    """A dotted name in the text is a module of the package, or something in one."""
    assert dotted.endswith((".py", ".toml", ".yaml")) or _exists(dotted)


@pytest.mark.parametrize("path", sorted(set(re.findall(rf"`((?:{'|'.join(PARTS)})/[\w/]*(?:\.py)?)`", PAGE))))
def test_paths_in_the_text_exist(path: str) -> None:
    """A path in the text is one of the package."""
    assert (PACKAGE / path).exists()
