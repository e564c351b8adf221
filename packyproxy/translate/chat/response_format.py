"""The shape that a Chat client wants its answer in (wire-mapping 6.1)."""

import re

from msgspec import UNSET, UnsetType

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import optional_text
from packyproxy.wire import json_text
from packyproxy.wire.chat import JsonSchema, ResponseFormat
from packyproxy.wire.responses import JsonObjectFormat, JsonSchemaFormat

__all__ = ["read_format"]

_is_name = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


def read_format(wanted: ResponseFormat | None) -> JsonSchemaFormat | JsonObjectFormat | UnsetType:
    """Return the format as the upstream takes it; unset for plain text.

    Raises:
        InvalidRequest: another type of format, or no schema, or a name that the upstream does not take.
    """
    if wanted is None or wanted.type == "text":
        return UNSET
    if wanted.type == "json_object":
        return JsonObjectFormat()
    if wanted.type != "json_schema":
        raise InvalidRequest("must be one of text, json_object, json_schema", field="response_format.type")
    if wanted.json_schema is None:
        raise InvalidRequest("field required", field="response_format.json_schema")
    return _schema_format(wanted.json_schema, "response_format.json_schema")


def _schema_format(wanted: JsonSchema, field: str) -> JsonSchemaFormat:
    if not _is_name(wanted.name):
        raise InvalidRequest("must be 1-64 of a-z, A-Z, 0-9, _ and -", field=f"{field}.name")
    schema = wanted.schema
    if isinstance(schema, UnsetType) or json_text.is_null(schema):
        raise InvalidRequest("field required", field=f"{field}.schema")
    if not json_text.is_object(schema):
        raise InvalidRequest("expected object", field=f"{field}.schema")
    description = optional_text(wanted.description, f"{field}.description")
    return JsonSchemaFormat(
        wanted.name, schema, bool(wanted.strict), UNSET if description is None else description
    )
