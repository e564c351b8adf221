"""Repairs of item lists."""

import pytest

from packyproxy.translate.pairing import repair_pairs, without_stranded_reasoning
from packyproxy.wire.json_text import quote
from packyproxy.wire.responses import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputItem,
    InputText,
    MessageItem,
    OutputText,
    ReasoningItem,
)


def _call(call_id: str) -> FunctionCall:
    return FunctionCall(call_id, "f", quote("{}"))


def _output(call_id: str, text: str = "out") -> FunctionCallOutput:
    return FunctionCallOutput(call_id, quote(text))


def _custom(call_id: str) -> CustomToolCall:
    return CustomToolCall(call_id, "g", quote("in"))


def _custom_output(call_id: str, text: str = "out") -> CustomToolCallOutput:
    return CustomToolCallOutput(call_id, quote(text))


def _said(text: str) -> MessageItem:
    return MessageItem(role="assistant", content=[OutputText(quote(text))])


def _user(*texts: str) -> MessageItem:
    return MessageItem(role="user", content=[InputText(quote(text)) for text in texts])


THOUGHT = ReasoningItem(encrypted_content="e")
NOTHING = "(no tool result was provided)"


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([_call("a"), _call("b"), _output("b"), _output("a")], None),
        ([_call("a"), _user("hi")], [_call("a"), _output("a", NOTHING), _user("hi")]),
        ([_call("a")], [_call("a"), _output("a", NOTHING)]),
        (
            [_call("a"), _call("b"), _call("c"), _output("b")],
            [_call("a"), _call("b"), _call("c"), _output("a", NOTHING), _output("c", NOTHING), _output("b")],
        ),
        ([_output("x", "t")], [_user("[tool result x]\nt")]),
        ([_output("a"), _call("a"), _output("a")], [_user("[tool result a]\nout"), _call("a"), _output("a")]),
        (
            [_call("a"), _output("a", "1"), _output("a", "2")],
            [_call("a"), _output("a", "1"), _user("[tool result a]\n2")],
        ),
        (
            [_call("a"), _output("a", "1"), _call("a"), _output("a", "2")],
            [_call("a"), _output("a", "1"), _call("a_2"), _output("a_2", "2")],
        ),
        (
            [_call("a"), _call("a"), _output("a", "1"), _output("a", "2")],
            [_call("a"), _call("a_2"), _output("a", "1"), _output("a_2", "2")],
        ),
        (
            [_call("a"), _call("a_2"), _call("a"), _output("a"), _output("a_2"), _output("a")],
            [_call("a"), _call("a_2"), _call("a_3"), _output("a"), _output("a_2"), _output("a_3")],
        ),
        (
            [_call("x" * 64), _call("x" * 64), _output("x" * 64), _output("x" * 64)],
            [_call("x" * 64), _call("x" * 62 + "_2"), _output("x" * 64), _output("x" * 62 + "_2")],
        ),
        ([_custom("a"), _call("b"), _output("b"), _custom_output("a")], None),
        ([_custom("a"), _output("a")], [_custom("a"), _custom_output("a")]),
        ([_call("a"), _custom_output("a")], [_call("a"), _output("a")]),
        ([_custom("a"), _call("b")], [_custom("a"), _call("b"), _custom_output("a", NOTHING), _output("b", NOTHING)]),
        (
            [_custom("a"), _call("a"), _custom_output("a", "1"), _custom_output("a", "2")],
            [_custom("a"), _call("a_2"), _custom_output("a", "1"), _output("a_2", "2")],
        ),
        ([_custom_output("x", "t")], [_user("[tool result x]\nt")]),
        ([], None),
    ],
    ids=[
        "well-formed", "no output, then text", "no output at the end", "some of a run", "unknown call",
        "output before its call", "second output", "same id twice", "same id in parallel", "taken number", "long id",
        "custom", "output of a custom call", "output of a function", "no custom output", "same id of two kinds",
        "unknown custom call", "empty",
    ],
)  # fmt: skip
def test_pairs_are_repaired(items: list[InputItem], expected: list[InputItem] | None) -> None:
    """Every call ends up with one output after it, every output with one call before it; None stands for no change."""
    assert (items if expected is None else expected) == repair_pairs(items)


def test_orphaned_media_stay_visible() -> None:
    """An output in parts becomes a user message with the same parts after a label."""
    image = InputImage(quote("https://a.example/i.png"))
    expected = MessageItem(role="user", content=[InputText(quote("[tool result x]")), image])
    assert [expected] == repair_pairs([FunctionCallOutput("x", [image])])


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([THOUGHT], []),
        ([THOUGHT, _said("a")], [THOUGHT, _said("a")]),
        ([THOUGHT, THOUGHT, _call("a")], [THOUGHT, THOUGHT, _call("a")]),
        ([_said("a"), THOUGHT, THOUGHT], [_said("a")]),
        ([THOUGHT, _said("a"), THOUGHT], [THOUGHT, _said("a")]),
    ],
    ids=["alone", "before text", "two before a call", "two at the end", "only the last"],
)
def test_stranded_reasoning_goes(items: list[InputItem], expected: list[InputItem]) -> None:
    """Reasoning survives only if something it led to follows in the same turn."""
    assert expected == without_stranded_reasoning(items)
