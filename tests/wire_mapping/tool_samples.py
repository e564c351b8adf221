"""Samples for the table of tools, 1.7: what each row is tried with."""

import re
from typing import Any

from tests.wire_mapping.page import Row, names, section
from tests.wire_mapping.trying import Sample, asked

__all__ = [
    "LS",
    "NAMED_TOOL_ROWS",
    "SCHEMA",
    "SCHEMAS",
    "TOOLS",
    "Tool",
    "samples_of",
    "tools",
    "types_of",
    "web",
]

Tool = dict[str, Any]

SCHEMA: Tool = {"type": "object", "properties": {}}
LS: Tool = {"name": "ls", "input_schema": SCHEMA}
TOOLS, SCHEMAS = section("1.7").tables


def tools(*entries: Tool, choice: Any = None) -> Sample:
    return asked(tools=list(entries), **({} if choice is None else {"tool_choice": choice}))


def web(kind: str, **fields: Any) -> Tool:
    return {"type": kind, "name": kind.rpartition("_")[0], **fields}


def types_of(row: Row) -> list[str]:
    """Return the types that a row is about: a span that begins with ``_`` is another ending of the first one."""
    found: list[str] = []
    for name in names(row[0]):
        if name.startswith("_"):
            stem = re.sub(r"_(?:\d+|\*)$", "", found[0])
            found.append(stem + name)
        else:
            found.append(name)
    return [each.replace("*", "20990101") for each in found]


NAMED_TOOL_ROWS: dict[str, list[Sample]] = {
    "client tool: `type` absent, null or `custom`, with `input_schema`": [
        tools(LS),
        tools({**LS, "type": None}),
        tools({**LS, "type": "custom"}),
    ],
    "`web_search_*`": [
        tools(
            web("web_search_20250305", allowed_domains=["x.example"], user_location={"type": "approximate"})
        ),
    ],
    "`web_fetch_*`": [tools(web("web_fetch_20250910"))],
    "`code_execution_*`": [
        tools(web("code_execution_20250825")),
        tools(LS, web("code_execution_20250825"), choice={"type": "tool", "name": "code_execution"}),
    ],
    "`tool_search_tool_*`": [tools(web("tool_search_tool_regex_20251119"))],
    "`computer_toolset_*`, `browser_toolset_*`": [
        tools(web("computer_toolset_20260101")),
        tools(web("browser_toolset_20260101")),
    ],
    "`advisor_*`": [tools(web("advisor_20260301"))],
    "`mcp_toolset`": [tools({"type": "mcp_toolset", "mcp_server_name": "s"})],
    "any other `type`": [tools({**LS, "type": "x_1"}), tools({"type": "x_1", "name": "x"})],
}


def samples_of(row: Row) -> list[Sample]:
    head = re.sub(r" \(.*", "", row[0])
    if head in NAMED_TOOL_ROWS:
        return NAMED_TOOL_ROWS[head]
    return [tools({"type": kind, "name": "x"}) for kind in types_of(row)]
