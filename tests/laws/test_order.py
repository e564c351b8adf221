"""Law: every stream is accepted by its protocol's grammar and by its SDK's accumulator."""

import json

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from pydantic import TypeAdapter

from packyproxy.translate.contract import StreamFacts
from tests.laws.messages_grammar import read, walk
from tests.laws.strategies import PROTOCOLS, Event, facts, hostile, plausible, sse, transcode

MESSAGES = next(protocol for protocol in PROTOCOLS if protocol.name == "messages")
SDK_EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


@given(events=plausible() | hostile, facts=facts)
def test_messages_grammar(events: list[Event], facts: StreamFacts) -> None:
    """A Messages stream follows the table, and ends exactly when the answer did."""
    outcome = transcode(MESSAGES, [sse(events)], facts)
    if outcome.body:
        state = walk(outcome.body)
        assert (state == "over") == outcome.transcoder.is_finished
    else:
        assert not outcome.transcoder.is_finished


@given(events=plausible(disturbed=False), facts=facts)
def test_messages_sdk(events: list[Event], facts: StreamFacts) -> None:
    """The anthropic SDK accumulates what we fold.

    Undisturbed streams only: when the upstream loses a delta of a call, the SDK rightly refuses the arguments.
    """
    outcome = transcode(MESSAGES, [sse(events)], facts)
    if not outcome.transcoder.is_finished:
        return
    snapshot = None
    buffers: dict[int, bytes] = {}
    for event in read(outcome.body):
        if event["type"] != "ping":
            snapshot = accumulate_event(
                event=SDK_EVENT.validate_python(event), current_snapshot=snapshot, json_bufs=buffers
            )
    assert snapshot is not None
    folded = json.loads(MESSAGES.fold(outcome.body))
    assert [block["type"] for block in folded["content"]] == [block.type for block in snapshot.content]
    for block, theirs in zip(folded["content"], snapshot.content, strict=True):
        if theirs.type == "text":
            assert block["text"] == theirs.text
        elif theirs.type == "thinking":
            assert (block["thinking"], block["signature"]) == (theirs.thinking, theirs.signature)
        elif theirs.type == "tool_use" and "__invalid_json" not in block["input"]:
            assert block["input"] == theirs.input
    assert (folded["stop_reason"], folded["usage"]["output_tokens"]) == (
        snapshot.stop_reason,
        snapshot.usage.output_tokens,
    )
