"""Errors on the OpenAI surfaces: those of a request that goes nowhere, and those that an upstream begins.

Rows 33, 34, 42, 43, 58 and 59 of wire-mapping 11 as Chat and Responses clients meet them.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from packyproxy.testing import Fault, Stream, Turn
from packyproxy.translate.protocols import PROTOCOLS
from tests.support.surfaces import CHAT, RESPONSES, Surface

pytestmark = pytest.mark.virtual_time

Setting = Callable[..., Any]

INVALID = "invalid_request_error"
KEYS = {"api-keys": ["client-key-one"]}
PROVIDER_KEY = "sk-provider-0123456789"
OVERFLOW = "Your input exceeds the context window of this model."
WITH_TEXT = 5
"""Events up to the first delta of a text: created, in progress, item, part, delta."""

each_surface = pytest.mark.parametrize("surface", [CHAT, RESPONSES], ids=str)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the error object of an answer in OpenAI's shape, which has nothing beside it."""
    body = answer.json()
    assert ["error"] == list(body)
    error: dict[str, Any] = body["error"]
    return error


def frames_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return what stands in the ``data`` of a stream's frames, without ``[DONE]``."""
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@each_surface
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer no"}, {"x-api-key": "no"}], ids=str)
async def test_without_a_valid_key(stage: Setting, surface: Surface, headers: dict[str, str]) -> None:
    """The route decides the shape, whatever the headers look like; nobody is asked."""
    scene = stage("ok", config=KEYS)
    answer = await scene.client.post(surface.path, json=surface.hello, headers=headers)
    error = {"message": "invalid API key", "type": INVALID, "param": None, "code": "invalid_api_key"}
    assert (401, error) == (answer.status_code, error_of(answer))
    assert [] == scene.upstream.requests


@each_surface
@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, None),
        (b"", {}, 400, None),
        (b"[]", {}, 400, None),
        (b'{"model":"\xff"}', {}, 400, None),
        (b"[" * 90_000, {}, 400, None),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {"content-encoding": "br"}, 415, None),
        (b" " * 200_000, {}, 413, "request_too_large"),
    ],
    ids=["cut", "empty", "array", "utf8", "deep", "type", "encoding", "large"],
)
async def test_a_bad_body(
    stage: Setting, surface: Surface, body: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    """What cannot be read is the client's fault, told without a parameter; the next request is served."""
    scene = stage("ok", config={"max-body-bytes": 100_000})
    answer = await scene.client.post(
        surface.path, content=body, headers={"content-type": "application/json", **headers}
    )
    error = error_of(answer)
    assert (status, INVALID, None) == (answer.status_code, error["type"], error["param"])
    if code is not None:
        assert code == error["code"]
    assert 200 == (await surface.ask(scene.client)).status_code


@pytest.mark.parametrize(
    ("surface", "fields", "param"),
    [
        pytest.param(CHAT, {"model": None}, "model", id="chat-no-model"),
        pytest.param(CHAT, {"model": ""}, "model", id="chat-empty-model"),
        pytest.param(CHAT, {"messages": []}, "messages", id="chat-no-message"),
        pytest.param(CHAT, {"messages": "hi"}, "messages", id="chat-text-for-messages"),
        pytest.param(CHAT, {"messages": [{"role": "robot"}]}, "messages[0].role", id="chat-role"),
        pytest.param(
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0].type",
            id="chat-audio-input",
        ),
        pytest.param(CHAT, {"n": 2}, "n", id="chat-n"),
        pytest.param(CHAT, {"modalities": ["audio"]}, "modalities", id="chat-audio-output"),
        pytest.param(RESPONSES, {"model": None}, "model", id="responses-no-model"),
        pytest.param(RESPONSES, {"model": ""}, "model", id="responses-empty-model"),
        pytest.param(RESPONSES, {"input": 7}, "input", id="responses-number-for-input"),
        pytest.param(
            RESPONSES, {"previous_response_id": "resp_1"}, "previous_response_id", id="responses-stored"
        ),
        pytest.param(RESPONSES, {"background": True}, "background", id="responses-background"),
        pytest.param(
            RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}, "input", id="responses-reference"
        ),
    ],
)
async def test_a_bad_field_is_named(
    stage: Setting, surface: Surface, fields: dict[str, Any], param: str
) -> None:
    """``param`` is the place in the body; nobody is asked."""
    scene = stage("ok")
    answer = await surface.ask(scene.client, **fields)
    error = error_of(answer)
    assert (400, INVALID, param) == (answer.status_code, error["type"], error["param"])
    assert [] == scene.upstream.requests


