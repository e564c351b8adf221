"""What is recorded of requests and attempts: one record each, with the right facts, whatever the end."""

import asyncio
import itertools
import json
from hashlib import sha256
from typing import Any

import pytest

from packyproxy.errors import FailureKind
from packyproxy.runtime.observation.recorder import Recorder
from packyproxy.runtime.serving.asking import Asking
from packyproxy.testing import Fault, Framing, Stream, Turn
from packyproxy.testing.upstream.script import Usage
from packyproxy.usage.records import GAP_BOUNDS, AttemptRecord, RequestRecord
from tests.support.settings import provider as stage_provider
from tests.support.surfaces import MESSAGES, SURFACES, Surface

pytestmark = pytest.mark.virtual_time

COUNTED = Usage(input_tokens=100, output_tokens=20, cached_tokens=40, reasoning_tokens=5)
SILENT = Fault.stall(Turn("late"), after_events=0)
SEARCH = [{"type": "web_search_20250305", "name": "web_search"}]


class Notes:
    """Every record that a proxy has made, in order."""

    def __init__(self) -> None:
        self.attempts: list[AttemptRecord] = []
        self.requests: list[RequestRecord] = []
        self.begun = 0

    @property
    def attempt(self) -> AttemptRecord:
        (only,) = self.attempts
        return only

    @property
    def request(self) -> RequestRecord:
        (only,) = self.requests
        return only

    @property
    def ends(self) -> list[tuple[str, str]]:
        """Who was asked, and what came of it."""
        return [
            (each.provider, "cut off" if each.is_cut_off else each.failure or "") for each in self.attempts
        ]


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    """Return what every proxy of the test records; it is recorded all the same."""
    made = Notes()
    begins, request, attempt = Recorder.request_begins, Recorder.request_ended, Recorder.attempt_ended

    def request_begins(self: Recorder) -> None:
        made.begun += 1
        begins(self)

    def request_ended(self: Recorder, record: RequestRecord, **options: Any) -> None:
        made.requests.append(record)
        request(self, record, **options)

    def attempt_ended(self: Recorder, record: AttemptRecord, **options: Any) -> None:
        made.attempts.append(record)
        attempt(self, record, **options)

    monkeypatch.setattr(Recorder, "request_begins", request_begins)
    monkeypatch.setattr(Recorder, "request_ended", request_ended)
    monkeypatch.setattr(Recorder, "attempt_ended", attempt_ended)
    return made


def tempo(*seconds: float) -> dict[str, Any]:
    """Return the settings of an upstream each of whose writes waits for its own number of seconds."""

    async def pace(number: int) -> None:
        if number < len(seconds):
            await asyncio.sleep(seconds[number])

    return {"pace": pace}


def in_flight(scene: Any) -> int:
    recorder: Recorder = scene.proxy.runtime.recorder
    return recorder.figures().in_flight


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("surface", SURFACES, ids=str)
async def test_an_answer(stage: Any, notes: Notes, surface: Surface, streams: bool) -> None:
    """A served request is one attempt and one request, which agree on all that both know."""
    scene = stage(Turn("Hello", usage=COUNTED))
    answer = await surface.ask(scene.client, stream=streams)
    attempt, request = notes.attempt, notes.request
    for record in (attempt, request):
        assert (surface.name, streams) == (record.protocol, record.is_streaming)
        assert answer.headers["x-request-id"] == record.request_id
        assert ("packycode", answer.headers["x-packyproxy-upstream-model"]) == (record.provider, record.model)
        assert record.tokens is not None
        assert (100, 40, 20) == (record.tokens.input, record.tokens.cached, record.tokens.output)
        assert record.failure is None
    assert attempt.is_success
    assert attempt.has_output
    assert attempt.provider_id == scene.proxy.runtime.snapshot.providers["packycode"].id
    assert (200, 1) == (request.status, request.attempts)
    assert request.body_bytes == len(scene.upstream.last_request.raw)
    assert (0, 1) == (in_flight(scene), notes.begun)


OUTPUT, FIRST_DELTA, SECOND_DELTA, THIRD_DELTA, ENDING = 2, 4, 5, 6, 10
"""The places of the events of a message of three deltas, from the one that opens the message on."""


def waits(seconds: dict[int, float]) -> dict[str, Any]:
    """Return the settings of an upstream that waits so many seconds before the events at these places."""
    return tempo(*(seconds.get(place, 0.0) for place in range(11)))


def buckets(*seconds: float) -> tuple[int, ...]:
    """Return how pauses are counted: each in the first bucket whose bound it does not reach."""
    counts = [0] * (len(GAP_BOUNDS) + 1)
    for pause in seconds:
        counts[sum(pause >= bound for bound in GAP_BOUNDS)] += 1
    return tuple(counts)


