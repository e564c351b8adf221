"""The document that describes the management API is valid, whole, and true to what is answered."""

import json
import re
from typing import Any, get_args

import httpx
import jsonschema_rs
import msgspec
import pytest
import schemathesis
from schemathesis.specs.openapi.schemas import OpenApiSchema

from packyproxy.app import PackyProxy
from packyproxy.asgi.management.families import management_operations
from packyproxy.asgi.management.openapi import describe
from packyproxy.asgi.management.operations import Operation
from packyproxy.asgi.management.refusals import STATUSES, Code, Refusal
from packyproxy.asgi.management.request import ManagementRequest, Query
from packyproxy.errors import Problem
from packyproxy.testing import StreamingASGITransport
from tests.support.settings import provider

KEY = "management-key-0123"
SETTINGS: dict[str, Any] = {
    "remote-management": {"secret-key": KEY},
    "api-keys": ["client-key-0123"],
    "packycode": provider(headers={"x-tenant": "tenant-0123456789"}),
    "tppc": {"providers": [{"name": "b", "base-url": "http://b.test/v1", "api-key": "sk-b-0123456789"}]},
}
OPERATIONS = management_operations(PackyProxy(SETTINGS).runtime)
DOCUMENT: dict[str, Any] = json.loads(bytes(describe(OPERATIONS, server="/v0/management")))


def name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


async def get(path: str, *, root_path: str = "") -> httpx.Response:
    transport = StreamingASGITransport(PackyProxy(SETTINGS), root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy.test") as client:
        return await client.get(f"{root_path}/v0/management{path}", headers={"x-management-key": KEY})


def resolved(schema: Any) -> Any:
    """Return a schema of the document that can stand alone."""
    return {**schema, "components": DOCUMENT["components"]}


def test_it_is_an_openapi_document() -> None:
    """It holds to the specification of OpenAPI 3.1."""
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))
    assert isinstance(schema, OpenApiSchema)
    schema.validate()


def test_every_reference_leads_somewhere() -> None:
    """Nothing is named that is not there, and nothing is there that is not named."""
    text = json.dumps(DOCUMENT)
    used = set(re.findall(r'"#/components/(\w+)/([\w-]+)"', text))
    there = {
        (kind, key)
        for kind, members in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for key in members
    }
    assert (used - there, there - used) == (set(), set())


def test_every_operation_is_described_once() -> None:
    """Each has a name of its own for clients that are generated."""
    names = [
        operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()
    ]
    assert (len(OPERATIONS), len(OPERATIONS)) == (len(names), len(set(names)))
    assert all(re.fullmatch(r"[a-z][a-z_]*", each) for each in names)


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_every_operation_says_what_it_takes(operation: Operation) -> None:
    """Its parameters, its body, and whether it heeds ``If-Match``."""
    found = described(operation)
    parameters = found["parameters"]
    assert [each.name for each in operation.query] == [
        each["name"] for each in parameters if each.get("in") == "query"
    ]
    assert re.findall(r"{(\w+)}", operation.path) == [
        each["name"] for each in parameters if each.get("in") == "path"
    ]
    assert (operation.method in {"PUT", "PATCH"}) == (
        {"$ref": "#/components/parameters/If-Match"} in parameters
    )
    media_types = list(found.get("requestBody", {}).get("content", {}))
    assert (list(operation.media_types) if operation.body is not None else []) == media_types


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_every_operation_says_how_it_may_end(operation: Operation) -> None:
    """Success, each refusal that it declares, and those that any operation may give."""
    statuses = set(described(operation)["responses"])
    expected = {"200", "400", "401", "403", "500"}
    expected |= {str(STATUSES[code]) for code in operation.refusals}
    expected |= {"413", "415"} if operation.body is not None else set()
    expected |= {"404"} if "{" in operation.path else set()
    assert expected == statuses


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.method == "GET" and operation.answer],
    ids=name,
)
async def test_answers_are_as_described(operation: Operation) -> None:
    """What a GET answers is valid by the schema that the document gives for it."""
    response = await get(operation.path)
    content = described(operation)["responses"]["200"]["content"]
    media_type = response.headers["content-type"]
    assert (200, [media_type]) == (response.status_code, list(content))
    body = response.json() if media_type == "application/json" else response.text
    jsonschema_rs.validator_for(resolved(content[media_type]["schema"])).validate(body)
    assert response.headers["etag"]


@pytest.mark.parametrize("path", ["/packycode", "/tppc", "/config"])
async def test_what_was_shown_may_be_sent(path: str) -> None:
    """The answer of a GET is a valid body of the PUT beside it, and so is any part of it."""
    schema = DOCUMENT["paths"][path]["put"]["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.validator_for(resolved(schema))
    shown = (await get(path)).json()
    validator.validate(shown)
    validator.validate({})


@pytest.mark.parametrize("code", get_args(Code))
def test_refusals_are_as_described(code: Code) -> None:
    """The body of each is valid by its response in the document, where any operation names it."""
    problem = Problem(field="a", code="missing", message="is missing", fix="add it")
    body = json.loads(_encoded(Refusal(code, "no", problems=[problem])))
    responses = [
        response for key, response in DOCUMENT["components"]["responses"].items() if code in key.split("_or_")
    ]
    assert bool(responses) is (code != "method_not_allowed")
    for response in responses:
        schema = resolved(response["content"]["application/json"]["schema"])
        jsonschema_rs.validator_for(schema).validate(body)
        assert not jsonschema_rs.validator_for(schema).is_valid({**body, "error": "another"})


def _encoded(refusal: Refusal) -> bytes:

    return msgspec.json.encode(refusal.body)


@pytest.mark.parametrize(("root_path", "server"), [("", "/v0/management"), ("/llm", "/llm/v0/management")])
async def test_the_document_says_where_it_was_found(root_path: str, server: str) -> None:
    """Under a mount its paths go behind the mount."""
    document = (await get("/openapi.json", root_path=root_path)).json()
    assert [{"url": server}] == document["servers"]
    assert DOCUMENT["paths"] == document["paths"]


def test_a_body_of_two_shapes_may_be_either() -> None:
    """A union stands for its members; structs without a tag need none here."""

    async def nothing(_: ManagementRequest) -> object:
        return None

    operation = Operation(
        method="PUT", path="/a", summary="-", endpoint=nothing, answer=str, body=dict[str, int] | list[int]
    )
    document = json.loads(bytes(describe((operation,), server="/")))
    schema = document["paths"]["/a"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    shapes = [
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "array", "items": {"type": "integer"}},
    ]
    assert {"anyOf": shapes} == schema


def test_a_parameter_may_go_without_example() -> None:
    """Then the document has none."""

    async def nothing(_: ManagementRequest) -> object:
        return None

    schema = {"type": "string"}
    query = (
        Query(name="x", description="-", schema=schema),
        Query(name="y", description="-", schema=schema, example="1"),
    )
    operation = Operation(method="GET", path="/a", summary="-", endpoint=nothing, answer=str, query=query)
    document = json.loads(bytes(describe((operation,), server="/")))
    parameters = document["paths"]["/a"]["get"]["parameters"]
    assert [None, "1"] == [parameter.get("example") for parameter in parameters]
