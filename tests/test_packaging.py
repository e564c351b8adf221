"""What is released: the files of both distributions, what the metadata declares, and what that declares it for."""

import ast
import hashlib
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from email.message import Message
from importlib.metadata import EntryPoint, distribution
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from readme_renderer import markdown

from packyproxy.version import __version__

ROOT = Path(__file__).parent.parent
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
STEM = f"packyproxy-{__version__}"

IMPORTED_AS = {"backports": "backports-zstd", "opentelemetry": "opentelemetry-api", "yaml": "pyyaml"}
"""Packages whose name is not that of their distribution."""
BROUGHT_BY_TESTS = {"anthropic", "openai", "pytest"}
"""What ``packyproxy.testing`` serves and therefore finds installed; nothing of it is a dependency."""
BUILT_FROM_3_14_ON = {"compression"}


def build(tree: Path, target: Path, kind: str) -> Path:
    """Build one distribution of a tree, and return its file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    [built] = target.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source distribution of this tree."""
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of this tree."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tree that the source distribution holds: no repository, and other times of its files."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):  # Python before 3.11.4 knows no filters
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)  # the tree's own archive
    return folder / STEM


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Return the metadata in the wheel."""
    with ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(f"{STEM}.dist-info/METADATA"))


def digest(path: Path) -> str:
    """Return what two equal files have in common."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_wheel_is_the_package(wheel: Path) -> None:
    """The wheel holds every file of the package, the licence, the entry points, and nothing else."""
    with ZipFile(wheel) as archive:
        names = sorted(archive.namelist())
    package = [path for path in (ROOT / "packyproxy").rglob("*") if path.is_file()]
    expected = [str(path.relative_to(ROOT)) for path in package if "__pycache__" not in path.parts]
    about = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert sorted(expected + [f"{STEM}.dist-info/{name}" for name in about]) == names


def test_the_wheel_has_what_is_no_code(wheel: Path) -> None:
    """The mark for type checkers and the templates of ``packyproxy init`` are in it."""
    with ZipFile(wheel) as archive:
        data = {name for name in archive.namelist() if name.startswith("packyproxy/")}
    templates = {f"packyproxy/cli/templates/{name}.yaml" for name in ("codex-cli", "packycode", "tppc")}
    assert {"packyproxy/py.typed", *templates} == {name for name in data if not name.endswith(".py")}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="compares with a repository, and this is none")
def test_the_source_distribution_is_the_repository(sdist: Path) -> None:
    """It holds what the repository holds: tests, documents, examples, benchmarks, scripts, and no caches."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    with tarfile.open(sdist) as archive:
        names = sorted(name.removeprefix(f"{STEM}/") for name in archive.getnames())
    assert sorted([*(name for name in listed if name and (ROOT / name).exists()), "PKG-INFO"]) == names


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_who_builds_again_gets_the_same_bytes(
    kind: str, unpacked: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What is built from the source distribution equals, byte by byte, what was built from the repository."""
    released: Path = request.getfixturevalue(kind)
    again = build(unpacked, tmp_path, kind)
    assert (released.name, digest(released)) == (again.name, digest(again))


