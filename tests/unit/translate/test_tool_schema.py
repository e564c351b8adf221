"""Tool schemas: normalisation and the strict test."""

import pytest
from msgspec import UNSET, Raw, UnsetType

from packyproxy.translate.tool_schema import is_strict_schema, normalise_schema
from packyproxy.wire import json_text


def _normalised(schema: bytes | UnsetType) -> str:
    raw = schema if isinstance(schema, UnsetType) else Raw(schema)
    return bytes(normalise_schema(raw, json_text.EMPTY)[0]).decode()


UNTOUCHED = '{ "type":"object", "properties":{"n":{"minimum":1.10}} }'
EMPTY = '{"type":"object","properties":{}}'


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (UNSET, EMPTY),
        (b"null", EMPTY),
        (b"[1]", EMPTY),
        (b'"object"', EMPTY),
        (b"{}", EMPTY),
        (b'{"type":"object"}', EMPTY),
        (b'{"type":null,"properties":null}', EMPTY),
        (b'{"type":"object","properties":null}', EMPTY),
        (b'{"properties":{"a":{}}}', '{"type":"object","properties":{"a":{}}}'),
        (b'{"$schema":"s","$id":"i","type":"object","properties":{}}', EMPTY),
        (UNTOUCHED.encode(), UNTOUCHED),
        (
            b'{"type":"object","properties":{"a":{"type":"array"}}}',
            '{"type":"object","properties":{"a":{"type":"array","items":{}}}}',
        ),
        (
            b'{"type":"object","properties":{"a":{"type":["array","null"]}}}',
            '{"type":"object","properties":{"a":{"type":["array","null"],"items":{}}}}',
        ),
        (
            b'{"type":"object","properties":{"a":{"anyOf":[{"type":"array"},{"multipleOf":1.10}]}}}',
            '{"type":"object","properties":{"a":{"anyOf":[{"type":"array","items":{}},{"multipleOf":1.10}]}}}',
        ),
        (
            b'{"type":"object","properties":{},"$defs":{"x":{"type":"array"}}}',
            '{"type":"object","properties":{},"$defs":{"x":{"type":"array","items":{}}}}',
        ),
    ],
    ids=[
        "missing", "null", "a list", "a string", "no keys", "no properties", "nulls", "null properties", "no type", "root keys", "untouched",
        "array without items", "array or null", "array in anyOf", "array in $defs",
    ],
)  # fmt: skip
def test_normalised(schema: bytes | UnsetType, expected: str) -> None:
    """Only what the upstream refuses is changed; order and numbers stay."""
    assert expected == _normalised(schema)


@pytest.mark.parametrize(
    "schema",
    [
        b'{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}}}',
        b'{"type":"object","properties":{"a":{"enum":[{"type":"array"}],"default":{"type":"array"}}}}',
        b'{"type":"object","properties":{"type":{"type":"string","const":"array"}}}',
    ],
    ids=["items present", "data that looks like a schema", "a property called type"],
)
def test_nothing_to_do_returns_the_very_schema(schema: bytes) -> None:
    """A schema that fits is passed on as the object it was."""
    raw = Raw(schema)
    assert raw is normalise_schema(raw, json_text.EMPTY)[0]


def test_array_in_a_property_named_like_data_is_found() -> None:
    """A property called ``enum`` or ``default`` is a schema, not data."""
    expected = '{"type":"object","properties":{"default":{"type":"array","items":{}}}}'
    assert expected == _normalised(b'{"type":"object","properties":{"default":{"type":"array"}}}')


def test_root_variants_are_merged() -> None:
    """Properties of the variants are united, first wins; only what all require stays required."""
    schema = (
        b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"anyOf":['
        b'{"properties":{"a":{"type":"null"},"b":{}},"required":["b","c"]},{"properties":{"c":{}},"required":["c"]}]}'
    )
    expected = '{"type":"object","properties":{"a":{"type":"string"},"b":{},"c":{}},"required":["a","c"]}'
    assert expected == _normalised(schema)


@pytest.mark.parametrize("key", ["oneOf", "allOf"])
def test_other_root_variants_are_merged_too(key: str) -> None:
    """oneOf and allOf at the root go the way of anyOf."""
    expected = '{"type":"object","properties":{"a":{}}}'
    assert expected == _normalised(b'{"%b":[{"properties":{"a":{}}},true]}' % key.encode())


@pytest.mark.parametrize(
    "schema", [b'{"not":{"type":"string"}}', b'{"enum":[1]}', b'{"anyOf":[true]}', b'{"anyOf":5}']
)
def test_other_refused_root_keys_go(schema: bytes) -> None:
    """The upstream refuses them at the root, so they are removed."""
    assert _normalised(schema) == EMPTY


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Does it.", 'Does it.\n\nThe input must also match this JSON schema: {"not":{"const":1.10}}'),
        ("", 'The input must also match this JSON schema: {"not":{"const":1.10}}'),
    ],
    ids=["with description", "without"],
)
def test_removed_root_keys_are_told_in_the_description(description: str, expected: str) -> None:
    """The model learns of the constraint, in compact JSON."""
    _, described = normalise_schema(
        Raw(b'{"type":"object","properties":{},"not":{ "const": 1.10 }}'), json_text.quote(description)
    )
    assert expected == json_text.unquote(described)


CLOSED = '"additionalProperties":false'


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (f'{{"type":"object","properties":{{"a":{{}}}},"required":["a"],{CLOSED}}}', True),
        (f'{{"type":"object","properties":{{}},{CLOSED}}}', True),
        ('{"type":"object","properties":{"a":{}},"required":["a"]}', False),
        (f'{{"type":"object","properties":{{"a":{{}}}},"required":[],{CLOSED}}}', False),
        (f'{{"type":"object","properties":{{"a":{{"type":"object"}}}},"required":["a"],{CLOSED}}}', False),
        (f'{{"properties":{{"a":{{"oneOf":[{{}}]}}}},"required":["a"],{CLOSED}}}', False),
        (f'{{"properties":{{"a":{{"not":{{}}}}}},"required":["a"],{CLOSED}}}', False),
        (f'{{"properties":{{"a":{{"if":{{}}}}}},"required":["a"],{CLOSED}}}', False),
        (f'{{"properties":{{}},"patternProperties":{{}},{CLOSED}}}', False),
        (f'{{"properties":{{"not":{{}},"if":{{}}}},"required":["not","if"],{CLOSED}}}', True),
        (f'{{"properties":{{"a":{{"anyOf":[{{"type":["object","null"]}}]}}}},"required":["a"],{CLOSED}}}', False),
        (f'{{"properties":[],"required":["a"],{CLOSED}}}', True),
        (f'{{"properties":[1],"required":["a"],{CLOSED}}}', False),
        (f'{{"properties":{{"a":{{"enum":[{{"type":"object"}}]}}}},"required":["a"],{CLOSED}}}', True),
    ],
    ids=[
        "closed", "closed and empty", "open", "optional property", "open inside", "oneOf", "not", "if", "pattern",
        "properties named like keywords", "object in anyOf", "empty list for properties", "list for properties",
        "object in data",
    ],
)  # fmt: skip
def test_strict(schema: str, expected: bool) -> None:
    """Strict needs every object closed and complete, and none of the keywords that strict mode lacks."""
    assert expected == is_strict_schema(Raw(schema.encode()))
