"""Records of attempts and requests for tests, with everything in them that a test does not care about."""

from typing import Any

from packyproxy.usage.records import AttemptRecord, RequestRecord
from packyproxy.usage.tokens import Tokens, tokens_of
from packyproxy.wire.responses_output import InputTokensDetails, OutputTokensDetails, Usage

__all__ = ["NOW", "attempt", "request", "tokens", "usage"]

NOW = 1_795_273_200.0
"""2026-11-21T15:00:00Z."""


def usage(taken: int, given: int, *, cached: int | None = None, reasoning: int | None = None) -> Usage:
    """Return an upstream's counts."""
    return Usage(
        input_tokens=taken,
        output_tokens=given,
        input_tokens_details=None if cached is None else InputTokensDetails(cached_tokens=cached),
        output_tokens_details=None if reasoning is None else OutputTokensDetails(reasoning_tokens=reasoning),
    )


def tokens(taken: int, given: int, *, cached: int | None = None, reasoning: int | None = None) -> Tokens:
    """Return the same counts as figures add them up."""
    return tokens_of(usage(taken, given, cached=cached, reasoning=reasoning))


def attempt(**facts: Any) -> AttemptRecord:
    """Return an attempt of 2 s, of which a second was output: 100 tokens in, 10 out."""
    known: dict[str, Any] = {
        "request_id": "req_1",
        "protocol": "messages",
        "provider": "packycode",
        "provider_id": "0123456789ab",
        "model": "gpt-5",
        "is_streaming": True,
        "sent_at": NOW - 2,
        "duration_seconds": 2.0,
        "first_output_seconds": 1.0,
        "stream_seconds": 1.0,
        "tokens": tokens(100, 10),
    }
    return AttemptRecord(**known | facts)


def request(**facts: Any) -> RequestRecord:
    """Return a request that was answered by one attempt of that kind."""
    known: dict[str, Any] = {
        "request_id": "req_1",
        "protocol": "messages",
        "is_streaming": True,
        "provider": "packycode",
        "model": "gpt-5",
        "status": 200,
        "attempts": 1,
        "ended_at": NOW,
        "duration_seconds": 2.0,
        "first_output_seconds": 1.0,
        "tokens": tokens(100, 10),
    }
    return RequestRecord(**known | facts)
