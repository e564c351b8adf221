"""The fake upstream answers from its script, breaks as told, and remembers what it was asked."""

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from packyproxy.testing import (
    Call,
    Citation,
    Compaction,
    FakeUpstream,
    Fault,
    Framing,
    Item,
    Message,
    OutputItem,
    Reasoning,
    ReceivedRequest,
    ScriptExhausted,
    Search,
    Stream,
    StreamingASGITransport,
    Turn,
    Usage,
    rate_limits_event,
)
from packyproxy.wire.content_encoding import decompress

BODY: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": "Be brief.",
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi there"}]}],
    "tools": [{"type": "function", "name": "ls", "parameters": {"type": "object", "properties": {}}}],
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "low", "summary": "auto"},
    "prompt_cache_key": "key",
}


def client_of(upstream: FakeUpstream) -> httpx.AsyncClient:
    """Return a client of an upstream."""
    return httpx.AsyncClient(transport=StreamingASGITransport(upstream), base_url="http://test/v1")


async def ask(upstream: FakeUpstream, body: Any = BODY, **options: Any) -> httpx.Response:
    """Ask an upstream and return the whole answer."""
    async with client_of(upstream) as client:
        return await client.post("/responses", json=body, **options)


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the events of a stream in plain framing."""
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]


def types_of(response: httpx.Response) -> list[str]:
    """Return the event types with runs of deltas as one, without the common prefix."""
    names = [event["type"].removeprefix("response.") for event in events_of(response)]
    return [name for n, name in enumerate(names) if n == 0 or name != names[n - 1]]


RESPONSE_KEYS = (
    "id object created_at status background completed_at error incomplete_details instructions max_output_tokens "
    "max_tool_calls model output parallel_tool_calls previous_response_id prompt_cache_key reasoning "
    "safety_identifier service_tier store temperature text tool_choice tools top_logprobs top_p truncation usage "
    "user metadata"
)
HANDSHAKE = ["created", "in_progress"]


async def test_a_text_is_streamed_like_the_real_one() -> None:
    """A message has its item, part and delta events in order, numbered without gaps."""
    response = await ask(FakeUpstream("Hello, wörld 🙂"))
    assert [
        *HANDSHAKE,
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ] == types_of(response)
    events = events_of(response)
    assert list(range(len(events))) == [event["sequence_number"] for event in events]
    assert "Hello, wörld 🙂" == "".join(e["delta"] for e in events if e["type"].endswith("text.delta"))
    assert all(4 <= len(e["obfuscation"]) <= 16 for e in events if e["type"].endswith(".delta"))


async def test_events_have_the_keys_of_recorded_ones() -> None:
    """Keys and their order are those of recorded streams."""
    events = {event["type"]: event for event in events_of(await ask(FakeUpstream("x")))}
    assert [
        "type",
        "sequence_number",
        "item_id",
        "output_index",
        "content_index",
        "delta",
        "logprobs",
        "obfuscation",
    ] == [*events["response.output_text.delta"]]
    assert ["id", "type", "status", "content", "role"] == [*events["response.output_item.added"]["item"]]
    assert RESPONSE_KEYS == " ".join(events["response.completed"]["response"])


async def test_the_response_echoes_its_request() -> None:
    """The terminal response repeats what was asked."""
    response = events_of(await ask(FakeUpstream("x")))[-1]["response"]
    echoed = ("model", "instructions", "tools", "store", "prompt_cache_key", "reasoning")
    assert {key: BODY[key] for key in echoed} == {key: response[key] for key in echoed}


async def test_reasoning_is_summarised_and_sealed() -> None:
    """A reasoning item has one part per summary text and an encrypted content that differs from the early one."""
    response = await ask(FakeUpstream(Turn("x", reasoning=["Look.", "Think."])))
    part = ["reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done"]
    assert [
        *HANDSHAKE,
        "output_item.added",
        *(2 * [*part, "reasoning_summary_part.done"]),
        "output_item.done",
    ] == (types_of(response)[:12])
    added, done = (
        event["item"] for event in events_of(response) if event.get("output_index") == 0 and "item" in event
    )
    assert ["Look.", "Think."] == [entry["text"] for entry in done["summary"]]
    assert (True, True) == (done["encrypted_content"].startswith("gAAAA"), added != done)


@pytest.mark.parametrize(
    ("change", "has_summary", "has_encrypted"),
    [({}, True, True), ({"include": []}, True, False), ({"reasoning": {"effort": "low"}}, False, True)],
    ids=["asked for both", "not encrypted", "no summary"],
)
async def test_reasoning_shows_what_was_asked_for(
    change: dict[str, Any], has_summary: bool, has_encrypted: bool
) -> None:
    """Summaries and encrypted content are sent only on request."""
    response = await ask(FakeUpstream(Turn("x", reasoning=["Look."])), BODY | change)
    item = events_of(response)[-1]["response"]["output"][0]
    assert (has_summary, has_encrypted) == (bool(item["summary"]), "encrypted_content" in item)


async def test_raw_reasoning_and_unasked_summaries_can_be_scripted() -> None:
    """A relay of other models sends reasoning text, and summaries nobody asked for."""
    turn = Turn(output=[Reasoning(["s"], is_encrypted=False, text="raw")], shows_summary_unasked=True)
    response = await ask(FakeUpstream(turn), BODY | {"reasoning": {}})
    item = events_of(response)[-1]["response"]["output"][0]
    assert ([{"type": "reasoning_text", "text": "raw"}], 1, False) == (
        item["content"],
        len(item["summary"]),
        "encrypted_content" in item,
    )


async def test_sealed_reasoning_is_taken_back_only_by_who_sealed_it() -> None:
    """A reasoning item can be replayed to its upstream; another identity refuses it."""
    first, second = FakeUpstream(Turn("x", reasoning=[])), FakeUpstream("y")
    item = events_of(await ask(first))[-1]["response"]["output"][0]
    body = BODY | {"input": [*BODY["input"], item, {"role": "assistant", "content": "x"}, *BODY["input"]]}
    assert [200, 400] == [(await ask(upstream, body)).status_code for upstream in (first, second)]
    assert second.last_request.error is not None
    assert "invalid_encrypted_content" == second.last_request.error["error"]["code"]


async def test_a_call_streams_its_arguments() -> None:
    """Arguments arrive in pieces and whole, under one call_id; text before a call is commentary."""
    response = await ask(FakeUpstream(Turn("Let me see.", calls=[Call("Read", {"file_path": "/a/ü"})])))
    events = [event for event in events_of(response) if event.get("output_index") == 1]
    added, *deltas, arguments, done = events
    assert '{"file_path":"/a/ü"}' == "".join(event["delta"] for event in deltas)
    assert '{"file_path":"/a/ü"}' == arguments["arguments"] == done["item"]["arguments"]
    assert ("", "Read", True) == (
        added["item"]["arguments"],
        done["item"]["name"],
        done["item"]["call_id"].startswith("call_"),
    )
    assert "commentary" == events_of(response)[-1]["response"]["output"][0]["phase"]


async def test_calls_can_interleave() -> None:
    """With interleaving, the deltas of calls take turns."""
    turn = Turn(
        calls=[Call("a", "123456789", id="call_a"), Call("b", "abcdefghi", id="call_b")], interleaves=True
    )
    events = events_of(await ask(FakeUpstream(turn)))
    assert [0, 1, 0, 1, 0, 1, 0, 1, 0, 1] == [
        event["output_index"] for event in events if "output_index" in event
    ]


async def test_custom_calls_have_events_of_their_own() -> None:
    """A custom tool call streams its input."""
    response = await ask(FakeUpstream(Turn(calls=[Call("patch", "*** x", kind="custom")])))
    assert ["custom_tool_call_input.delta", "custom_tool_call_input.done"] == types_of(response)[3:5]
    assert "*** x" == events_of(response)[-1]["response"]["output"][0]["input"]


@pytest.mark.parametrize("kind", ["function", "custom"])
async def test_a_call_can_be_of_a_namespace(kind: Any) -> None:
    """The item names the namespace when it is opened and when it is done; other calls have no such key."""
    calls = [Call("say", "{}", kind=kind, namespace="mcp__words"), Call("say", "{}", kind=kind)]
    events = events_of(await ask(FakeUpstream(Turn(calls=calls))))
    items = [event["item"] for event in events if "item" in event]
    assert ["mcp__words", "mcp__words", None, None] == [item.get("namespace") for item in items]
    assert "namespace" not in items[-1]


async def test_a_compaction_is_sealed_and_taken_back_only_by_who_sealed_it() -> None:
    """The encrypted history is one item; another upstream refuses it."""
    upstream = FakeUpstream([Turn(output=[Compaction()]), "Next."])
    asked = BODY | {"input": [*BODY["input"], {"type": "compaction_trigger"}]}
    response = await ask(upstream, asked)
    (item,) = events_of(response)[-1]["response"]["output"]
    assert [*HANDSHAKE, "output_item.added", "output_item.done", "completed"] == types_of(response)
    assert ("compaction", True) == (item["type"], item["encrypted_content"].startswith("gAAAA"))
    following = BODY | {"input": [item, *BODY["input"]]}
    assert [200, 400] == [(await ask(each, following)).status_code for each in (upstream, FakeUpstream("x"))]


async def test_items_of_any_other_type_can_be_sent() -> None:
    """Their fields are sent as they are; an id is made up, a status begins as in progress."""
    search = {"type": "tool_search_call", "call_id": "c", "status": "completed", "arguments": {"query": "x"}}
    items = [Item(search), Item({"type": "of_tomorrow", "id": "own"})]
    events = events_of(await ask(FakeUpstream(Turn(output=items))))
    added, done, *_ = (event["item"] for event in events if "item" in event)
    assert {**search, "id": done["id"]} == done
    assert {**done, "status": "in_progress"} == added
    assert {"type": "of_tomorrow", "id": "own"} == events[-1]["response"]["output"][1]


async def test_a_search_has_sources_on_request_and_citations() -> None:
    """Sources show only when included; citations point into the text."""
    turn = Turn(
        "See one.",
        searches=[
            Search("q", ["https://example.com/1"]),
            Search("https://example.com/2", action="open_page"),
        ],
        citations=[Citation("https://example.com/1", "One", "one"), Citation("https://example.com/2")],
        usage=Usage(input_tokens=1, output_tokens=2, web_search_requests=1),
    )
    include = {"include": ["web_search_call.action.sources"]}
    with_sources = events_of(await ask(FakeUpstream(turn), BODY | include))
    without = events_of(await ask(FakeUpstream(turn)))
    search, page, message = with_sources[-1]["response"]["output"]
    assert (
        [{"type": "url", "url": "https://example.com/1"}],
        {"type": "open_page", "url": "https://example.com/2"},
    ) == (
        search["action"]["sources"],
        page["action"],
    )
    assert "sources" not in without[-1]["response"]["output"][0]["action"]
    assert [(4, 7), (0, 8)] == [
        (a["start_index"], a["end_index"]) for a in message["content"][0]["annotations"]
    ]
    assert 1 == with_sources[-1]["response"]["tool_usage"]["web_search"]["num_requests"]


async def test_a_failed_search_is_never_completed() -> None:
    """A search may fail."""
    response = await ask(FakeUpstream(Turn(searches=[Search("q", status="failed")])))
    assert "web_search_call.completed" not in types_of(response)
    assert "failed" == events_of(response)[-1]["response"]["output"][0]["status"]


async def test_a_refusal_is_streamed_as_such() -> None:
    """A refusal has its own part and deltas."""
    response = await ask(FakeUpstream(Turn(refusal="I cannot do that.")))
    assert ["content_part.added", "refusal.delta", "refusal.done", "content_part.done"] == types_of(response)[
        3:7
    ]


async def test_an_incomplete_answer_says_why() -> None:
    """The terminal event, the reason and the status of the last item agree."""
    last = events_of(await ask(FakeUpstream(Turn("cut o", incomplete="max_output_tokens"))))[-1]
    assert ("response.incomplete", "incomplete", {"reason": "max_output_tokens"}, "incomplete") == (
        last["type"],
        last["response"]["status"],
        last["response"]["incomplete_details"],
        last["response"]["output"][0]["status"],
    )


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (
            "part",
            [
                "output_item.added",
                "content_part.added",
                "output_text.done",
                "content_part.done",
                "output_item.done",
            ],
        ),
        ("item", ["output_item.added", "output_item.done"]),
        ("response", []),
    ],
)
async def test_events_can_be_left_out(detail: Any, expected: list[str]) -> None:
    """An upstream may send whole parts, whole items, or only the whole response."""
    response = await ask(FakeUpstream(Turn("Hello", detail=detail)))
    assert [*HANDSHAKE, *expected, "completed"] == types_of(response)
    assert "Hello" == events_of(response)[-1]["response"]["output"][0]["content"][0]["text"]


async def test_the_final_output_can_be_empty() -> None:
    """The terminal response may list nothing although items were sent."""
    assert (
        [] == events_of(await ask(FakeUpstream(Turn("x", has_final_output=False))))[-1]["response"]["output"]
    )


async def test_usage_is_counted_or_given() -> None:
    """Without a script's numbers, usage is plausible; it may also be absent."""
    given = Usage(input_tokens=1024, cached_tokens=1000, output_tokens=7, reasoning_tokens=5)
    responses = [
        events_of(await ask(FakeUpstream(turn)))[-1]["response"]["usage"]
        for turn in (Turn("12345678", reasoning=[]), Turn("x", usage=given), Turn("x", has_usage=False))
    ]
    assert (66, {"reasoning_tokens": 64}) == (
        responses[0]["output_tokens"],
        responses[0]["output_tokens_details"],
    )
    assert (1024, 1000, 1031) == (
        responses[1]["input_tokens"],
        responses[1]["input_tokens_details"]["cached_tokens"],
        responses[1]["total_tokens"],
    )
    assert None is responses[2]


