"""Law: a canary put in any content or key appears in no log, error, traceback or answer about it."""

import logging
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import config_from_mapping
from packyproxy.testing import Answer, Call, FakeUpstream, Fault, StreamingASGITransport, Turn

CANARY = "c4n4ry-7f3a91"
KEY = f"sk-{CANARY}-key"
CLIENT_KEY = f"{CANARY}-client"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

SETTINGS = {
    "api-keys": [CLIENT_KEY],
    "packycode": {
        "enabled": True,
        "base-url": "http://upstream.test/v1",
        "credentials": {"openai-api-key": KEY},
        "headers": {"x-relay-token": CANARY},
    },
    "request-log": True,
    "debug": True,
}
MESSAGES: dict[str, Any] = {
    "model": "gpt-5",
    "max_tokens": 500,
    "system": CANARY,
    "thinking": {"type": "adaptive"},
    "metadata": {"user_id": CANARY},
    "tools": [{"name": "run", "description": CANARY, "input_schema": {"title": CANARY}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": CANARY},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "run", "input": {"a": CANARY}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": CANARY}]},
    ],
}
CHAT: dict[str, Any] = {
    "model": "gpt-5",
    "user": CANARY,
    "metadata": {"a": CANARY},
    "tools": [
        {
            "type": "function",
            "function": {"name": "run", "description": CANARY, "parameters": {"title": CANARY}},
        }
    ],
    "messages": [
        {"role": "system", "content": CANARY},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": CANARY},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "t1",
                    "type": "function",
                    "function": {"name": "run", "arguments": f'{{"a":"{CANARY}"}}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": CANARY},
    ],
}
RESPONSES: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": CANARY,
    "prompt_cache_key": CANARY,
    "client_metadata": {"a": CANARY},
    "reasoning": {"summary": "auto"},
    "tools": [
        {
            "type": "function",
            "name": "run",
            "description": CANARY,
            "parameters": {"type": "object", "properties": {}},
        }
    ],
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": CANARY}]},
        {"type": "function_call", "call_id": "t1", "name": "run", "arguments": f'{{"a":"{CANARY}"}}'},
        {"type": "function_call_output", "call_id": "t1", "output": CANARY},
    ],
}
SURFACES: dict[str, tuple[str, dict[str, Any]]] = {
    "messages": ("/v1/messages", MESSAGES),
    "chat": ("/v1/chat/completions", CHAT),
    "responses": ("/v1/responses", RESPONSES),
    "compact": ("/v1/responses/compact", {"model": "gpt-5", "input": RESPONSES["input"]}),
    "search": ("/v1/alpha/search", {"model": "gpt-5", "query": CANARY}),
}
UNARY = {"compact", "search"}
"""Those that know no streaming."""
HEADERS = {"authorization": f"Bearer {CLIENT_KEY}", "x-claude-code-session-id": CANARY, "cookie": CANARY}
ANSWER = Turn(reasoning=[CANARY], text=CANARY, calls=[Call("run", {"a": CANARY})])

