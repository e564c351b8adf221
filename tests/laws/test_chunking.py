"""Law: any cutting of the upstream bytes, also one byte at a time, gives the same client bytes once joined."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.translate.contract import StreamFacts
from tests.laws.strategies import (
    PROTOCOLS,
    Event,
    ProtocolUnderTest,
    cuts,
    facts,
    hostile,
    plausible,
    sse,
    transcode,
)

CORPUS = sorted((Path(__file__).parents[1] / "corpus" / "upstream").glob("*.sse"))


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@given(
    events=plausible() | hostile,
    facts=facts,
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    named=st.booleans(),
    data=st.data(),
)
def test_any_cut(
    protocol: ProtocolUnderTest,
    events: list[Event],
    facts: StreamFacts,
    newline: str,
    named: bool,
    data: st.DataObject,
) -> None:
    """A stream cut anywhere gives the bytes, the failure and the notes of the stream in one piece."""
    stream = sse(events, newline=newline, named=named)
    whole = transcode(protocol, [stream], facts)
    pieces = transcode(protocol, data.draw(cuts(stream)), facts)
    assert whole.body == pieces.body
    assert whole.transcoder.failure == pieces.transcoder.failure
    assert whole.transcoder.notes == pieces.transcoder.notes


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_corpus_byte_by_byte(protocol: ProtocolUnderTest, path: Path) -> None:
    """Recorded streams give the same bytes one byte at a time."""
    stream = path.read_bytes()
    facts = StreamFacts(model="m", scope="0" * 10, original_names={}, thinking_is_visible=True)
    single = transcode(protocol, [stream[i : i + 1] for i in range(len(stream))], facts)
    assert transcode(protocol, [stream], facts).body == single.body