@each_surface
async def test_an_unknown_model(ensemble: Setting, surface: Surface) -> None:
    """The nearest names are told."""
    stage = ensemble({"a": "ok"}, providers={"a": {"models": [{"id": "gpt-5-codex"}]}})
    answer = await surface.ask(stage.client, model="gpt-5-codx")
    error = error_of(answer)
    assert (404, INVALID, "model_not_found") == (answer.status_code, error["type"], error["code"])
    assert "nearest: gpt-5-codex" in error["message"]
    assert {"a": 0} == stage.calls()


@each_surface
async def test_a_wrong_method(stage: Setting, surface: Surface) -> None:
    """The right one is named."""
    answer = await stage("ok").client.put(surface.path, json=surface.hello)
    assert (405, INVALID, "POST") == (
        answer.status_code,
        error_of(answer)["type"],
        answer.headers["allow"],
    )


@each_surface
async def test_without_a_provider(stage: Setting, surface: Surface) -> None:
    """Clients are told not to repeat what the operator has to mend."""
    answer = await surface.ask(stage("ok", config={"packycode": {"enabled": False}}).client)
    error = error_of(answer)
    assert (503, "server_error", "no_provider", "false") == (
        answer.status_code,
        error["type"],
        error["code"],
        answer.headers["x-should-retry"],
    )


@each_surface
async def test_a_bug_of_ours(stage: Setting, surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a 500 that says nothing else."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("canary")

    monkeypatch.setattr(PROTOCOLS[surface.name], "read", fail)
    answer = await surface.ask(stage("ok").client)
    error = {"message": "internal error", "type": "server_error", "param": None, "code": None}
    assert (500, error) == (answer.status_code, error_of(answer))


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    "fault",
    [Fault.failed("context_length_exceeded", OVERFLOW), Fault.detail(400, OVERFLOW)],
    ids=["event", "refusal"],
)
async def test_row_33_before_a_chat_client(stage: Setting, fault: Fault, is_stream: bool) -> None:
    """A full context is a 400 with its code and the upstream's own text."""
    answer = await CHAT.ask(stage([fault]).client, stream=is_stream)
    error = {"message": OVERFLOW, "type": INVALID, "param": None, "code": "context_length_exceeded"}
    assert (400, error) == (answer.status_code, error_of(answer))


async def test_row_34_before_a_chat_client(stage: Setting) -> None:
    """After text it is the last frame, and nothing looks like an end of the answer."""
    fault = Fault.failed("context_length_exceeded", OVERFLOW, turn="Hello", after_events=WITH_TEXT)
    answer = await CHAT.ask(stage([fault]).client, stream=True)
    error = {"message": OVERFLOW, "type": INVALID, "param": None, "code": "context_length_exceeded"}
    frames = frames_of(answer)
    assert (200, {"error": error}) == (answer.status_code, frames[-1])
    assert [None] * (len(frames) - 1) == [
        choice["finish_reason"] for frame in frames[:-1] for choice in frame["choices"]
    ]
    assert "[DONE]" not in answer.text


