"""Law: whatever an upstream sends, the transcoder returns bytes or a failure, and never raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.translate.contract import StreamFacts
from tests.laws.strategies import PROTOCOLS, Event, ProtocolUnderTest, facts, hostile, sse, transcode


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@given(
    chunks=st.lists(
        st.binary(max_size=40)
        | st.sampled_from(
            [b"data: ", b"\n\n", b"\r", b"{", b"}", b'"type":', b"[DONE]", b"\xef\xbb\xbf", b"<"]
        )
    ),
    facts=facts,
)
def test_arbitrary_bytes(protocol: ProtocolUnderTest, chunks: list[bytes], facts: StreamFacts) -> None:
    """Bytes that mean nothing end in a failure."""
    outcome = transcode(protocol, chunks, facts)
    assert outcome.transcoder.is_over
    assert outcome.transcoder.is_finished != (outcome.transcoder.failure is not None)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@given(events=hostile, facts=facts)
def test_hostile_events(protocol: ProtocolUnderTest, events: list[Event], facts: StreamFacts) -> None:
    """Events that make no sense end in an answer or in a failure, and an answer can be folded."""
    outcome = transcode(protocol, [sse(events)], facts)
    assert outcome.transcoder.is_finished != (outcome.transcoder.failure is not None)
    if outcome.transcoder.is_finished:
        assert isinstance(json.loads(protocol.fold(outcome.body)), dict)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["output", "status", "error", "detail", "type", "item"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    ),
    facts=facts,
)
def test_arbitrary_json(protocol: ProtocolUnderTest, document: object, facts: StreamFacts) -> None:
    """Any JSON instead of a stream ends in an answer or in a failure."""
    outcome = transcode(
        protocol,
        [json.dumps({"x": document} | (document if isinstance(document, dict) else {})).encode()],
        facts,
    )
    assert outcome.transcoder.is_finished != (outcome.transcoder.failure is not None)
