"""The tables of tools, 1.7, 1.8, 2.4 and 3.1: every type of tool has its row, every row is tried."""

import json
import re
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.messages.typed_tools import typed_tool
from packyproxy.wire.messages import ToolDefinition
from tests.wire_mapping.page import Row, names, pattern_of, refusals, section, spans, verdicts
from tests.wire_mapping.tool_samples import (
    LS,
    NAMED_TOOL_ROWS,
    SCHEMA,
    SCHEMAS,
    TOOLS,
    Tool,
    samples_of,
    tools,
    types_of,
    web,
)
from tests.wire_mapping.trying import asked, send, sent

each_row = pytest.mark.parametrize("row", [pytest.param(row, id=row[0][:40]) for row in TOOLS])


def test_every_tool_row_is_known() -> None:
    """The tests know all rows; those that they do not name are of tools whose schema is built in."""
    rest = [row for row in TOOLS if re.sub(r" \(.*", "", row[0]) not in NAMED_TOOL_ROWS]
    assert (len(TOOLS), True) == (
        len(NAMED_TOOL_ROWS) + len(rest),
        all(typed_tool(kind) is not None for row in rest for kind in types_of(row)),
    )


@each_row
def test_what_becomes_of_tools(row: Row) -> None:
    """A tool is emitted, dropped, warned of or refused just as its row says."""
    found = [send("messages", sample) for sample in samples_of(row)]
    details = {"drop"} if "dropped" in row[1] else set()  # of the fields of a tool that is emitted
    assert verdicts(row[1]) - details == set().union(*(each.verdicts for each in found))


@each_row
def test_tokens_and_refusals_of_tools(row: Row) -> None:
    """A token after warn is the one that the client gets, a text after 400 the message."""
    found = [send("messages", sample) for sample in samples_of(row)]
    warned = re.findall(r"\bwarn `(\w+)`", row[1])
    patterns = [pattern_of(text) for text in refusals(row[1])]
    assert (warned, []) == (
        sorted({token for each in found for token in each.warnings}),
        [pattern for pattern in patterns if not any(re.search(pattern, each.refusal) for each in found)],
    )


def test_plain_tool() -> None:
    """A client tool has the keys of its row."""
    body, _ = sent("messages", tools(LS))
    assert re.findall(r'"(\w+)":', TOOLS[0][1]) == list(body["tools"][0])


def test_web_search() -> None:
    """A web search has what its row keeps and nothing of what it drops, and the sources are asked for."""
    dropped = re.search(r"`([\w, ]+)` dropped", TOOLS[1][1])
    assert dropped
    lost = dict.fromkeys(dropped[1].split(", "))
    body, _ = sent("messages", tools(web("web_search_20250305", allowed_domains=["x.example"], **lost)))
    assert ([{"type": "web_search", "filters": {"allowed_domains": ["x.example"]}}], True) == (
        body["tools"],
        spans(TOOLS[1][1])[-1] in body["include"],
    )


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row[0]) for row in TOOLS if "emit function `" in row[1]]
)
def test_built_in_schemas(row: Row) -> None:
    """A typed tool is the function of its row: its name, its properties, their values, and what is required."""
    form, _, needed = row[1].partition("required")
    base = next((each[1] for each in TOOLS if "the same without" in form and "undo_edit" in each[1]), form)
    required = [] if "none required" in row[1] else names(needed.partition(";")[0])
    if base is not form:
        required = names(base.partition("required")[2])
    properties = names(re.sub(r"emit function `\w+`", "", base.partition("required")[0]))
    commands = re.search(r"one of ([\w, ]+);", base)
    for kind in types_of(row):
        body, _ = sent("messages", tools({"type": kind, "name": "x"}))
        function = body["tools"][0]
        schema = function["parameters"]
        wanted = commands[1].split(", ") if commands else None
        if base is not form and wanted:
            wanted.remove("undo_edit")
        command = schema["properties"].get("command", {}).get("enum")
        assert (spans(form)[0], sorted(properties), required, wanted) == (
            function["name"],
            sorted(schema["properties"]),
            schema.get("required", []),
            command,
        )


def test_fields_of_tools_have_a_place() -> None:
    """What the code reads of a tool is named in 1.7; the size of a display is told in words."""
    words = set(re.findall(r"\w+", section("1.7").text))
    assert set(ToolDefinition.__struct_fields__) - {"display_width_px", "display_height_px"} <= words
    assert "width×height" in section("1.7").text


BAD_SCHEMAS: list[tuple[str, Any, Any]] = [
    ("no schema", None, SCHEMA),
    ("no `type`", {"type": None, "properties": {}}, SCHEMA),
    ("no `properties`", {"type": "object", "properties": None}, SCHEMA),
    ("`$schema`", {"$schema": "x", "$id": "y", **SCHEMA}, SCHEMA),
    (
        "`anyOf`",
        {
            "type": "object",
            "anyOf": [
                {"properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
                {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
            ],
        },
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    ),
    (
        '`type:"array"`',
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {}}}},
    ),
    (
        "anything else",
        {"type": "object", "properties": {"a": {"format": "x"}}},
        {"type": "object", "properties": {"a": {"format": "x"}}},
    ),
]