async def test_row_34_before_a_responses_client(stage: Setting) -> None:
    """After text the upstream's own event is the last one."""
    fault = Fault.failed("context_length_exceeded", OVERFLOW, turn="Hello", after_events=WITH_TEXT)
    answer = await RESPONSES.ask(stage([fault]).client, stream=True)
    last = frames_of(answer)[-1]
    assert ("response.failed", "context_length_exceeded") == (last["type"], last["response"]["error"]["code"])


async def test_row_58(stage: Setting) -> None:
    """A full context as the first event of a stream stays one, for the Codex CLI knows it nowhere else."""
    answer = await RESPONSES.ask(
        stage([Fault.failed("context_length_exceeded", OVERFLOW)]).client, stream=True
    )
    assert (200, True) == (
        answer.status_code,
        answer.headers["content-type"].startswith("text/event-stream"),
    )
    assert {"code": "context_length_exceeded", "message": OVERFLOW} == frames_of(answer)[-1]["response"][
        "error"
    ]


async def test_a_failed_event_of_a_whole_answer(stage: Setting) -> None:
    """A client that asked for no stream gets a status and the form that Chat clients know."""
    answer = await RESPONSES.ask(stage([Fault.failed("context_length_exceeded", OVERFLOW)]).client)
    assert (400, "context_length_exceeded") == (answer.status_code, error_of(answer)["code"])


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
async def test_row_59(stage: Setting, is_stream: bool) -> None:
    """The Codex CLI is told of its used-up limit in the words that it knows, and when to come back."""
    fault = Fault.usage_limit(resets_at=2_000_000_000, resets_in_seconds=7200)
    answer = await RESPONSES.ask(stage([fault]).client, stream=is_stream)
    error = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "plus",
        "resets_at": 2_000_000_000,
        "resets_in_seconds": 7200,
    }
    assert (429, error) == (answer.status_code, error_of(answer))
    headers = answer.headers
    assert (True, "false", "0") == (
        int(headers["retry-after"]) > 60,
        headers["x-should-retry"],
        headers["x-ratelimit-remaining-requests"],
    )
    assert int(headers["retry-after"]) == int(headers["x-ratelimit-reset-requests"].removesuffix("s"))


async def test_row_42_before_a_chat_client(stage: Setting) -> None:
    """A Chat client reads until when the limit holds, and has OpenAI's headers for it."""
    answer = await CHAT.ask(stage([Fault.usage_limit(resets_in_seconds=7200)]).client)
    error = error_of(answer)
    assert (429, "rate_limit_error", "usage_limit_reached", None) == (
        answer.status_code,
        error["type"],
        error["code"],
        error["param"],
    )
    assert error["message"].startswith("usage limit reached for packycode (plan plus); resets at ")
    assert (True, "false", "0") == (
        7190 <= int(answer.headers["retry-after"]) <= 7200,
        answer.headers["x-should-retry"],
        answer.headers["x-ratelimit-remaining-requests"],
    )
    assert not any(name.startswith("anthropic-") for name in answer.headers)


async def test_the_rest_after_a_limit_is_told_alike(stage: Setting) -> None:
    """Who comes during the rest reads the same facts, with the time that is left of it; nobody is asked."""
    scene = stage([Fault.usage_limit(resets_in_seconds=7200), "never"])
    first = error_of(await RESPONSES.ask(scene.client))
    await asyncio.sleep(7000)
    answer = await RESPONSES.ask(scene.client, stream=True)
    second = error_of(answer)
    assert (429, 1) == (answer.status_code, len(scene.upstream.requests))
    assert 190 <= second["resets_in_seconds"] <= 200
    assert int(answer.headers["retry-after"]) == second["resets_in_seconds"]
    words = {"resets_in_seconds": None, "message": "usage limit reached"}
    assert {**first, **words} == {**second, "resets_in_seconds": None}


