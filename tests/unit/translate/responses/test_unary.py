"""Compactions and searches: one document asked for, one passed on."""

import json
from typing import Any

import pytest

from packyproxy.errors import CapabilityMissing, Failure, FailureKind, InvalidRequest
from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import AttemptFacts, Capabilities, StreamFacts, Target
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.search import SearchProtocol

COMPACT, SEARCH = CompactProtocol(), SearchProtocol()
BOTH = pytest.mark.parametrize("protocol", [COMPACT, SEARCH], ids=["compact", "search"])
TARGET = Target(
    model="gpt-5", scope="1f2e3d4c5b", efforts=("low",), suffix_effort="low", prompt_cache_key="ours"
)
FACTS = StreamFacts(model="m", scope="s", original_names={})
NO_COMPACT = "compact is not supported by any configured provider"
NO_SEARCH = "alpha/search is not supported by any configured provider"
DOCUMENT = b'{ "id":"x", "object":"response.compaction","output":[{"n":1.10}], "usage":{"input_tokens":7,"output_tokens":2}}'


def _compacted(body: bytes, facts: AttemptFacts | None = None) -> bytes:
    return COMPACT.to_responses(COMPACT.read(body), TARGET, facts or AttemptFacts()).body


def test_compaction_keeps_its_body() -> None:
    """All of it travels as it was sent, but for the model and what makes no sense there."""
    body = (
        b'{"model":"alias","input":[ {"type":"reasoning","id":"rs_1"} ,{"role":"system","n":1.10}],"stream":true,'
        b'"store":false,"include":["x"],"reasoning":{"effort":"high"},"tools":[],"x_new":1,"instructions":"\\u0049"}'
    )
    assert _compacted(body) == (
        b'{"model":"gpt-5","input":[ {"type":"reasoning","id":"rs_1"} ,{"role":"system","n":1.10}],'
        b'"reasoning":{"effort":"high"},"tools":[],"x_new":1,"instructions":"\\u0049"}'
    )


@pytest.mark.parametrize("instructions", [b"", b',"instructions":null'], ids=["absent", "null"])
def test_compaction_has_instructions(instructions: bytes) -> None:
    """Codex back ends insist on them."""
    sent = json.loads(_compacted(b'{"model":"m"%b}' % instructions))
    assert {"model": "gpt-5", "instructions": ""} == sent


def test_compaction_without_a_refused_parameter() -> None:
    """What the upstream has refused before is left out here too."""
    facts = AttemptFacts(removed_parameters=frozenset({"prompt_cache_key", "text.verbosity"}))
    sent = _compacted(b'{"model":"m","prompt_cache_key":"k","text":{"verbosity":"low"}}', facts)
    assert b'{"model":"gpt-5","text":{"verbosity":"low"},"instructions":""}' == sent


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "model"),
        (b'{"model":""}', "model"),
        (b'{"model":5}', "model"),
        (b'{"model":"m","instructions":5}', "instructions"),
        (b'{"model":"m","prompt_cache_key":5}', "prompt_cache_key"),
        (b"[]", ""),
        (b"x", ""),
    ],
)
def test_wrong_compactions(body: bytes, field: str) -> None:
    """What is looked at must have its type."""
    with pytest.raises(InvalidRequest) as caught:
        COMPACT.read(body)
    assert (400, field) == (caught.value.status, caught.value.field)


def test_what_the_runtime_asks_of_a_compaction() -> None:
    """Its session is that of the conversation it shortens."""
    request = COMPACT.read(b'{"model":"m","instructions":"I","input":"U","prompt_cache_key":"k"}')
    assert ("m", "k", b'"I"\0"U"') == (request.model, request.cache_key, request.opening())
    assert (False, False, None, None) == (
        request.is_stream, request.is_prewarm, request.max_tokens, request.session_hint,
    )  # fmt: skip


def test_opening_of_a_search() -> None:
    """Nothing in a search names a session."""
    assert b"" == SEARCH.read(b'{"q":"x"}').opening()


def test_search_keeps_its_bytes() -> None:
    """A search is passed on unread."""
    body = b' {"model": "alias", "q":"\\ud83d" }'
    assert body == SEARCH.to_responses(SEARCH.read(body), TARGET).body


@pytest.mark.parametrize(
    ("body", "expected"), [(b'{"model":"gpt-5"}', "gpt-5"), (b"{}", ""), (b'{"model":null}', "")]
)
def test_model_of_a_search(body: bytes, expected: str) -> None:
    """A model chooses who is asked; without one anybody may be."""
    assert expected == SEARCH.read(body).model


@pytest.mark.parametrize("body", [b"[]", b"x", b'{"model":5}', b""])
def test_wrong_searches(body: bytes) -> None:
    """What is no JSON object is no search."""
    with pytest.raises(InvalidRequest):
        SEARCH.read(body)


MISSING = {
    "compact, found missing": (COMPACT, AttemptFacts(route_is_missing=True), None, NO_COMPACT),
    "compact, switched off": (COMPACT, AttemptFacts(), False, NO_COMPACT),
    "search, found missing": (SEARCH, AttemptFacts(route_is_missing=True), None, NO_SEARCH),
}