async def test_notices_are_mixed_in_without_numbers() -> None:
    """Events of the relay itself stand between those of the API."""
    turn = Turn("x", notices=[rate_limits_event(limit_reached=True), {"type": "x.unknown"}])
    events = events_of(await ask(FakeUpstream(turn)))
    assert ["codex.rate_limits", "x.unknown"] == [
        event["type"] for event in events if "sequence_number" not in event
    ]


async def test_items_come_in_any_order() -> None:
    """An explicit output keeps its order."""
    output: list[OutputItem] = [
        Reasoning(),
        Call("a"),
        Reasoning(),
        Message("x", phase="final_answer"),
        Call("b"),
    ]
    response = await ask(FakeUpstream(Turn(output=output)))
    kinds = [item["type"] for item in events_of(response)[-1]["response"]["output"]]
    assert ["reasoning", "function_call", "reasoning", "message", "function_call"] == kinds


async def test_equal_upstreams_stream_equal_bytes() -> None:
    """One identity, one script and one clock give one stream."""
    bodies = [
        (await ask(FakeUpstream(Turn("x", reasoning=["y"]), identity="a", clock=lambda: 1.0))).content
        for _ in range(2)
    ]
    assert bodies[0] == bodies[1]


def _text(response: httpx.Response) -> str:
    return "".join(e["delta"] for e in events_of(response) if e["type"].endswith("text.delta"))