@pytest.mark.parametrize(("start", "schema", "mended"), BAD_SCHEMAS, ids=[case[0] for case in BAD_SCHEMAS])
def test_schemas_are_mended(start: str, schema: Any, mended: Any) -> None:
    """A schema is changed as its row says."""
    body, _ = sent("messages", tools({"name": "ls", "input_schema": schema}))
    assert mended == body["tools"][0]["parameters"]


def test_every_schema_row_is_tried() -> None:
    """The tests know all rows of the table of schemas."""
    assert [True] * len(SCHEMAS) == [
        row[0].startswith(case[0]) for row, case in zip(SCHEMAS, BAD_SCHEMAS, strict=True)
    ]


CHOICES: list[tuple[str, list[Tool], Any]] = [
    ("absent, `auto`", [LS], {"type": "auto"}),
    ("`any`", [LS], {"type": "any"}),
    ("`none`", [LS], {"type": "none"}),
    ("`tool` naming a function", [LS], {"type": "tool", "name": "ls"}),
    ("`tool` naming a `web_search_*`", [web("web_search_20250305")], {"type": "tool", "name": "web_search"}),
    ("`tool` naming an unknown tool", [LS], {"type": "tool", "name": "x"}),
    ("`any` or `tool`, and no tool survives", [], {"type": "any"}),
    ("another type", [LS], {"type": "x"}),
]


@pytest.mark.parametrize(
    ("row", "case"),
    list(zip(section("1.8").table(), CHOICES, strict=True)),
    ids=[case[0] for case in CHOICES],
)
def test_choices(row: Row, case: tuple[str, list[Tool], Any]) -> None:
    """A choice becomes what stands in its row, or is refused in its words."""
    start, entries, choice = case
    assert row[0].startswith(start)
    sample = tools(*entries, choice=choice)
    if "400" in row[1]:
        with pytest.raises(InvalidRequest) as refused:
            sent("messages", sample)
        assert all(re.search(pattern_of(text), refused.value.message) for text in refusals(row[1]))
    else:
        body, _ = sent("messages", sample)
        assert json.loads(spans(row[1])[0].replace("<mapped>", '"ls"')) == body["tool_choice"]


def test_choice_of_a_search_among_others() -> None:
    """The second form of the row of searches is the one beside other tools."""
    row = section("1.8").table()[4]
    body, _ = sent(
        "messages", tools(LS, web("web_search_20250305"), choice={"type": "tool", "name": "web_search"})
    )
    assert json.loads(spans(row[1])[1]) == body["tool_choice"]


@pytest.mark.parametrize(
    "keyword", re.findall(r"`(\w+)`", section("1.8").prose.partition("nowhere occurs")[2].partition(".")[0])
)
def test_what_forbids_strict(keyword: str) -> None:
    """A keyword that 1.8 names makes a schema not strict, though the client says it is."""
    strict = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    odd = {**strict, "properties": {"a": {"type": "string", keyword: {}}}}
    found = [
        sent("messages", tools({"name": "ls", "input_schema": schema, "strict": True}))[0]["tools"][0][
            "strict"
        ]
        for schema in (strict, odd)
    ]
    assert found == [True, False]


SIGNATURES = [
    ("begins with `pp1.`, the scope is the attempt's", "pp1.1f2e3d4c5b.rs_1.gA"),
    ("begins with `pp1.`, another scope", "pp1.0000000000.rs_1.gA"),
    ("anything else", "gAAAA"),
]


@pytest.mark.parametrize(
    ("row", "case"),
    list(zip(section("2.4").table(), SIGNATURES, strict=True)),
    ids=[case[0] for case in SIGNATURES],
)
def test_signatures(row: Row, case: tuple[str, str]) -> None:
    """A signature becomes the item of its row, or nothing."""
    assert row[0].startswith(case[0])
    thinking = {"type": "thinking", "thinking": "", "signature": case[1]}
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "b"}]},
    ]
    body, _ = sent("messages", asked(messages=history))
    items = [item for item in body["input"] if item["type"] == "reasoning"]
    wanted = [json.loads(spans(row[1])[0].replace("enc}", '"gA"}'))] if "emit" in verdicts(row[1]) else []
    assert wanted == items


def test_unfit_names() -> None:
    """A name that is too long is refused in the words of 3.1."""
    row = next(row for row in section("3.1").table() if row[0].startswith("Empty"))
    longest = int(re.findall(r"\d+", row[0])[0])
    with pytest.raises(InvalidRequest, match=f"^{pattern_of(refusals(row[1])[0])}$"):
        sent("messages", tools({"name": "x" * (longest + 1), "input_schema": SCHEMA}))