def hello(**more: Any) -> Turn:
    return Turn("helloooo", delta_characters=3, **more)


async def test_times_of_a_stream(stage: Any, notes: Notes) -> None:
    """Output counts from its first to its last read; what precedes it and the event that ends it are none."""
    pauses = {OUTPUT: 1.75, FIRST_DELTA: 0.25, SECOND_DELTA: 0.5, ENDING: 9.0}
    await stage(hello(), upstream=waits(pauses)).events()
    attempt, request = notes.attempt, notes.request
    assert pytest.approx(2.0) == attempt.first_output_seconds
    assert pytest.approx(0.75) == attempt.stream_seconds
    assert pytest.approx(11.5) == attempt.duration_seconds
    assert pytest.approx(2.0) == request.first_output_seconds
    assert pytest.approx(11.5) == request.duration_seconds
    assert pytest.approx(request.ended_at) == attempt.ended_at


async def test_comments_are_no_output(stage: Any, notes: Notes) -> None:
    """What a relay sends to keep the connection open neither lengthens a stream nor divides a pause."""

    def frame(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    response = {"id": "resp_1", "status": "completed", "output": []}
    frames = [
        frame("response.output_item.added", output_index=0, item=item),
        frame("response.output_text.delta", **place, delta="Hel"),
        b": keep-alive\n\n",
        frame("response.output_text.delta", **place, delta="lo"),
        b": keep-alive\n\n",
        frame("response.completed", response=response),
    ]
    await stage(Stream(frames), upstream=tempo(1.0, 0.0, 2.0, 2.0, 2.0, 2.0)).events()
    assert pytest.approx(4.0) == notes.attempt.stream_seconds
    assert buckets(0.0, 4.0) == notes.attempt.gaps


async def test_pauses(stage: Any, notes: Notes) -> None:
    """Each pause between two reads with output falls into its bucket, the longest ones into the last."""
    await stage(hello(), upstream=waits({SECOND_DELTA: 0.1, THIRD_DELTA: 20.0})).events()
    shown = sum(notes.attempt.gaps) - 2
    assert buckets(*[0.0] * shown, 0.1, 20.0) == notes.attempt.gaps
    assert pytest.approx(20.1) == notes.attempt.stream_seconds


@pytest.mark.parametrize("events_per_write", [7, 10], ids=["with output", "alone"])
async def test_the_read_that_ends_a_stream(stage: Any, notes: Notes, events_per_write: int) -> None:
    """It counts as output if it holds more than the event that ends the stream."""
    framing = Framing(events_per_write=events_per_write)
    await stage(hello(framing=framing), upstream=tempo(1.0, 3.0)).events()
    assert pytest.approx(3.0 if events_per_write == 7 else 0.0) == notes.attempt.stream_seconds


async def test_an_answer_in_one_read(stage: Any, notes: Notes) -> None:
    """It has a first output, and a stream of no length."""
    await stage(hello(framing=Framing(events_per_write=99)), upstream=tempo(1.5)).events()
    assert pytest.approx(1.5) == notes.attempt.first_output_seconds
    assert (0.0, buckets()) == (notes.attempt.stream_seconds, notes.attempt.gaps)


async def test_an_answer_as_one_document(stage: Any, notes: Notes) -> None:
    """An upstream that answers in JSON has its first output when the document is whole."""
    await stage(hello(framing=Framing(is_json=True)), upstream=tempo(1.5)).ask()
    assert pytest.approx(1.5) == notes.attempt.first_output_seconds
    assert notes.attempt.is_success


async def test_an_empty_answer(stage: Any, notes: Notes) -> None:
    """An answer without output is a success that never said anything."""
    await stage(Turn(usage=Usage(input_tokens=9, output_tokens=0))).events()
    assert (True, False) == (notes.attempt.is_success, notes.attempt.has_output)
    assert (200, None) == (notes.request.status, notes.request.first_output_seconds)


async def test_a_failover(ensemble: Any, notes: Notes) -> None:
    """Each provider that was asked has its attempt; the request is the one's who answered."""
    stage = ensemble({"a": Fault.status(503), "b": Turn("from b")}, config={"request-retry": 0})
    await stage.ask()
    assert [("a", "unavailable"), ("b", "")] == notes.ends
    assert [503, None] == [attempt.status for attempt in notes.attempts]
    assert len({attempt.request_id for attempt in notes.attempts}) == 1
    assert ("b", 200, 2, None) == (
        notes.request.provider,
        notes.request.status,
        notes.request.attempts,
        notes.request.failure,
    )
    assert {"a": 1} == stage.proxy.runtime.recorder.figures().failovers


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.overloaded(), FailureKind.OVERLOADED),
        (Fault.detail(400, "Instructions are not valid"), FailureKind.INSTRUCTIONS_REFUSED),
        (Fault.end(Turn("lost"), after_events=2), FailureKind.TRUNCATED),
    ],
    ids=["retry", "repair", "broken"],
)
async def test_a_second_attempt_at_one_provider(
    stage: Any, notes: Notes, fault: Fault, kind: FailureKind
) -> None:
    """What is repeated or mended at the same provider is two attempts of one request."""
    await stage([fault, Turn("ok")]).ask(system="Be brief.")
    assert [("packycode", kind), ("packycode", "")] == notes.ends
    assert (200, 2) == (notes.request.status, notes.request.attempts)