def test_the_version_is_the_head_of_the_changelog(metadata: Message) -> None:
    """The changelog begins with this version, and the day on which it was released, if it was."""
    head = re.search(r"^## \[(.+?)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert head is not None
    assert (metadata["Version"], __version__) == (head[1], head[1])
    assert re.fullmatch("unreleased" if ".dev" in __version__ else r"\d{4}-\d\d-\d\d", head[2])


def test_the_metadata_says_who_may_install_it(metadata: Message) -> None:
    """Name, least Python, licence and its file stand where installers and scanners look."""
    expected = ("packyproxy", ">=3.11", "MIT", "LICENSE")
    fields = ("Name", "Requires-Python", "License-Expression", "License-File")
    assert expected == tuple(metadata[field] for field in fields)


def test_the_description_renders(metadata: Message) -> None:
    """The README is the long description, and an index can show it."""
    readme = (ROOT / "README.md").read_text("utf-8")
    payload = metadata.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert ("text/markdown", readme) == (metadata["Description-Content-Type"], payload.decode())
    warnings = StringIO()
    rendered = markdown.render(readme, stream=warnings)
    assert ("<h1 ", "") == (rendered and rendered[:4], warnings.getvalue())


def test_the_entry_points_load(wheel: Path) -> None:
    """The command and the pytest plugin are where the wheel says."""
    with ZipFile(wheel) as archive:
        text = archive.read(f"{STEM}.dist-info/entry_points.txt").decode()
    points = {
        group: EntryPoint(name, value, group)
        for group, name, value in re.findall(r"^\[(\w+)\]\n(\w+) = (\S+)$", text, re.MULTILINE)
    }
    assert {"console_scripts", "pytest11"} == set(points)
    assert {"packyproxy"} == {point.name for point in points.values()}
    assert callable(points["console_scripts"].load())
    assert points["pytest11"].load().__name__ == points["pytest11"].value


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the packages that code imports, those that only type checkers see left out."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case _:
                pass
        yield from imported(child)


def requirements(lines: Sequence[str]) -> dict[str, Requirement]:
    """Return requirements by the canonical name of what they require."""
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def spelt(found: Mapping[str, Requirement]) -> list[tuple[str, str, str]]:
    """Return name, versions and condition of requirements, in order."""
    return sorted((name, str(item.specifier), str(item.marker)) for name, item in found.items())


DECLARED = requirements(PROJECT["dependencies"])
EXTRAS = {name: requirements(lines) for name, lines in PROJECT["optional-dependencies"].items()}


def test_what_is_imported_is_declared() -> None:
    """Every package that the code imports is a dependency or an extra, and each of those is imported."""
    found = {
        name
        for path in (ROOT / "packyproxy").rglob("*.py")
        for name in imported(ast.parse(path.read_text("utf-8")))
    }
    foreign = found - sys.stdlib_module_names - {"packyproxy"} - BROUGHT_BY_TESTS - BUILT_FROM_3_14_ON
    extras = {name for required in EXTRAS.values() for name in required}
    assert {canonicalize_name(IMPORTED_AS.get(name, name)) for name in foreign} == set(DECLARED) | extras


def test_the_metadata_requires_what_the_project_declares(metadata: Message) -> None:
    """The wheel requires the declared dependencies and offers the declared extras, under the same conditions."""
    required = requirements(
        [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    )
    assert spelt(DECLARED) == spelt(required)
    assert sorted(EXTRAS) == sorted(metadata.get_all("Provides-Extra", []))


HERE = [name for name, item in DECLARED.items() if item.marker is None or item.marker.evaluate()]
"""Dependencies of this Python; another one has others."""
PAGE = (ROOT / "docs" / "dependencies.md").read_text("utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """Return the rows of the table below a heading of the page, by the name in their first cell."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    return {canonicalize_name(row[0].strip("`")): row for row in cells if row[0][:1] == "`" != row[0][1:2]}


def arrivals(requirement: Requirement) -> set[str]:
    """Return what an installation of a requirement brings besides, here and now."""
    found: set[str] = set()
    waiting = [requirement]
    while waiting:
        item = waiting.pop()
        environments = [{"extra": extra} for extra in ("", *item.extras)]
        for line in distribution(item.name).requires or ():
            needed = Requirement(line)
            name = canonicalize_name(needed.name)
            marker = needed.marker
            if name not in found and (marker is None or any(map(marker.evaluate, environments))):
                found.add(name)
                waiting.append(needed)
    return found


def test_the_page_lists_the_dependencies() -> None:
    """The page of dependencies has a row for each of them, and for each extra."""
    assert [set(DECLARED), set(EXTRAS)] == [set(rows("What is installed")), set(rows("Extras"))]


@pytest.mark.parametrize("name", HERE)
def test_nothing_comes_along_unnoticed(name: str) -> None:
    """What a dependency brings stands in its row, or is a dependency itself."""
    listed = set(re.findall(r"[\w.-]+", rows("What is installed")[name][3]))
    assert set() == arrivals(DECLARED[name]) - listed - set(DECLARED)


def test_the_page_counts_what_is_installed() -> None:
    """The page says how many distributions an installation has on the oldest Python; newer ones need fewer."""
    said = re.search(r"(\d+) distributions", PAGE)
    installed = set(HERE).union(*(arrivals(DECLARED[name]) for name in HERE))
    assert said is not None
    assert len(installed) in range(int(said[1]) - 3, int(said[1]) + 1)
