"""Law: Responses clients are given the upstream's own events, of which nothing but the response object changes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from packyproxy.translate.contract import StreamFacts
from tests.laws.responses_grammar import FAILURES, GOOD_ENDINGS, read, walk
from tests.laws.strategies import PROTOCOLS, Event, Outcome, cuts, facts, hostile, plausible, sse, transcode

RESPONSES = next(protocol for protocol in PROTOCOLS if protocol.name == "responses")
SDK_EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
FACTS = StreamFacts(model="m", scope="0" * 10, original_names={})
CORPUS = sorted((Path(__file__).parents[1] / "corpus" / "upstream").glob("*.sse"))
ERROR = b'{"error":{"message":"m","type":"server_error","param":null,"code":null}}'

BEGINNINGS = {"response.created", "response.in_progress", "response.queued"}
HANDSHAKE = {*BEGINNINGS, "response.brand_new"}


def passed(events: list[Event]) -> list[Event]:
    """Return the events that a client is given: to the end, and none where content never began."""
    passing: list[Event] = []
    for event in events:
        if event["type"] in FAILURES:
            break
        passing.append(event)
        if event["type"] in GOOD_ENDINGS:
            break
    return passing if any(event["type"] not in HANDSHAKE for event in passing) else []


def with_response_aside(event: Event) -> tuple[Event, Event]:
    """Split an event in what must stay and those fields of its response that may not be added or changed."""
    response = event.get("response")
    fields = response if isinstance(response, dict) else {}
    kept = {name: value for name, value in fields.items() if name not in {"model", "output", "id"}}
    return {name: value for name, value in event.items() if name != "response"}, kept


def unbroken(value: Any) -> Any:
    """Return JSON with U+FFFD for every half of a character, as a rewritten object has it."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


@given(events=plausible() | hostile, facts=facts, data=st.data())
def test_data_is_byte_equal(events: list[Event], facts: StreamFacts, data: st.DataObject) -> None:
    """However the bytes are cut, every event's data comes out as it went in; those with a response keep the rest."""
    frames = read(transcode(RESPONSES, data.draw(cuts(sse(events))), facts).body)
    expected = passed(events)
    assert len(expected) == len(frames)
    for event, frame in zip(expected, frames, strict=True):
        if isinstance(event.get("response"), dict) and event["type"] in BEGINNINGS | GOOD_ENDINGS:
            assert with_response_aside(unbroken(event)) == with_response_aside(unbroken(frame.event))
        elif event["type"] in GOOD_ENDINGS:
            assert with_response_aside(unbroken(event))[0] == with_response_aside(unbroken(frame.event))[0]
        else:
            assert json.dumps(event).encode() == frame.data


@given(events=plausible() | hostile, facts=facts)
def test_grammar(events: list[Event], facts: StreamFacts) -> None:
    """A stream ends with a good ending exactly when the answer did, and can be ended with a failure otherwise."""
    outcome, failed = failed_too(sse(events), facts)
    if outcome.transcoder.is_finished:
        assert "good" == walk(outcome.body)
    else:
        assert ("open", "failed") == (walk(outcome.body), walk(outcome.body + failed))


@given(events=plausible(), facts=facts)
def test_every_response_has_the_clients_model(events: list[Event], facts: StreamFacts) -> None:
    """Whatever the upstream calls its model, also in a failure."""
    outcome, failed = failed_too(sse(events[:-1]), facts)
    responses = [
        frame.event["response"] for frame in read(outcome.body + failed) if "response" in frame.event
    ]
    assert {facts.model} == {response["model"] for response in responses}


@given(events=plausible())
def test_whole_answer_is_the_last_response(events: list[Event]) -> None:
    """The fold adds nothing to the response of the last event but counts that are 0."""
    body = transcode(RESPONSES, [sse(events)], FACTS).body
    last, whole = read(body)[-1].event["response"], json.loads(RESPONSES.fold(body))
    assert {**last, "usage": None} == {**whole, "usage": None}


def failed_too(stream: bytes, facts: StreamFacts) -> tuple[Outcome, bytes]:
    """Return the outcome of a stream, and the failure that is written behind one that did not end well."""
    writer = RESPONSES.writer(facts)
    outcome = transcode(replace(RESPONSES, writer=lambda _: writer), [stream], facts)
    return outcome, b"" if outcome.transcoder.is_finished else writer.fail(502, ERROR)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_sdk_takes_what_is_passed_on(path: Path) -> None:
    """The openai SDK's own types and its accumulator accept every event of recorded streams, and of their failures."""
    outcome, failed = failed_too(path.read_bytes(), FACTS)
    state = ResponseStreamState(text_format=omit, input_tools=omit)
    for frame in read(outcome.body + failed):
        state.handle_event(SDK_EVENT.validate_json(frame.data))
    if outcome.transcoder.is_finished:
        whole = Response.model_validate_json(RESPONSES.fold(outcome.body))
        assert state._completed_response is None or whole.output_text == state._completed_response.output_text