@pytest.mark.parametrize("b_answers_after", [1, 9], ids=["second wins", "first wins"])
async def test_a_hedge(ensemble: Any, notes: Notes, b_answers_after: float) -> None:
    """Who lost is cut off without a failure; who won is a success like any other."""
    routing = {"hedge-after": 2, "session-affinity": False}
    stage = ensemble(
        {"a": Turn("from a"), "b": Turn("from b")},
        config={"routing": routing},
        upstreams={"a": tempo(5), "b": tempo(b_answers_after)},
    )
    answer = await stage.ask()
    winner, loser = ("b", "a") if b_answers_after == 1 else ("a", "b")
    assert winner == answer.headers["x-packyproxy-provider"]
    assert {(loser, "cut off"), (winner, "")} == set(notes.ends)
    assert [loser] == [attempt.provider for attempt in notes.attempts if not attempt.has_output]
    assert (winner, 2) == (notes.request.provider, notes.request.attempts)
    assert notes.request.first_output_seconds == pytest.approx(3.0 if winner == "b" else 5.0)


@pytest.mark.parametrize("after_events", [0, 8], ids=["before output", "after output"])
async def test_a_client_that_leaves(stage: Any, notes: Notes, after_events: int) -> None:
    """Its attempt is cut off, and its request a 499."""
    scene = stage(Fault.stall(hello(), after_events=after_events))
    async with scene.stream() as response:
        await asyncio.sleep(20)
        await response.aclose()
    await scene.upstream.last_request.ended()
    await asyncio.sleep(1)
    assert [("packycode", "cut off")] == notes.ends
    assert (after_events > 0) == notes.attempt.has_output
    assert (499, "client_left", "packycode") == (
        notes.request.status,
        notes.request.failure,
        notes.request.provider,
    )
    assert 0 == in_flight(scene)


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_a_stream_that_breaks(stage: Any, notes: Notes, streams: bool) -> None:
    """The failure is the attempt's and the request's, whatever the client has seen by then."""
    scene = stage(
        Fault.failed("server_error", "broken", turn=hello(), after_events=6), config={"request-retry": 0}
    )
    await scene.ask(stream=streams)
    assert [("packycode", "server_error")] == notes.ends
    assert notes.attempt.has_output
    assert ("server_error", "packycode") == (notes.request.failure, notes.request.provider)
    assert notes.request.status >= 500


async def test_a_limit_ends_an_attempt(stage: Any, notes: Notes) -> None:
    """A timeout is a failure of the upstream's, not a cut."""
    config = {"request-retry": 0, "streaming": {"headers-timeout": 7}}
    await stage(SILENT, config=config).ask()
    assert [("packycode", "headers_timeout")] == notes.ends
    assert pytest.approx(7.0, abs=0.01) == notes.attempt.duration_seconds


async def test_nobody_is_asked_while_all_rest(stage: Any, notes: Notes) -> None:
    """A request that meets a cooldown fails of what is known, without any attempt and without a session."""
    scene = stage(Fault.usage_limit())
    await scene.ask()
    await scene.ask()
    assert ["quota"] == [attempt.failure for attempt in notes.attempts]
    asked, passed = notes.requests
    assert ("quota", None, 0, "") == (passed.failure, passed.provider, passed.attempts, passed.session)
    assert asked.status == passed.status
    assert 16 == len(asked.session)


@pytest.mark.parametrize(
    ("fields", "status", "failure"),
    [
        ({"max_tokens": 0}, 200, None),
        ({"model": "gpt-99"}, 404, "invalid_request"),
        ({"messages": "no list"}, 400, "invalid_request"),
        ({"messages": [{"role": "user", "content": [{"type": "no-such"}]}]}, 400, "invalid_request"),
        ({"tools": SEARCH}, 400, "invalid_request"),
    ],
    ids=["prewarm", "unknown model", "unreadable", "unknown content", "what nobody can do"],
)
async def test_requests_that_nobody_is_asked_about(
    stage: Any, notes: Notes, fields: dict[str, Any], status: int, failure: str | None
) -> None:
    """What is answered or refused here is a request without attempts, and names no provider."""
    limited = {"packycode": {**stage_provider(), "profile": {"web-search": False}, "models": ["gpt-5"]}}
    scene = stage(config=limited)
    answer = await scene.ask(**fields)
    request = notes.request
    assert (status, status) == (answer.status_code, request.status)
    assert (failure, 0, None, None) == (request.failure, request.attempts, request.provider, request.tokens)
    assert ([], 1, 0) == (notes.attempts, notes.begun, in_flight(scene))


