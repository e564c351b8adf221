"""Which exception of the anthropic SDK each refusal becomes."""

from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from packyproxy.testing import Fault
from tests.support.settings import provider

ASKED: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "hi"}],
}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fault", "exception", "kind", "words"),
    [
        pytest.param(
            Fault.usage_limit(resets_in_seconds=7200),
            anthropic.RateLimitError,
            "rate_limit_error",
            "usage limit reached for packycode (plan plus); resets at ",
            id="usage-limit",
        ),
        pytest.param(
            Fault.context_overflow(limit=272_000, tokens=300_123),
            anthropic.BadRequestError,
            "invalid_request_error",
            "prompt is too long: 300123 tokens > 272000 maximum",
            id="context",
        ),
        pytest.param(
            Fault.status(400, "Bad tool schema.", type="invalid_request_error", param="tools"),
            anthropic.BadRequestError,
            "invalid_request_error",
            "Bad tool schema. (provider: packycode)",
            id="bad-request",
        ),
        pytest.param(
            Fault.unauthorized(),
            anthropic.InternalServerError,
            "api_error",
            "upstream rejected the gateway's credentials (provider: packycode)",
            id="provider-key",
        ),
        pytest.param(
            Fault.forbidden(),
            anthropic.PermissionDeniedError,
            "permission_error",
            "This group only allows Codex official clients",
            id="restricted",
        ),
        pytest.param(
            Fault.status(404, "The model 'gpt-5' does not exist.", code="model_not_found"),
            anthropic.NotFoundError,
            "not_found_error",
            "The model 'gpt-5' does not exist. (provider: packycode)",
            id="model",
        ),
        pytest.param(
            Fault.status(413, "Too much.", type="invalid_request_error"),
            anthropic.ContentTooLargeError,
            "request_too_large",
            "Too much. (provider: packycode)",
            id="too-large",
        ),
        pytest.param(
            Fault.status(402, "Pay.", code="insufficient_quota"),
            anthropic.PaymentRequiredError,
            "billing_error",
            "Pay. (provider: packycode)",
            id="billing",
        ),
    ],
)
async def test_refusals_have_their_exception(
    stage: Callable[..., Any],
    fault: Fault,
    exception: type[anthropic.APIStatusError],
    kind: str,
    words: str,
    is_streamed: bool,
) -> None:
    """An upstream's refusal raises the exception of its kind, with the provider's words and the request's id."""
    with pytest.raises(exception) as caught:
        await stage(fault).sdk.messages.create(**ASKED, stream=is_streamed)
    error = caught.value
    body: Any = error.body
    assert (kind, True) == (body["error"]["type"], body["error"]["message"].startswith(words))
    assert body["request_id"] == error.request_id


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("fault", "exception", "kind"),
    [
        pytest.param(Fault.overloaded(), anthropic.OverloadedError, "overloaded_error", id="overloaded"),
        pytest.param(Fault.status(500), anthropic.InternalServerError, "api_error", id="internal"),
        pytest.param(Fault.html(502), anthropic.InternalServerError, "api_error", id="html"),
        pytest.param(Fault.empty(200), anthropic.InternalServerError, "api_error", id="empty"),
        pytest.param(
            Fault.rate_limit(try_again_in="2s"), anthropic.RateLimitError, "rate_limit_error", id="rate"
        ),
    ],
)
async def test_passing_troubles_are_tried_again_first(
    stage: Callable[..., Any], fault: Fault, exception: type[anthropic.APIStatusError], kind: str
) -> None:
    """The proxy repeats the request itself; a trouble that stays raises what tells the SDK to retry later."""
    it = stage(fault)
    with pytest.raises(exception) as caught:
        await it.sdk.messages.create(**ASKED)
    body: Any = caught.value.body
    assert (kind, "true") == (body["error"]["type"], caught.value.response.headers["x-should-retry"])
    assert len(it.upstream.requests) == 2


async def test_a_far_reset_stops_the_retries(stage: Callable[..., Any]) -> None:
    """With retries allowed, the SDK still gives up at once on a usage limit that is hours away."""
    it = stage(Fault.usage_limit(resets_in_seconds=7200))
    with pytest.raises(anthropic.RateLimitError) as caught:
        await it.sdk.with_options(max_retries=5).messages.create(**ASKED)
    headers = caught.value.response.headers
    assert 7200 == pytest.approx(int(headers["retry-after"]), abs=2)
    assert headers["x-should-retry"] == "false"
    assert len(it.upstream.requests) == 1


@pytest.mark.virtual_time
async def test_a_retry_of_the_sdk_succeeds(stage: Callable[..., Any]) -> None:
    """An upstream that recovers is reached by the SDK's own retry."""
    it = stage([Fault.rate_limit(retry_after="0", try_again_in=None)] * 2 + ["Back."])
    message = await it.sdk.with_options(max_retries=1).messages.create(**ASKED)
    assert message.content[0].text == "Back."


@pytest.mark.parametrize("key", ["wrong", "right"])
async def test_the_client_key_is_checked(stage: Callable[..., Any], key: str) -> None:
    """The key that the SDK sends must be one of ``api-keys``; a wrong one raises before anything is asked."""
    it = stage("Hello.", config={"api-keys": ["right"]}, api_key=key)
    if key == "right":
        assert (await it.sdk.messages.create(**ASKED)).content[0].text == "Hello."
        return
    with pytest.raises(anthropic.AuthenticationError) as caught:
        await it.sdk.messages.create(**ASKED)
    body: Any = caught.value.body
    assert ({"type": "authentication_error", "message": "invalid x-api-key"}, []) == (
        body["error"],
        it.upstream.requests,
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"messages": []}, "messages: at least one message is required", id="no-message"),
        pytest.param({"model": ""}, "model: field required", id="no-model"),
        pytest.param({"tool_choice": {"type": "any"}}, "tool_choice", id="choice-without-tools"),
    ],
)
async def test_a_request_that_cannot_be_served_says_where(
    stage: Callable[..., Any], fields: dict[str, Any], words: str
) -> None:
    """A bad field raises ``BadRequestError`` that starts with its path; the upstream is not asked."""
    it = stage("Hello.")
    with pytest.raises(anthropic.BadRequestError) as caught:
        await it.sdk.messages.create(**{**ASKED, **fields})
    body: Any = caught.value.body
    assert (True, []) == (body["error"]["message"].startswith(words), it.upstream.requests)


async def test_an_unknown_model_names_the_nearest(stage: Callable[..., Any]) -> None:
    """A model that no provider has raises ``NotFoundError`` with the ids that come close."""
    it = stage("Hello.", config=_with_models(["gpt-5.1-codex", "gpt-5"]))
    with pytest.raises(anthropic.NotFoundError) as caught:
        await it.sdk.messages.create(**{**ASKED, "model": "gpt-5.1-codecs"})
    assert "gpt-5.1-codex" in str(caught.value)


async def test_nobody_enabled_says_how_to_mend_it(stage: Callable[..., Any]) -> None:
    """Without a provider the SDK gets a 503 with advice, and does not retry."""
    it = stage("Hello.", config={"packycode": {"enabled": False}})
    with pytest.raises(anthropic.ServiceUnavailableError) as caught:
        await it.sdk.with_options(max_retries=3).messages.create(**ASKED)
    assert "no provider is enabled: enable one in config.yaml" in str(caught.value)


def _with_models(models: list[str]) -> dict[str, Any]:
    return {"packycode": provider(models=models)}
