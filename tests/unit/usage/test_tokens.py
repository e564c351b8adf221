"""Token counts as figures add them up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.usage.tokens import Tokens, cache_hit_rate, tokens_of
from packyproxy.wire.responses_output import Usage
from tests.support.records import usage


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        pytest.param(usage(100, 10), Tokens(100, 0, 10, 0), id="no-details"),
        pytest.param(usage(100, 10, cached=80, reasoning=5), Tokens(100, 80, 10, 5), id="details"),
        pytest.param(usage(100, 10, cached=100, reasoning=10), Tokens(100, 100, 10, 10), id="all-of-it"),
        pytest.param(usage(100, 10, cached=101, reasoning=11), Tokens(100, 100, 10, 10), id="more-than-all"),
        pytest.param(usage(-1, -1, cached=-1, reasoning=-1), Tokens(0, 0, 0, 0), id="negative"),
        pytest.param(usage(10**30, 10**30), Tokens(10**9, 0, 10**9, 0), id="absurd"),
    ],
)
def test_counts_are_taken_as_they_are(counted: Usage, expected: Tokens) -> None:
    """Counts are taken as they are, as far as there can be such counts."""
    assert expected == tokens_of(counted)


_ANY = st.integers(-(10**20), 10**20)


@given(_ANY, _ANY, _ANY, _ANY)
def test_parts_stay_within_their_whole(taken: int, given_: int, cached: int, reasoning: int) -> None:
    """Whatever an upstream writes, no part is larger than its whole, and nothing is negative."""
    tokens = tokens_of(usage(taken, given_, cached=cached, reasoning=reasoning))
    assert 0 <= tokens.cached <= tokens.input <= 10**9
    assert 0 <= tokens.reasoning <= tokens.output <= 10**9


@pytest.mark.parametrize(
    ("cached", "taken", "expected"), [(0, 0, None), (0, 5, 0.0), (5, 5, 1.0), (1, 3, 0.3333), (2, 3, 0.6667)]
)
def test_the_cache_hit_rate_is_a_share(cached: int, taken: int, expected: float | None) -> None:
    """The rate is a share with four decimals; of no tokens there is none."""
    assert expected == cache_hit_rate(cached, taken)
