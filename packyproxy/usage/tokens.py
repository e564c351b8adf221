"""The token counts of an answer as figures add them up: whatever an upstream writes, they stay sane."""

from typing import Final

from msgspec import Struct

from packyproxy.wire.responses_output import Usage

__all__ = ["NO_TOKENS", "Tokens", "cache_hit_rate", "tokens_of"]

_MOST: Final = 10**9
"""More than any answer has; sums and rates of such counts fit 64 bits."""


class Tokens(Struct, frozen=True, gc=False):
    """What one answer took and gave, each from 0 to 10**9."""

    input: int = 0
    """With the cached ones."""
    cached: int = 0
    """Read from the prompt cache."""
    output: int = 0
    """With the reasoning ones."""
    reasoning: int = 0


NO_TOKENS: Final = Tokens()


def tokens_of(usage: Usage) -> Tokens:
    """Return the counts of an upstream; what it did not count is 0, and no part is larger than its whole."""
    taken, given = usage.input_tokens, usage.output_tokens
    cached, reasoning = usage.cached_tokens, usage.reasoning_tokens or 0
    if 0 <= cached <= taken <= _MOST and 0 <= reasoning <= given <= _MOST:
        return Tokens(taken, cached, given, reasoning)
    taken, given = _within(taken, _MOST), _within(given, _MOST)
    return Tokens(taken, _within(cached, taken), given, _within(reasoning, given))


def cache_hit_rate(cached: int, taken: int) -> float | None:
    """Return which share of the input tokens came from the prompt cache, in four decimals; None of none."""
    return round(cached / taken, 4) if taken else None


def _within(count: int, most: int) -> int:
    return min(max(count, 0), most)