async def test_no_provider_is_enabled(stage: Any, notes: Notes) -> None:
    """A proxy that can ask nobody records that it was asked."""
    scene = stage(config={"packycode": {"enabled": False}})
    assert 503 == (await scene.ask()).status_code
    assert (503, "no_provider", "messages") == (
        notes.request.status,
        notes.request.failure,
        notes.request.protocol,
    )


@pytest.mark.parametrize("error", [RuntimeError("bug"), asyncio.CancelledError()], ids=["bug", "cancelled"])
async def test_what_ends_a_request_unforeseen(
    stage: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A bug of ours is a 500, a server that cancels the call has lost its client; neither stays in flight."""

    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Asking, "line_up", fail)
    scene = stage()
    await asyncio.gather(scene.ask(), return_exceptions=True)
    expected = (500, "internal_error") if isinstance(error, Exception) else (499, "client_left")
    assert expected == (notes.request.status, notes.request.failure)
    assert 0 == in_flight(scene)


async def test_counting_is_no_request(stage: Any, notes: Notes) -> None:
    """Tokens are counted locally: nobody is asked, and nothing recorded."""
    scene = stage()
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}]}
    assert 200 == (await scene.client.post("/v1/messages/count_tokens", json=body)).status_code
    assert ([], [], 0) == (notes.attempts, notes.requests, notes.begun)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses/compact", {"model": "gpt-5", "input": [{"role": "user", "content": "hi"}]}),
        ("/v1/alpha/search", {"query": "hi"}),
    ],
    ids=["compact", "search"],
)
async def test_documents(stage: Any, notes: Notes, path: str, body: dict[str, Any]) -> None:
    """Endpoints that answer with one document are requests too."""
    answer = await stage().client.post(path, json=body)
    assert 200 == answer.status_code
    assert (path.rpartition("/")[2], False) == (notes.attempt.protocol, notes.attempt.is_streaming)
    assert notes.attempt.has_output
    assert (200, "packycode") == (notes.request.status, notes.request.provider)


async def test_requests_in_flight(stage: Any, notes: Notes) -> None:
    """A request is in flight until its answer has ended."""
    scene = stage(Fault.stall(hello(), after_events=8))
    async with scene.stream() as response:
        pieces = response.aiter_bytes()
        await anext(pieces)
        assert 1 == in_flight(scene)
        scene.upstream.release()
        assert b"message_stop" in b"".join([piece async for piece in pieces])
    assert 0 == in_flight(scene)


async def test_sessions_are_hashes(stage: Any, notes: Notes) -> None:
    """Requests of one conversation have the same hash, those of another a different one; none shows its name."""
    scene = stage()
    for session in ("one-session", "one-session", "another-session"):
        body = {"model": "gpt-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        await scene.client.post("/v1/messages", json=body, headers={"x-claude-code-session-id": session})
    first, second, third = (request.session for request in notes.requests)
    assert first == second != third
    assert 16 == len(bytes.fromhex(first)) * 2


async def test_sessions_cannot_be_guessed(stage: Any, notes: Notes) -> None:
    """Whoever guesses what names a conversation, or how it begins, cannot tell it by its hash."""
    scene = stage()
    await scene.client.post(
        "/v1/messages", json=MESSAGES.hello, headers={"x-claude-code-session-id": "a-session"}
    )
    assert not sha256(b"a-session").hexdigest().startswith(notes.request.session)


async def test_records_are_counted_when_somebody_reads(stage: Any, notes: Notes) -> None:
    """Figures hold every request that has ended, however few there are."""
    scene = stage(Turn("hi", usage=COUNTED))
    recorder = scene.proxy.runtime.recorder
    for number in itertools.count(1):
        await scene.ask()
        assert number == recorder.usage({}).total.requests
        if number == 3:
            break


async def test_many_requests_are_counted_unread(stage: Any, notes: Notes) -> None:
    """What waits to be counted is bounded: no request is lost, and none is kept for long."""
    scene = stage(Turn("hi", usage=COUNTED))
    for _ in range(40):
        await scene.ask()
    recorder = scene.proxy.runtime.recorder
    total = recorder.usage({}).total
    assert (40, 40, 4000) == (total.requests, total.attempts, total.input_tokens)
    assert 40 == recorder.figures().requests