@pytest.mark.parametrize(("protocol", "facts", "compact", "message"), MISSING.values(), ids=MISSING)
def test_missing_endpoints(protocol: Any, facts: AttemptFacts, compact: bool | None, message: str) -> None:
    """A provider known to lack an endpoint is passed over; the last word on that is a 404."""
    target = Target(model="m", scope="s", efforts=(), capabilities=Capabilities(compact=compact))
    with pytest.raises(CapabilityMissing) as caught:
        protocol.to_responses(protocol.read(b'{"model":"m"}'), target, facts)
    assert (404, "not_found", message) == (caught.value.status, caught.value.code, caught.value.message)


def test_search_asks_of_no_compaction() -> None:
    """Who cannot compact may search."""
    target = Target(model="m", scope="s", efforts=(), capabilities=Capabilities(compact=False))
    assert b"{}" == SEARCH.to_responses(SEARCH.read(b"{}"), target).body


@pytest.mark.parametrize(
    ("protocol", "message"), [(COMPACT, NO_COMPACT), (SEARCH, NO_SEARCH)], ids=["compact", "search"]
)
@pytest.mark.parametrize("status", [404, 405])
def test_a_missing_endpoint_is_no_wrong_url(protocol: Any, message: str, status: int) -> None:
    """Providers without the endpoint say 404 or 405, and are healthy otherwise."""
    judged = protocol.judge(
        Failure(kind=FailureKind.WRONG_URL, status=status, message="Not Found", error_object=b"{}")
    )
    expected = Failure(kind=FailureKind.NOT_OFFERED, status=status, message=message)
    assert expected == judged


@BOTH
@pytest.mark.parametrize(
    "failure",
    [
        Failure(kind=FailureKind.WRONG_URL, status=410),
        Failure(kind=FailureKind.MODEL_NOT_FOUND, status=404),
        Failure(kind=FailureKind.QUOTA, status=429),
    ],
    ids=["another status", "a missing model", "a quota"],
)
def test_other_failures_stay(protocol: Any, failure: Failure) -> None:
    """Any other failure means here what it means elsewhere."""
    assert failure is protocol.judge(failure)


@BOTH
def test_the_document_is_passed_on(protocol: Any) -> None:
    """The answer is the upstream's, byte for byte; its usage is known."""
    transcoder = Transcoder(protocol.writer(FACTS, answer_id="a", request_id="r"), writes_start=True)
    out = b"".join(
        [*(transcoder.feed(DOCUMENT[at : at + 7]) for at in range(0, len(DOCUMENT), 7)), transcoder.finish()]
    )
    assert DOCUMENT == protocol.fold(out)
    assert (True, True, None) == (transcoder.is_finished, transcoder.has_content, transcoder.failure)
    assert transcoder.usage is not None
    assert (7, 2, []) == (transcoder.usage.input_tokens, transcoder.usage.output_tokens, transcoder.notes)


NO_DOCUMENTS = {
    "a stream": (b'event: x\ndata: {"type":"response.created"}\n\ndata: [DONE]\n\n', FailureKind.BAD_STREAM),
    "the end of a stream": (b"data: [DONE]\n\n", FailureKind.BAD_STREAM),
    "nothing": (b"", FailureKind.BAD_STREAM),
    "a page": (b"<html>", FailureKind.SERVER_ERROR),
    "half a document": (DOCUMENT[:30], FailureKind.BAD_STREAM),
    "an error": (b'{"error":{"code":"usage_limit_reached"}}', FailureKind.QUOTA),
}


@BOTH
@pytest.mark.parametrize(("answer", "kind"), NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
def test_no_document(protocol: Any, answer: bytes, kind: FailureKind) -> None:
    """Anything but a document is a failure of the upstream, and none of it is shown."""
    transcoder = Transcoder(protocol.writer(FACTS, answer_id="a", request_id="r"))
    out = transcoder.feed(answer) + transcoder.finish()
    assert transcoder.failure is not None
    assert (b"", False, kind) == (out, transcoder.has_content, transcoder.failure.kind)


@BOTH
def test_there_is_no_stream(protocol: Any) -> None:
    """Nothing precedes a document, and a failure is told by the status line."""
    writer = protocol.writer(FACTS, answer_id="a", request_id="r")
    assert (b"", b"", b"", False) == (
        writer.start(), writer.keep_alive(), writer.answer_locally(), writer.fails_in_stream,
    )  # fmt: skip
    assert b"{}" == writer.fail(500, b"{}")


def test_what_is_asked_for() -> None:
    """Both are asked for one document; a compaction takes its time."""
    assert ("/responses/compact", False, 600) == (
        COMPACT.operation.path, COMPACT.operation.is_stream, COMPACT.operation.silence_seconds,
    )  # fmt: skip
    assert ("/alpha/search", False, None) == (
        SEARCH.operation.path, SEARCH.operation.is_stream, SEARCH.operation.silence_seconds,
    )  # fmt: skip


@BOTH
def test_nothing_is_counted(protocol: Any) -> None:
    """There is no path where tokens of these could be asked for."""
    assert protocol.counting_path is None
