"""The tool list, the choice of a tool, deferral."""

import json
from typing import Any

import pytest

from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.translate.messages.protocol import MessagesProtocol
from packyproxy.translate.tool_names import map_tool_name

LONG = "mcp__plugin_very_long_vendor_name_server__search_documents_by_semantic_similarity_v2"
SHORT = "mcp__plugin_very_long_vendo_s_by_semantic_similarity_v2_461731fc"

SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
WEB = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}


def _tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": SCHEMA, **more}


def _function(name: str, description: str = "", strict: bool = False) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": SCHEMA,
        "strict": strict,
    }


CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (_tool("a", description="D"), _function("a", "D")),
        (_tool("a", type=None), _function("a")),
        (_tool("a", type="custom", description=None), _function("a")),
        (_tool("a", type="novel_20300101"), _function("a")),
        ({"name": "a"}, _function("a")),
        (_tool("a", cache_control={}, eager_input_streaming=True, allowed_callers=["direct"]), _function("a")),
        (_tool("a", strict=True), _function("a")),
        (_tool("a", strict=True, input_schema=CLOSED), {**_function("a", strict=True), "parameters": CLOSED}),
        (_tool("a", input_schema=CLOSED), {**_function("a"), "parameters": CLOSED}),
        (
            _tool("a", description="D", input_examples=[{"x": 1.5}, {}, {}, {"no": 1}]),
            _function("a", 'D\n\nExamples of valid input:\n{"x":1.5}\n{}\n{}'),
        ),
        (_tool("a", input_examples=None), _function("a")),
        (_tool("a", input_examples=[]), _function("a")),
        (_tool(LONG), _function(SHORT)),
        (WEB, {"type": "web_search"}),
        ({**WEB, "type": "web_search_20990101", "max_uses": 8, "strict": "odd"}, {"type": "web_search"}),
        (
            {**WEB, "allowed_domains": ["a.example"], "user_location": {"type": "approximate", "city": "Ulm"}},
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.example"]},
                "user_location": {"type": "approximate", "city": "Ulm"},
            },
        ),
        ({**WEB, "allowed_domains": [], "user_location": None}, {"type": "web_search"}),
        (FETCH, {"type": "web_search"}),
    ],
    ids=[
        "client tool", "null type", "custom", "unknown type with schema", "no schema", "dropped keys",
        "strict with an open schema", "strict", "closed but not asked", "examples", "no examples", "empty examples", "long name",
        "web search", "later web search", "web search with limits", "empty limits", "web fetch",
    ],
)  # fmt: skip
def test_tool_entries(tool: dict[str, Any], expected: dict[str, Any], translate: Any) -> None:
    """Each kind of entry has its form upstream, and nothing of Anthropic's reaches it."""
    assert [expected] == translate(tools=[tool])["tools"]


TYPED: list[tuple[str, str, list[str] | None, set[str]]] = [
    ("bash_20241022", "bash", None, {"command", "restart"}),
    ("bash_20250124", "bash", None, {"command", "restart"}),
    *(
        (kind, name, ["command", "path"], {"command", "path", "file_text", "old_str", "new_str", "insert_line", "insert_text", "view_range"})
        for kind, name in (
            ("text_editor_20241022", "str_replace_editor"),
            ("text_editor_20250124", "str_replace_editor"),
            ("text_editor_20250429", "str_replace_based_edit_tool"),
            ("text_editor_20250728", "str_replace_based_edit_tool"),
        )
    ),
    (
        "memory_20250818",
        "memory",
        ["command"],
        {"command", "path", "file_text", "old_str", "new_str", "insert_line", "insert_text", "old_path", "new_path", "view_range"},
    ),
    *(
        (kind, "computer", ["action"], {"action", "coordinate", "start_coordinate", "text", "scroll_direction", "scroll_amount", "duration", "region"})
        for kind in ("computer_20241022", "computer_20250124", "computer_20251124")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "required", "properties"), TYPED, ids=[row[0] for row in TYPED])
