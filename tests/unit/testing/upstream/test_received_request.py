"""What an upstream was asked can be read in words of the test."""

from typing import Any

import msgspec
import pytest

from packyproxy.testing import ReceivedRequest

CONVERSATION: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": "Be brief.",
    "reasoning": {"effort": "low"},
    "tools": [{"type": "function", "name": "weather"}, {"type": "web_search"}],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Oslo?"}, {"text": "Rome?"}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_image"}]},
        {"role": "user", "content": "Thanks"},
    ],
}


def received(body: object) -> ReceivedRequest:
    """Return a request with this body."""
    request = ReceivedRequest(method="POST", path="/v1/responses", query="", headers={}, raw=b"")
    request.decode(msgspec.json.encode(body))
    return request


def test_a_conversation_is_read() -> None:
    """Texts, tools, what they returned, and the effort have names of their own."""
    request = received(CONVERSATION)
    assert ("Be brief.", ["Oslo?\nRome?", "sunny", "Thanks"], "Thanks") == (
        request.instructions,
        request.texts,
        request.last_text,
    )
    assert (["weather", "web_search"], {"c1": "sunny", "c2": ""}, "low") == (
        request.tool_names,
        request.tool_outputs,
        request.effort,
    )


@pytest.mark.parametrize(
    "body", [{}, {"input": 1, "tools": 1, "reasoning": 1}, []], ids=["empty", "wrong", "list"]
)
def test_what_is_not_there_is_empty(body: object) -> None:
    """A request that holds nothing of the kind, or nonsense, can be read all the same."""
    request = received(body)
    assert ("", [], "", [], [], {}, None) == (
        request.instructions,
        request.texts,
        request.last_text,
        request.tools,
        request.tool_names,
        request.tool_outputs,
        request.effort,
    )


def test_an_input_that_is_a_text_is_the_text() -> None:
    """The API takes a bare string for the input, too."""
    assert ["hi"] == received({"input": "hi"}).texts
