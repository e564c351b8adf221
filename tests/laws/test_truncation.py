"""Law: a stream that was cut before its end fails, and what was written so far does not look finished."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.translate.contract import StreamFacts
from tests.laws import chat_grammar
from tests.laws.messages_grammar import walk
from tests.laws.strategies import ENDINGS, PROTOCOLS, Event, ProtocolUnderTest, bodies, sse, transcode

FACTS = StreamFacts(model="m", scope="0" * 10, original_names={}, thinking_is_visible=True)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@given(events=bodies(), data=st.data())
def test_cut_stream_fails(protocol: ProtocolUnderTest, events: list[Event], data: st.DataObject) -> None:
    """Wherever the bytes stop before the terminal event is whole, the answer has failed."""
    stream = sse([*events, ENDINGS[0]])
    last = len(stream.rstrip(b"\n"))
    outcome = transcode(protocol, [stream[: data.draw(st.integers(0, last - 1))]], FACTS)
    assert outcome.transcoder.failure is not None
    assert not outcome.transcoder.is_finished


@given(events=bodies(), data=st.data())
def test_cut_messages_stream_has_no_end(events: list[Event], data: st.DataObject) -> None:
    """An error can follow what was written of a cut Messages stream: it is well-formed as far as it goes."""
    stream = sse(events)
    outcome = transcode(PROTOCOLS[0], [stream[: data.draw(st.integers(0, len(stream)))]], FACTS)
    if outcome.body:
        assert walk(outcome.body) in {"between", "block"}


@given(events=bodies(), data=st.data())
def test_cut_chat_stream_has_no_end(events: list[Event], data: st.DataObject) -> None:
    """A cut Chat stream is well-formed as far as it goes, and has no finish reason and no ``[DONE]``."""
    stream = sse(events)
    outcome = transcode(PROTOCOLS[1], [stream[: data.draw(st.integers(0, len(stream)))]], FACTS)
    assert chat_grammar.walk(outcome.body, tells_usage=False) in {"begin", "open"}