@pytest.mark.parametrize(
    ("when_exhausted", "third"),
    [("repeat", "two"), ("echo", "hi there")],
)
async def test_a_sequence_is_used_up(when_exhausted: Any, third: str) -> None:
    """Each request takes the next answer; what follows the last is a choice."""
    upstream = FakeUpstream(["one", Turn("two")], when_exhausted=when_exhausted)
    answers = [_text(await ask(upstream)) for _ in range(3)]
    assert ["one", "two", third] == answers


async def test_a_request_too_many_can_be_an_error() -> None:
    """With ``fail``, who asks for more than was scripted is told so, and so is the test."""
    upstream = FakeUpstream(["one", "two"], when_exhausted="fail")
    answers = [await ask(upstream) for _ in range(3)]
    told = "The test is wrong: request 3 came, but the script ends after answer 2."
    assert (400, told) == (answers[2].status_code, answers[2].json()["error"]["message"])
    with pytest.raises(ScriptExhausted, match="request 3 came"):
        upstream.check_script()
    upstream.check_script()  # it was told


async def test_unused_answers_are_counted() -> None:
    """What is left of a sequence can be asserted on; other scripts have no end."""
    upstream = FakeUpstream(["one", "two"])
    before = upstream.remaining
    await ask(upstream)
    assert (2, 1, 0) == (before, upstream.remaining, FakeUpstream("always").remaining)