def test_typed_tools_become_functions(
    kind: str, name: str, required: list[str] | None, properties: set[str], translate: Any
) -> None:
    """A tool whose schema Anthropic defined is described to the model."""
    tool = translate(tools=[{"type": kind, "name": name}])["tools"][0]
    parameters = tool["parameters"]
    assert (name, required, properties) == (
        tool["name"],
        parameters.get("required"),
        set(parameters["properties"]),
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text_editor_20250124", ["view", "create", "str_replace", "insert", "undo_edit"]),
        ("text_editor_20250728", ["view", "create", "str_replace", "insert"]),
        ("memory_20250818", ["view", "create", "str_replace", "insert", "delete", "rename"]),
    ],
)
def test_commands_of_typed_tools(kind: str, expected: list[str], translate: Any) -> None:
    """The newer editor cannot undo; memory can delete and rename."""
    tool = translate(tools=[{"type": kind, "name": "t"}])["tools"][0]
    assert expected == tool["parameters"]["properties"]["command"]["enum"]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"display_width_px": 1024, "display_height_px": 768}, "1024 x 768"),
        ({"display_width_px": 1}, "screenshots."),
    ],
)
def test_computer_knows_its_display(size: dict[str, int], expected: str, translate: Any) -> None:
    """The size is in the description when both numbers were given."""
    tool = translate(tools=[{"type": "computer_20250124", "name": "computer", **size}])["tools"][0]
    assert expected in tool["description"]


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([{"input_schema": {}}], "tools.0.name: field required"),
        ([_tool("")], "tools.0.name: must be 1-128 characters"),
        ([_tool("a"), _tool("x" * 129)], "tools.1.name: must be 1-128 characters"),
        ([_tool("a"), _tool("a")], "tools: Tool names must be unique."),
        ([_tool("a", description=5)], "tools.0.description: expected string, got number"),
        ([_tool("a", input_examples=5)], "tools.0.input_examples: expected array, got integer"),
        ([_tool("a", strict="x")], "tools.0.strict: expected boolean or null, got string"),
        ([{"type": "novel_1", "name": "a"}], 'tools.0.type: "novel_1" is not supported by this gateway'),
        (
            [{"type": "computer_toolset_1", "name": "a"}],
            "tools.0.type: computer_toolset_1 is not supported by this gateway",
        ),
        ([{"type": "browser_toolset_1"}], "tools.0.type: browser_toolset_1 is not supported by this gateway"),
        (
            [{"type": "mcp_toolset"}],
            "tools.0.type: mcp_toolset is not supported by this gateway: run MCP servers on the client side",
        ),
        ([{**WEB, "allowed_domains": [5]}], "tools.0.allowed_domains.0: expected string, got integer"),
        ([{**WEB, "blocked_domains": "x"}], "tools.0.blocked_domains: expected array or null, got string"),
    ],
)
def test_refused_tools(tools: list[dict[str, Any]], expected: str, translate: Any) -> None:
    """The refusal names the entry."""
    assert expected == translate.refusal(tools=tools).message


@pytest.mark.parametrize(
    ("tool", "token"),
    [
        ({"type": "code_execution_20250825", "name": "code_execution"}, "code_execution"),
        ({"type": "advisor_20260301", "name": "advisor"}, "advisor"),
        (_tool("b", allowed_callers=["code_execution_20250825"]), "allowed_callers"),
    ],
)
def test_unusable_tools_are_dropped_with_a_warning(tool: dict[str, Any], token: str, translate: Any) -> None:
    """What nobody could run is not offered."""
    done = translate.full(tools=[_tool("a"), tool])
    assert ([_function("a")], (token,)) == (json.loads(done.body)["tools"], done.warnings)


