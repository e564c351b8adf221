"""What a client reads about failed upstreams: the sentences of wire-mapping 8.3-8.5.

Each is one line. The failure that decides the answer is told in the upstream's words; of everybody else who
was tried the client learns in ours. The sentence about the context window is for machines and stands alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil

from packyproxy.errors import Failure, FailureKind, Tried
from packyproxy.translate.failure_table import FAILURES

__all__ = [
    "again_text",
    "failure_text",
    "no_provider_text",
    "overflow_text",
    "reset_second",
    "resting_text",
    "rfc3339",
    "tried_text",
    "whole_seconds",
]

_CLIENT_HINT = "this provider restricts clients; see its terms and the provider's headers setting"
_MOST_NAMED = 5
"""Providers in one sentence; more are counted."""
_UNKNOWN = "the upstream failed"


def failure_text(failure: Failure, provider: str, now: float) -> str:
    """Say what happened, in the provider's own words where it had any."""
    if failure.kind is FailureKind.QUOTA:
        return _quota_text(failure, provider, now)
    rule = FAILURES[failure.kind]
    text = rule.text if rule.hides_upstream_text else failure.message or rule.text or _UNKNOWN
    if failure.kind is FailureKind.CLIENT_RESTRICTED:
        text = f"{text}: {_CLIENT_HINT}"
    return f"{text} (provider: {provider})" if rule.names_provider else text


def overflow_text(failure: Failure, estimate: int, context_window: int, max_tokens: int | None) -> str:
    """Write the sentence that Claude Code reads the numbers from (wire-mapping 8.4).

    The sentence with ``max_tokens`` makes Claude Code lower it, which helps only while the input alone would
    fit.

    Args:
        failure: with the numbers that the upstream named.
        estimate: the local count of the input.
        context_window: the model's.
        max_tokens: the client's limit of the answer; None unless the upstream counted it.
    """
    limit = failure.tokens_limit or context_window
    tokens = failure.tokens or estimate
    if max_tokens is not None and tokens < limit:
        tokens = max(tokens, limit - max_tokens + 1, 0)
        return (
            f"input length and `max_tokens` exceed context limit: {tokens} + {max_tokens} > {limit}, "
            "decrease input length or `max_tokens` and try again"
        )
    return f"prompt is too long: {max(tokens, limit + 1)} tokens > {limit} maximum"


def tried_text(others: Sequence[Tried]) -> str:
    """Name who else was tried; begins with ``; `` and is empty for nobody."""
    return f"; also tried: {_named(others)}" if others else ""


def no_provider_text(*, is_managed: bool) -> str:
    """Say that nobody is there to ask, and how to change that; ``is_managed``: the management API is on."""
    text = "no provider is enabled: enable one in config.yaml"
    return f"{text} or with PATCH /v0/management/providers/{{name}}" if is_managed else text


def resting_text(tried: Sequence[Tried]) -> str:
    """Say who was passed over and why, when nobody was asked."""
    return f"no provider can serve now: {_named(tried)}"


def again_text(wait: float) -> str:
    """Say when to come back; begins with ``; ``."""
    return f"; try again in {_span(whole_seconds(wait))}"


def whole_seconds(wait: float) -> int:
    """Return a wait as clients are told it: at least a second, rounded up."""
    return max(1, ceil(wait))


def reset_second(failure: Failure, now: float) -> int | None:
    """Return when a limit ends, in whole Unix seconds, rounded up; None where the upstream did not say."""
    moment, after = failure.reset_at, failure.retry_after_seconds
    if moment is None:
        moment = None if after is None else now + after
    return None if moment is None else ceil(min(moment, _LAST_SECOND))


def rfc3339(unix: float) -> str:
    """Write a moment in UTC, rounded up to a second; what no calendar shows is its last second."""
    moment = datetime.fromtimestamp(min(ceil(unix), _LAST_SECOND), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_LAST_SECOND = 253_402_300_799


def _quota_text(failure: Failure, provider: str, now: float) -> str:
    """Write the sentence of wire-mapping 8.5; parts that the upstream did not tell are left out."""
    text = f"usage limit reached for {provider}"
    if failure.plan_type:
        text += f" (plan {failure.plan_type})"
    if failure.reset_at is not None:
        wait: float | None = max(0.0, failure.reset_at - now)
    else:
        wait = failure.retry_after_seconds
    if wait is not None:
        text += f"; resets at {rfc3339(now + wait)} (in {_span(wait)})"
    return f"{text}; wait or enable another provider"


def _named(tried: Sequence[Tried]) -> str:
    names = ", ".join(f"{one.provider} ({_reason(one)})" for one in tried[:_MOST_NAMED])
    return f"{names} and {len(tried) - _MOST_NAMED} more" if len(tried) > _MOST_NAMED else names


def _reason(tried: Tried) -> str:
    status = tried.failure.status
    words = FAILURES[tried.failure.kind].text or (f"HTTP {status}" if status and status >= 300 else _UNKNOWN)
    if tried.was_asked:
        return words
    if tried.available_at is None:
        return f"not asked after: {words}"
    return f"resting until {rfc3339(tried.available_at)} after: {words}"


def _span(seconds: float) -> str:
    """Write a span in at most two units, rounded up, e.g. ``2h 5m``."""
    for large, large_unit, small, small_unit in _UNITS:
        if seconds >= large:
            count, rest = divmod(ceil(seconds / small), large // small)
            return f"{count}{large_unit} {rest}{small_unit}" if rest else f"{count}{large_unit}"
    return f"{ceil(seconds)}s"


_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
