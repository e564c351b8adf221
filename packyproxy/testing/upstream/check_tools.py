"""Checks ``tools`` and ``tool_choice`` as the Responses API does."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packyproxy.testing.upstream.refusals import (
    check_keys,
    check_length,
    check_type,
    field,
    invalid,
    invalid_value,
)

__all__ = [
    "LONGEST_NAME",
    "LONGEST_NAME_IN_NAMESPACE",
    "check_name",
    "check_strict_schema",
    "check_tool_choice",
    "check_tools",
]

_NAME = re.compile(r"[a-zA-Z0-9_-]+")

_KEYS = {
    "function": frozenset({"type", "name", "description", "parameters", "strict"}),
    "custom": frozenset({"type", "name", "description", "format"}),
    "web_search": frozenset(
        {
            "type",
            "filters",
            "user_location",
            "search_context_size",
            "external_web_access",
            "search_content_types",
        }
    ),
    "namespace": frozenset({"type", "name", "description", "tools"}),
}

_HOSTED = (
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "shell",
    "tool_search",
    "web_search_2025_08_26",
    "web_search_preview",
)
_TYPES = tuple(sorted((*_KEYS, *_HOSTED)))
_NAMED = ("function", "custom", "namespace")
_IN_NAMESPACES = ("function", "custom")

_NOT_AT_ROOT = ("oneOf", "anyOf", "allOf", "enum", "not")
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf")
_SCHEMA_MAPS = ("properties", "$defs", "definitions", "patternProperties")

LONGEST_NAME = 64
LONGEST_NAME_IN_NAMESPACE = 128
"""The Codex CLI sends names of MCP tools as they are, and its back end takes them."""

_Path = tuple[str, ...]


def check_name(name: str, param: str, *, longest: int = LONGEST_NAME) -> None:
    """Refuse a tool name that is empty, too long, or has other than the allowed characters."""
    check_length(name, param, longest)
    if not _NAME.fullmatch(name):
        pattern = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        raise invalid(f"Invalid '{param}': string does not match pattern. {pattern}", param)


def check_tools(tools: object, where: str = "tools") -> None:
    """Refuse a list of tools that the API would not take."""
    check_type(tools, list, where)
    assert isinstance(tools, list)
    _check_list(tools, where, _TYPES, LONGEST_NAME)


def check_tool_choice(choice: object, tools: Sequence[Mapping[str, Any]] | None) -> None:
    """Refuse a choice among tools that are not there.

    No list and an empty one are told apart: the Codex CLI asks for summaries with the latter and ``auto``.
    """
    check_type(choice, (str, dict), "tool_choice")
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            raise invalid_value(choice, ("none", "auto", "required"), "tool_choice")
        if tools is None or (choice == "required" and not tools):
            raise invalid(f"Tool choice '{choice}' must be specified with 'tools' parameter.", "tool_choice")
        return
    assert isinstance(choice, dict)
    kind = field(choice, "type", str, "tool_choice")
    if kind == "allowed_tools":
        if field(choice, "mode", str, "tool_choice") not in ("auto", "required"):
            raise invalid_value(choice["mode"], ("auto", "required"), "tool_choice.mode")
        wanted = field(choice, "tools", list, "tool_choice")
    else:
        wanted = [choice]
    for tool in wanted:
        check_type(tool, dict, "tool_choice.tools")
        _check_wanted(tool, tools or ())


def check_strict_schema(schema: Mapping[str, Any], subject: str, param: str, code: str) -> None:
    """Refuse a schema that does not keep the rules of ``strict``."""
    for path, node in _nodes(schema, ()):
        if not _is_object(node):
            continue
        context = f"Invalid schema for {subject}: In context={path!r}, "
        if node.get("additionalProperties") is not False:
            raise invalid(
                f"{context}'additionalProperties' is required to be supplied and to be false.", param, code
            )
        properties, required = node.get("properties", {}), node.get("required", [])
        absent = [name for name in properties if name not in required]
        if absent:
            text = (
                "'required' is required to be supplied and to be an array including every key in properties. "
            )
            raise invalid(f"{context}{text}Missing '{absent[0]}'.", param, code)


def _check_list(tools: Sequence[Any], param: str, allowed: Sequence[str], longest_name: int) -> None:
    names: set[str] = set()
    for number, tool in enumerate(tools):
        where = f"{param}[{number}]"
        check_type(tool, dict, where)
        kind = field(tool, "type", str, where)
        if kind not in allowed:
            raise invalid_value(kind, allowed, where)
        if kind in _KEYS:
            check_keys(tool, _KEYS[kind], where)
        if kind in _NAMED:
            name = field(tool, "name", str, where)
            check_name(name, f"{where}.name", longest=longest_name)
            if name in names:
                raise invalid("Tool names must be unique.", param)
            names.add(name)
        if kind == "function":
            _check_function(tool, where)
        elif kind == "namespace":
            field(tool, "description", str, where)
            inner = field(tool, "tools", list, where)
            _check_list(inner, f"{where}.tools", _IN_NAMESPACES, LONGEST_NAME_IN_NAMESPACE)


def _check_wanted(wanted: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> None:
    kind = field(wanted, "type", str, "tool_choice")
    name = field(wanted, "name", str, "tool_choice") if kind in ("function", "custom") else None
    if not any(tool.get("type") == kind and (name is None or tool.get("name") == name) for tool in tools):
        raise invalid(f"Tool choice '{name or kind}' not found in 'tools' parameter.", "tool_choice")


def _check_function(tool: Mapping[str, Any], where: str) -> None:
    if tool.get("description") is not None:
        check_type(tool["description"], str, f"{where}.description")
    if tool.get("strict") is not None:
        check_type(tool["strict"], bool, f"{where}.strict")
    schema = field(tool, "parameters", dict, where)
    param, code = f"{where}.parameters", "invalid_function_parameters"
    subject = f"function '{tool['name']}'"
    start = f"Invalid schema for {subject}: "
    kind = schema.get("type")
    if kind != "object":
        shown = "None" if kind is None else kind
        raise invalid(
            f"{start}schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{shown}\"'.",
            param,
            code,
        )
    if any(key in schema for key in _NOT_AT_ROOT):
        rule = "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not'"
        raise invalid(f"{start}{rule} at the top level.", param, code)
    if not isinstance(schema.get("properties"), dict):
        raise invalid(f"{start}In context=(), object schema missing properties.", param, code)
    for path, node in _nodes(schema, ()):
        if node.get("type") == "array" and "items" not in node:
            raise invalid(f"{start}In context={path!r}, array schema missing items.", param, code)
    if tool.get("strict"):
        check_strict_schema(schema, subject, param, code)


def _is_object(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _nodes(schema: object, path: _Path) -> Iterator[tuple[_Path, Mapping[str, Any]]]:
    """Yield every schema object with its path, outermost first."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key in _SCHEMA_MAPS:
        children = schema.get(key)
        if isinstance(children, dict):
            for name, child in children.items():
                yield from _nodes(child, (*path, key, name))
    for key in _SCHEMA_LISTS:
        children = schema.get(key)
        if isinstance(children, list):
            for number, child in enumerate(children):
                yield from _nodes(child, (*path, key, str(number)))
    yield from _nodes(schema.get("items"), (*path, "items"))
    yield from _nodes(schema.get("additionalProperties"), (*path, "additionalProperties"))
