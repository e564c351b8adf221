"""The contract of the management API as an OpenAPI 3.1 document, made from the operations that it describes.

Schemas are those of the very structs that answers are encoded from, so the document cannot fall behind. What
is sent has schemas of its own: a view of the configuration shows every key, and nobody has to send them all.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType, UnionType
from typing import Any, Final, get_args

import msgspec
from msgspec import Raw

from packyproxy.asgi.management.operations import Operation, Text
from packyproxy.asgi.management.refusals import STATUSES, Code, RefusalBody
from packyproxy.asgi.management.request import ManagementRequest, Query
from packyproxy.version import __version__

__all__ = ["describe", "openapi_operation"]

_MOST_SERVERS: Final = 4
"""Mounts of one component."""
_JSON: Final = "application/json"
_SENT: Final = "Input"
_VIEW: Final = "View"
"""How the names of structs end that show every key of a part of the configuration."""
_ALWAYS: Final[tuple[Code, ...]] = ("invalid_query", "unauthorized", "forbidden", "banned", "internal_error")
_WITH_BODY: Final[tuple[Code, ...]] = ("invalid_json", "too_large", "unsupported_media_type")
_CODES: Final[tuple[Code, ...]] = get_args(Code)
_MEANINGS: Final[Mapping[Code, str]] = MappingProxyType(
    {
        "invalid_json": "The body is not JSON, has a key twice, or its compression is broken.",
        "invalid_query": "A parameter of the query is not known, or its value is wrong.",
        "unauthorized": "No management key, or a wrong one.",
        "forbidden": "The request is not from this machine, and `remote-management.allow-remote` is off.",
        "banned": "Five wrong keys in a row came from this address.",
        "not_found": "There is nothing of that name.",
        "method_not_allowed": "The route does not take this method.",
        "conflict": "The configuration is not the one that `If-Match` names, or cannot be written or read.",
        "too_large": "The body is larger than 1 MiB.",
        "unsupported_media_type": "The body is compressed in a way that is not known here.",
        "invalid_packycode": "The block has problems: nothing was saved or applied.",
        "invalid_tppc": "The block has problems: nothing was saved or applied.",
        "invalid_config": "The configuration has problems: nothing was saved or applied.",
        "invalid_value": "The value has problems: nothing was saved or applied.",
        "internal_error": "A bug of ours; the log has more.",
    }
)
_DESCRIPTION: Final = (
    "See and change how packyproxy runs, while it runs. Secrets are masked in every answer, and a mask that "
    "is sent back stands for the secret that it masks. Every answer of 200 carries the revision of the "
    "configuration as `ETag`; a write with an `If-Match` that names another one changes nothing."
)
_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The management key."},
    "management-key": {"type": "apiKey", "in": "header", "name": "X-Management-Key"},
}
_HEADERS: Final = {
    "ETag": {"description": "The revision of the configuration.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds until the ban ends.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How the key is shown.", "schema": {"type": "string"}},
    "x-request-id": {"description": "Names this request in the log.", "schema": {"type": "string"}},
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "description": "An `ETag`: the write is done only while the configuration still has this revision.",
    "schema": {"type": "string"},
}


def openapi_operation(operations: Sequence[Operation]) -> Operation:
    """Return the operation that gives the document, which describes it along with all others."""
    # Making it takes some 20 ms.
    document = lru_cache(_MOST_SERVERS)(lambda server: describe(described, server=server))

    async def show(request: ManagementRequest) -> Raw:
        return document(request.mount)

    operation = Operation(
        method="GET",
        path="/openapi.json",
        summary="Describe this API, as an OpenAPI 3.1 document.",
        endpoint=show,
        answer=dict[str, Any],
    )
    described = (*operations, operation)
    return operation


def describe(operations: Sequence[Operation], *, server: str) -> Raw:
    """Return the document as JSON.

    Args:
        operations: all that there are.
        server: the address that their paths go behind; a path alone will do.
    """
    answers = _Schemas([_answer_type(operation) for operation in operations] + [RefusalBody], suffix="")
    bodies = _Schemas([body for operation in operations for body in _body_types(operation)], suffix=_SENT)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        method = operation.method.lower()
        paths.setdefault(operation.path, {})[method] = _operation(operation, answers, bodies)
    refusals = sorted({codes for operation in operations for codes in _refusals(operation).values()})
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "packyproxy management API",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "security": [{name: []} for name in _SECURITY],
        "paths": paths,
        "components": {
            "schemas": {**answers.components, **bodies.components},
            "responses": {_name(codes): _refusal(codes) for codes in refusals},
            "headers": _HEADERS,
            "parameters": {"If-Match": _IF_MATCH},
            "securitySchemes": _SECURITY,
        },
    }
    # Docstrings are written for another kind of document.
    return Raw(msgspec.json.encode(document).replace(b"``", b"`"))


class _Schemas:
    """The schemas of some types; those of structs are ``components``, by their names."""

    def __init__(self, types: Sequence[Any], *, suffix: str) -> None:
        template = f"#/components/schemas/{{name}}{suffix}"
        schemas, components = msgspec.json.schema_components(types, ref_template=template)
        # Types need not be hashable.
        self._by_identity = dict(zip(map(id, types), schemas, strict=True))
        self.components = {name + suffix: schema for name, schema in components.items()}
        if suffix:
            for name, schema in components.items():
                if name.endswith(_VIEW):
                    schema.pop("required", None)

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of one of the types."""
        return self._by_identity[id(kind)]


