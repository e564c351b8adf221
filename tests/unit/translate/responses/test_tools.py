"""Tools, their choice and their memory in a Responses request."""

from typing import Any

import pytest
from msgspec import Raw

from packyproxy.translate.contract import AttemptFacts
from packyproxy.translate.responses.tools import read_tools

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
PLAIN = {"type": "function", "name": "f", "parameters": {"type": "object"}}
NO_STRICT = AttemptFacts(removed_parameters=frozenset({"strict"}))


@pytest.mark.parametrize("tool", ["x", None, 5], ids=["text", "null", "a number"])
def test_tools_are_objects(passed: Any, tool: Any) -> None:
    """What is no object is no tool."""
    assert "tools[1]" == passed.refusal(tools=[FUNCTION, tool]).field


def test_types_are_texts(passed: Any) -> None:
    """The type of a tool decides what it is, so it must be one."""
    refusal = passed.refusal(tools=[FUNCTION, {"type": 5}])
    assert ("tools[1].type", "expected string, got number") == (refusal.field, refusal.reason)


UNTOUCHED: dict[str, Any] = {
    "a long name": {"type": "function", "name": "x" * 100},
    "no strict": PLAIN,
    "a custom tool": {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark"}},
    "a namespace": {"type": "namespace", "name": "mcp__x", "tools": [FUNCTION, {"name": "y" * 90}]},
    "an odd namespace": {"type": "namespace", "tools": [5]},
    "a search of the Codex CLI": {"type": "web_search", "external_web_access": True},
    "an unknown type": {"type": "new", "name": 5, "parameters": 7},
    "no type": {"name": "f"},
}


@pytest.mark.parametrize("tool", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched_tools(passed: Any, tool: Any) -> None:
    """Tools are the client's and the upstream's business, also beside one that is mended."""
    mended = {"type": "web_search", "x": 1}
    sent = passed(tools=[tool, {"type": "web_search_preview_2025_03_11", "x": 1}])["tools"]
    assert ([tool], [tool, mended]) == (passed(tools=[tool])["tools"], sent)


def test_untouched_tools_keep_their_bytes() -> None:
    """A list without the old search is not written anew."""
    value = Raw(b'[ {"type":"function", "n":1.10} ]')
    assert value == read_tools(value).whole


CHOICES: dict[str, tuple[Any, Any]] = {
    "a function": ({"type": "function", "name": "f"}, {"type": "function", "name": "f"}),
    "the old search": ({"type": "web_search_preview"}, {"type": "web_search"}),
    "allowed": (
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search_preview"}, PLAIN]},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}, PLAIN]},
    ),
    "allowed, nothing old": (
        {"type": "allowed_tools", "tools": [{"name": "web_search_preview"}, "odd"]},
        {"type": "allowed_tools", "tools": [{"name": "web_search_preview"}, "odd"]},
    ),
    "allowed without tools": ({"type": "allowed_tools"}, {"type": "allowed_tools"}),
    "allowed of an odd form": ({"type": "allowed_tools", "tools": 5}, {"type": "allowed_tools", "tools": 5}),
    "no type": ({"x": 1}, {"x": 1}),
    "text": ("required", "required"),
    "null": (None, None),
}


@pytest.mark.parametrize(("choice", "expected"), CHOICES.values(), ids=CHOICES)
def test_choices(passed: Any, choice: Any, expected: Any) -> None:
    """A choice names the search as the tools do; nothing else in it changes."""
    assert expected == passed(tools=[PLAIN], tool_choice=choice)["tool_choice"]


def test_choice_without_tools_stays(passed: Any) -> None:
    """The Codex CLI compacts its history without tools, and says ``auto`` all the same."""
    assert "auto" == passed(tools=[], tool_choice="auto")["tool_choice"]


@pytest.mark.parametrize("tools", [[], None, ...], ids=["empty", "null", "absent"])
def test_parallel_calls_need_tools(passed: Any, tools: Any) -> None:
    """Without tools there is nothing to call in parallel."""
    assert "parallel_tool_calls" not in passed(tools=tools, parallel_tool_calls=True)


def test_strict_is_left_out_everywhere(passed: Any) -> None:
    """Where an upstream refused ``strict``, no tool has it, nor one inside a namespace."""
    namespace = {"type": "namespace", "name": "n", "tools": [FUNCTION, 5]}
    sent = passed(tools=[FUNCTION, namespace, {"type": "namespace", "tools": 5}], facts=NO_STRICT)["tools"]
    assert [PLAIN, {**namespace, "tools": [PLAIN, 5]}, {"type": "namespace", "tools": 5}] == sent
