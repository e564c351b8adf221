"""One request through the whole proxy: commits, retries, repairs, endings (wire-mapping 0.5, 8, 11)."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.testing import Fault, Framing, StreamingASGITransport, Turn
from tests.support.settings import provider

Setting = Callable[..., Any]

pytestmark = pytest.mark.virtual_time

HELLO = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
THINKING = {"type": "adaptive"}


async def call_raw(scene: Any, send: Callable[[Any], Any], *, streams: bool = True) -> None:
    """Send a request to the proxy as an ASGI server would, with a ``send`` of the test's own."""
    body = {**HELLO, "stream": streams}
    messages = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    scope = {"type": "http", "method": "POST", "path": "/v1/messages", "query_string": b"", "headers": []}
    await scene.proxy(scope, receive, send)


async def signature_of(scene: Any) -> str:
    """Ask once with thinking and return the signature of the answer."""
    answer = (await scene.ask(thinking=THINKING)).json()
    signature: str = answer["content"][0]["signature"]
    return signature


def second_turn(signature: str) -> list[dict[str, Any]]:
    """Return a history that sends the reasoning back."""
    thinking = {"type": "thinking", "thinking": "", "signature": signature}
    return [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "hello"}]},
        {"role": "user", "content": "again"},
    ]


async def test_the_answer_is_the_upstreams(stage: Setting) -> None:
    """A plain question gets the upstream's text, under the model name the client asked for."""
    answer = (await stage("Hello there").ask()).json()
    assert [{"type": "text", "text": "Hello there"}] == answer["content"]
    assert answer["model"] == "claude-sonnet-4-5"


async def test_whole_and_streamed_answers_agree(stage: Setting) -> None:
    """The non-stream body is the fold of what the stream would have sent (row 45)."""
    scene = stage(Turn(reasoning=["Look."], text="Done."))
    body = (await scene.ask(thinking=THINKING)).json()
    async with scene.stream(thinking=THINKING) as response:
        raw = (await response.aread()).decode()
    assert "".join(block.get("text", "") for block in body["content"]) == "Done."
    assert '"thinking":"Look."' in raw


async def test_foreign_headers_never_reach_the_upstream(stage: Setting) -> None:
    """What a client sends beside its body stays here (row 51)."""
    scene = stage("ok")
    secrets = {
        "cookie": "a=b",
        "x-api-key": "client",
        "chatgpt-account-id": "acc",
        "x-forwarded-for": "10.0.0.1",
        "anthropic-beta": "x",
        "x-stainless-os": "Linux",
    }
    await scene.client.post(
        "/v1/messages",
        json={"model": "gpt-5", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
        headers=secrets,
    )
    received = scene.upstream.last_request.headers
    assert set() == secrets.keys() & received.keys()
    assert received["authorization"] == "Bearer sk-provider-0123456789"


async def test_refused_reasoning_is_dropped_once_and_remembered(stage: Setting) -> None:
    """One retry without reasoning, and the next turn sends none of it at once (row 6)."""
    scene = stage([Turn(reasoning=["Hm."], text="hello"), Fault.refused_reasoning(), "second", "third"])
    history = second_turn(await signature_of(scene))
    answer = await scene.ask(thinking=THINKING, messages=history)
    assert (200, "second") == (answer.status_code, answer.json()["content"][0]["text"])
    await scene.ask(thinking=THINKING, messages=history)
    kinds = [[item["type"] for item in request.input] for request in scene.upstream.requests]
    assert [["message"], ["message", "reasoning", "message", "message"]] == kinds[:2]
    assert [["message"] * 3, ["message"] * 3] == kinds[2:]


async def test_a_relay_that_refuses_instructions_gets_a_developer_message(stage: Setting) -> None:
    """``Instructions are not valid`` moves the system text, once and for good (wire-mapping 1.3)."""
    scene = stage([Fault.detail(400, "Instructions are not valid"), "ok", "ok"])
    await scene.ask(system="Be brief.")
    await scene.ask(system="Be brief.")
    roles = [request.input[0]["role"] for request in scene.upstream.requests]
    assert ["user", "developer", "developer"] == roles


async def test_a_refused_effort_is_stepped_down(stage: Setting) -> None:
    """An effort that the upstream does not know is lowered by one, and remembered (wire-mapping 1.6)."""
    message = "Unsupported value: 'high' is not supported with this model."
    refusal = Fault.status(400, message, type="invalid_request_error", param="reasoning.effort")
    scene = stage([refusal, "ok", "ok"])
    await scene.ask()
    await scene.ask()
    efforts = [request.body["reasoning"]["effort"] for request in scene.upstream.requests]
    assert ["high", "medium", "medium"] == efforts


@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(500),
        Fault.html(502),
        Fault.overloaded(),
        Fault.failed(),
        Fault.error_event(),
        Fault.cut(after_events=0),
        Fault.end(after_events=1),
        Fault.empty(),
        Fault.rate_limit(try_again_in="1.2s"),
    ],
    ids=["500", "html", "overloaded", "failed", "error", "reset", "eof", "empty", "short-rate-limit"],
)
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_a_passing_fault_is_retried_unseen(stage: Setting, fault: Fault, streams: bool) -> None:
    """Before first content the same provider is asked once more, and the client sees one ordinary answer."""
    scene = stage([fault, "Hello"])
    if streams:
        assert (await scene.events())[-1] == "message_stop"
    else:
        assert (await scene.ask()).json()["content"] == [{"type": "text", "text": "Hello"}]
    assert len(scene.upstream.requests) == 2