def test_search_and_fetch_are_one_tool(translate: Any) -> None:
    """The upstream's search reads pages too; it stands where the first stood and has the search's limits."""
    search = {**WEB, "allowed_domains": ["a.example"], "blocked_domains": ["b.example"]}
    done = translate.full(tools=[FETCH, _tool("a"), search])
    body = json.loads(done.body)
    assert [{"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}, _function("a")] == body[
        "tools"
    ]
    assert ["reasoning.encrypted_content", "web_search_call.action.sources"] == body["include"]
    assert (("b.example",), ("web_fetch",)) == (done.stream_facts.blocked_domains, done.warnings)


def test_web_search_needs_the_capability(translate: Any) -> None:
    """A provider without it cannot be asked."""
    refused = translate.refusal(tools=[WEB], target={"capabilities": {"web_search": False}})
    assert refused.message == "web_search is not available on any configured provider"


ABSENT = None
ANY = {"type": "any"}


@pytest.mark.parametrize(
    ("tools", "choice", "expected"),
    [
        ([_tool("a")], ABSENT, "auto"),
        ([_tool("a")], {"type": "auto"}, "auto"),
        ([_tool("a")], ANY, "required"),
        ([_tool("a")], {"type": "none"}, "none"),
        ([_tool("a")], {"type": "tool", "name": "a"}, {"type": "function", "name": "a"}),
        ([_tool(LONG)], {"type": "tool", "name": LONG}, {"type": "function", "name": SHORT}),
        ([WEB], {"type": "tool", "name": "web_search"}, "required"),
        ([WEB, FETCH], {"type": "tool", "name": "web_fetch"}, "required"),
        (
            [WEB, _tool("a")],
            {"type": "tool", "name": "web_search"},
            {"type": "allowed_tools", "tools": [{"type": "web_search"}], "mode": "required"},
        ),
        ([_tool("web_search")], {"type": "tool", "name": "web_search"}, {"type": "function", "name": "web_search"}),
        ([{"type": "bash_20250124", "name": "bash"}], {"type": "tool", "name": "bash"}, {"type": "function", "name": "bash"}),
    ],
    ids=[
        "absent", "auto", "any", "none", "function", "mapped", "only web search", "search or fetch", "search and others",
        "client tool called web_search", "typed",
    ],
)  # fmt: skip
def test_tool_choice(
    tools: list[dict[str, Any]], choice: dict[str, Any] | None, expected: Any, translate: Any
) -> None:
    """Each choice has its form upstream."""
    assert expected == translate(tools=tools, tool_choice=choice)["tool_choice"]


NEEDS_ONE = "tool_choice requires at least one usable tool"


@pytest.mark.parametrize(
    ("tools", "choice", "expected"),
    [
        ([], ANY, NEEDS_ONE),
        (None, ANY, NEEDS_ONE),
        ([], {"type": "tool", "name": "a"}, NEEDS_ONE),
        ([{"type": "code_execution_1", "name": "c"}], {"type": "tool", "name": "c"}, NEEDS_ONE),
        ([_tool("a")], {"type": "tool", "name": "b"}, 'tool_choice.name: tool "b" not found in tools'),
        ([_tool("a")], {"type": "tool"}, "tool_choice.name: field required"),
        ([_tool("a")], {"type": "some"}, "tool_choice.type: must be one of auto, any, none, tool"),
        ([_tool("a")], {}, "tool_choice.type: field required"),
        (
            [_tool("a"), {"type": "code_execution_1", "name": "c"}],
            {"type": "tool", "name": "c"},
            'tool_choice.name: tool "c" is not available on this gateway',
        ),
    ],
)
def test_refused_choices(tools: Any, choice: dict[str, Any], expected: str, translate: Any) -> None:
    """A choice that cannot be met is refused."""
    assert expected == translate.refusal(tools=tools, tool_choice=choice).message


@pytest.mark.parametrize(
    "tools", [None, [], [{"type": "code_execution_1", "name": "c"}]], ids=["none", "empty", "unusable"]
)
@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}], ids=["absent", "auto", "none"])
def test_without_tools_the_three_keys_are_absent(tools: Any, choice: Any, translate: Any) -> None:
    """The upstream refuses a choice without tools."""
    assert set() == {"tools", "tool_choice", "parallel_tool_calls"} & set(
        translate(tools=tools, tool_choice=choice)
    )


@pytest.mark.parametrize(("disabled", "expected"), [(True, False), (False, True), (None, True)])
def test_parallel_calls(disabled: bool | None, expected: bool, translate: Any) -> None:
    """Parallel calls are allowed unless the client forbids them."""
    choice = {"type": "auto", "disable_parallel_tool_use": disabled}
    assert expected is translate(tools=[_tool("a")], tool_choice=choice)["parallel_tool_calls"]


@pytest.mark.parametrize("removed", ["strict", "parallel_tool_calls"])
def test_learned_removals_in_tools(removed: str, translate: Any) -> None:
    """A parameter that the upstream does not know is left out."""
    facts = AttemptFacts(removed_parameters=frozenset({removed}))
    assert f'"{removed}"' not in json.dumps(translate(tools=[_tool("a")], facts=facts))


def _named(body: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in body.get("tools", [])]


DEFERRED = [
    _tool("a"),
    _tool("d1", defer_loading=True),
    _tool("d2", defer_loading=True),
    _tool("d3", defer_loading=True),
]
USER = {"role": "user", "content": "hi"}


def _user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def _system(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "system", "content": list(blocks)}


def _reference(name: str) -> dict[str, Any]:
    return {"type": "tool_reference", "name": name}


def _addition(**tool: Any) -> dict[str, Any]:
    return {"type": "tool_addition", "tool": tool}


def _removal(name: str) -> dict[str, Any]:
    return {"type": "tool_removal", "tool": _reference(name)}


FOUND = {
    "type": "tool_result",
    "tool_use_id": "c",
    "content": [{"type": "tool_reference", "tool_name": "d2"}],
}
SEARCHED = {"tool_references": [{"type": "tool_reference", "tool_name": "d3"}, {"tool_name": 5}, 5]}