async def test_a_script_can_be_replaced() -> None:
    """A new sequence starts at its beginning."""
    upstream = FakeUpstream(["one", "two"])
    await ask(upstream)
    upstream.script = ["three", "four"]
    assert ["three", "four"] == [_text(await ask(upstream)) for _ in range(2)]


async def test_a_function_can_decide() -> None:
    """A callable script sees the request."""

    def script(request: ReceivedRequest) -> str:
        return f"{request.model}: {request.last_text}"

    assert "gpt-5: hi there" == _text(await ask(FakeUpstream(script)))


async def test_an_answer_of_no_known_type_is_told() -> None:
    """A mistake of the test is not taken for an upstream's."""
    upstream = FakeUpstream(lambda _request: 42)  # type: ignore[arg-type]
    message = (await ask(upstream)).json()["error"]["message"]
    assert "The test is wrong: a script cannot answer with int." == message
    with pytest.raises(TypeError, match="cannot answer with int"):
        upstream.check_script()


async def test_an_error_in_a_script_is_told_without_its_text() -> None:
    """The client learns what was raised where, and the test meets the error at its own line."""

    def script(request: ReceivedRequest) -> str:
        return str(request.body["no-such-field"])

    upstream = FakeUpstream(script)
    upstream.check_script()
    message = (await ask(upstream)).json()["error"]["message"]
    line = script.__code__.co_firstlineno + 1
    told = f"The test is wrong: KeyError was raised by the script at test_fake_upstream.py:{line}."
    assert told == message
    with pytest.raises(KeyError) as caught:
        upstream.check_script()
    assert ["test_an_error_in_a_script_is_told_without_its_text", "check_script", "script"] == [
        entry.name for entry in caught.traceback
    ]


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{"role": "user", "content": "words"}], "words"),
        (
            [{"role": "user", "content": "words"}, {"type": "function_call_output", "output": "result"}],
            "result",
        ),
        ([{"role": "user", "content": [{"type": "input_image"}]}], ""),
    ],
    ids=["string", "output", "no text"],
)
async def test_without_a_script_the_last_text_is_echoed(items: list[Any], text: str) -> None:
    """An upstream without a script repeats what it was told."""
    assert text == _text(await ask(FakeUpstream(validates=False), BODY | {"input": items}))


async def test_requests_are_recorded() -> None:
    """Body, headers, path and fate can be looked at; ``repr`` shows no content."""
    upstream = FakeUpstream("x")
    await ask(upstream, headers={"X-One": "1"})
    request = upstream.last_request
    assert (BODY, "1", "/v1/responses", "completed", 200) == (
        request.body,
        request.headers["x-one"],
        request.path,
        request.fate,
        request.status,
    )
    assert "ReceivedRequest(POST /v1/responses, status=200, fate='completed')" == repr(request)


async def test_a_refused_request_uses_no_turn() -> None:
    """What the API would refuse is refused, recorded, and does not advance the script."""
    upstream = FakeUpstream(["one", "two"])
    refused = await ask(upstream, BODY | {"temperature": 1})
    assert (400, {"detail": "Unsupported parameter: temperature"}) == (refused.status_code, refused.json())
    assert (refused.json(), "one") == (upstream.last_request.error, _text(await ask(upstream)))