async def test_retries_can_be_switched_off(stage: Setting) -> None:
    """``request-retry: 0`` hands the first failure to the client."""
    scene = stage([Fault.status(500), "Hello"], config={"request-retry": 0})
    assert (await scene.ask()).status_code == 502
    assert len(scene.upstream.requests) == 1


async def test_a_whole_answer_is_retried_even_after_content(stage: Setting) -> None:
    """Nothing was written, so the retry window of a non-stream request is the whole call."""
    scene = stage([Fault.end("half an ans"), "The whole answer"])
    answer = (await scene.ask()).json()
    assert [{"type": "text", "text": "The whole answer"}] == answer["content"]


@pytest.mark.parametrize(
    "fault",
    [Fault.cut("Hello"), Fault.end("Hello"), Fault.failed(turn="Hello"), Fault.error_event(turn="Hello")],
    ids=["reset", "eof", "failed", "error"],
)
async def test_a_fault_after_content_is_an_error_the_client_sees(stage: Setting, fault: Fault) -> None:
    """No retry and no silent half answer once text was shown (rows 34-36)."""
    scene = stage([fault, "never asked"])
    events = await scene.events()
    assert events[-1] == "error"
    assert "message_stop" not in events
    assert len(scene.upstream.requests) == 1


async def test_a_far_reset_ends_at_once(stage: Setting) -> None:
    """A quota that resets in two hours is told, not waited for (row 42)."""
    scene = stage(Fault.usage_limit(resets_in_seconds=7200))
    answer = await scene.ask()
    assert answer.status_code == 429
    assert answer.headers["x-should-retry"] == "false"
    assert 7190 <= int(answer.headers["retry-after"]) <= 7200
    assert "anthropic-ratelimit-requests-reset" in answer.headers
    assert "usage limit reached for packycode (plan plus); resets at " in answer.json()["error"]["message"]
    assert len(scene.upstream.requests) == 1


async def test_a_rejected_provider_key_is_not_the_clients(stage: Setting) -> None:
    """The client must not be told to log in (row 43)."""
    answer = await stage(Fault.unauthorized()).ask()
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["type"] == "api_error"
    assert "credentials" in answer.json()["error"]["message"]


