"""Tools of a Chat request and the choice among them (wire-mapping 6.1)."""

import json
from typing import Any

import pytest

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
EMPTY = {"type": "object", "properties": {}}
LONG_NAME = "mcp__plugin_very_long_vendor_name_server__search_documents_by_semantic_similarity_v2"
MAPPED = "mcp__plugin_very_long_vendo_s_by_semantic_similarity_v2_461731fc"
SEARCH = {"type": "web_search"}


def _function(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def _custom(name: str = "c", **more: Any) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": name, **more}}


def _flat(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "description": "", "parameters": EMPTY, "strict": False, **more}


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (_function(description="D", parameters=SCHEMA), _flat(description="D", parameters=SCHEMA)),
        (_function(), _flat()),
        (_function(parameters=None, description=None, strict=None), _flat()),
        (_function(parameters={"type": "object"}), _flat()),
        (_function(parameters={**EMPTY, "$schema": "x"}), _flat()),
        (
            _function(parameters={"type": "object", "properties": {"a": {"type": "array"}}}),
            _flat(parameters={"type": "object", "properties": {"a": {"type": "array", "items": {}}}}),
        ),
        (
            _function(parameters={"$schema": "x", **SCHEMA}, strict=True),
            _flat(parameters={"$schema": "x", **SCHEMA}, strict=True),
        ),
        (_function(strict=True), _flat()),
        (_function(LONG_NAME), _flat(MAPPED)),
        (_custom(), {"type": "custom", "name": "c"}),
        (_custom(LONG_NAME, description="D"), {"type": "custom", "name": MAPPED, "description": "D"}),
        (_custom(format={"type": "text"}), {"type": "custom", "name": "c", "format": {"type": "text"}}),
        (
            _custom(format={"type": "grammar", "grammar": {"definition": "start: A", "syntax": "lark", "x": 1}}),
            {
                "type": "custom",
                "name": "c",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"},
            },
        ),
        ({"type": "web_search", "search_context_size": "low"}, {"type": "web_search", "search_context_size": "low"}),
        ({"type": "web_search_preview", "x": 1.10}, {"type": "web_search", "x": 1.10}),
        ({"type": "web_search_preview_2025_03_11"}, {"type": "web_search"}),
        ({"type": "web_search_2025_08_26"}, {"type": "web_search_2025_08_26"}),
        ({"type": "code_interpreter", "container": {"type": "auto"}},
         {"type": "code_interpreter", "container": {"type": "auto"}}),
    ],
    ids=["function", "bare function", "nulls", "no properties", "schema keyword", "array", "strict", "strict without schema",
         "long name", "custom", "custom with long name", "text format", "grammar", "search", "preview", "dated preview",
         "dated search", "built-in"],
)  # fmt: skip
def test_tools(translate: Any, tool: dict[str, Any], expected: dict[str, Any]) -> None:
    """What each kind of tool becomes."""
    sent = translate(tools=[tool])
    assert ([expected], "auto", True) == (sent["tools"], sent["tool_choice"], sent["parallel_tool_calls"])


def test_tools_keep_their_order(translate: Any) -> None:
    """Functions, custom tools and built-in ones stay where they were."""
    tools = [_custom("a"), SEARCH, _function("b"), {"type": "file_search"}]
    assert ["custom", "web_search", "function", "file_search"] == [
        tool["type"] for tool in translate(tools=tools)["tools"]
    ]


def test_without_tools_nothing_is_said_of_them(translate: Any) -> None:
    """The upstream refuses a choice without tools."""
    sent = translate(tools=[], tool_choice="auto", parallel_tool_calls=False)
    assert set() == {"tools", "tool_choice", "parallel_tool_calls"} & set(sent)