@pytest.mark.parametrize(
    ("mode", "body"),
    [("codex", {"detail": "Unauthorized"}), ("platform", "invalid_api_key")],
)
async def test_a_wrong_key_is_refused(mode: Any, body: Any) -> None:
    """Only the right bearer token is admitted."""
    upstream = FakeUpstream("x", api_key="right", mode=mode)
    wrong = await ask(upstream, headers={"authorization": "Bearer wrong"})
    right = await ask(upstream, headers={"authorization": "Bearer right"})
    content = wrong.json()
    assert (401, body, 200) == (
        wrong.status_code,
        content["error"]["code"] if "error" in content else content,
        right.status_code,
    )


async def test_a_compressed_request_is_read() -> None:
    """Clients may compress what they send."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    upstream = FakeUpstream("x")
    client = client_of(upstream)
    good = await client.post("/responses", content=gzip.compress(json.dumps(BODY).encode()), headers=headers)
    bad = await client.post("/responses", content=b"no gzip", headers=headers)
    assert (200, 400, BODY) == (good.status_code, bad.status_code, upstream.requests[0].body)


@pytest.mark.parametrize(
    ("content", "content_type", "mode"),
    [
        (b"{", "application/json", "codex"),
        (b"[]", "application/json", "platform"),
        (b"{}", "text/plain", "codex"),
        (b"\xff", "application/json", "codex"),
    ],
    ids=["broken", "no object", "no JSON type", "no UTF-8"],
)
async def test_a_body_that_is_no_json_object_is_refused(content: bytes, content_type: str, mode: Any) -> None:
    """Bytes that are no request get a 400."""
    client = client_of(FakeUpstream(mode=mode))
    response = await client.post("/responses", content=content, headers={"content-type": content_type})
    assert 400 == response.status_code


async def test_the_public_api_answers_without_a_stream() -> None:
    """Platform mode gives one JSON response when no stream is asked for."""
    response = await ask(FakeUpstream("Hello", mode="platform"), {"model": "m", "input": "hi"})
    assert ("application/json", "completed", "Hello") == (
        response.headers["content-type"],
        response.json()["status"],
        response.json()["output"][0]["content"][0]["text"],
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/responses", 405),
        ("GET", "/responses/compact", 405),
        ("GET", "/alpha/search", 405),
        ("GET", "/responses/resp_1", 404),
        ("POST", "/models", 405),
        ("POST", "/chat/completions", 404),
        ("GET", "/models", 200),
        ("GET", "/models?client_version=1", 200),
    ],
)
async def test_other_routes(method: str, path: str, status: int) -> None:
    """Nothing exists but the routes of a codex relay, under any prefix."""
    response = await client_of(FakeUpstream(models=["m"])).request(method, path)
    assert status == response.status_code
    if status == 200:
        assert response.json() in (
            {"models": [{"slug": "m", "display_name": "m"}]},
            {
                "object": "list",
                "data": [{"id": "m", "object": "model", "created": 1735689600, "owned_by": "openai"}],
            },
        )


FAULTS: dict[str, tuple[Fault, int, str | None]] = {
    "status": (Fault.status(500), 500, "server_error"),
    "usage limit": (Fault.usage_limit(resets_at=1900000000), 429, "usage_limit_reached"),
    "bare usage limit": (
        Fault.usage_limit(resets_in_seconds=None, plan_type=None),
        429,
        "usage_limit_reached",
    ),
    "rate limit": (Fault.rate_limit(retry_after="2"), 429, "requests"),
    "bare rate limit": (Fault.rate_limit(try_again_in=None), 429, "requests"),
    "unauthorized": (Fault.unauthorized(), 401, "invalid_request_error"),
    "forbidden": (Fault.forbidden(), 403, None),
    "overloaded": (Fault.overloaded(), 503, "service_unavailable_error"),
    "context": (Fault.context_overflow(), 400, "invalid_request_error"),
    "reasoning": (Fault.refused_reasoning(), 400, "invalid_request_error"),
}


@pytest.mark.parametrize(("fault", "status", "kind"), FAULTS.values(), ids=FAULTS.keys())
async def test_errors_have_the_shape_of_the_api(fault: Fault, status: int, kind: str | None) -> None:
    """An error answer is JSON with an error object, or a detail."""
    response = await ask(FakeUpstream(fault))
    body = response.json()
    assert (status, kind, "application/json") == (
        response.status_code,
        body["error"]["type"] if kind else None,
        response.headers["content-type"],
    )


async def test_a_usage_limit_says_when_it_ends() -> None:
    """Body and headers carry the same reset."""
    response = await ask(
        FakeUpstream(Fault.usage_limit(resets_in_seconds=60, resets_at=1900000000, plan_type="pro"))
    )
    error = response.json()["error"]
    assert ("pro", 60, 1900000000) == (error["plan_type"], error["resets_in_seconds"], error["resets_at"])
    assert ("100", "60", "1900000000") == tuple(
        response.headers[f"x-codex-primary-{name}"]
        for name in ("used-percent", "reset-after-seconds", "reset-at")
    )


async def test_pages_and_nothing_at_all() -> None:
    """Proxies in between answer with HTML, redirects, or nothing."""
    html, empty, redirect = [
        await ask(FakeUpstream(f)) for f in (Fault.html(), Fault.empty(), Fault.redirect())
    ]
    assert (502, "<html>", 200, b"", None, 307, "https://example.com/v1/responses") == (
        html.status_code,
        html.text[:6],
        empty.status_code,
        empty.content,
        empty.headers.get("content-type"),
        redirect.status_code,
        redirect.headers["location"],
    )


STREAM_FAULTS: dict[str, tuple[Fault, list[str]]] = {
    "failed at once": (Fault.failed("context_length_exceeded"), [*HANDSHAKE, "failed"]),
    "failed first": (Fault.failed(after_events=0), ["failed"]),
    "failed in the middle": (
        Fault.failed(turn="x", after_events=3),
        [*HANDSHAKE, "output_item.added", "failed"],
    ),
    "error event": (Fault.error_event(), [*HANDSHAKE, "error"]),
    "nested error event": (Fault.error_event(is_nested=True), [*HANDSHAKE, "error"]),
    "clean end": (Fault.end(Turn("x", detail="item")), [*HANDSHAKE, "output_item.added", "output_item.done"]),
    "done": (Fault.done(Turn("x", detail="item")), [*HANDSHAKE, "output_item.added", "output_item.done"]),
}


@pytest.mark.parametrize(("fault", "expected"), STREAM_FAULTS.values(), ids=STREAM_FAULTS.keys())
async def test_a_stream_can_end_badly(fault: Fault, expected: list[str]) -> None:
    """The stream ends where it is told, with the event it is told."""
    assert expected == types_of(await ask(FakeUpstream(fault)))


async def test_errors_in_a_stream_are_flat_or_nested() -> None:
    """Both spellings of the error event carry code and message; a failure sits in its response."""
    flat, nested, failed = [
        events_of(await ask(FakeUpstream(fault)))[-1]
        for fault in (
            Fault.error_event("c", "m"),
            Fault.error_event("c", "m", is_nested=True),
            Fault.failed("c", "m"),
        )
    ]
    assert [("c", "m")] * 3 == [
        (e["code"], e["message"]) for e in (flat, nested["error"], failed["response"]["error"])
    ]


async def test_done_takes_the_place_of_the_terminal_event() -> None:
    """Some relays end a stream as the older API does."""
    assert (await ask(FakeUpstream(Fault.done("x")))).text.endswith("\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(("after_bytes", "expected"), [(0, 0), (1, 1), (1000, 1000)])
async def test_a_connection_can_be_cut_at_any_byte(after_bytes: int, expected: int) -> None:
    """The client sees exactly so many bytes and then a broken connection."""
    upstream = FakeUpstream(Fault.cut("Hello", after_bytes=after_bytes))
    received = bytearray()

    async def read() -> None:
        async with client_of(upstream).stream("POST", "/responses", json=BODY) as response:
            async for chunk in response.aiter_raw():
                received.extend(chunk)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    assert (expected, "cut") == (len(received), upstream.last_request.fate)


async def test_a_clean_end_can_be_anywhere() -> None:
    """The body may end in the middle of a frame without an error of the connection."""
    assert 100 == len((await ask(FakeUpstream(Fault.end("Hello", after_bytes=100)))).content)


async def test_a_stall_lasts_until_it_is_released() -> None:
    """A stalled answer goes on and ends well when the test says so."""
    upstream = FakeUpstream(Fault.stall("Hello", after_events=3))
    asking = asyncio.create_task(client_of(upstream).post("/responses", json=BODY))
    request = await upstream.received()
    await request.stalled()
    assert not asking.done()
    upstream.release()
    assert ("Hello", "completed") == (_text(await asking), await request.ended())


async def test_a_client_that_leaves_is_noticed() -> None:
    """A stalled answer whose client goes away counts as disconnected."""
    upstream = FakeUpstream(Fault.stall("Hello", after_events=3))
    async with client_of(upstream).stream("POST", "/responses", json=BODY):
        await upstream.last_request.stalled()
        assert "open" == upstream.last_request.fate
    assert "disconnected" == await upstream.last_request.ended()


async def test_a_client_that_leaves_before_the_status_line_is_noticed() -> None:
    """Stalling after zero events sends nothing at all."""
    upstream = FakeUpstream(Fault.stall(after_events=0))
    asking = asyncio.create_task(client_of(upstream).post("/responses", json=BODY))
    request = await upstream.received()
    await request.stalled()
    asking.cancel()
    assert "disconnected" == await request.ended()


async def test_the_number_of_a_request_can_be_awaited() -> None:
    """Waiting for the second request passes over the first."""
    upstream = FakeUpstream("x")
    waiting = asyncio.ensure_future(upstream.received(2))
    await client_of(upstream).post("/responses", json=BODY)
    assert not waiting.done()
    await client_of(upstream).post("/responses", json=BODY)
    assert upstream.requests[1] is await waiting


FRAMINGS = {
    "CRLF": (Framing(line_end="\r\n"), b"event: response.created\r\ndata: {"),
    "CR": (Framing(line_end="\r"), b"event: response.created\rdata: {"),
    "no event lines": (Framing(has_event_lines=False), b'data: {"type":"response.created"'),
    "comments": (Framing(has_comments=True), b": keep-alive\nevent: "),
    "BOM": (Framing(has_bom=True), b"\xef\xbb\xbfevent: "),
}


@pytest.mark.parametrize(("framing", "start"), FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_frames_can_be_spelt_otherwise(framing: Framing, start: bytes) -> None:
    """Every legal spelling can be asked for, for one turn or for all."""
    bodies = [
        (await ask(upstream)).content
        for upstream in (FakeUpstream("x", framing=framing), FakeUpstream(Turn("x", framing=framing)))
    ]
    assert [start, start] == [body[: len(start)] for body in bodies]


@pytest.mark.parametrize(
    ("framing", "largest", "count"),
    [(Framing(cut_every=7), 7, None), (Framing(events_per_write=1000), None, 1), (Framing(), None, 10)],
    ids=["every 7 bytes", "one write", "one event per write"],
)
async def test_writes_can_be_cut_or_grouped(framing: Framing, largest: int | None, count: int | None) -> None:
    """The client sees the writes it was promised."""
    upstream = FakeUpstream(Turn("Hello wörld", framing=framing))
    async with client_of(upstream).stream("POST", "/responses", json=BODY) as response:
        chunks = [chunk async for chunk in response.aiter_raw()]
    assert largest in (None, max(map(len, chunks)))
    assert count in (None, len(chunks))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_the_body_can_be_encoded(encoding: Any) -> None:
    """A content-encoding nobody asked for holds what the plain body holds."""
    options: dict[str, Any] = {"identity": "a", "clock": lambda: 1.0}
    plain = await ask(FakeUpstream("x", **options))
    upstream = FakeUpstream(Turn("x", framing=Framing(content_encoding=encoding, has_bom=True)), **options)
    async with client_of(upstream).stream("POST", "/responses", json=BODY) as response:
        encoded = b"".join([chunk async for chunk in response.aiter_raw()])
    assert (encoding, b"\xef\xbb\xbf" + plain.content) == (
        response.headers["content-encoding"],
        decompress(encoded, encoding, 100_000),
    )


COMPACT = {
    "model": "gpt-5",
    "instructions": "",
    "input": [*BODY["input"], {"role": "assistant", "content": "x"}],
}


async def ask_for(upstream: FakeUpstream, path: str, body: Any) -> httpx.Response:
    """Ask an upstream for a document and return the whole answer."""
    async with client_of(upstream) as client:
        return await client.post(path, json=body)


async def test_a_history_is_compacted_into_one_item() -> None:
    """The user's messages stay, the rest becomes a sealed item; usage and headers are the script's."""
    usage = Usage(input_tokens=99, output_tokens=3)
    upstream = FakeUpstream([Turn(usage=usage, headers={"x-new": "1"}), "Next."])
    answer = await ask_for(upstream, "/responses/compact", COMPACT)
    document = answer.json()
    assert ["id", "object", "created_at", "output", "usage"] == [*document]
    assert ["message", "compaction"] == [item["type"] for item in document["output"]]
    assert ("response.compaction", 102, "1") == (
        document["object"],
        document["usage"]["total_tokens"],
        answer.headers["x-new"],
    )
    assert 200 == (await ask(upstream, BODY | {"input": [*document["output"], *BODY["input"]]})).status_code
    assert [True, False] == [request.wants_document for request in upstream.requests]


async def test_a_search_is_answered_with_a_text() -> None:
    """What was found is the text of the script's answer; any JSON object is taken."""
    upstream = FakeUpstream(["Found.", Turn(["Found", "more."])])
    answers = [await ask_for(upstream, "/alpha/search", {"commands": {}}) for _ in range(2)]
    assert [{"output": "Found."}, {"output": "Found\nmore."}] == [answer.json() for answer in answers]


