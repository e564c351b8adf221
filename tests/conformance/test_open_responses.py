"""The acceptance tests of the Open Responses specification, one after another (openresponses.org/compliance)."""

from collections.abc import Callable
from typing import Any

import pytest

from packyproxy.testing import Call, Message, Turn
from tests.support.openai_types import RESPONSE_FIELDS, read_event, read_frames, read_response

MODEL = "gpt-5"
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def message(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **fields}


async def respond(it: Any, *items: dict[str, Any], **fields: Any) -> Any:
    """Return the answer to some items, once it was found to be a whole response."""
    response = await it.post("/responses", {"model": MODEL, "input": list(items), **fields})
    assert response.status_code == 200
    told = read_response(response.content)
    assert ("completed", frozenset()) == (told.status, RESPONSE_FIELDS - told.model_fields_set)
    assert told.output
    return told


async def test_basic_text(stage: Callable[..., Any]) -> None:
    """A user message as plain text is answered with a message."""
    told = await respond(stage("Hello to you."), message("user", "Say hello in exactly 3 words."))
    assert ("assistant", "Hello to you.") == (told.output[0].role, told.output_text)


async def test_streaming(stage: Callable[..., Any]) -> None:
    """A stream consists of valid events and ends with the finished response."""
    body = {"model": MODEL, "input": [message("user", "Count from 1 to 5.")], "stream": True}
    response = await stage("1, 2, 3, 4, 5").post("/responses", body)
    events = [read_event(frame.data) for frame in read_frames(response.content)]
    assert ("response.completed", "1, 2, 3, 4, 5") == (events[-1].type, events[-1].response.output_text)


async def test_system_prompt(stage: Callable[..., Any]) -> None:
    """A system message in the input is obeyed by an upstream that takes developer messages only."""
    it = stage("Ahoy!")
    await respond(it, message("system", "You are a pirate."), message("user", "Say hello."))
    assert ["developer", "user"] == [item["role"] for item in it.upstream.last_request.input]


async def test_tool_calling(stage: Callable[..., Any]) -> None:
    """A function tool is called by a ``function_call`` item with its arguments as JSON text."""
    parameters = {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city and state."}},
        "required": ["location"],
    }
    tool = {"type": "function", "name": "get_weather", "description": "Weather.", "parameters": parameters}
    it = stage(Turn(calls=[Call("get_weather", {"location": "San Francisco, CA"})]))
    told = await respond(it, message("user", "What's the weather?"), tools=[tool])
    [call] = told.output
    assert ("function_call", "get_weather", "completed") == (call.type, call.name, call.status)
    assert call.arguments == '{"location":"San Francisco, CA"}'
    assert ("", []) != (call.call_id, told.tools)


@pytest.mark.parametrize("url", [PIXEL, "https://images.example/a.png"], ids=["data", "link"])
async def test_image_input(stage: Callable[..., Any], url: str) -> None:
    """An image in a user message, given as data or as a link, reaches the upstream."""
    parts = [
        {"type": "input_text", "text": "What do you see?"},
        {"type": "input_image", "image_url": url},
    ]
    it = stage("A red heart.")
    await respond(it, message("user", parts))
    assert url == it.upstream.last_request.input[0]["content"][1]["image_url"]


async def test_multi_turn(stage: Callable[..., Any]) -> None:
    """Messages of both sides, as plain text, are the history of the next answer."""
    it = stage("Your name is Alice.")
    history = [
        message("user", "My name is Alice."),
        message("assistant", "Hello Alice! How can I help you?"),
        message("user", "What is my name?"),
    ]
    told = await respond(it, *history)
    assert told.output_text == "Your name is Alice."
    assert ["user", "assistant", "user"] == [item["role"] for item in it.upstream.last_request.input]


async def test_assistant_message_phase(stage: Callable[..., Any]) -> None:
    """Phases of assistant messages in the history are accepted."""
    history = [
        message("user", "Look it up."),
        message("assistant", "I look.", phase="commentary"),
        message("assistant", "Found.", phase="final_answer"),
        message("user", "Thanks."),
    ]
    told = await respond(stage("Welcome."), *history)
    assert told.output_text == "Welcome."


async def test_output_phase(stage: Callable[..., Any]) -> None:
    """The phase of a message in the output is told as the upstream says it."""
    turn = Turn(output=[Message("I look.", phase="commentary"), Message("Found.", phase="final_answer")])
    told = await respond(stage(turn), message("user", "Look it up."))
    assert ["commentary", "final_answer"] == [item.phase for item in told.output]


async def test_compaction(stage: Callable[..., Any]) -> None:
    """A conversation is compacted into items that end with the encrypted history, with the usage of it."""
    body = {
        "model": MODEL,
        "input": [message("user", "Remember 7."), message("assistant", "I will.")],
        "prompt_cache_key": "conversation-1",
    }
    response = await stage("unused").post("/responses/compact", body)
    told = response.json()
    assert (200, "response.compaction") == (response.status_code, told["object"])
    assert {"id", "object", "created_at", "output", "usage"} <= set(told)
    assert "compaction" == told["output"][-1]["type"]
    assert told["output"][-1]["encrypted_content"]


async def test_compaction_needs_a_model(stage: Callable[..., Any]) -> None:
    """A compaction without a model is refused, naming the field."""
    it = stage("unused")
    response = await it.post("/responses/compact", {"input": [message("user", "Remember 7.")]})
    assert (400, "model") == (response.status_code, response.json()["error"]["param"])
    assert it.upstream.requests == []


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
async def test_errors_have_one_shape(stage: Callable[..., Any], is_stream: bool) -> None:
    """A refused request is an ``error`` object with type, code, param and message, as JSON also for a stream."""
    response = await stage("unused").post("/responses", {"input": "hi", "stream": is_stream})
    error = response.json()["error"]
    assert ("application/json", 400) == (response.headers["content-type"], response.status_code)
    assert {"type", "code", "param", "message"} == set(error)
    assert ("invalid_request_error", "model") == (error["type"], error["param"])
