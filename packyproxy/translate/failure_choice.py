"""Choose what a client is told of all that was tried, and when it may come back (wire-mapping 8.3, 8.5).

Who was asked counts before who was passed over. Where nobody was asked, the client is told of the rests.
"""

from collections.abc import Sequence
from math import inf

from msgspec import Struct

from packyproxy.errors import Failure, FailureKind, Tried
from packyproxy.translate.contract import Family
from packyproxy.translate.failure_table import FAILURES, LIMITS, Usefulness
from packyproxy.translate.failure_texts import (
    again_text,
    failure_text,
    resting_text,
    rfc3339,
    tried_text,
    whole_seconds,
)
from packyproxy.wire.error_bodies import with_time_left

__all__ = ["Told", "most_useful", "retry_headers", "tell", "wait_seconds"]

_ACCOUNT_KINDS = LIMITS | {FailureKind.BILLING}
_UNABLE = (FailureKind.NOT_OFFERED, FailureKind.INVALID_REASONING)
_LONG_WAIT_SECONDS = 60
"""A client that is told of a longer wait is also told not to try (wire-mapping 8.5)."""
_SAYS_WHEN = ("resets at", "try again in")
_RETRY_AFTER_STATUSES = frozenset({429, 503, 529})
_RETRYABLE_STATUSES = frozenset({429, 502, 503, 504, 529})


def wait_seconds(failure: Failure, now: float) -> float | None:
    """Return how long to wait before asking again, by the upstream's word or by kind (wire-mapping 8.5).

    None when nothing speaks for any particular time.

    Args:
        failure: what the upstream answered.
        now: Unix seconds.
    """
    if failure.reset_at is not None:
        return max(0.0, failure.reset_at - now)
    if failure.retry_after_seconds is not None:
        return failure.retry_after_seconds
    return FAILURES[failure.kind].implied_wait_seconds


def most_useful(tried: Sequence[Tried]) -> Tried:
    """Return whose failure tells the client most (wire-mapping 8.3); who was asked counts before who was not.

    Of equals it is the one that is over first, then the first. Who does not offer what was asked for, or
    cannot read the history that another provider has encrypted, counts only if nobody else was tried.

    Args:
        tried: at least one.
    """
    able = tried
    for kind in _UNABLE:
        able = [one for one in able if one.failure.kind is not kind] or able
    return min([one for one in able if one.was_asked] or able, key=_by_usefulness)


def _by_usefulness(tried: Tried) -> tuple[int, float]:
    moment = tried.failure.reset_at if tried.available_at is None else tried.available_at
    return -FAILURES[tried.failure.kind].rank, inf if moment is None else moment


def _wait(tried: Tried, now: float) -> float | None:
    """Return how long this provider will not do better; None for as long as nobody changes anything."""
    rule = FAILURES[tried.failure.kind]
    if rule.is_lasting:
        return None
    said = wait_seconds(tried.failure, now) if tried.was_asked else None
    rests = None if tried.available_at is None else max(0.0, tried.available_at - now)
    known = [wait for wait in (said, rests) if wait is not None]
    if known:
        return max(known)
    return 0.0 if rule.anthropic[0] in _RETRYABLE_STATUSES else None


class Told(Struct, frozen=True, kw_only=True):
    """What a client is told of everything that was tried."""

    failure: Failure
    text: str
    wait: float | None
    """Seconds until the first of the tried may serve; None for never."""
    own_wait: float | None
    """The same for the one whose failure is shown."""


def tell(tried: Sequence[Tried], now: float) -> Told:
    """Choose one failure to show, and say in one line what happened, also to the others.

    Args:
        tried: at least one, in the order to name them.
        now: Unix seconds.
    """
    told = most_useful(tried)
    failure, own_wait = told.failure, _wait(told, now)
    if failure.kind is FailureKind.CONTEXT_OVERFLOW:
        return Told(failure=failure, text=failure.message, wait=own_wait, own_wait=own_wait)
    wait = min((wait for one in tried if (wait := _wait(one, now)) is not None), default=None)
    if wait is not None and not told.was_asked:
        text = resting_text(tried) + again_text(wait)
        return Told(failure=_failure_of_rest(tried, now), text=text, wait=wait, own_wait=wait)
    text = failure_text(failure, told.provider, now)
    if FAILURES[failure.kind].rank >= Usefulness.REQUEST:
        wait = own_wait  # nobody would take that request later either
    if len(tried) > 1 and FAILURES[failure.kind].names_provider:
        says_when = wait == own_wait and any(words in text.lower() for words in _SAYS_WHEN)
        text += tried_text([one for one in tried if one is not told])
        if wait and not says_when:
            text += again_text(wait)
    return Told(failure=failure, text=text, wait=wait, own_wait=own_wait)


def _failure_of_rest(tried: Sequence[Tried], now: float) -> Failure:
    """Choose what to show when nobody was asked: a limit if all that passes are limits (wire-mapping 8.3).

    Of several limits it is the one that passes first; an account without credit is told only if all are.
    """
    waits = [(wait, index) for index, one in enumerate(tried) if (wait := _wait(one, now)) is not None]
    limits = [each for each in waits if tried[each[1]].failure.kind in LIMITS]
    ills = [each for each in waits if tried[each[1]].failure.kind not in _ACCOUNT_KINDS]
    wait, index = min(ills or limits or waits)
    told = tried[index].failure
    error = told.error_object
    return Failure(
        kind=FailureKind.UNAVAILABLE if ills else told.kind,
        status=told.status,
        reset_at=now + wait,
        error_object=None if error is None else with_time_left(error, now=now, until=now + wait),
    )


def retry_headers(
    told: Told, family: Family, row_status: int, status: int, now: float
) -> tuple[tuple[bytes, bytes], ...]:
    """Say whether and when to come back (wire-mapping 8.5).

    Args:
        told: what the client is told.
        family: whose headers to write.
        row_status: the status of the failure's row.
        status: the status that is shown, which may be the upstream's own.
        now: Unix seconds.
    """
    kind, wait, own_wait = told.failure.kind, told.wait, told.own_wait
    headers: list[tuple[bytes, bytes]] = []
    is_long = wait is not None and wait > _LONG_WAIT_SECONDS
    # What is shown is not worth a wait, but another provider is.
    is_revived = wait is not None and not is_long and (own_wait is None or own_wait > _LONG_WAIT_SECONDS)
    if wait is not None and (not _RETRY_AFTER_STATUSES.isdisjoint((row_status, status)) or is_revived):
        headers.append((b"retry-after", b"%d" % whole_seconds(wait)))
    if is_long or (FAILURES[kind].is_lasting and not is_revived):
        headers.append((b"x-should-retry", b"false"))
    elif row_status in _RETRYABLE_STATUSES or is_revived:
        headers.append((b"x-should-retry", b"true"))
    elif status in _RETRYABLE_STATUSES:
        headers.append((b"x-should-retry", b"false"))
    if kind is FailureKind.QUOTA and wait is not None:
        if family == "anthropic":
            headers += [
                (b"anthropic-ratelimit-requests-limit", b"0"),
                (b"anthropic-ratelimit-requests-remaining", b"0"),
                (b"anthropic-ratelimit-requests-reset", rfc3339(now + wait).encode()),
            ]
        else:
            headers += [
                (b"x-ratelimit-remaining-requests", b"0"),
                (b"x-ratelimit-reset-requests", b"%ds" % whole_seconds(wait)),
            ]
    return tuple(headers)
