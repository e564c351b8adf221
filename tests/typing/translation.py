"""What translating without a server looks like to a type checker."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Callable, Mapping
from typing import assert_type

from packyproxy.errors import Failure
from packyproxy.transcode import Transcoder
from packyproxy.translate import (
    PROTOCOLS,
    AttemptFacts,
    Capabilities,
    ChatProtocol,
    ClientProtocol,
    ClientRequest,
    ErrorResponse,
    MessagesProtocol,
    Note,
    ResponsesProtocol,
    StreamFacts,
    StreamWriter,
    Target,
    Translation,
    classify_response,
    failure_response,
    refusal_response,
)
from packyproxy.wire.responses_events import Usage

assert_type(PROTOCOLS, Mapping[str, Callable[[], ClientProtocol]])
protocols: list[ClientProtocol] = [MessagesProtocol(), ChatProtocol(), ResponsesProtocol()]

target = Target.for_model("gpt-5", provider="https://provider.example/v1", capabilities=Capabilities())
assert_type(target, Target)
Target.for_model()  # type: ignore[call-arg]
Target("gpt-5", "scope", ())  # type: ignore[call-arg]


def translate(protocol: ClientProtocol, body: bytes, text: str) -> None:
    """From a request to an answer."""
    request: ClientRequest = protocol.read(body)
    protocol.read(text)  # type: ignore[arg-type]
    assert_type(request.model, str)
    assert_type(request.is_stream, bool)
    translation = protocol.to_responses(request, target)
    protocol.to_responses(request, target, AttemptFacts())
    assert_type(translation, Translation)
    assert_type(translation.body, bytes)
    assert_type(translation.warnings, tuple[str, ...])
    assert_type(translation.stream_facts, StreamFacts)
    translation.body = b""  # type: ignore[misc]

    writer: StreamWriter = protocol.writer(translation.stream_facts, answer_id="a", request_id="r")
    protocol.writer(translation.stream_facts)  # type: ignore[call-arg]
    transcoder = Transcoder(writer, writes_start=True)
    assert_type(transcoder.feed(b""), bytes)
    assert_type(transcoder.finish(), bytes)
    assert_type(transcoder.failure, Failure | None)
    assert_type(transcoder.usage, Usage | None)
    assert_type(transcoder.notes, list[Note])
    assert_type(protocol.fold(b""), bytes)


def tell(protocol: ClientProtocol, writer: StreamWriter) -> None:
    """From an upstream's refusal to the client's error."""
    failure = classify_response(429, {"retry-after": "7"}, b"{}")
    assert_type(failure, Failure)
    error = failure_response(failure, protocol.family, request_id="r", now=0.0)
    assert_type(error, ErrorResponse)
    assert_type(writer.fail(error.status, error.body), bytes)
    refusal_response(failure, protocol.family, "r")  # type: ignore[arg-type]
    failure_response(failure, "google", request_id="r", now=0.0)  # type: ignore[arg-type]
