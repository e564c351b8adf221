"""The local token estimate of a Responses request."""

import base64
import struct
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.responses.protocol import ResponsesProtocol

BASE = 3
TEXT = "four words of text"
TEXT_TOKENS = 6
SCHEMA = {"type": "object"}
PNG = (
    "data:image/png;base64,"
    + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 64, 32)).decode()
)
PDF = "data:application/pdf;base64," + base64.b64encode(b"/Type /Page /Type /Page ").decode()


def _part(**fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": [fields]}


ITEMS: dict[str, tuple[Any, int]] = {
    "a message of text": ({"role": "user", "content": TEXT}, 4 + TEXT_TOKENS),
    "a message of parts": (
        {
            "role": "user",
            "content": [{"type": "input_text", "text": TEXT}, {"type": "refusal", "refusal": TEXT}],
        },
        4 + 2 * TEXT_TOKENS,
    ),
    "a message without content": ({"role": "user"}, 4),
    "odd content": ({"role": "user", "content": [[1]]}, 4 + 2),
    "odd text": (_part(text=5), 4),
    "an image": (_part(type="input_image", image_url=PNG), 4 + 3),
    "an image elsewhere": (_part(image_url="https://a.example/i.png"), 4 + 1500),
    "a document": (_part(type="input_file", filename="x", file_data=PDF), 4 + 3000),
    "a document elsewhere": (_part(file_url="https://a.example/d.pdf"), 4 + 3000),
    "a stored document": (_part(file_id="file-1"), 4 + 3000),
    "a call": ({"type": "function_call", "name": TEXT, "arguments": TEXT}, 8 + 2 * TEXT_TOKENS),
    "a custom call": ({"type": "custom_tool_call", "name": TEXT, "input": TEXT}, 8 + 2 * TEXT_TOKENS),
    "an output": ({"type": "function_call_output", "output": TEXT}, 6 + TEXT_TOKENS),
    "an output of parts": ({"type": "custom_tool_call_output", "output": [{"text": TEXT}]}, 6 + TEXT_TOKENS),
    "a screenshot": ({"type": "computer_call_output", "output": {"image_url": PNG}}, 6 + 3),
    "an output of nothing": ({"type": "function_call_output", "output": None}, 6),
    "reasoning": ({"type": "reasoning", "encrypted_content": "x" * 81}, 11),
    "a compaction": ({"type": "compaction", "encrypted_content": "x" * 80}, 10),
    "a made image": ({"type": "image_generation_call", "result": "x" * 100_000}, 1500),
    "an unknown item": ({"type": "x", "y": 1}, 4 + 6),
}


@pytest.mark.parametrize(("item", "expected"), ITEMS.values(), ids=ITEMS)
def test_items(passed: Any, item: Any, expected: int) -> None:
    """Every item costs what the table says."""
    assert BASE + expected == passed.full(input=[item]).tokens


TOOLS: dict[str, tuple[Any, int]] = {
    "a function": (
        {"type": "function", "name": TEXT, "description": TEXT, "parameters": SCHEMA},
        10 + 2 * TEXT_TOKENS + 6,
    ),
    "a function of nothing": ({"type": "function", "parameters": None}, 10),
    "a custom tool": ({"type": "custom", "name": TEXT, "format": SCHEMA}, 10 + TEXT_TOKENS + 6),
    "a namespace": (
        {"type": "namespace", "name": TEXT, "tools": [{"name": TEXT, "parameters": SCHEMA}]},
        10 + TEXT_TOKENS + 10 + TEXT_TOKENS + 6,
    ),
    "an odd namespace": ({"type": "namespace", "name": TEXT, "tools": [5]}, 10 + TEXT_TOKENS),
    "a search": ({"type": "web_search", "filters": {}}, 300),
    "an old search": ({"type": "web_search_preview"}, 300),
    "an unknown tool": ({"type": "x", "y": 1}, 10 + 6),
}


@pytest.mark.parametrize(("tool", "expected"), TOOLS.values(), ids=TOOLS)
def test_tools(passed: Any, tool: Any, expected: int) -> None:
    """Every tool costs what the table says, and the list something too."""
    assert BASE + 16 + expected == passed.full(input=[], tools=[tool]).tokens


def test_empty_tools(passed: Any) -> None:
    """A list without tools costs nothing."""
    assert BASE == passed.full(input=[], tools=[]).tokens


@pytest.mark.parametrize("system_as", ["instructions", "developer"])
def test_instructions(passed: Any, system_as: str) -> None:
    """Instructions cost the same as a message of their own."""
    sent = passed.full(input=[], instructions=TEXT, target={"capabilities": {"system_as": system_as}})
    assert BASE + 4 + TEXT_TOKENS == sent.tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"format": {"type": "json_schema", "schema": SCHEMA}}, 10 + 6),
        ({"format": {"type": "json_object"}}, 10),
        ({"format": {"type": "text"}}, 0),
        ({"format": {}}, 0),
        ({"format": None}, 0),
        ({}, 0),
    ],
    ids=["a schema", "any object", "text", "no type", "null", "nothing"],
)
def test_format(passed: Any, text: Any, expected: int) -> None:
    """The form of the answer is part of what is read, with its schema."""
    assert BASE + expected == passed.full(input=[], text=text).tokens


def test_what_is_left_out_costs_nothing(passed: Any) -> None:
    """Reasoning that is not sent is not counted."""
    assert BASE == passed.full(input=[{"type": "reasoning"}]).tokens


def test_the_answer_of_input_tokens(passed: Any) -> None:
    """The count is told in the form of the API."""
    facts = passed.full().stream_facts
    expected = b'{"object":"response.input_tokens","input_tokens":0}'
    assert expected == ResponsesProtocol().write_token_count(facts)


def test_input_may_be_missing_where_tokens_are_counted() -> None:
    """Elsewhere it is required, unless a caller says that it only counts."""
    body = b'{"model":"m"}'
    with pytest.raises(InvalidRequest, match="field required"):
        ResponsesProtocol().read(body)
    assert "m" == ResponsesProtocol().read(body, counting=True).model
