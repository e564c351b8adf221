"""Law: what a transcoder keeps of a stream that never ends is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import FailureKind
from packyproxy.translate.contract import StreamFacts
from tests.laws.strategies import PROTOCOLS, ProtocolUnderTest, transcode

FACTS = StreamFacts(model="m", scope="0" * 10, original_names={})


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@given(
    start=st.sampled_from([b"data: ", b"{", b"event: ", b": "]),
    pieces=st.lists(st.integers(1, 400), min_size=4),
)
def test_endless_unit(protocol: ProtocolUnderTest, start: bytes, pieces: list[int]) -> None:
    """A frame or document that goes on and on fails as soon as it is over the limit, and not before."""
    outcome = transcode(protocol, [start, *(b"x" * size for size in pieces)], FACTS, max_bytes=1000)
    is_too_large = len(start) + sum(pieces) > 1001
    failure = outcome.transcoder.failure
    assert failure is not None
    if is_too_large:
        assert FailureKind.BAD_STREAM == failure.kind
