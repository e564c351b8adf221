"""Which exception of the openai SDK each refusal becomes, and what its clients can read from it."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from packyproxy.testing import Fault
from tests.support.settings import provider

HI: list[Any] = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "gpt-5", "messages": HI}
RESPONSES: dict[str, Any] = {"model": "gpt-5", "input": HI}
SURFACES = ["chat", "responses"]


async def ask(it: Any, surface: str, **fields: Any) -> Any:
    """Ask on one of the surfaces; a stream is read to its end and returned as a list."""
    sdk = fields.pop("sdk", it.openai)
    if surface == "chat":
        answer = await sdk.chat.completions.create(**{**CHAT, **fields})
    else:
        answer = await sdk.responses.create(**{**RESPONSES, **fields})
    return [piece async for piece in answer] if fields.get("stream") else answer


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fault", "exception", "told", "words"),
    [
        pytest.param(
            Fault.usage_limit(resets_in_seconds=7200),
            openai.RateLimitError,
            (429, "rate_limit_error", "usage_limit_reached"),
            "usage limit reached for packycode (plan plus); resets at ",
            id="usage-limit",
        ),
        pytest.param(
            Fault.context_overflow(limit=272_000, tokens=300_123),
            openai.BadRequestError,
            (400, "invalid_request_error", "context_length_exceeded"),
            "This model's maximum context length is 272000 tokens. However, your messages resulted in 300123",
            id="context",
        ),
        pytest.param(
            Fault.status(400, "Bad tool schema.", type="invalid_request_error", param="tools"),
            openai.BadRequestError,
            (400, "invalid_request_error", None),
            "Bad tool schema. (provider: packycode)",
            id="bad-request",
        ),
        pytest.param(
            Fault.unauthorized(),
            openai.InternalServerError,
            (502, "server_error", "upstream_auth"),
            "upstream rejected the gateway's credentials (provider: packycode)",
            id="provider-key",
        ),
        pytest.param(
            Fault.forbidden(),
            openai.PermissionDeniedError,
            (403, "permission_error", "upstream_forbidden"),
            "This group only allows Codex official clients",
            id="restricted",
        ),
        pytest.param(
            Fault.status(404, "The model 'gpt-5' does not exist.", code="model_not_found"),
            openai.NotFoundError,
            (404, "invalid_request_error", "model_not_found"),
            "The model 'gpt-5' does not exist. (provider: packycode)",
            id="model",
        ),
        pytest.param(
            Fault.status(413, "Too much.", type="invalid_request_error"),
            openai.APIStatusError,
            (413, "invalid_request_error", "request_too_large"),
            "Too much. (provider: packycode)",
            id="too-large",
        ),
        pytest.param(
            Fault.status(402, "Pay.", code="insufficient_quota"),
            openai.RateLimitError,
            (429, "insufficient_quota", "insufficient_quota"),
            "Pay. (provider: packycode)",
            id="billing",
        ),
    ],
)
async def test_chat_refusals_have_their_exception(
    stage: Callable[..., Any],
    fault: Fault,
    exception: type[openai.APIStatusError],
    told: tuple[int, str, str | None],
    words: str,
    is_streamed: bool,
) -> None:
    """An upstream's refusal raises the exception of its kind, with type, code and the request's id."""
    with pytest.raises(exception) as caught:
        await ask(stage(fault), "chat", stream=is_streamed)
    error = caught.value
    body: Any = error.body
    assert told == (error.status_code, error.type, error.code)
    assert body["message"].startswith(words)
    assert error.request_id is not None
    assert error.request_id.startswith("req_")


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fault", "exception", "expected"),
    [
        pytest.param(
            Fault.usage_limit(resets_at=4_000_000_000, resets_in_seconds=None),
            openai.RateLimitError,
            {
                "type": "usage_limit_reached",
                "message": "The usage limit has been reached",
                "plan_type": "plus",
                "resets_at": 4_000_000_000,
            },
            id="usage-limit",
        ),
        pytest.param(
            Fault.status(400, "Bad tool schema.", type="invalid_request_error", param="tools", hint="x"),
            openai.BadRequestError,
            {
                "message": "Bad tool schema.",
                "type": "invalid_request_error",
                "param": "tools",
                "code": None,
                "hint": "x",
            },
            id="bad-request",
        ),
        pytest.param(
            Fault.status(402, "Pay.", type="billing", code="insufficient_quota"),
            openai.APIStatusError,
            {"message": "Pay.", "type": "billing", "param": None, "code": "insufficient_quota"},
            id="billing",
        ),
        pytest.param(
            Fault.status(404, "No such model.", type="invalid_request_error", code="model_not_found"),
            openai.NotFoundError,
            {
                "message": "No such model.",
                "type": "invalid_request_error",
                "param": None,
                "code": "model_not_found",
            },
            id="model",
        ),
    ],
)
async def test_responses_refusals_are_the_upstreams_own(
    stage: Callable[..., Any],
    fault: Fault,
    exception: type[openai.APIStatusError],
    expected: dict[str, Any],
    is_streamed: bool,
) -> None:
    """On the Responses surface the SDK sees the upstream's own error object: nothing added, nothing left out."""
    with pytest.raises(exception) as caught:
        await ask(stage(fault), "responses", stream=is_streamed)
    assert expected == caught.value.body