@pytest.mark.parametrize(
    ("lacking", "method", "path"),
    [
        ("compact", "POST", "/responses/compact"),
        ("search", "POST", "/alpha/search"),
        ("models", "GET", "/models"),
    ],
)
async def test_a_route_can_be_lacking(lacking: Any, method: str, path: str) -> None:
    """It is 404 then, uses up nothing, and nothing is recorded."""
    upstream = FakeUpstream("x", lacks={lacking})
    async with client_of(upstream) as client:
        answer = await client.request(method, path, json=COMPACT)
    assert (404, {"detail": "Not Found"}, 0) == (answer.status_code, answer.json(), len(upstream.requests))


async def test_the_catalogue_can_be_lacking() -> None:
    """Relays that know nothing of it answer with the usual list, whatever the query is."""
    async with client_of(FakeUpstream(models=["m"], lacks={"catalogue"})) as client:
        assert "list" == (await client.get("/models?client_version=1")).json()["object"]


async def test_requests_for_models_are_recorded() -> None:
    """They are kept apart from those that cost something; the answer has an etag."""
    upstream = FakeUpstream("x")
    async with client_of(upstream) as client:
        answer = await client.get("/models?client_version=1")
    assert (["client_version=1"], []) == ([each.query for each in upstream.model_requests], upstream.requests)
    assert answer.headers["etag"]