async def test_a_silent_upstream_is_bridged(stage: Setting) -> None:
    """``message_start`` at 15 s, a ping every 15 s after, and then the answer (row 40)."""
    scene = stage(Fault.stall("Hello", after_events=0))
    loop = asyncio.get_running_loop()
    started = loop.time()
    seen: list[tuple[int, str]] = []
    async with scene.stream() as response:
        assert round(loop.time() - started) == 15
        loop.call_later(30, scene.upstream.release)
        async for chunk in response.aiter_raw():
            seen += [
                (round(loop.time() - started), line.removeprefix("event: "))
                for line in chunk.decode().splitlines()
                if line.startswith("event: ")
            ]
    assert [(15, "message_start"), (15, "ping"), (30, "ping")] == seen[:3]
    assert seen[-1] == (45, "message_stop")
    assert [event for _, event in seen].count("message_start") == 1


async def test_after_the_commit_deadline_a_retry_is_still_unseen(stage: Setting) -> None:
    """Only the status is spent at 15 s; a failure at 40 s is still retried (row 40)."""
    scene = stage([Fault.stall(after_events=0), "Hello"], config={"streaming": {"headers-timeout": 1000}})
    loop = asyncio.get_running_loop()

    async def fail_first() -> None:
        first = await scene.upstream.received(1)
        await asyncio.sleep(40)
        scene.upstream.script = [Fault.status(503), "Hello"]
        first.end("disconnected")

    task = loop.create_task(fail_first())
    async with scene.stream() as response:
        loop.call_later(25, scene.upstream.release)
        body = (await response.aread()).decode()
    task.cancel()
    assert body.count("event: message_start") == 1
    assert body.rstrip().endswith('data: {"type":"message_stop"}')


async def test_a_failure_after_the_commit_deadline_is_an_error_event(stage: Setting) -> None:
    """With the status spent, the last word is an ``error`` frame."""
    scene = stage(Fault.stall(after_events=0), config={"streaming": {"headers-timeout": 20}})
    async with scene.stream() as response:
        body = (await response.aread()).decode()
    assert response.status_code == 200
    frames = [line for line in body.splitlines() if line.startswith("event: ")]
    assert ["event: message_start", "event: ping", "event: error"] == frames
    assert "the upstream did not answer in time" in body


@pytest.mark.parametrize(
    ("fault", "after", "seconds"),
    [
        (Fault.stall(after_events=0), "headers", 120),
        (Fault.stall("Hello", after_events=2), "idle", 300),
    ],
    ids=["headers", "idle"],
)
async def test_a_stuck_upstream_is_given_up(stage: Setting, fault: Fault, after: str, seconds: int) -> None:
    """No headers for 120 s or no byte for 300 s is a 504, and the upstream is closed (wire-mapping 8.7)."""
    del after
    scene = stage(fault)
    loop = asyncio.get_running_loop()
    started = loop.time()
    answer = await scene.ask()
    assert (504, "timeout_error") == (answer.status_code, answer.json()["error"]["type"])
    assert round(loop.time() - started) == seconds
    assert await scene.upstream.last_request.ended() == "disconnected"


async def test_the_total_limit_ends_an_endless_answer(stage: Setting) -> None:
    """A stream that never stops talking ends with an error at the total limit."""

    async def pace(_number: int) -> None:
        await asyncio.sleep(10)

    scene = stage(
        Turn(text="word " * 10_000), config={"streaming": {"total-timeout": 60}}, upstream={"pace": pace}
    )
    assert (await scene.events())[-1] == "error"


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_the_total_limit_ends_a_wait_for_a_retry(stage: Setting, streams: bool) -> None:
    """A request whose time is up before its retry is answered with the failure that was to be retried."""
    scene = stage(
        [Fault.rate_limit(retry_after="5"), "never asked"], config={"streaming": {"total-timeout": 2}}
    )
    assert (await scene.ask(stream=streams)).status_code == 429
    assert len(scene.upstream.requests) == 1