async def test_a_rejected_provider_key_is_not_the_clients(stage: Callable[..., Any]) -> None:
    """A provider that refuses its key is a 502 on both surfaces: no client may take its own key for wrong."""
    for surface in SURFACES:
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(stage(Fault.unauthorized()), surface)
        assert (502, "upstream_auth") == (caught.value.status_code, caught.value.code)


@pytest.mark.virtual_time
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(
    ("fault", "exception", "statuses"),
    [
        pytest.param(Fault.overloaded(), openai.InternalServerError, {503}, id="overloaded"),
        pytest.param(Fault.status(500), openai.InternalServerError, {500, 502}, id="internal"),
        pytest.param(Fault.html(502), openai.InternalServerError, {502}, id="html"),
        pytest.param(Fault.empty(200), openai.InternalServerError, {502}, id="empty"),
        pytest.param(Fault.rate_limit(try_again_in="2s"), openai.RateLimitError, {429}, id="rate"),
    ],
)
async def test_passing_troubles_are_tried_again_first(
    stage: Callable[..., Any],
    fault: Fault,
    exception: type[openai.APIStatusError],
    statuses: set[int],
    surface: str,
) -> None:
    """The proxy repeats the request itself; a trouble that stays raises what tells the SDK to retry later."""
    it = stage(fault)
    with pytest.raises(exception) as caught:
        await ask(it, surface)
    assert caught.value.status_code in statuses
    assert (2, "true") == (len(it.upstream.requests), caught.value.response.headers["x-should-retry"])


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_far_reset_stops_the_retries(stage: Callable[..., Any], surface: str) -> None:
    """With retries allowed, the SDK still gives up at once on a usage limit that is hours away."""
    it = stage(Fault.usage_limit(resets_in_seconds=7200))
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(it, surface, sdk=it.openai.with_options(max_retries=5))
    headers = caught.value.response.headers
    assert 7200 == pytest.approx(int(headers["retry-after"]), abs=2)
    assert ("false", 1) == (headers["x-should-retry"], len(it.upstream.requests))


@pytest.mark.virtual_time
@pytest.mark.parametrize("surface", SURFACES)
async def test_a_retry_of_the_sdk_succeeds(stage: Callable[..., Any], surface: str) -> None:
    """An upstream that recovers is reached by the SDK's own retry."""
    it = stage([Fault.rate_limit(retry_after="0", try_again_in=None)] * 2 + ["Back."])
    answer = await ask(it, surface, sdk=it.openai.with_options(max_retries=1))
    said = answer.choices[0].message.content if surface == "chat" else answer.output_text
    assert ("Back.", 3) == (said, len(it.upstream.requests))


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("key", ["wrong", "right"])
async def test_the_client_key_is_checked(stage: Callable[..., Any], key: str, surface: str) -> None:
    """The key that the SDK sends must be one of ``api-keys``; a wrong one raises before anything is asked."""
    it = stage("Hello.", config={"api-keys": ["right"]}, api_key=key)
    if key == "right":
        await ask(it, surface)
        return
    with pytest.raises(openai.AuthenticationError) as caught:
        await ask(it, surface)
    assert ("invalid_request_error", "invalid_api_key", []) == (
        caught.value.type,
        caught.value.code,
        it.upstream.requests,
    )