async def test_documents_can_be_refused_cut_or_stalled() -> None:
    """Faults hold for documents as far as they have a meaning there."""
    script = [Fault.overloaded(), Fault.cut(after_bytes=5), Fault.stall(), Fault.end()]
    upstream = FakeUpstream(script)
    assert 503 == (await ask_for(upstream, "/responses/compact", COMPACT)).status_code
    with pytest.raises(httpx.RemoteProtocolError):
        await ask_for(upstream, "/responses/compact", COMPACT)
    stalled = asyncio.create_task(ask_for(upstream, "/alpha/search", {}))
    await (await upstream.received(3)).stalled()
    upstream.release()
    assert {"output": ""} == (await stalled).json()
    assert 400 == (await ask_for(upstream, "/alpha/search", {})).status_code
    with pytest.raises(TypeError, match="a fault of the kind 'end' needs a stream"):
        upstream.check_script()


async def test_a_bad_request_to_compact_is_refused() -> None:
    """It is judged by its own rules."""
    answer = await ask_for(FakeUpstream("x"), "/responses/compact", COMPACT | {"stream": True})
    assert (400, {"detail": "Unsupported parameter: stream"}) == (answer.status_code, answer.json())


async def test_headers_can_be_added_changed_and_removed() -> None:
    """A turn has the last word on headers; the content-type may be missing."""
    headers = {"x-codex-plan-type": "", "cache-control": "no-store", "x-new": "1"}
    response = await ask(FakeUpstream(Turn("x", headers=headers, framing=Framing(content_type=None))))
    assert (None, None, "no-store", "1") == tuple(
        response.headers.get(name) for name in ("content-type", "x-codex-plan-type", "cache-control", "x-new")
    )