@pytest.mark.parametrize("writes_taken", [0, 1, 3], ids=["head", "opening", "content"])
async def test_a_server_that_says_on_send_that_the_client_left(
    stage: Setting, writes_taken: int, caplog: pytest.LogCaptureFixture
) -> None:
    """ASGI allows ``send`` to raise ``OSError`` for a lost client: that is no bug of ours, and ends the upstream."""
    scene = stage(Fault.stall("Hello world", after_events=8))
    taken = 0

    async def send(_: Any) -> None:
        nonlocal taken
        if taken == writes_taken:
            raise ConnectionResetError
        taken += 1

    with caplog.at_level("INFO", "packyproxy"):
        await call_raw(scene, send)
    assert await scene.upstream.last_request.ended() == "disconnected"
    assert [499] == [record.status for record in caplog.records if hasattr(record, "status")]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_keep_alive_that_finds_the_client_gone(
    stage: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """The frame that only shows life also shows death: the upstream is closed at once."""
    scene = stage(Fault.stall("Hello world", after_events=0))
    started = asyncio.get_running_loop().time()

    async def send(message: Any) -> None:
        if message.get("body", b"").startswith(b"event: ping"):
            raise BrokenPipeError

    with caplog.at_level("INFO"):
        await call_raw(scene, send)
    assert round(asyncio.get_running_loop().time() - started) == 30
    assert await scene.upstream.last_request.ended() == "disconnected"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("after_events", [0, 8], ids=["before-content", "mid-stream"])
async def test_a_client_that_leaves_closes_the_upstream(
    stage: Setting, streams: bool, after_events: int
) -> None:
    """At once, streaming or not, and without an error (row 44)."""
    scene = stage(Fault.stall("Hello world", after_events=after_events))
    task = asyncio.create_task(scene.events() if streams else scene.ask())
    received = await scene.upstream.received()
    await received.stalled()
    started = asyncio.get_running_loop().time()
    task.cancel()
    assert await received.ended() == "disconnected"
    assert asyncio.get_running_loop().time() - started < 1


@pytest.mark.parametrize(
    "framing",
    [
        Framing(line_end="\r\n", has_comments=True),
        Framing(line_end="\r", has_bom=True),
        Framing(cut_every=1),
        Framing(content_type=None),
        Framing(content_encoding="gzip"),
        Framing(content_encoding="br"),
        Framing(content_encoding="zstd"),
        Framing(content_encoding="deflate"),
        Framing(is_json=True),
        Framing(has_event_lines=False, events_per_write=50),
    ],
    ids=["crlf", "cr-bom", "bytewise", "no-type", "gzip", "br", "zstd", "deflate", "json", "burst"],
)
async def test_the_framing_of_the_upstream_does_not_matter(stage: Setting, framing: Framing) -> None:
    """Whatever is legal on the wire gives the same answer (rows 38, 39)."""
    answer = (await stage(Turn("Grüße, 世界 🎉", framing=framing)).ask()).json()
    assert [{"type": "text", "text": "Grüße, 世界 🎉"}] == answer["content"]


async def test_an_unknown_content_encoding_is_the_upstreams_fault(stage: Setting) -> None:
    """What cannot be decoded is no answer."""
    answer = await stage(Turn("x", headers={"content-encoding": "compress"})).ask()
    assert (502, "api_error") == (answer.status_code, answer.json()["error"]["type"])


async def test_the_answer_says_who_served_it_and_what_was_dropped(stage: Setting) -> None:
    """Route headers and warnings (wire-mapping 12.4)."""
    headers = (await stage("ok").ask(top_k=3, temperature=0.5)).headers
    assert ("packycode", "gpt-5", "high", "top_k,temperature") == (
        headers["x-packyproxy-provider"],
        headers["x-packyproxy-upstream-model"],
        headers["x-packyproxy-effort"],
        headers["x-packyproxy-warnings"],
    )


async def test_the_route_headers_can_be_switched_off(stage: Setting) -> None:
    """``expose-route-headers: false`` keeps the provider to the operator; warnings stay."""
    headers = (await stage("ok", config={"expose-route-headers": False}).ask(top_k=3)).headers
    assert ["x-packyproxy-warnings"] == [name for name in headers if name.startswith("x-packyproxy")]


async def test_the_token_estimate_learns_from_answers(stage: Setting) -> None:
    """The correction of a model moves towards what the upstream counts."""
    scene = stage("ok")
    count = {"model": "gpt-5", "messages": [{"role": "user", "content": "word " * 2000}]}
    before = (await scene.client.post("/v1/messages/count_tokens", json=count)).json()["input_tokens"]
    for _ in range(5):
        await scene.ask(model="gpt-5", messages=count["messages"])
    after = (await scene.client.post("/v1/messages/count_tokens", json=count)).json()["input_tokens"]
    assert after != before


async def test_a_search_is_never_asked_at_minimal_effort(stage: Setting) -> None:
    """Upstreams refuse the pair; Claude Code's WebSearch has thinking disabled, which is ``minimal`` on gpt-5."""
    scene = stage("found")
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    answer = await scene.ask(thinking={"type": "disabled"}, tools=[search])
    assert (200, 1, "low") == (
        answer.status_code,
        len(scene.upstream.requests),
        scene.upstream.last_request.body["reasoning"]["effort"],
    )


REFUSALS = {
    "gzip": ("gzip", gzip.compress(b'{"error":{"message":"try later"}}'), "try later (provider: packycode)"),
    "damaged": ("gzip", b"no gzip", "rate limit reached (provider: packycode)"),
    "unknown": ("compress", b"??", "rate limit reached (provider: packycode)"),
    "empty": ("br", b"", "rate limit reached (provider: packycode)"),
}


@pytest.mark.parametrize(("encoding", "body", "message"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_compressed_refusal_is_read(encoding: str, body: bytes, message: str) -> None:
    """A refusal keeps its status, and its text where that can be read (wire-mapping 0.4)."""

    def refuse(_: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(body)
        return httpx.Response(429, headers={"content-encoding": encoding}, stream=stream)

    proxy = PackyProxy(
        {"packycode": provider()},
        transport=httpx.MockTransport(refuse),
    )
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(proxy), base_url="http://proxy.test"
    ) as client:
        answer = await client.post("/v1/messages", json=HELLO)
    assert (429, message) == (answer.status_code, answer.json()["error"]["message"])


async def test_a_client_that_takes_nothing_is_given_up(
    stage: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """A write that is not taken for 60 s ends the exchange and the upstream (wire-mapping 8.7)."""
    scene = stage(Fault.stall("Hello world", after_events=8))
    started = asyncio.get_running_loop().time()

    async def send(message: Any) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    with caplog.at_level("INFO", "packyproxy"):
        await call_raw(scene, send)
    assert 60 == round(asyncio.get_running_loop().time() - started)
    assert await scene.upstream.last_request.ended() == "disconnected"
    assert ["client_stalled"] == [record.failure for record in caplog.records if hasattr(record, "failure")]


async def test_a_streamed_prewarm_is_a_whole_stream(stage: Setting) -> None:
    """A client that asked for a stream gets its frames, in order, without an upstream call."""
    scene = stage("never asked")
    assert ["message_start", "ping", "message_delta", "message_stop"] == await scene.events(max_tokens=0)
    assert [] == scene.upstream.requests


async def test_a_retry_is_not_worth_the_rest_of_the_time(stage: Setting) -> None:
    """Waiting for an overloaded upstream ends where the request's own time ends."""
    scene = stage(Fault.overloaded(), config={"streaming": {"total-timeout": 0.5}})
    answer = await scene.ask()
    assert (529, "overloaded_error") == (answer.status_code, answer.json()["error"]["type"])
    assert len(scene.upstream.requests) == 1


@pytest.mark.parametrize("script", ["Hello", Fault.status(400)], ids=["answer", "refusal"])
async def test_a_whole_answer_that_is_not_taken_is_given_up(stage: Setting, script: Any) -> None:
    """A client has 60 s to take the bytes of a whole answer, too (wire-mapping 8.7)."""
    started = asyncio.get_running_loop().time()

    async def send(message: Any) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    await call_raw(stage(script), send, streams=False)
    assert 60 == round(asyncio.get_running_loop().time() - started)


async def test_the_total_limit_puts_nothing_behind_the_last_byte(stage: Setting) -> None:
    """A client that is slow to take the end of its answer gets that end once."""
    endings = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            endings.append(message["body"])
            await asyncio.sleep(30)

    await call_raw(stage("Hello", config={"streaming": {"total-timeout": 20}}), send)
    assert len(endings) == 1
    assert b"message_stop" in endings[0]
