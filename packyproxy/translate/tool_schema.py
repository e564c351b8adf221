"""JSON schemas of tools, changed as little as the upstream needs (wire-mapping 1.7, 1.8).

Schemas are ``Raw``: key order, numbers and escapes stay as the client wrote them, and most schemas are
returned as the very bytes that came in, so the upstream's cached prefix holds from turn to turn.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from msgspec import Raw, UnsetType, json

from packyproxy.wire import json_text

__all__ = ["is_strict_schema", "normalise_schema"]

_EMPTY_SCHEMA = Raw(b'{"type":"object","properties":{}}')
_EMPTY_OBJECT = Raw(b"{}")
_OBJECT_TYPE = Raw(b'"object"')

_VARIANTS = ("anyOf", "oneOf", "allOf")
_REFUSED_AT_ROOT = (*_VARIANTS, "not", "enum")
_DROPPED_AT_ROOT = ("$schema", "$id")
_NEEDED_AT_ROOT = ("type", "properties")
_ROOT_CHANGES = frozenset({*_REFUSED_AT_ROOT, *_DROPPED_AT_ROOT})

# Keywords whose value maps names to schemas, and keywords whose value is data and not a schema.
_SCHEMA_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "examples", "required"})
_NEVER_STRICT = frozenset({"patternProperties", "oneOf", "not", "if"})

_encode = json.Encoder().encode
_read_object = json.Decoder(dict[str, Raw]).decode
_read_list = json.Decoder(list[Raw]).decode
_read_any = json.Decoder().decode

_OPEN_OBJECT, _OPEN_LIST = b"{"[0], b"["[0]


def _begins(value: Raw) -> int:
    return memoryview(value)[0]


def normalise_schema(schema: Raw | UnsetType, description: Raw) -> tuple[Raw, Raw]:
    """Make a schema one that the upstream takes; return it with the tool's description.

    A null where the root needs a value counts as missing. The description grows by one sentence when the root
    had a keyword that the upstream refuses there.
    """
    if isinstance(schema, UnsetType) or _begins(schema) != _OPEN_OBJECT:
        return _EMPTY_SCHEMA, description
    root = _read_object(schema)
    for key in _NEEDED_AT_ROOT:
        if key in root and json_text.is_null(root[key]):
            del root[key]
    if "type" in root and "properties" in root and _ROOT_CHANGES.isdisjoint(root):
        return _with_array_items(schema), description
    for key in _DROPPED_AT_ROOT:
        root.pop(key, None)
    refused = {key: root.pop(key) for key in _REFUSED_AT_ROOT if key in root}
    if refused:
        _merge_variants(root, refused)
        original = json_text.compact(Raw(_encode(refused)))
        description = _with_sentence(description, f"The input must also match this JSON schema: {original}")
    if "type" not in root:
        root = {"type": _OBJECT_TYPE, **root}
    root.setdefault("properties", _EMPTY_OBJECT)
    return _with_array_items(Raw(_encode(root))), description


def _with_sentence(description: Raw, sentence: str) -> Raw:
    added = json_text.quote(sentence)
    if json_text.is_empty(description):
        return added
    return json_text.concat(description, b"\\n\\n", added)


def _merge_variants(root: dict[str, Raw], refused: dict[str, Raw]) -> None:
    lists = [refused[key] for key in _VARIANTS if key in refused]
    variants = [
        _read_object(variant)
        for variant in chain.from_iterable(_read_list(raw) for raw in lists if _begins(raw) == _OPEN_LIST)
        if _begins(variant) == _OPEN_OBJECT
    ]
    if not variants:
        return
    properties: dict[str, Raw] = {}
    for schema in (root, *variants):
        own = schema.get("properties")
        if own is not None and _begins(own) == _OPEN_OBJECT:
            for name, value in _read_object(own).items():
                properties.setdefault(name, value)
    root["properties"] = Raw(_encode(properties))
    others = [frozenset(_required(variant)) for variant in variants[1:]]
    common = [name for name in _required(variants[0]) if all(name in other for other in others)]
    required = list(dict.fromkeys((*_required(root), *common)))
    if required:
        root["required"] = Raw(_encode(required))


def _required(schema: dict[str, Raw]) -> list[str]:
    names = schema.get("required")
    found = _read_any(names) if names is not None else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _with_array_items(schema: Raw) -> Raw:
    """Add ``"items":{}`` to every array node without ``items``; return the same object if there is none."""
    if b'"array"' not in bytes(schema):
        return schema
    if _begins(schema) == _OPEN_LIST:
        before = _read_list(schema)
        after = [_with_array_items(value) for value in before]
        return schema if all(map(_is_same, before, after)) else Raw(_encode(after))
    if _begins(schema) != _OPEN_OBJECT:
        return schema
    node = _read_object(schema)
    changed = {key: _with_items_below(key, value) for key, value in node.items() if key not in _DATA}
    if "items" not in node and _is_array_type(node.get("type")):
        changed["items"] = _EMPTY_OBJECT
    elif all(value is node[key] for key, value in changed.items()):
        return schema
    return Raw(_encode({**node, **changed}))


def _with_items_below(key: str, value: Raw) -> Raw:
    if key not in _SCHEMA_MAPS or _begins(value) != _OPEN_OBJECT or b'"array"' not in bytes(value):
        return _with_array_items(value)
    before = _read_object(value)
    after = {name: _with_array_items(schema) for name, schema in before.items()}
    return value if all(map(_is_same, before.values(), after.values())) else Raw(_encode(after))


def _is_same(one: Raw, other: Raw) -> bool:
    return one is other


def _is_array_type(value: Raw | None) -> bool:
    if value is None:
        return False
    found = _read_any(value)
    return found == "array" or (isinstance(found, list) and "array" in found)


def is_strict_schema(schema: Raw) -> bool:
    """Tell whether the upstream's strict mode can take a schema (wire-mapping 1.8)."""
    return all(map(_is_strict_node, _nodes(_read_any(schema))))


def _is_strict_node(node: dict[str, Any]) -> bool:
    if not _NEVER_STRICT.isdisjoint(node):
        return False
    kind = node.get("type")
    is_object = "properties" in node or kind == "object" or (isinstance(kind, list) and "object" in kind)
    if not is_object:
        return True
    properties, required = node.get("properties") or {}, node.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        return False
    named = frozenset(name for name in required if isinstance(name, str))
    return node.get("additionalProperties") is False and named.issuperset(properties)


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema in a schema, itself first."""
    if isinstance(schema, list):
        for entry in schema:
            yield from _nodes(entry)
    elif isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key in _DATA:
                continue
            below: Iterable[Any] = (
                value.values() if key in _SCHEMA_MAPS and isinstance(value, dict) else (value,)
            )
            for entry in below:
                yield from _nodes(entry)
