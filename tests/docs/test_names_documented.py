"""What users meet by name is explained: variables of the environment, headers, extras, tokens of warnings."""

import ast
import re
import tomllib
from functools import cache

import pytest

from tests.support.documents import PAGES, ROOT

PACKAGE = ROOT / "packyproxy"
SOURCES = {path: path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
NOT_VARIABLES = {"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "WRONG_VERSION_NUMBER"}
"""Reasons that OpenSSL gives."""


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def variables() -> list[str]:
    """Return the variables that the product reads: constants of its code that are named like one, and name no other."""
    found, constants = set(NOT_VARIABLES), set()
    for path, source in SOURCES.items():
        if path.is_relative_to(PACKAGE / "testing"):
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$", node.value))
            elif isinstance(node, ast.Name):
                constants.add(node.id)
    return sorted(found - constants - NOT_VARIABLES)


def in_sources(pattern: str) -> list[str]:
    return sorted({name for source in SOURCES.values() for name in re.findall(pattern, source)})


@pytest.mark.parametrize("name", variables())
def test_variables_are_explained(name: str) -> None:
    """The page of the command line has each variable that is read."""
    page = "docs/command-line.md"
    is_named = re.search(rf"`\$?{name}`", text(page)) is not None
    assert is_named, f"{page}: name {name} under Variables"


@pytest.mark.parametrize("name", in_sources(r"x-packyproxy-[a-z-]+"))
def test_headers_are_explained(name: str) -> None:
    """Each header of ours stands in a page for users."""
    assert [page for page in PAGES if name in text(page) and page != "docs/wire-mapping.md"]


@pytest.mark.parametrize("name", in_sources(r'warnings\.append\("(\w+)"\)'))
def test_tokens_of_warnings_are_explained(name: str) -> None:
    """The wire mapping has each token of ``x-packyproxy-warnings`` that is no field's name."""
    assert f"`{name}`" in text("docs/wire-mapping.md")


@pytest.mark.parametrize(
    "extra", tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
)
def test_extras_are_explained(extra: str) -> None:
    """Each extra stands in a page with how it is installed."""
    assert [page for page in PAGES if re.search(rf"\[(?:\w+,)*{extra}(?:,\w+)*\]", text(page))]
