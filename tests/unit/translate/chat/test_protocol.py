"""Chat Completions as one object."""

import json
from typing import Any

import pytest

from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.protocol import ChatProtocol
from packyproxy.translate.contract import AttemptFacts, StreamFacts, Target

BODY = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
).encode()
TARGET = Target(model="gpt-5", scope="1f2e3d4c5b", efforts=("low",))


def test_tool_lists_are_remembered() -> None:
    """The same bytes give the same tools at the next turn."""
    protocol = ChatProtocol()
    assert protocol.read(BODY).tools is protocol.read(BODY).tools


def test_memory_does_not_mix_what_depends_on_the_attempt() -> None:
    """A parameter that one provider refused is left out for that provider only."""
    protocol = ChatProtocol()
    refused = AttemptFacts(removed_parameters=frozenset({"strict"}))
    plain, without, again = (
        protocol.to_responses(protocol.read(BODY), TARGET, facts).body
        for facts in (AttemptFacts(), refused, AttemptFacts())
    )
    assert plain == again
    assert (True, False) == (b'"strict":' in plain, b'"strict":' in without)


def test_both_directions_fit() -> None:
    """What the translation tells the writer is what the writer takes, and the fold reads what it writes."""
    protocol = ChatProtocol()
    facts = protocol.to_responses(protocol.read(BODY), TARGET).stream_facts
    assert isinstance(facts, ChatFacts)
    writer = protocol.writer(facts, answer_id="chatcmpl-1", request_id="req_1")
    frames = writer.start() + writer.event(
        writer.decode(b'{"type":"response.completed","response":{"status":"completed","output":[]}}')
    )
    answer: dict[str, Any] = json.loads(protocol.fold(frames))
    assert ("chat.completion", "chatcmpl-1", "m") == (answer["object"], answer["id"], answer["model"])


def test_facts_of_another_protocol_are_a_bug() -> None:
    """Nothing but what its own translation told is taken."""
    with pytest.raises(AssertionError, match="another protocol"):
        ChatProtocol().writer(
            StreamFacts(model="m", scope="", original_names={}), answer_id="chatcmpl-1", request_id="req_1"
        )