async def test_the_rest_before_a_chat_client(stage: Setting) -> None:
    """A Chat client that meets the rest reads who rests and until when."""
    scene = stage([Fault.usage_limit(resets_in_seconds=7200), "never"])
    await RESPONSES.ask(scene.client)
    answer = await CHAT.ask(scene.client)
    error = error_of(answer)
    assert (429, "usage_limit_reached") == (answer.status_code, error["code"])
    assert error["message"].startswith("no provider can serve now: packycode (resting until ")


async def test_of_several_limits_the_earliest_is_told(ensemble: Setting) -> None:
    """It says when anybody may serve again."""
    stage = ensemble(
        {
            "a": Fault.usage_limit(resets_in_seconds=7200, plan_type="pro"),
            "b": Fault.usage_limit(resets_in_seconds=600, plan_type="plus"),
        }
    )
    asked = await RESPONSES.ask(stage.client)
    resting = await RESPONSES.ask(stage.client)
    assert ["plus", "plus"] == [error_of(answer)["plan_type"] for answer in (asked, resting)]
    assert {"a": 1, "b": 1} == stage.calls()


async def test_a_limit_after_a_silence_is_told_in_the_stream(stage: Setting) -> None:
    """Where keep-alives have spent the status, the error is an event with the code that Codex reads."""
    script = [Fault.overloaded(), Fault.usage_limit(resets_in_seconds=7200)]
    scene = stage(script, config={"streaming": {"commit-deadline": 0.5}})
    answer = await RESPONSES.ask(scene.client, stream=True)
    last = frames_of(answer)[-1]
    assert (200, "response.failed", "usage_limit_reached") == (
        answer.status_code,
        last["type"],
        last["response"]["error"]["code"],
    )


@each_surface
async def test_row_43(stage: Setting, surface: Surface) -> None:
    """A refused key of the gateway's is not the client's, and what was said about it stays here."""
    answer = await surface.ask(stage([Fault.unauthorized()]).client)
    error = {
        "message": "upstream rejected the gateway's credentials (provider: packycode)",
        "type": "server_error",
        "param": None,
        "code": "upstream_auth",
    }
    assert (502, error) == (answer.status_code, error_of(answer))


@each_surface
async def test_the_upstreams_parameter_is_kept(stage: Setting, surface: Surface) -> None:
    """A client learns which field the upstream refused, also by its code."""
    fault = Fault.status(400, "Invalid value", type=INVALID, code="invalid_value", param="input[0].content")
    error = error_of(await surface.ask(stage([fault]).client))
    assert ("invalid_value", "input[0].content") == (error["code"], error["param"])


ESCAPED_KEY = "".join(f"\\u{ord(char):04x}" for char in PROVIDER_KEY)
FAILED = (
    'event: response.failed\ndata: {"type":"response.failed","sequence_number":0,"response":{"id":"resp_1",'
    '"object":"response","status":"failed","output":[],"error":{"code":"invalid_prompt","message":"key %s"}}}\n\n'
)


@pytest.mark.parametrize(
    "written", [PROVIDER_KEY, ESCAPED_KEY, "sk-of-somebody-else"], ids=["plain", "escaped", "another"]
)
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    "signal",
    [
        pytest.param(
            lambda key: Fault.answer(
                400, b'{"error":{"message":"key %b","code":"x"}}' % key.encode(), content_type="application/json"
            ),
            id="object",
        ),
        pytest.param(
            lambda key: Fault.answer(400, b'{"detail":"key %b"}' % key.encode(), content_type="application/json"),
            id="detail",
        ),
        pytest.param(
            lambda key: Stream((FAILED % key).encode(), headers={"content-type": "text/event-stream"}),
            id="failed-event",
        ),
        pytest.param(
            lambda key: Stream(
                f'event: error\ndata: {{"type":"error","code":"invalid_prompt","message":"key {key}"}}\n\n'.encode(),
                headers={"content-type": "text/event-stream"},
            ),
            id="error-event",
        ),
    ],
)  # fmt: skip
@each_surface
async def test_no_key_is_shown(
    stage: Setting, surface: Surface, signal: Callable[[str], Any], written: str, is_stream: bool
) -> None:
    """Whatever quotes the gateway's key, or another one, its client reads stars."""
    answer = await surface.ask(stage([signal(written)]).client, stream=is_stream)
    assert "key ***" in answer.text
    text = answer.text.encode().decode("unicode_escape")
    assert (False, False) == (PROVIDER_KEY in text, "sk-of-somebody-else" in text)


