"""Objects of a request whose values stay the bytes they arrived in, and what kind of JSON a value is.

A field that is looked at must have its type. Errors name the place as OpenAI does (``input[3].type``) and
quote nothing.
"""

from collections.abc import Mapping

from msgspec import Raw, json

from packyproxy.errors import InvalidRequest
from packyproxy.wire import json_text

__all__ = [
    "FALSE",
    "TRUE",
    "Fields",
    "Kind",
    "kind_of",
    "optional",
    "read_elements",
    "read_fields",
    "read_object",
    "require_kind",
]

Fields = dict[str, Raw]
"""An object: its keys in their order, each with the bytes of its value."""

TRUE = Raw(b"true")
FALSE = Raw(b"false")

Kind = str
"""``object``, ``array``, ``string``, ``number``, ``boolean`` or ``null``."""

_KINDS: Mapping[int, Kind] = {
    ord(first): kind
    for first, kind in (
        ("{", "object"),
        ("[", "array"),
        ('"', "string"),
        ("t", "boolean"),
        ("f", "boolean"),
        ("n", "null"),
    )
}

_OBJECT = json.Decoder(Fields)
_ARRAY = json.Decoder(list[Raw])


def kind_of(value: Raw) -> Kind:
    """Tell what kind of JSON a value is, by its first byte."""
    return _KINDS.get(memoryview(value)[0], "number")


def require_kind(value: Raw, field: str, *kinds: Kind) -> Raw:
    """Return a value that must be of one of these kinds.

    Raises:
        InvalidRequest: it is of another.
    """
    kind = kind_of(value)
    if kind not in kinds:
        raise InvalidRequest(f"expected {' or '.join(kinds)}, got {kind}", field=field)
    return value


def optional(fields: Fields, name: str, *kinds: Kind, within: str = "") -> Raw | None:
    """Return the value of a field; None when it is missing or null.

    Args:
        fields: the object.
        name: the field's.
        kinds: what its value may be, apart from null.
        within: where the object stands in the body, ``""`` for the body itself.

    Raises:
        InvalidRequest: the value is of another kind.
    """
    value = fields.get(name)
    if value is None or json_text.is_null(value):
        return None
    return require_kind(value, f"{within}.{name}" if within else name, *kinds)


def read_object(value: Raw, field: str) -> Fields:
    """Take a value that must be an object apart.

    Raises:
        InvalidRequest: it is something else.
    """
    return read_fields(require_kind(value, field, "object"))


def read_fields(value: Raw) -> Fields:
    """Take an object apart."""
    return _OBJECT.decode(value)


def read_elements(value: Raw) -> list[Raw]:
    """Take an array apart."""
    return _ARRAY.decode(value)
