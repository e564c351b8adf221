"""Cutting answer text at stop sequences and at the local token limit."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.translate.text_limits import LocalStop, TextLimiter, text_limiter


def limiter(*stop_sequences: str, max_tokens: int | None = None) -> TextLimiter:
    """Return a limiter that has something to do."""
    made = text_limiter(stop_sequences, max_tokens)
    assert made is not None
    return made


def stopped(sequence: str) -> LocalStop:
    """Return what a stop sequence leaves."""
    return LocalStop("stop_sequence", sequence)


def test_without_limits_there_is_no_limiter() -> None:
    """Empty sequences limit nothing."""
    assert text_limiter(("", ""), None) is None


CUTS = {
    "no match": (("END",), "abc", "abc", None),
    "at the start": (("END",), "ENDabc", "", stopped("END")),
    "at the end": (("END",), "abcEND", "abc", stopped("END")),
    "the earliest of two": (("b", "a"), "xab", "x", stopped("a")),
    "the longest at one place": (("ab", "abc"), "xabcd", "x", stopped("abc")),
    "the shorter, when the longer does not come": (("ab", "abc"), "xabd", "x", stopped("ab")),
    "a short one inside the beginning of a long one": (("c", "abcd"), "abcx", "ab", stopped("c")),
    "a long one that began before a short one": (("c", "abcd"), "abcd", "", stopped("abcd")),
    "only the beginning": (("END",), "xEN", "xEN", None),
    "overlapping beginnings": (("aab",), "aaab", "a", stopped("aab")),
    "beyond the basic plane": (("😀!",), "a😀!", "a", stopped("😀!")),
}


@pytest.mark.parametrize(("sequences", "text", "shown", "stop"), CUTS.values(), ids=CUTS.keys())
def test_stop_sequences(sequences: tuple[str, ...], text: str, shown: str, stop: LocalStop | None) -> None:
    """Text ends before the earliest sequence, also when it comes one character at a time."""
    whole, slow = limiter(*sequences), limiter(*sequences)
    assert (shown, stop) == (whole.feed(text) + whole.end_block(), whole.stop)
    assert (shown, stop) == ("".join(map(slow.feed, text)) + slow.end_block(), slow.stop)


LIMITS = {
    "below": (5, "x" * 24, "x" * 24, False),
    "exactly": (5, "x" * 25, "x" * 25, True),
    "above": (5, "x" * 30, "x" * 25, True),
    "a character is never cut": (1, "😀😀😀", "😀😀", True),
    "two bytes each": (2, "é" * 9, "é" * 5, True),
}


@pytest.mark.parametrize(("tokens", "text", "shown", "is_cut"), LIMITS.values(), ids=LIMITS.keys())
def test_token_limit(tokens: int, text: str, shown: str, is_cut: bool) -> None:
    """A token counts as five bytes, so that the cut may come late but never early."""
    subject = limiter(max_tokens=tokens)
    assert (shown, LocalStop("max_tokens") if is_cut else None) == (subject.feed(text), subject.stop)


def test_the_count_goes_on_over_blocks() -> None:
    """The limit is that of the answer, and text after it is dropped."""
    subject = limiter(max_tokens=2)
    assert ("abcdef", "") == (subject.feed("abcdef"), subject.end_block())
    assert ("ghij", "", "") == (subject.feed("ghijkl"), subject.feed("more"), subject.end_block())
    assert 10 == subject.emitted_bytes


def test_text_before_a_sequence_may_meet_the_token_limit() -> None:
    """What comes first in the text is the reason."""
    subject = limiter("END", max_tokens=1)
    assert ("abcde", LocalStop("max_tokens")) == (subject.feed("abcdefEND"), subject.stop)


@given(
    text=st.text("ab", max_size=20),
    places=st.lists(st.integers(0, 20), max_size=5),
    sequences=st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
    tokens=st.none() | st.integers(1, 4),
)
def test_the_slicing_does_not_matter(
    text: str, places: list[int], sequences: list[str], tokens: int | None
) -> None:
    """However an upstream slices its text, the same of it is shown, for the same reason."""
    bounds = sorted({0, len(text), *(min(place, len(text)) for place in places)})
    whole, sliced = TextLimiter(tuple(sequences), tokens), TextLimiter(tuple(sequences), tokens)
    expected = (whole.feed(text) + whole.end_block(), whole.stop)
    shown = "".join(sliced.feed(text[start:end]) for start, end in itertools.pairwise(bounds))
    assert expected == (shown + sliced.end_block(), sliced.stop)