@each_surface
async def test_another_provider_answers_instead(ensemble: Setting, surface: Surface) -> None:
    """Before first content an upstream's error is nobody's business as long as somebody else can serve."""
    stage = ensemble({"a": Fault.usage_limit(), "b": Turn("from b")})
    answer = await surface.ask(stage.client, stream=True)
    assert (200, True, False) == (answer.status_code, "from b" in answer.text, "usage_limit" in answer.text)


NOT_FOUND = Fault.detail(404, "Not Found")


async def post(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """Ask for one of the endpoints that not every provider has."""
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    return await client.post(path, json={"model": "gpt-5", "input": [said]})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/responses/compact", "compact is not supported by any configured provider"),
        ("/v1/alpha/search", "alpha/search is not supported by any configured provider"),
    ],
)
async def test_what_no_provider_offers(ensemble: Setting, path: str, message: str) -> None:
    """It is a 404 in our words, at the first request and at the next, which nobody is asked about."""
    stage = ensemble({"a": NOT_FOUND, "b": Fault.status(405, "Method Not Allowed")})
    error = {"message": message, "type": INVALID, "param": None, "code": "not_found"}
    for _ in range(2):
        answer = await post(stage.client, path)
        assert (404, error) == (answer.status_code, error_of(answer))
    assert {"a": 1, "b": 1} == stage.calls()


async def test_another_failure_hides_no_missing_endpoint(ensemble: Setting) -> None:
    """Where somebody who may offer it failed, that is told, as the upstream said it."""
    stage = ensemble({"a": NOT_FOUND, "b": Fault.usage_limit(resets_in_seconds=7200)})
    answer = await post(stage.client, "/v1/responses/compact")
    assert (429, "usage_limit_reached") == (answer.status_code, error_of(answer)["type"])


async def test_a_rest_is_told_before_a_missing_endpoint(ensemble: Setting) -> None:
    """Who rests may offer it, so the client is told when to come back and not that nobody does."""
    limit = Fault.usage_limit(resets_in_seconds=7200)
    stage = ensemble({"a": NOT_FOUND, "b": [limit, Turn("never")]})
    await post(stage.client, "/v1/responses/compact")
    answer = await post(stage.client, "/v1/responses/compact")
    assert (429, "usage_limit_reached") == (answer.status_code, error_of(answer)["type"])
    assert 1 == stage.calls()["b"]


@pytest.mark.parametrize("written", [PROVIDER_KEY, ESCAPED_KEY], ids=["plain", "escaped"])
@each_surface
async def test_no_key_is_shown_after_content(stage: Setting, surface: Surface, written: str) -> None:
    """Also the last frame of an answer that had begun is masked."""
    turn = (
        'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1",'
        '"object":"response","status":"in_progress","output":[]}}\n\n'
        'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":1,'
        '"output_index":0,"item":{"id":"msg_1","type":"message","role":"assistant","content":[]}}\n\n'
        'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":2,'
        '"output_index":0,"content_index":0,"item_id":"msg_1","delta":"Hello"}\n\n'
    )
    body = (turn + FAILED % written).encode()
    scene = stage([Stream(body, headers={"content-type": "text/event-stream"})])
    answer = await surface.ask(scene.client, stream=True)
    assert (200, True, True) == (answer.status_code, "Hello" in answer.text, "key ***" in answer.text)
    assert PROVIDER_KEY not in answer.text.encode().decode("unicode_escape")