FUNCTION = {"name": "f", "parameters": {"type": "object"}}
AUDIO_PART = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
STORED_FILE = {"type": "file", "file": {"file_id": "file-1"}}


@pytest.mark.parametrize(
    ("surface", "fields", "param", "words"),
    [
        pytest.param("chat", {"messages": []}, "messages", "", id="no-message"),
        pytest.param("chat", {"model": ""}, "model", "", id="chat-model"),
        pytest.param("chat", {"n": 2}, "n", "n must be 1", id="n"),
        pytest.param(
            "chat", {"modalities": ["text", "audio"]}, "modalities", "audio output is not", id="modalities"
        ),
        pytest.param(
            "chat", {"audio": {"voice": "ash", "format": "mp3"}}, "audio", "audio output", id="audio"
        ),
        pytest.param(
            "chat",
            {"messages": [{"role": "user", "content": [AUDIO_PART]}]},
            "messages[0].content[0]",
            "audio input is not supported by this gateway",
            id="audio-part",
        ),
        pytest.param(
            "chat",
            {"messages": [{"role": "user", "content": [STORED_FILE]}]},
            "messages[0].content[0]",
            "",
            id="stored-file",
        ),
        pytest.param(
            "chat",
            {"functions": [FUNCTION], "tools": [{"type": "function", "function": FUNCTION}]},
            "functions",
            "",
            id="functions-and-tools",
        ),
        pytest.param(
            "chat",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format",
            "",
            id="no-schema",
        ),
        pytest.param("responses", {"model": ""}, "model", "", id="responses-model"),
        pytest.param(
            "responses",
            {"previous_response_id": "resp_1"},
            "previous_response_id",
            "previous_response_id is not supported: this gateway is stateless, resend the full input",
            id="previous-response",
        ),
        pytest.param("responses", {"background": True}, "background", "background is not", id="background"),
        pytest.param(
            "responses", {"conversation": "conv_1"}, "conversation", "conversation is not", id="conversation"
        ),
        pytest.param("responses", {"prompt": {"id": "pmpt_1"}}, "prompt", "prompt is not", id="prompt"),
        pytest.param(
            "responses",
            {"input": [{"type": "item_reference", "id": "msg_1"}]},
            "input",
            "item_reference needs server-side storage; send the full item",
            id="item-reference",
        ),
    ],
)
async def test_a_request_that_cannot_be_served_says_where(
    stage: Callable[..., Any], surface: str, fields: dict[str, Any], param: str, words: str
) -> None:
    """A bad field raises ``BadRequestError`` with its path as ``param``; the upstream is not asked."""
    it = stage("Hello.")
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(it, surface, **fields)
    error = caught.value
    body: Any = error.body
    assert ("invalid_request_error", []) == (error.type, it.upstream.requests)
    assert (error.param or "").startswith(param)
    assert words in body["message"]


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "prompt", "background"])
async def test_what_needs_storage_is_unsupported(stage: Callable[..., Any], field: str) -> None:
    """Fields that need a memory of earlier requests have the code that clients know for it."""
    values: dict[str, Any] = {"background": True, "prompt": {"id": "pmpt_1"}}
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(stage("Hello."), "responses", **{field: values.get(field, "id_1")})
    assert ("unsupported_parameter", field) == (caught.value.code, caught.value.param)


