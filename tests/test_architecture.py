"""Rules about the tree itself that no linter knows; the floors are import-linter's, in ``pyproject.toml``."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "packyproxy"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREE_FOLDERS = ("packyproxy", "tests", "docs", "scripts", "benchmarks", "examples", ".ci")
CACHES = {"__pycache__", ".mypy_cache"}
TREE_FILES = [
    path
    for folder in TREE_FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and CACHES.isdisjoint(path.parts)
] + [
    path
    for path in sorted(ROOT.iterdir())
    if path.suffix in {".md", ".toml", ".yaml"} and path.name != "config.yaml"
]
TEXT_FILES = [path for path in TREE_FILES if path.suffix in {".py", ".md", ".toml", ".yaml", ""}]

BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager"}
HTTP_ENGINES = {"aiohttp", "httpx2", "httpcore", "requests", "urllib3"}
MAY_IMPORT_ENGINES = ("packyproxy/runtime/upstream/",)
MAY_IMPORT_HTTPX = (
    *MAY_IMPORT_ENGINES,
    "packyproxy/testing/",
    "packyproxy/cli/commands/demo.py",
    "packyproxy/app.py",
    "packyproxy/middleware.py",
    "packyproxy/runtime/runtime.py",
    "packyproxy/runtime/pools.py",
)
"""The last four only hand on a caller's own client, and name its type."""


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(node: ast.AST) -> Iterator[str]:
    """Yield the top-level names of imported modules, those that only type checkers see left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name.split(".")[0] for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.level == 0 and child.module:
            yield child.module.split(".")[0]
        yield from _imports(child)


def _assigned(node: ast.stmt) -> Iterator[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def _imported(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)


def _definitions(path: Path) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (
        node
        for node in _syntax(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _exported(path: Path) -> set[str] | None:
    for node in _syntax(path).body:
        if "__all__" in _assigned(node) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            value = ast.literal_eval(node.value)
            assert isinstance(value, list | tuple)
            return set(value)
    return None


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_module_grows_past_the_wall(path: Path) -> None:
    """A module has at most 500 lines: past that it holds two subjects."""
    assert len(path.read_text("utf-8").splitlines()) <= 500


def test_no_module_has_a_name_that_says_nothing() -> None:
    """A module's name tells its subject."""
    assert [
        _name(path) for path in MODULES if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES
    ] == []


@pytest.mark.parametrize(
    ("libraries", "may_import"),
    [(HTTP_ENGINES, MAY_IMPORT_ENGINES), ({"httpx"}, MAY_IMPORT_HTTPX)],
    ids=["engines", "httpx"],
)
def test_one_module_talks_http(libraries: set[str], may_import: tuple[str, ...]) -> None:
    """Only the upstream module and the harness drive an HTTP client: replacing it is a one-file change."""
    others = [path for path in MODULES if not _name(path).startswith(may_import)]
    assert [_name(path) for path in others if libraries & set(_imports(_syntax(path)))] == []


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name not in {"__init__.py", "__main__.py"}], ids=_name
)
def test_exports_are_the_public_definitions(path: Path) -> None:
    """``__all__`` names every public class and function of a module, and nothing that is not there."""
    exported = _exported(path)
    assert exported is not None, "public modules carry __all__"
    public = {node.name for node in _definitions(path) if not node.name.startswith("_")}
    bound = public | {name for node in _syntax(path).body for name in (*_assigned(node), *_imported(node))}
    assert (public - exported, exported - bound) == (set(), set())


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_private_names_stay_in_their_file(path: Path) -> None:
    """A name with an underscore is used only in the file that defines it."""
    used: set[str] = set()
    defined: set[str] = set()
    for node in ast.walk(_syntax(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            (defined if isinstance(node.ctx, ast.Store) else used).add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            used |= {alias.name for alias in node.names}
    assert {name for name in used - defined if _private(name)} == set()


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_public_names_have_docstrings(path: Path) -> None:
    """A module, and every public class, function, method and property in it, says what it is."""
    missing = [] if ast.get_docstring(_syntax(path)) else ["the module"]
    for node in _definitions(path):
        members = [node, *(node.body if isinstance(node, ast.ClassDef) else [])]
        missing += [
            member.name
            for member in members
            if isinstance(member, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and not (member.name.startswith("_") or node.name.startswith("_"))
            and not ast.get_docstring(member)
            and "setter" not in "".join(map(ast.unparse, member.decorator_list))
        ]
    assert missing == []


@pytest.mark.parametrize(
    "package",
    [
        "packyproxy",
        "packyproxy.asgi",
        "packyproxy.runtime",
        "packyproxy.testing",
        "packyproxy.transcode",
        "packyproxy.translate",
    ],
)
def test_public_names_are_read_by_type_checkers(package: str) -> None:
    """Each name that a package of the public surface exports is used in ``tests/typing``, as users write it."""
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests" / "typing").glob("*.py"))
    exported: list[str] = import_module(package).__all__
    assert [name for name in exported if not re.search(rf"\b{name}\b", text)] == []


def test_tests_state_their_fact() -> None:
    """Every test has a docstring that says what holds."""
    silent = [
        f"{_name(path)}::{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(_syntax(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_tree_stands_alone() -> None:
    """No file points to a place outside the repository where it happened to be written."""
    places = ("/" + "work/", "../" + "shared", "wire" + ".md", "style" + ".md", "product" + ".md")
    outside = re.compile("|".join(rf"(?<![\w.-]){re.escape(place)}" for place in places))
    found = [_name(path) for path in TEXT_FILES if outside.search(path.read_text("utf-8", "replace"))]
    assert found == []