SCRIPTS: dict[str, Answer] = {
    "success": ANSWER,
    "failed": Fault.failed(turn=ANSWER, message="boom"),
    "reset": Fault.cut(ANSWER, after_events=9),
    "eof": Fault.end(ANSWER, after_events=9),
    "400": Fault.status(400, f"no such thing as {CANARY}", type="invalid_request_error"),
    "401": Fault.status(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key"),
    "500": Fault.status(500, f"cannot parse {CANARY}"),
    "key-quoted": Fault.status(400, f"Bearer {KEY} may not do that", type="invalid_request_error"),
    "key-in-stream": Fault.failed(turn=ANSWER, message=f"no such key: {KEY}"),
    "html": Fault.html(),
    "quota": Fault.usage_limit(),
    "unparsable": Turn(text=CANARY, notices=[{"type": f"x.{CANARY[:4]}", "delta": CANARY}]),
}

BAD_REQUESTS: dict[str, dict[str, dict[str, Any]]] = {
    "messages": {
        "wrong-type": {"messages": CANARY},
        "wrong-block": {"messages": [{"role": "user", "content": [{"type": "text", "text": {"a": CANARY}}]}]},
        "bad-tool": {"tools": [{"name": CANARY * 20, "input_schema": {}}]},
        "bad-choice": {"tool_choice": {"type": "tool", "name": "absent"}},
        "bad-effort": {"output_config": {"effort": CANARY}},
        "bad-role": {"messages": [{"role": CANARY, "content": CANARY}]},
    },
    "chat": {
        "wrong-type": {"messages": CANARY},
        "wrong-part": {"messages": [{"role": "user", "content": [{"type": "text", "text": {"a": CANARY}}]}]},
        "bad-tool": {"tools": [{"type": "function", "function": {"name": CANARY * 20}}]},
        "bad-choice": {"tool_choice": {"type": "function", "function": {"name": "absent"}}},
        "bad-effort": {"reasoning_effort": CANARY},
        "bad-role": {"messages": [{"role": CANARY, "content": CANARY}]},
        "bad-format": {"response_format": {"type": CANARY}},
    },
    "responses": {
        "wrong-type": {"input": {"a": CANARY}},
        "wrong-item": {"input": [CANARY]},
        "bad-effort": {"reasoning": {"effort": CANARY}},
        "stored": {"previous_response_id": CANARY},
    },
    "compact": {"wrong-type": {"input": {"a": CANARY}}, "bad-model": {"model": {"a": CANARY}}},
}


async def run(
    script: Answer, changes: dict[str, Any], *, streams: bool, surface: str = "messages"
) -> httpx.Response:
    """Send one request full of canaries."""
    path, body = SURFACES[surface]
    fields = {} if surface in UNARY else {"stream": streams}
    proxy = PackyProxy(SETTINGS, transport=StreamingASGITransport(FakeUpstream(script)))
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(proxy), base_url="http://proxy.test", timeout=None
    ) as client:
        return await client.post(path, json={**body, **fields, **changes}, headers=HEADERS)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return every attribute of every record of ours."""
    return "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("packyproxy"))


@pytest.mark.virtual_time
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", SCRIPTS)
async def test_no_log_line_carries_content(
    name: str, surface: str, streams: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG and with the request log on, whatever the upstream does."""
    caplog.set_level(logging.DEBUG)
    await run(SCRIPTS[name], {}, streams=streams, surface=surface)
    text = logged(caplog)
    assert "req_" in text
    assert CANARY not in text


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("surface", "name"), [(surface, name) for surface, bad in BAD_REQUESTS.items() for name in bad]
)
async def test_no_refusal_quotes_content(surface: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A refused request is told where it is wrong, never what stood there."""
    caplog.set_level(logging.DEBUG)
    answer = await run("never asked", BAD_REQUESTS[surface][name], streams=False, surface=surface)
    assert answer.status_code == 400
    assert CANARY not in answer.text
    assert CANARY not in logged(caplog)


@pytest.mark.virtual_time
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", ["401", "500", "key-quoted", "key-in-stream"])
async def test_provider_keys_are_masked_in_answers(name: str, surface: str) -> None:
    """An upstream that quotes the key does not get it to the client."""
    answer = await run(SCRIPTS[name], {}, streams=name == "key-in-stream", surface=surface)
    assert "error" in answer.text
    assert KEY not in answer.text


@pytest.mark.virtual_time
async def test_a_bug_is_logged_without_its_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it happened and what kind it is; an exception's text may quote content."""

    def explode(*_: object, **__: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr("packyproxy.runtime.serving.exchange.make_plan", explode)
    answer = await run("never asked", {}, streams=True)
    text = logged(caplog)
    assert (500, "internal error") == (answer.status_code, answer.json()["error"]["message"])
    assert "ValueError" in text
    assert CANARY not in text


def test_a_configuration_can_be_shown() -> None:
    """``repr`` of everything built from it masks keys and header values."""
    config = config_from_mapping(SETTINGS)
    proxy = PackyProxy(config)
    shown = repr(config) + repr(proxy.runtime.snapshot)
    assert KEY not in shown
    assert CLIENT_KEY not in shown
    assert f"'{CANARY}'" not in shown