async def test_responses_cannot_be_fetched_later(stage: Callable[..., Any]) -> None:
    """Nothing is stored: reading, deleting and cancelling a response, and listing its input, find nothing."""
    responses = stage("Hello.").openai.responses
    for ask_for in (
        responses.retrieve,
        responses.delete,
        responses.cancel,
        responses.input_items.list,
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            await ask_for("resp_1")
        body: Any = caught.value.body
        assert body["message"] == "responses are not stored by this gateway"


@pytest.mark.parametrize("surface", SURFACES)
async def test_an_unknown_model_names_the_nearest(stage: Callable[..., Any], surface: str) -> None:
    """A model that no provider has raises ``NotFoundError`` with the ids that come close."""
    it = stage("Hello.", config={"packycode": provider(models=["gpt-5.1-codex", "gpt-5"])})
    with pytest.raises(openai.NotFoundError) as caught:
        await ask(it, surface, model="gpt-5.1-codecs")
    assert ("model_not_found", "invalid_request_error") == (caught.value.code, caught.value.type)
    assert "gpt-5.1-codex" in caught.value.message


@pytest.mark.parametrize("surface", SURFACES)
async def test_nobody_enabled_says_how_to_mend_it(stage: Callable[..., Any], surface: str) -> None:
    """Without a provider the SDK gets a 503 with advice, and does not retry."""
    it = stage("Hello.", config={"packycode": {"enabled": False}})
    with pytest.raises(openai.InternalServerError) as caught:
        await ask(it, surface, sdk=it.openai.with_options(max_retries=3))
    assert (503, "no_provider") == (caught.value.status_code, caught.value.code)
    assert "no provider is enabled: enable one in config.yaml" in caught.value.message


MID_ANSWER = [
    pytest.param(Fault.cut("Half an answer", after_events=7), "ended before response.completed", id="cut"),
    pytest.param(Fault.end("Half an answer", after_events=7), "ended before response.completed", id="end"),
    pytest.param(
        Fault.failed("server_is_overloaded", "Busy now.", turn="Half an answer", after_events=7),
        "Busy now.",
        id="overloaded",
    ),
    pytest.param(
        Fault.failed("server_error", "Broken.", turn="Half an answer", after_events=7), "Broken.", id="failed"
    ),
]


@pytest.mark.parametrize(("fault", "words"), MID_ANSWER)
async def test_a_chat_that_fails_in_mid_answer_raises(
    stage: Callable[..., Any], fault: Fault, words: str
) -> None:
    """Half an answer is never taken for a whole one: the SDK raises, after the text that there was."""
    it = stage(fault)
    text = ""

    async def read() -> None:
        nonlocal text
        async for chunk in await it.openai.chat.completions.create(**CHAT, stream=True):
            text += chunk.choices[0].delta.content or ""

    with pytest.raises(openai.APIError) as caught:
        await read()
    assert "Half an answer".startswith(text)
    assert text
    assert words in caught.value.message


@pytest.mark.parametrize(("fault", "words"), MID_ANSWER)
async def test_a_response_that_fails_in_mid_answer_is_failed(
    stage: Callable[..., Any], fault: Fault, words: str
) -> None:
    """The last event is ``response.failed`` with the reason, of the response that had begun."""
    events = await ask(stage(fault), "responses", stream=True)
    created, last = events[0], events[-1]
    assert ("response.created", "response.failed") == (created.type, last.type)
    assert (created.response.id, "failed") == (last.response.id, last.response.status)
    assert words in last.response.error.message
    numbers = [event.sequence_number for event in events]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize(("fault", "words"), MID_ANSWER)
async def test_the_helper_has_no_final_response_of_half_an_answer(
    stage: Callable[..., Any], fault: Fault, words: str
) -> None:
    """``get_final_response`` raises where there is no whole answer."""
    async with stage(fault).openai.responses.stream(**RESPONSES) as stream:
        with pytest.raises(RuntimeError):
            await stream.get_final_response()


async def test_a_context_overflow_is_told_in_the_stream(stage: Callable[..., Any]) -> None:
    """A Responses stream may fail with its first event: the SDK sees it as the upstream sent it."""
    fault = Fault.failed("context_length_exceeded", "Your input exceeds the context window.")
    [*_, last] = await ask(stage(fault), "responses", stream=True)
    assert ("response.failed", "context_length_exceeded") == (last.type, last.response.error.code)


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_failure_before_the_answer_is_invisible(stage: Callable[..., Any], surface: str) -> None:
    """A stream that breaks before its first word is asked for again, and the SDK sees one whole answer."""
    it = stage([Fault.cut("Half an answer", after_events=2), "A whole answer."])
    pieces = await ask(it, surface, stream=True)
    if surface == "chat":
        text = "".join(chunk.choices[0].delta.content or "" for chunk in pieces)
    else:
        text = pieces[-1].response.output_text
        assert [0] == [n for n, event in enumerate(pieces) if event.type == "response.created"]
    assert ("A whole answer.", 2) == (text, len(it.upstream.requests))
