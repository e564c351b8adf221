"""The routes of the management API, openapi.json and both documents tell of the same API."""

from typing import Any

import msgspec
import pytest

from packyproxy.asgi.management.families import management_operations
from packyproxy.asgi.management.openapi import describe
from packyproxy.asgi.management.refusals import STATUSES
from packyproxy.asgi.management.request import PREFIX
from packyproxy.config import Config
from packyproxy.runtime.runtime import Runtime
from tests.support.block_kinds import MANAGEMENT_PAGES
from tests.support.documented_calls import calls, error_table, matches, route_table
from tests.support.documents import ROOT

PROMISED = {
    "/packycode": {"GET", "PUT", "PATCH"},
    "/tppc": {"GET", "PUT", "PATCH"},
    "/providers": {"GET"},
    "/providers/{name}": {"PATCH"},
    "/providers/{name}/test": {"POST"},
    "/models": {"GET"},
    "/tps": {"GET"},
    "/usage": {"GET"},
    "/tps-log": {"GET", "PUT", "PATCH"},
    "/request-log": {"GET", "PUT", "PATCH"},
    "/debug": {"GET", "PUT", "PATCH"},
    "/request-retry": {"GET", "PUT", "PATCH"},
    "/routing/strategy": {"GET", "PUT", "PATCH"},
    "/api-keys": {"GET", "PUT", "PATCH"},
    "/config": {"GET", "PUT"},
    "/config.yaml": {"GET", "PUT"},
    "/config/validate": {"POST"},
    "/status": {"GET"},
    "/audit": {"GET"},
    "/openapi.json": {"GET"},
}
"""What clients may rely on: a route that goes away or changes its verbs breaks them."""

OPERATIONS = management_operations(Runtime(Config()))
documents = pytest.mark.parametrize("page", MANAGEMENT_PAGES)


@pytest.fixture
def described() -> dict[str, Any]:
    """The document that the API gives of itself."""
    document: dict[str, Any] = msgspec.json.decode(describe(OPERATIONS, server=PREFIX))
    return document


def test_the_routes_are_the_promised_ones() -> None:
    """Every route that was promised is there with its verbs, and no other."""
    routes: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        routes.setdefault(operation.path, set()).add(operation.method)
    assert PROMISED == routes


def test_openapi_describes_every_route(described: dict[str, Any]) -> None:
    """openapi.json has each route with its verbs, and no other."""
    assert PROMISED == {path: {verb.upper() for verb in verbs} for path, verbs in described["paths"].items()}


@documents
def test_the_table_of_routes_is_whole(page: str) -> None:
    """The table lists each route with its verbs, and no other."""
    assert PROMISED == route_table(page)


@documents
def test_every_verb_of_every_route_has_an_example(page: str) -> None:
    """There is a curl call of each operation."""
    shown = [operation for call in calls(page) for operation in call.operations]
    assert [] == [
        (operation.method, operation.path)
        for operation in OPERATIONS
        if not any(verb == operation.method and matches(operation.path, path) for verb, path in shown)
    ]


@documents
def test_every_parameter_is_named(page: str) -> None:
    """The document names each parameter that an operation takes."""
    text = (ROOT / page).read_text("utf-8")
    names = {parameter.name for operation in OPERATIONS for parameter in operation.query}
    assert set() == {name for name in names if f"`{name}`" not in text and f"?{name}=" not in text}


@documents
def test_every_refusal_is_explained(page: str) -> None:
    """The table of errors has each code with its status, and no other."""
    assert dict(STATUSES) == error_table(page)
