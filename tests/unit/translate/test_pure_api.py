"""Translation as a library: what ``packyproxy.translate`` and ``packyproxy.transcode`` offer without a server."""

import json

import pytest

from packyproxy.errors import Failure, FailureKind
from packyproxy.transcode import Transcoder
from packyproxy.translate import (
    PROTOCOLS,
    Capabilities,
    ClientProtocol,
    Target,
    classify_response,
    failure_response,
)

REQUEST = json.dumps(
    {"model": "gpt-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "input": "hi"}
).encode()
"""A request in any protocol, as each takes no notice of what only others know."""
TEXT = (
    b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1"}}\n\n'
    b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"hello"}\n\n'
)
COMPLETED = b'data: {"type":"response.completed","response":{"status":"completed","output":[{"type":"message","id":"msg_1","content":[{"type":"output_text","text":"hello"}]}]}}\n\n'


@pytest.fixture(params=["messages", "chat", "responses"])
def protocol(request: pytest.FixtureRequest) -> ClientProtocol:
    """Each protocol that models are asked in."""
    return PROTOCOLS[request.param]()


def transcode(protocol: ClientProtocol, *chunks: bytes) -> tuple[bytes, Transcoder, bytes]:
    """Return the client's frames, the transcoder, and the frames with which a failure is told."""
    translation = protocol.to_responses(protocol.read(REQUEST), Target.for_model("gpt-5"))
    writer = protocol.writer(translation.stream_facts, answer_id="answer_1", request_id="req_1")
    transcoder = Transcoder(writer, writes_start=True)
    frames = b"".join([*map(transcoder.feed, chunks), transcoder.finish()])
    told = b""
    if transcoder.failure is not None:
        error = failure_response(
            transcoder.failure, protocol.family, request_id="req_1", now=0.0, in_stream=True
        )
        told = writer.fail(error.status, error.body)
    return frames, transcoder, told


def test_a_request_is_translated_for_a_model(protocol: ClientProtocol) -> None:
    """A model's id is all that a translation must be told."""
    translation = protocol.to_responses(protocol.read(REQUEST), Target.for_model("gpt-5-codex"))
    sent = json.loads(translation.body)
    assert ("gpt-5-codex", True, False) == (sent["model"], sent["stream"], sent["store"])


def test_a_stream_is_transcoded_and_folded(protocol: ClientProtocol) -> None:
    """The frames of an answer that ended well make one document, with the name that the client asked for."""
    frames, transcoder, told = transcode(protocol, TEXT, COMPLETED)
    assert (True, None, b"") == (transcoder.is_finished, transcoder.failure, told)
    answer = protocol.fold(frames)
    assert (True, "gpt-5") == (b'"hello"' in answer, json.loads(answer)["model"])


def test_a_stream_that_breaks_off_is_told(protocol: ClientProtocol) -> None:
    """A missing end is a failure, and the client can be told of it in its own frames."""
    frames, transcoder, told = transcode(protocol, TEXT)
    assert transcoder.failure is not None
    assert (True, FailureKind.TRUNCATED) == (b"hello" in frames, transcoder.failure.kind)
    assert b"Upstream stream ended before response.completed" in told


def test_an_answer_of_an_upstream_that_refuses_is_told() -> None:
    """Status, headers and body of an upstream's refusal become the client's own error."""
    failure = classify_response(429, {"retry-after": "7"}, b'{"error":{"code":"rate_limit_exceeded"}}')
    answer = failure_response(failure, "anthropic", request_id="req_1", now=0.0)
    error = json.loads(answer.body)
    assert (429, "rate_limit_error", "req_1") == (answer.status, error["error"]["type"], error["request_id"])
    assert (b"retry-after", b"7") in answer.headers


def test_errors_before_and_within_a_stream_differ() -> None:
    """Within a stream a time-out has a type on which clients retry."""
    failure = Failure(kind=FailureKind.IDLE_TIMEOUT, message="")
    types = [
        json.loads(failure_response(failure, "anthropic", request_id="r", now=0.0, in_stream=in_stream).body)[
            "error"
        ]["type"]
        for in_stream in (False, True)
    ]
    assert ["timeout_error", "api_error"] == types


def test_a_target_knows_what_its_model_takes() -> None:
    """The efforts of a target are those of its model, the rest is what a codex relay accepts."""
    target = Target.for_model("gpt-5.1-codex")
    assert (("low", "medium", "high"), Capabilities(), None) == (
        target.efforts,
        target.capabilities,
        target.default_effort,
    )


def test_targets_tell_providers_and_models_apart() -> None:
    """Encrypted reasoning is marked with provider and model, so that it returns to nobody else."""
    targets = [
        Target.for_model(model, provider=provider)
        for provider in ("https://a.example/v1", "https://b.example/v1")
        for model in ("gpt-5", "gpt-5-codex")
    ]
    assert (4, 2) == (
        len({target.scope for target in targets}),
        len({target.provider_scope for target in targets}),
    )


def test_the_time_to_come_back_is_counted_from_now() -> None:
    """A moment that the upstream named becomes the seconds that are left until then."""
    failure = Failure(kind=FailureKind.RATE_LIMIT, message="", reset_at=100.0)
    answer = failure_response(failure, "openai", request_id="r", now=40.0)
    assert b"60" == dict(answer.headers)[b"retry-after"]


def test_a_target_knows_what_its_provider_takes() -> None:
    """What the provider accepts is sent to it."""
    target = Target.for_model("gpt-5", capabilities=Capabilities(max_output_tokens=True))
    messages = PROTOCOLS["messages"]()
    sent = json.loads(messages.to_responses(messages.read(REQUEST), target).body)
    assert "max_output_tokens" in sent


def test_a_target_takes_a_default_effort() -> None:
    """A request that asks for no effort gets the target's."""
    target = Target.for_model("gpt-5", default_effort="low")
    messages = PROTOCOLS["messages"]()
    assert "low" == messages.to_responses(messages.read(REQUEST), target).effort
