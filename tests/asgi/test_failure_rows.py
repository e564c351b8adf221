"""Every row of wire-mapping 8.3 that an upstream's signal leads to, from the socket's side to the client's.

Provider a gives the signal at every request. Beside a healthy b: who is asked how often, who answers, and for how
long a then rests. Alone: what a client of each surface is told.
"""

import asyncio
import json
import ssl
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
from msgspec import Struct

from packyproxy.testing import Fault, Stream, Turn
from packyproxy.testing.upstream.faults import BrokenStream, ErrorAnswer
from tests.support.surfaces import CHAT, MESSAGES, RESPONSES, SURFACES, Surface

pytestmark = pytest.mark.virtual_time

FOR_GOOD = float("inf")
WITHOUT_AFFINITY = {"routing": {"session-affinity": False}}


def tls_failure() -> Exception:
    """Return what a client raises over a certificate that it does not trust."""
    error = httpx.ConnectError("certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    return error


class Row(Struct, frozen=True, kw_only=True):
    """One signal, and everything that follows from it."""

    signal: Any
    requests: int = 1
    """How many a gets for one of the client's: 2 where the row says R."""
    fails_over: bool = True
    rests: float | None = None
    """Seconds that a is left alone after its failure; None: the next request asks it again."""
    status: int
    """On the Messages surface, and so is ``type``."""
    type: str
    code: str | None = None
    """On the OpenAI surfaces."""
    retry_after: int | None = None
    should_retry: str | None = None

    @property
    def openai(self) -> tuple[int, str]:
        """Status and type on the OpenAI surfaces."""
        return OPENAI.get((self.status, self.type), (self.status, self.type))

    @property
    def own_error(self) -> dict[str, Any] | None:
        """The upstream's error object, if clients of the Responses API are shown it."""
        signal = self.signal
        if not isinstance(signal, ErrorAnswer) or signal.code < 400 or self.rests is FOR_GOOD:
            return None
        error = json.loads(signal.body).get("error") if signal.body[:1] == b"{" else None
        return error if isinstance(error, dict) else None

    def status_on(self, surface: Surface, *, is_stream: bool) -> int:
        """Return the status that tells of the failure of a lone provider."""
        if surface is MESSAGES:
            return self.status
        if surface is RESPONSES and is_stream and self.is_told_in_stream:
            return 200
        return self.signal.code if surface is RESPONSES and self.own_error else self.openai[0]

    @property
    def is_told_in_stream(self) -> bool:
        """Whether the upstream tells its failure by an event, which clients of the Responses API read there."""
        return isinstance(self.signal, BrokenStream) and self.signal.how in {"failed", "error"}


OPENAI = {
    (402, "billing_error"): (429, "insufficient_quota"),
    (404, "not_found_error"): (404, "invalid_request_error"),
    (413, "request_too_large"): (413, "invalid_request_error"),
    (502, "api_error"): (502, "server_error"),
    (504, "timeout_error"): (504, "server_error"),
    (529, "overloaded_error"): (503, "server_error"),
}
"""Status and type of the OpenAI surfaces, where they differ from those of Messages."""


def refused(signal: Any, code: str | None = None, *, requests: int = 1) -> Row:
    """Return the row of a fault of the request's (X)."""
    kind = "invalid_request_error"
    return Row(signal=signal, requests=requests, fails_over=False, status=400, type=kind, code=code)


def forbidden(signal: Any, code: str = "upstream_forbidden") -> Row:
    """Return the row of a refusal that another provider may not share (F)."""
    return Row(signal=signal, status=403, type="permission_error", code=code)


def broken(signal: Any, code: str | None = None, *, requests: int = 2) -> Row:
    """Return the row of an upstream that is out of order (R once, F)."""
    return Row(
        signal=signal,
        requests=requests,
        rests=1,
        status=502,
        type="api_error",
        code=code,
        should_retry="true",
    )


def timed_out(signal: Any, code: str | None = None, *, requests: int = 1) -> Row:
    """Return the row of an upstream that is too slow."""
    return Row(
        signal=signal,
        requests=requests,
        rests=1,
        status=504,
        type="timeout_error",
        code=code,
        should_retry="true",
    )


def overloaded(signal: Any, code: str | None = "server_overloaded") -> Row:
    """Return the row of an upstream that cannot serve now (R once, F)."""
    return Row(
        signal=signal,
        requests=2,
        rests=1,
        status=529,
        type="overloaded_error",
        code=code,
        retry_after=5,
        should_retry="true",
    )


def unpaid(signal: Any) -> Row:
    """Return the row of an account without credit (F, an hour's rest)."""
    return Row(
        signal=signal,
        rests=3600,
        status=402,
        type="billing_error",
        code="insufficient_quota",
        should_retry="false",
    )


def limited(signal: Any, seconds: int, *, requests: int = 1, code: str = "rate_limit_exceeded") -> Row:
    """Return the row of a limit that ends after some seconds."""
    return Row(
        signal=signal,
        requests=requests,
        rests=seconds,
        status=429,
        type="rate_limit_error",
        code=code,
        retry_after=seconds,
        should_retry="true" if seconds <= 60 else "false",
    )


def over_quota(signal: Any, seconds: int) -> Row:
    """Return the row of an account that is used up for some seconds."""
    return limited(signal, seconds, code="usage_limit_reached")


def misconfigured(
    signal: Any, code: str | None = None, *, fails_over: bool = True, rests: float | None = None
) -> Row:
    """Return the row of a fault that only the operator can mend."""
    return Row(
        signal=signal,
        fails_over=fails_over,
        rests=rests,
        status=502,
        type="api_error",
        code=code,
        should_retry="false",
    )


ROWS: dict[str, Row] = {
    "400 context by code": refused(Fault.context_overflow(), "context_length_exceeded"),
    "400 context by text": refused(
        Fault.detail(400, "Your input exceeds the context window of this model"), "context_length_exceeded"
    ),
    "stream: context": refused(
        Fault.failed("context_length_exceeded", "too long"), "context_length_exceeded"
    ),
    "400 encrypted content, none sent": refused(Fault.refused_reasoning(), "invalid_encrypted_content"),
    "400 unsupported parameter, again and again": refused(
        Fault.detail(400, "Unsupported parameter: prompt_cache_key"), "unsupported_parameter", requests=2
    ),
    "400 other": refused(Fault.status(400, "Invalid value", type="invalid_request_error")),
    "422": refused(Fault.detail(422, "field required")),
    "400 policy": refused(Fault.status(400, "refused", code="cyber_policy"), "cyber_policy"),
    "stream: policy": refused(Fault.failed("invalid_prompt", "refused"), "invalid_prompt"),
    "400 image": refused(Fault.status(400, "bad image", code="invalid_image_format"), "invalid_image_format"),
    "401": misconfigured(Fault.detail(401, "Unauthorized"), "upstream_auth", rests=FOR_GOOD),
    "invalid_api_key": misconfigured(Fault.unauthorized(), "upstream_auth", rests=FOR_GOOD),
    "stream: invalid_api_key": misconfigured(
        Fault.failed("invalid_api_key", "no"), "upstream_auth", rests=FOR_GOOD
    ),
    "403": forbidden(Fault.status(403, "no")),
    "403 official clients": forbidden(Fault.forbidden()),
    "403 codex_access_restricted": forbidden(
        Fault.status(403, "no", code="codex_access_restricted"), "codex_access_restricted"
    ),
    "usage_not_included": forbidden(
        Fault.status(429, "upgrade", code="usage_not_included"), "usage_not_included"
    ),
    "402": unpaid(Fault.detail(402, "Payment Required")),
    "429 insufficient_quota": unpaid(Fault.status(429, "no credit", code="insufficient_quota")),
    "stream: insufficient_quota": unpaid(Fault.failed("insufficient_quota", "no credit")),
    "404 model by code": Row(
        signal=Fault.status(404, "no such", code="model_not_found"),
        status=404,
        type="not_found_error",
        code="model_not_found",
    ),
    "404 model by text": Row(
        signal=Fault.detail(404, "The model `gpt-5` does not exist"),
        status=404,
        type="not_found_error",
        code="model_not_found",
    ),
    "404 other": misconfigured(Fault.detail(404, "Not Found")),
    "405": misconfigured(Fault.detail(405, "Method Not Allowed")),
    "418": misconfigured(Fault.status(418, "no"), fails_over=False),
    "413": Row(
        signal=Fault.status(413, "too large"),
        fails_over=False,
        status=413,
        type="request_too_large",
        code="request_too_large",
    ),
    "408": timed_out(Fault.status(408), requests=2),
    "409": Row(
        signal=Fault.status(409, "conflict"), requests=2, status=502, type="api_error", should_retry="true"
    ),
    "425": Row(
        signal=Fault.status(425, "early"), requests=2, status=502, type="api_error", should_retry="true"
    ),
    "429 quota with a reset": over_quota(Fault.usage_limit(resets_in_seconds=7200), 7200),
    "429 quota without one": over_quota(Fault.status(429, "usage limit reached"), 60),
    "400 quota by type": over_quota(Fault.status(400, "wait", type="usage_limit_reached"), 60),
    "stream: quota": over_quota(Fault.failed("usage_limit_reached", "wait", resets_in_seconds=600), 600),
    "429 rate limit, short": limited(Fault.rate_limit(retry_after="2"), 2, requests=2),
    "429 rate limit, long": limited(Fault.rate_limit(retry_after="30"), 30),
    "429 rate limit, by text": limited(Fault.rate_limit(try_again_in="20s"), 20),
    "429 rate limit, no time": limited(Fault.rate_limit(try_again_in=None), 5),
    "429 other": limited(Fault.detail(429, "Too Many Requests"), 5),
    "429 with a full window": limited(
        Fault.answer(
            429,
            {"detail": "Too Many Requests"},
            headers={"x-codex-primary-used-percent": "100", "x-codex-primary-reset-after-seconds": "900"},
        ),
        900,
    ),
    "429 slow_down": limited(Fault.status(429, "slow down", code="slow_down"), 5),
    "server_is_overloaded": overloaded(Fault.overloaded()),
    "stream: server_is_overloaded": overloaded(Fault.failed("server_is_overloaded", "busy")),
    "stream: overloaded_error event": overloaded(Fault.error_event("overloaded_error", "busy")),
    "stream: slow_down": overloaded(Fault.failed("slow_down", "busy")),
    "400 at capacity": overloaded(Fault.detail(400, "Selected model is at capacity")),
    "529": overloaded(Fault.status(529, "busy")),
    "503": overloaded(Fault.status(503, "Service Unavailable"), None),
    "503 with a time": Row(
        signal=Fault.status(503, "maintenance", headers={"retry-after": "90"}),
        rests=90,
        status=529,
        type="overloaded_error",
        retry_after=90,
        should_retry="false",
    ),
    "500": broken(Fault.status(500)),
    "502 HTML": broken(Fault.html(502)),
    "200 HTML": broken(Fault.html(200)),
    "200 empty": broken(Fault.empty()),
    "504": timed_out(Fault.status(504), requests=2),
    "520": broken(Fault.status(520)),
    "524": broken(Fault.status(524)),
    "200 JSON error": overloaded(
        Fault.answer(200, {"error": {"message": "busy", "type": "overloaded_error"}})
    ),
    "200 JSON refusal": unpaid(
        Fault.answer(200, {"error": {"message": "no credit", "code": "insufficient_user_quota"}})
    ),
    "200 plain text": broken(Fault.answer(200, b"Service overloaded", content_type="text/plain")),
    "stream: server_error": broken(Fault.failed("server_error", "oops")),
    "stream: no code": broken(Fault.failed(None, "oops")),
    "stream: error event": broken(Fault.error_event(None, "oops")),
    "stream: ends early": broken(Fault.end(Turn("lost"), after_events=2)),
    "stream: cancelled": broken(
        Stream(b'data: {"type": "response.cancelled", "response": {"status": "cancelled"}}\n\n')
    ),
    "200 no response": broken(
        Stream(b'{"answer": 42}', headers={"content-type": "application/json"}), requests=1
    ),
    "stream: breaks early": broken(Fault.cut(Turn("lost"), after_events=2)),
    "vector_store_timeout": misconfigured(Fault.failed("vector_store_timeout", "no"), fails_over=False),
    "307": misconfigured(Fault.redirect(), fails_over=False),
    "connection refused": broken(httpx.ConnectError("refused"), "upstream_unreachable"),
    "connection reset": broken(httpx.ReadError("reset"), "upstream_unreachable"),
    "TLS": misconfigured(tls_failure(), "upstream_tls"),
    "connect timeout": timed_out(httpx.ConnectTimeout("slow"), "timeout"),
    "no headers": timed_out(Fault.stall(Turn("late"), after_events=0), "timeout"),
    "no event after the headers": timed_out(Fault.stall(Turn("late"), after_events=1), "timeout"),
}

each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
each_surface = pytest.mark.parametrize("surface", SURFACES, ids=str)


@each_row
@each_surface
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
async def test_beside_a_healthy_provider(ensemble: Any, row: Row, surface: Surface, is_stream: bool) -> None:
    """Who is asked, who answers, and whose answer the client gets."""
    stage = ensemble({"a": row.signal, "b": Turn("from b")}, config=WITHOUT_AFFINITY)
    # A long silence of a's spends the status line; the failure would then be a frame.
    is_stream = is_stream and row.status != 504
    answer = await surface.ask(stage.client, stream=is_stream)
    assert {"a": row.requests, "b": int(row.fails_over)} == stage.calls()
    told = (answer.status_code, answer.headers["x-packyproxy-provider"])
    status = row.status_on(surface, is_stream=is_stream)
    assert told == ((200, "b") if row.fails_over else (status, "a"))
    assert "lost" not in answer.text
    assert row.fails_over is ("from b" in answer.text)


@each_row
@each_surface
async def test_how_long_it_rests(ensemble: Any, row: Row, surface: Surface) -> None:
    """During its rest a is passed over, and asked again as soon as it is over."""
    stage = ensemble({"a": row.signal, "b": Turn("from b")}, config=WITHOUT_AFFINITY)
    await surface.ask(stage.client)
    if row.rests is not None:
        await asyncio.sleep(min(row.rests - 0.5, 1_000_000))
        await surface.ask(stage.client)
        assert row.requests == stage.calls()["a"]
        if row.rests is FOR_GOOD:
            return
        await asyncio.sleep(0.5)
    await surface.ask(stage.client)
    assert stage.calls()["a"] > row.requests


@each_row
async def test_alone(ensemble: Any, row: Row) -> None:
    """Status, type, and whether and when the client should come back."""
    stage = ensemble({"a": row.signal})
    answer = await stage.ask()
    assert (row.status, row.type) == (answer.status_code, answer.json()["error"]["type"])
    assert (row.retry_after, row.should_retry) == _when(answer)
    assert {"a": row.requests} == stage.calls()


@each_row
async def test_alone_before_a_chat_client(ensemble: Any, row: Row) -> None:
    """The same in OpenAI's words, with a code."""
    stage = ensemble({"a": row.signal})
    answer = await CHAT.ask(stage.client)
    error = answer.json()["error"]
    assert (*row.openai, row.code) == (answer.status_code, error["type"], error["code"])
    assert ("message", "type", "param", "code") == tuple(error)
    retry_after = 3600 if row.status == 402 else row.retry_after  # a 429 there
    assert (retry_after, row.should_retry) == _when(answer)
    assert {"a": row.requests} == stage.calls()


@each_row
async def test_alone_before_a_responses_client(ensemble: Any, row: Row) -> None:
    """The upstream's own status and error object, where it refused with one; else what a Chat client is told.

    But a used-up quota always has the type by which the Codex CLI knows it.
    """
    chat, responses = ensemble({"a": row.signal}), ensemble({"a": row.signal})
    expected, answer = await CHAT.ask(chat.client), await RESPONSES.ask(responses.client)
    retry_after, should_retry = _when(expected)
    if row.own_error is not None:
        assert (row.signal.code, {"error": row.own_error}) == (answer.status_code, answer.json())
        if row.type == "permission_error" and answer.status_code == 429:
            should_retry = "false"
    else:
        error = expected.json()["error"]
        if error["code"] == "usage_limit_reached":
            error |= {"type": "usage_limit_reached", "resets_at": ANY}
        assert (expected.status_code, {"error": error}) == (answer.status_code, answer.json())
    assert (retry_after, should_retry) == _when(answer)
    assert {"a": row.requests} == responses.calls()


def _when(answer: httpx.Response) -> tuple[int | None, str | None]:
    """Return what a client is told of coming back."""
    retry_after = answer.headers.get("retry-after")
    return int(retry_after) if retry_after else None, answer.headers.get("x-should-retry")


async def test_refused_reasoning_is_left_out_once(ensemble: Any) -> None:
    """Then the refusal is the client's answer; nobody else is asked, and a does not rest."""
    turn = Turn(reasoning=["thought"], text="hello")
    stage = ensemble({"a": [turn, Fault.refused_reasoning()], "b": Turn("from b")}, config=WITHOUT_AFFINITY)
    first = (await stage.ask(thinking={"type": "adaptive"})).json()
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": "go on"},
    ]
    answer = await stage.ask(messages=history)
    assert (400, {"a": 3, "b": 0}) == (answer.status_code, stage.calls())
    kinds = [[item["type"] for item in request.input] for request in stage.upstreams["a"].requests[1:]]
    assert ["reasoning" in sent for sent in kinds] == [True, False]
