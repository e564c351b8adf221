"""Law: a recording has the sizes, the cuts and the events of what was recorded, and no word of its content."""

import itertools
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from packyproxy.testing.cassettes.redaction import Redactor
from packyproxy.testing.privacy.canaries import KINDS, canary_text, find_canaries
from packyproxy.translate.contract import StreamFacts
from packyproxy.wire.sse import FrameDecoder
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
NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])
CANARIES = st.builds(canary_text, st.sampled_from(sorted(KINDS)), st.integers(0, 9)).flatmap(
    lambda text: st.sampled_from(
        [text, text.encode().hex(), f"gpt-5-{text}", f"response.{text}", f"id_{text}"]
    )
)
# What a client asked for by content: its own stop sequences, blocked hosts, tools whose names were shortened.
NEUTRAL_FACTS = facts.map(
    lambda drawn: replace(
        drawn,
        stop_sequences=(),
        blocked_domains=(),
        original_names={},
        buffered_tools=frozenset(),
        max_text_tokens=None,
    )
)


def cut_alike(data: bytes, pieces: list[bytes]) -> list[bytes]:
    """Cut bytes at the same places as others were."""
    bounds = list(itertools.accumulate(map(len, pieces), initial=0))
    return [data[a:b] for a, b in itertools.pairwise(bounds)]


def shape(body: bytes) -> list[tuple[str, int]]:
    """Return what is left of a client's stream without its texts: of every line, its type and its size."""
    return [(_type(line), len(line)) for line in body.decode().split("\n")]


def _type(line: str) -> str:
    found = re.match(r'event: (.*)|data: .*?"type": ?"([^"]*)"', line)
    return str(found[1] or found[2]) if found else ""


def event_types(body: bytes) -> list[str]:
    """Return the types of an upstream's events."""
    frames = FrameDecoder()
    datas = [*frames.feed(body), *frames.finish()]
    return [str(json.loads(data).get("type")) for data in datas]


def with_canaries(value: Any, words: list[str], random: Random) -> Any:
    """Put words in the place of some texts and names of a JSON value."""
    match value:
        case dict():
            planted = {name: with_canaries(each, words, random) for name, each in value.items()}
            if random.random() < 0.3:
                planted[random.choice(words)] = random.choice([planted.copy(), *words, 7])
            return planted
        case list():
            return [with_canaries(each, words, random) for each in value]
        case str() if random.random() < 0.3:
            return random.choice(words) + value
        case _:
            return value


@given(
    stream=st.binary()
    | st.builds(lambda events, newline: sse(events, newline=newline), plausible() | hostile, NEWLINES)
)
def test_sizes_stay(stream: bytes) -> None:
    """Whatever is sent gets neither longer nor shorter, and a second time changes nothing."""
    redacted = Redactor().body(stream)
    assert len(stream) == len(redacted)
    assert redacted == Redactor().body(redacted)


@given(events=plausible() | hostile, newline=NEWLINES, named=st.booleans(), data=st.data())
def test_no_word_survives(events: list[Event], newline: str, named: bool, data: st.DataObject) -> None:
    """A canary is not found again, wherever it stood: in a value, a name, between them, or cut."""
    words = data.draw(st.lists(CANARIES, min_size=1, max_size=5))
    random = data.draw(st.randoms(use_true_random=False))
    stream = sse(with_canaries(events, words, random), newline=newline, named=named)
    word = words[0].encode()
    place = data.draw(st.integers(0, len(stream)))
    stream = stream[:place] + word + stream[place:]
    start = data.draw(st.integers(0, len(stream)))
    redacted = Redactor().body(stream[start:])
    assert frozenset() == find_canaries(redacted)
    assert b"canary" not in redacted


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | CANARIES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(CANARIES | st.just("error"), inner, max_size=3)
        ),
    )
)
def test_no_word_of_a_document_survives(document: Any) -> None:
    """The same of an answer that is no stream."""
    redacted = Redactor().body(json.dumps({"error": document, "data": document}).encode())
    assert frozenset() == find_canaries(redacted)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@given(
    events=plausible(disturbed=False),
    facts=NEUTRAL_FACTS,
    newline=NEWLINES,
    named=st.booleans(),
    data=st.data(),
)
def test_clients_get_the_same(
    protocol: ProtocolUnderTest,
    events: list[Event],
    facts: StreamFacts,
    newline: str,
    named: bool,
    data: st.DataObject,
) -> None:
    """What is made of a recording for clients has the events and the sizes of what was made of the original.

    The stream may break off; but it does not contradict itself, which filler cannot show.
    """
    stream = sse(events, newline=newline, named=named)
    stream = stream[: data.draw(st.just(len(stream)) | st.integers(0, len(stream)))]
    pieces = data.draw(cuts(stream))
    redacted = cut_alike(Redactor().body(stream), pieces)
    assert shape(transcode(protocol, pieces, facts).body) == shape(transcode(protocol, redacted, facts).body)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_corpus(protocol: ProtocolUnderTest, path: Path) -> None:
    """Streams of the corpus keep their events, and so do clients'."""
    stream = path.read_bytes()
    redacted = Redactor().body(stream)
    facts = StreamFacts(model="m", scope="0" * 10, original_names={}, thinking_is_visible=True)
    assert event_types(stream) == event_types(redacted)
    assert shape(transcode(protocol, [stream], facts).body) == shape(
        transcode(protocol, [redacted], facts).body
    )
