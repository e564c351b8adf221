"""Law: every stream is accepted by its protocol's grammar and by its SDK's accumulator."""

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from msgspec.structs import replace
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.contract import StreamFacts
from tests.laws import chat_grammar
from tests.laws.messages_grammar import read, walk
from tests.laws.strategies import PROTOCOLS, Event, facts, hostile, plausible, sse, transcode

MESSAGES = next(protocol for protocol in PROTOCOLS if protocol.name == "messages")
CHAT = next(protocol for protocol in PROTOCOLS if protocol.name == "chat")
CORPUS = sorted((Path(__file__).parents[1] / "corpus" / "upstream").glob("*.sse"))
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


@given(events=plausible() | hostile, facts=facts)
def test_chat_grammar(events: list[Event], facts: ChatFacts) -> None:
    """A Chat stream follows the table, and ends exactly when the answer did."""
    on_wire = replace(facts, is_folded=False)
    outcome = transcode(CHAT, [sse(events)], on_wire)
    state = chat_grammar.walk(outcome.body, tells_usage=facts.includes_usage)
    assert (state == "over") == outcome.transcoder.is_finished
    assert (state != "begin") == outcome.transcoder.has_content


@given(events=plausible() | hostile, facts=facts)
def test_chat_sdk(events: list[Event], facts: ChatFacts) -> None:
    """The openai SDK accumulates what we fold, and its types accept every chunk and the whole answer."""
    outcome = transcode(CHAT, [sse(events)], replace(facts, is_folded=False))
    if not outcome.transcoder.is_finished:
        return
    state = ChatCompletionStreamState()
    for chunk in chat_grammar.read(outcome.body):
        for _ in state.handle_chunk(ChatCompletionChunk.model_validate(chunk)):
            pass
    theirs = state.current_completion_snapshot.to_dict()
    ours = ChatCompletion.model_validate_json(CHAT.fold(outcome.body)).to_dict()
    assert _said(ours) == _said(theirs)


@given(events=plausible() | hostile, facts=facts)
def test_chat_whole_answer(events: list[Event], facts: ChatFacts) -> None:
    """The openai SDK's type accepts the answer of a client that does not stream, calls of custom tools included."""
    outcome = transcode(CHAT, [sse(events)], replace(facts, is_folded=True))
    if outcome.transcoder.is_finished:
        answer = ChatCompletion.model_validate_json(CHAT.fold(outcome.body), strict=True)
        assert answer.usage is not None


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_chat_corpus(path: Path) -> None:
    """The openai SDK's types accept every chunk of a recorded stream."""
    known = ChatFacts(model="m", scope="0" * 10, original_names={}, includes_usage=True)
    outcome = transcode(CHAT, [path.read_bytes()], known)
    for chunk in chat_grammar.read(outcome.body):
        ChatCompletionChunk.model_validate(chunk, strict=True)
    state = chat_grammar.walk(outcome.body, tells_usage=True)
    assert (state == "over") == outcome.transcoder.is_finished


def _said(completion: dict[str, Any]) -> dict[str, Any]:
    """Return what a completion says, whichever of its empty keys are there."""
    choice, usage = completion["choices"][0], completion.get("usage")
    message = {name: value for name, value in choice["message"].items() if value}
    for call in message.get("tool_calls", ()):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return {**message, "finish_reason": choice["finish_reason"], "usage": usage}