def test_a_repeated_tool_counts_once(translate: Any) -> None:
    """Clients that collect tools from several places send some twice, and Chat does not mind."""
    sent = translate(tools=[_function("a"), _custom("c"), _function("b"), _function("a"), _custom("c")])
    assert ["a", "c", "b"] == [tool["name"] for tool in sent["tools"]]
    older = translate(functions=[{"name": "a"}, {"name": "a", "description": None}])
    assert [_flat("a")] == older["tools"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, SEARCH),
        ({"search_context_size": "low"}, {**SEARCH, "search_context_size": "low"}),
        (
            {
                "user_location": {
                    "type": "approximate",
                    "approximate": {"type": 5, "city": "Wien", "country": "AT"},
                }
            },
            {**SEARCH, "user_location": {"type": "approximate", "city": "Wien", "country": "AT"}},
        ),
        (
            {"user_location": {"type": "approximate"}, "search_context_size": None},
            {**SEARCH, "user_location": {"type": "approximate"}},
        ),
        ({"user_location": None}, SEARCH),
    ],
    ids=["nothing", "size", "place", "no place", "null"],
)
def test_web_search_options_add_a_search(
    translate: Any, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The options stand for the upstream's own tool, behind the others."""
    assert [_flat(), expected] == translate(tools=[_function()], web_search_options=options)["tools"]
    assert [expected] == translate(web_search_options=options)["tools"]


def test_one_search_is_enough(translate: Any) -> None:
    """A list that searches already is left alone."""
    assert [SEARCH] == translate(tools=[SEARCH], web_search_options={"search_context_size": "low"})["tools"]


@pytest.mark.parametrize(
    ("tools", "choice", "expected"),
    [
        ([_function()], "none", "none"),
        ([_function()], "auto", "auto"),
        ([_function()], "required", "required"),
        ([_function()], None, "auto"),
        ([_function()], {"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        (
            [_function(LONG_NAME)],
            {"type": "function", "function": {"name": LONG_NAME}},
            {"type": "function", "name": MAPPED},
        ),
        ([_custom()], {"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        ([{"type": "web_search_preview"}], {"type": "web_search_preview_2025_03_11"}, SEARCH),
        ([{"type": "mcp", "server_label": "s"}], {"type": "mcp", "server_label": "s"}, {"type": "mcp", "server_label": "s"}),
        (
            [_function(), _function("g"), _custom(), SEARCH],
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [
                        {"type": "function", "function": {"name": "g"}},
                        {"type": "custom", "custom": {"name": "c"}},
                        {"type": "web_search_preview"},
                    ],
                },
            },
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "g"}, {"type": "custom", "name": "c"}, SEARCH],
            },
        ),
        (
            [_function()],
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [_function()]}},
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
    ids=["none", "auto", "required", "null", "function", "long name", "custom", "search", "built-in", "allowed",
         "allowed and required"],
)  # fmt: skip
def test_choices(translate: Any, tools: list[Any], choice: Any, expected: Any) -> None:
    """Each form of the choice, flattened as the upstream has it."""
    assert expected == translate(tools=tools, tool_choice=choice)["tool_choice"]


def test_a_search_by_options_can_be_chosen(translate: Any) -> None:
    """It is a tool like one of the list."""
    assert SEARCH == translate(web_search_options={}, tool_choice=SEARCH)["tool_choice"]


