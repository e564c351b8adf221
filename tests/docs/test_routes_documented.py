"""Every route stands in the README with its verbs; those of the management API stand in its own pages."""

import re

import pytest

from packyproxy.asgi import Gateway, Models, Status, Validator
from packyproxy.asgi.routes import Route
from packyproxy.config import Config
from packyproxy.runtime.runtime import Runtime
from tests.support.documents import PAGES, read_page

RUNTIME = Runtime(Config())
ROUTES: tuple[Route, ...] = (
    *Gateway(RUNTIME).routes,
    *Models(RUNTIME).routes,
    *Status(RUNTIME).routes,
)
BESIDES: tuple[Route, ...] = Validator(RUNTIME).routes
"""Of a component that hosts mount by themselves."""


def pattern(path: str) -> str:
    """Return a path as routes are written; a document has ``{id}`` for ``*``."""
    return re.sub(r"\{\w+\}", "*", path)


def served(page: str) -> dict[str, set[str]]:
    """Return the verbs of each path in the README's table of what is served; a verb holds for its cell."""
    rows = read_page(page).rows
    heading = next(row.heading for row in rows if row.cells[0].codes[:1] == ("POST /v1/messages",))
    found: dict[str, set[str]] = {}
    for row in rows:
        verb = ""
        for code in row.cells[0].codes if row.heading == heading else ():
            *verbs, path = code.split()
            verb = verbs[0] if verbs else verb
            found.setdefault(pattern(path), set()).add(verb)
    return found


@pytest.mark.parametrize("page", ["README.md", "README_CN.md"])
def test_the_readme_has_every_route(page: str) -> None:
    """Each route that answers stands there with its verb, and no other; the management API as a whole."""
    expected = {route.path: set(route.methods) - {"HEAD"} for route in ROUTES if route.methods}
    assert expected == {path: verbs for path, verbs in served(page).items() if path != "/v0/management/*"}


@pytest.mark.parametrize(
    "route", [*BESIDES, *(route for route in ROUTES if not route.methods)], ids=lambda route: route.path
)
def test_other_routes_are_told_of(route: Route) -> None:
    """What only refuses, and what is mounted by itself, stands in some page."""
    spans = {
        pattern(span.text.split()[-1])
        for page in PAGES
        for span in read_page(page).spans
        if span.text.strip()
    }
    assert route.path in spans