def _answer_type(operation: Operation) -> Any:
    # A schema describes what a text means, not the text: what the file holds may be anything.
    return Any if operation.answer is Text else operation.answer


def _body_types(operation: Operation) -> tuple[Any, ...]:
    """Return the shapes that a body may have; a decoder could not tell them apart, so no union will do."""
    if operation.body is None:
        return ()
    return get_args(operation.body) if isinstance(operation.body, UnionType) else (operation.body,)


def _operation(operation: Operation, answers: _Schemas, bodies: _Schemas) -> dict[str, Any]:
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    parameters += [_query(parameter) for parameter in operation.query]
    if operation.method in {"PUT", "PATCH"}:
        parameters.append({"$ref": "#/components/parameters/If-Match"})
    media_type = "application/yaml" if operation.answer is Text else _JSON
    described: dict[str, Any] = {
        "operationId": _identifier(operation),
        "summary": operation.summary,
        "tags": [operation.path.split("/")[1].partition(".")[0]],
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "As asked.",
                "headers": _headers("ETag", "x-request-id"),
                "content": {media_type: {"schema": answers.of(_answer_type(operation))}},
            },
            **{
                str(status): {"$ref": f"#/components/responses/{_name(codes)}"}
                for status, codes in sorted(_refusals(operation).items())
            },
        },
    }
    if shapes := [bodies.of(kind) for kind in _body_types(operation)]:
        shape = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        content = {media_type: {"schema": shape} for media_type in operation.media_types}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _query(parameter: Query) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": parameter.schema,
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


def _refusals(operation: Operation) -> dict[int, tuple[Code, ...]]:
    """Return what an operation may refuse with, by status."""
    body = _WITH_BODY if operation.body is not None else ()
    path: tuple[Code, ...] = ("not_found",) if "{" in operation.path else ()
    possible = {*_ALWAYS, *body, *path, *operation.refusals}
    by_status: dict[int, tuple[Code, ...]] = {}
    for code in _CODES:
        if code in possible:
            by_status[STATUSES[code]] = (*by_status.get(STATUSES[code], ()), code)
    return by_status


def _refusal(codes: tuple[Code, ...]) -> dict[str, Any]:
    refusal = f"#/components/schemas/{RefusalBody.__name__}"
    status = STATUSES[codes[0]]
    required = ["problems"] if status == 422 else []
    schema = {"allOf": [{"$ref": refusal}, {"properties": {"error": {"enum": codes}}, "required": required}]}
    more = {401: ["WWW-Authenticate"], 403: ["Retry-After"]}.get(status, [])
    return {
        "description": " ".join(_MEANINGS[code] for code in codes),
        "headers": _headers("x-request-id", *more),
        "content": {_JSON: {"schema": schema}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _name(codes: Iterable[Code]) -> str:
    return "_or_".join(codes)


def _identifier(operation: Operation) -> str:
    """Return the name that generated clients give to an operation, such as ``get_providers_name``."""
    words = operation.path.replace("{", "").replace("}", "").replace(".", "-").strip("/").replace("/", "-")
    return f"{operation.method.lower()}_{words.replace('-', '_')}"