async def test_a_stream_can_be_answered_with_json() -> None:
    """Some relays answer a stream request with one JSON response, also a failed one."""
    framing = Framing(is_json=True)
    whole = await ask(FakeUpstream("x", framing=framing))
    failed, done = [await ask(FakeUpstream(f, framing=framing)) for f in (Fault.failed("c"), Fault.done("x"))]
    assert ("completed", "failed", {}) == (whole.json()["status"], failed.json()["status"], done.json())


@pytest.mark.parametrize(
    ("body", "chunks"), [(b"data: 1\n\n", 1), ([b"data: 1", b"\n\n"], 2)], ids=["bytes", "writes"]
)
async def test_recorded_bytes_are_sent_as_they_are(body: Any, chunks: int) -> None:
    """A stream is replayed verbatim, write by write."""
    upstream = FakeUpstream(Stream(body))
    async with client_of(upstream).stream("POST", "/responses", json=BODY) as response:
        received = [chunk async for chunk in response.aiter_raw()]
    assert (chunks, b"data: 1\n\n") == (len(received), b"".join(received))


async def test_the_pace_is_asked_before_every_write() -> None:
    """A hook may hold back each write."""
    numbers: list[int] = []

    async def pace(number: int) -> None:
        numbers.append(number)

    await ask(FakeUpstream(Turn("x", detail="item"), pace=pace))
    assert [0, 1, 2, 3, 4] == numbers


async def test_the_lifespan_is_answered() -> None:
    """A server may run start-up and shutdown."""
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await FakeUpstream()({"type": "lifespan"}, receive, send)
    await FakeUpstream()({"type": "websocket"}, receive, send)
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"] == sent


async def test_a_stream_without_writes_still_has_a_status() -> None:
    """Nothing but a status line is an answer, too."""
    response = await ask(FakeUpstream(Stream([], status=204)))
    assert (204, b"") == (response.status_code, response.content)


async def test_an_upload_that_breaks_off_is_no_request() -> None:
    """A client that leaves before its body is complete is not recorded."""
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    upstream = FakeUpstream()
    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": []}
    await upstream(scope, receive, send)
    assert ([], []) == (upstream.requests, sent)


async def test_repeated_headers_are_joined() -> None:
    """A header that came twice is recorded once."""
    upstream = FakeUpstream("x")
    async with client_of(upstream) as client:
        await client.post("/responses", json=BODY, headers=[("x-a", "1"), ("x-a", "2")])
    assert "1, 2" == upstream.last_request.headers["x-a"]


def test_importing_the_harness_loads_little_of_the_product() -> None:
    """Tests that use the harness do not load the proxy, its server or its HTTP engine."""
    program = (
        "import sys\nfrom packyproxy.testing import *\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'aiohttp', 'hypercorn', 'starlette', 'yaml'}),"
        " [name for name in sys.modules if name.startswith(('packyproxy.runtime', 'packyproxy.translate.m'))])"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "[] []" == output.strip()


def test_there_is_no_last_request_before_the_first() -> None:
    """A test whose code under test asks nothing is told so."""
    with pytest.raises(IndexError, match="no request has come"):
        _ = FakeUpstream().last_request