@pytest.mark.parametrize(
    ("message", "more", "expected"),
    [
        (USER, {}, ["a"]),
        (_user(FOUND), {}, ["a", "d2"]),
        ({"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "d1", "input": {}}]}, {}, ["a", "d1"]),
        ({"role": "assistant", "content": [{"type": "tool_search_tool_result", "content": SEARCHED}]}, {}, ["a", "d3"]),
        ({"role": "assistant", "content": [{"type": "tool_search_tool_result"}]}, {}, ["a"]),
        (USER, {"tool_choice": {"type": "tool", "name": "d3"}}, ["a", "d3"]),
        (USER, {"tools": [*DEFERRED, {"type": "tool_search_tool_regex_1", "name": "s"}]}, ["a", "d1", "d2", "d3"]),
        (_system(_addition(**_reference("d1"))), {}, ["a", "d1"]),
        (_system(_removal("a")), {}, []),
        (_system(_removal("a"), _addition(**_reference("a"))), {}, ["a"]),
        (_system(_addition(type="tool_definition", definition=_tool("n"))), {}, ["a", "n"]),
        (_system(_addition(type="tool_definition", definition=_tool("a"))), {}, ["a"]),
        (_system(_addition(type="tool_definition", definition=_tool("n", defer_loading=True))), {}, ["a", "n"]),
        (_user({"type": "compaction", "content": "s", "tool_changes": [_removal("a"), _addition(**_reference("d2"))]}), {}, ["d2"]),
        (_user({"type": "compaction", "content": "s", "tool_changes": None}), {}, ["a"]),
        (_user(_removal("a"), {"type": "text", "text": "x"}), {}, []),
        (_system({"type": "tool_removal", "tool": {"type": "tool_reference"}}), {}, ["a"]),
    ],
    ids=[
        "nothing", "tool reference", "tool use", "server search", "empty server search", "choice", "server-side search", "addition by reference",
        "removal", "removed and added", "definition", "redefinition", "deferred definition", "changes in a compaction",
        "compaction without changes", "in a user message", "nameless",
    ],
)  # fmt: skip
def test_deferred_tools_appear_when_brought_up(
    message: dict[str, Any], more: dict[str, Any], expected: list[str], translate: Any
) -> None:
    """Revealed tools keep their place; definitions in messages come last."""
    body = translate(**{"tools": DEFERRED, "messages": [USER, message, USER], **more})
    assert expected == _named(body)
    assert "defer_loading" not in json.dumps(body)


def test_mcp_changes_are_warned_about(translate: Any) -> None:
    """MCP servers are the client's business."""
    messages = [USER, _system(_addition(type="mcp_tool_reference", name="x", server_name="s"))]
    assert ("mcp_tool_reference",) == translate.full(messages=messages).warnings


def test_names_lead_back(translate: Any) -> None:
    """Names of tools, of the choice, of the history and of definitions in messages can all be restored."""
    names = [f"{letter}.x" for letter in "abcd"]
    messages = [
        USER,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": names[1], "input": {}}]},
        _system(_addition(type="tool_definition", definition=_tool(names[2]))),
        USER,
    ]
    done = translate.full(tools=[_tool(names[0])], messages=messages)
    assert set(names[:3]) == set(done.stream_facts.original_names.values())
    assert [item["name"] for item in json.loads(done.body)["input"] if "arguments" in item] == [
        mapped for mapped, name in done.stream_facts.original_names.items() if name == names[1]
    ]


def test_memory_does_not_mix_what_depends_on_the_rest_of_the_request() -> None:
    """A collision of names and a removed parameter change a remembered tool for one request only."""
    protocol = MessagesProtocol()
    long_name = "x" * 70
    body = {"model": "m", "max_tokens": 9, "tools": [{"name": long_name, "input_schema": {}}]}
    target = Target(model="gpt-5", scope="0" * 10, efforts=("low",))

    def emitted(facts: AttemptFacts, *more: Any) -> bytes:
        asked = {**body, "messages": [{"role": "user", "content": "hi"}, *more]}
        return protocol.to_responses(protocol.read(json.dumps(asked).encode()), target, facts).body

    plain = emitted(AttemptFacts())
    without_strict = emitted(AttemptFacts(removed_parameters=frozenset({"strict"})))
    assert b'"strict":false' in plain
    assert b'"strict"' not in without_strict
    short_name = map_tool_name(long_name)
    use = {"type": "tool_use", "id": "c", "name": short_name, "input": {}}
    collided = json.loads(emitted(AttemptFacts(), {"role": "assistant", "content": [use]}))
    assert short_name != collided["tools"][0]["name"]
    assert short_name == collided["input"][1]["name"]
    assert plain == emitted(AttemptFacts())