ALLOWED = "tool_choice.allowed_tools"


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"tools": {}}, "tools", "tools: expected array or null, got object"),
        ({"tools": [{}]}, "tools[0].type", "tools[0].type: field required"),
        ({"tools": [{"type": 5}]}, "tools[0].type", "tools[0].type: expected string, got integer"),
        ({"tools": [_custom(), {"type": "function"}]}, "tools[1].function", "tools[1].function: field required"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom", "tools[0].custom: field required"),
        (
            {"tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
            "tools[0].function.name: field required",
        ),
        ({"tools": [_function("")]}, "tools[0].function.name", "tools[0].function.name: must be 1-128 characters"),
        ({"tools": [_custom("x" * 129)]}, "tools[0].custom.name", "tools[0].custom.name: must be 1-128 characters"),
        ({"functions": [{"name": ""}]}, "functions[0].name", "functions[0].name: must be 1-128 characters"),
        (
            {"tools": [_function(description=5)]},
            "tools[0].function.description",
            "tools[0].function.description: expected string, got number",
        ),
        (
            {"tools": [_function(strict="yes")]},
            "tools[0].function.strict",
            "tools[0].function.strict: expected boolean or null, got string",
        ),
        ({"tools": [_function(), _custom("f")]}, "tools", "tools: Tool names must be unique."),
        (
            {"functions": [{"name": "a"}, {"name": "a", "description": "b"}]},
            "functions",
            "functions: Tool names must be unique.",
        ),
        (
            {"tools": [_custom(format={"type": "xml"})]},
            "tools[0].custom.format.type",
            "tools[0].custom.format.type: must be text or grammar",
        ),
        (
            {"tools": [_custom(description=5)]},
            "tools[0].custom.description",
            "tools[0].custom.description: expected string, got number",
        ),
        (
            {"tools": [_custom(format={"type": "grammar"})]},
            "tools[0].custom.format.grammar",
            "tools[0].custom.format.grammar: field required",
        ),
        (
            {"tools": [_custom(format={"type": "grammar", "grammar": {"syntax": "lark"}})]},
            "tools[0].custom.format.grammar.definition",
            "tools[0].custom.format.grammar.definition: field required",
        ),
        ({"tool_choice": "any"}, "tool_choice", "tool_choice: must be one of none, auto, required, or an object"),
        ({"tool_choice": 5}, "tool_choice", "tool_choice: expected object, got integer"),
        ({"tool_choice": {}}, "tool_choice.type", "tool_choice.type: field required"),
        ({"tool_choice": "required"}, "tool_choice", "tool_choice requires at least one usable tool"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            "tool_choice",
            "tool_choice requires at least one usable tool",
        ),
        (
            {"tools": [_function()], "tool_choice": {"type": "function"}},
            "tool_choice.function",
            "tool_choice.function: field required",
        ),
        (
            {"tools": [_function()], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tool_choice.function.name",
            'tool_choice.function.name: tool "g" not found in tools',
        ),
        (
            {"tools": [_function()], "tool_choice": {"type": "custom"}},
            "tool_choice.custom",
            "tool_choice.custom: field required",
        ),
        (
            {"tools": [_function()], "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
            "tool_choice.custom.name",
            'tool_choice.custom.name: tool "f" not found in tools',
        ),
        (
            {"tools": [_function()], "tool_choice": SEARCH},
            "tool_choice.type",
            'tool_choice.type: tool "web_search" not found in tools',
        ),
        ({"tools": [_function()], "tool_choice": {"type": "allowed_tools"}}, ALLOWED, f"{ALLOWED}: field required"),
        (
            {"tools": [_function()], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            f"{ALLOWED}.tools",
            f"{ALLOWED}.tools: at least one tool is required",
        ),
        (
            {"tools": [_function()], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "any", "tools": []}}},
            f"{ALLOWED}.mode",
            f"{ALLOWED}.mode: must be auto or required",
        ),
        (
            {
                "tools": [_function()],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [_function(), SEARCH]}},
            },
            f"{ALLOWED}.tools[1].type",
            f'{ALLOWED}.tools[1].type: tool "web_search" not found in tools',
        ),
        (
            {
                "tools": [_function()],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{}]}},
            },
            f"{ALLOWED}.tools[0].type",
            f"{ALLOWED}.tools[0].type: field required",
        ),
        (
            {"functions": [{"name": "f"}], "function_call": "required"},
            "function_call",
            "function_call: must be one of none, auto, or an object",
        ),
        (
            {"functions": [{"name": "f"}], "function_call": {"name": "g"}},
            "function_call.name",
            'function_call.name: function "g" not found in functions',
        ),
        ({"functions": [{"name": "f"}], "function_call": {}}, "function_call.name", "function_call.name: field required"),
        ({"function_call": {"name": "f"}}, "function_call", "function_call requires functions"),
        (
            {"functions": [{"name": "f"}], "tool_choice": "required"},
            "tool_choice",
            "tool_choice requires tools",
        ),
    ],
)  # fmt: skip
def test_refusals_name_the_place(translate: Any, fields: dict[str, Any], field: str, message: str) -> None:
    """A wrong tool or choice is refused with its path, in OpenAI's notation."""
    assert (field, message) == translate.refusal(**fields)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (None, "auto"),
        ("auto", "auto"),
        ("none", "none"),
        ({"name": LONG_NAME}, {"type": "function", "name": MAPPED}),
    ],
    ids=["absent", "auto", "none", "named"],
)
def test_the_older_form(translate: Any, call: Any, expected: Any) -> None:
    """``functions`` and ``function_call`` are tools and a choice like any other, but for one call at a time."""
    sent = translate(functions=[{"name": LONG_NAME, "parameters": SCHEMA}], function_call=call)
    assert [_flat(MAPPED, parameters=SCHEMA)] == sent["tools"]
    assert (expected, False) == (sent["tool_choice"], sent["parallel_tool_calls"])


@pytest.mark.parametrize("form", ["tools", "functions"])
@pytest.mark.parametrize("asked", [True, False])
def test_parallel_calls_are_as_asked(translate: Any, form: str, asked: bool) -> None:
    """The client's own word counts in both forms."""
    tools: dict[str, Any] = {"tools": {"tools": [_function()]}, "functions": {"functions": [{"name": "f"}]}}[
        form
    ]
    assert asked is translate(**tools, parallel_tool_calls=asked)["parallel_tool_calls"]


def test_a_literal_name_that_equals_a_mapped_one(translate: Any) -> None:
    """The names stay different, in the list, in the choice and in the history."""
    named = {"type": "function", "function": {"name": LONG_NAME}}
    history = {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": LONG_NAME, "arguments": "{}"}}],
    }
    done = translate.full(
        tools=[_function(MAPPED), _function(LONG_NAME), _custom("c")], tool_choice=named, messages=[history]
    )
    sent = json.loads(done.body)
    literal, mapped, _ = (tool["name"] for tool in sent["tools"])
    assert MAPPED == literal != mapped
    assert [mapped, mapped] == [sent["tool_choice"]["name"], sent["input"][0]["name"]]
    assert {mapped: LONG_NAME} == done.stream_facts.original_names


def test_equal_lists_give_equal_bytes(translate: Any) -> None:
    """What else the request says does not change the tools: the upstream's cached prefix holds."""
    tools = [_function("a", parameters=SCHEMA), _custom(), SEARCH]
    one, other = (
        translate.full(tools=tools, **more).body.partition(b'"tools":')[2].partition(b',"tool_choice"')[0]
        for more in ({}, {"tool_choice": "none", "model": "x", "max_tokens": 5})
    )
    assert one == other
