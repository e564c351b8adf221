"""Decide what to do after a failed attempt: mend the request, ask the same provider again, or give up.

Pure: the failure, what was sent and what was tried already come in, a decision goes out (wire-mapping 0.2,
0.5, 1.3, 1.6, 2.4, 8.3). Repairs are limited each by its own rule and do not count as repeats; repeats are
limited by the failure's row in ``translate.failure_table`` and by the operator's ``request-retry``.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import Failure, FailureKind
from packyproxy.translate.contract import NOTHING_LEARNED, AttemptFacts
from packyproxy.translate.effort import step_effort
from packyproxy.translate.failure_choice import wait_seconds
from packyproxy.translate.failure_table import FAILURES, Repeat

__all__ = ["Decision", "GiveUp", "History", "Repair", "RetryAfter", "Sent", "decide"]

_MAX_REMOVALS = 3
_LONGEST_WAIT_SECONDS = 5.0
"""A client waits this long for a repeat that the upstream asked to put off; longer ones it is told about."""
_OVERLOAD_DELAY_SECONDS = 1.0


class Sent(Struct, frozen=True, kw_only=True):
    """What the failed attempt sent, as far as it can be mended."""

    facts: AttemptFacts = NOTHING_LEARNED
    effort: str | None = None
    efforts: tuple[str, ...] = ()
    """What the model is believed to take, weakest first."""
    has_reasoning: bool = False
    system_as: Literal["instructions", "developer"] = "instructions"


class History(Struct, frozen=True, kw_only=True):
    """What was done about earlier failures of this request at this provider."""

    removals: int = 0
    repaired: frozenset[FailureKind] = frozenset()
    repeated: tuple[FailureKind, ...] = ()


class Repair(Struct, frozen=True, kw_only=True):
    """Translate again with one thing changed, and send that at once to the same provider."""

    history: History
    """The history with this decision in it."""
    remove_parameter: str | None = None
    drops_reasoning: bool = False
    uses_developer: bool = False
    effort: str | None = None
    """The effort to send instead."""

    def apply(self, facts: AttemptFacts) -> AttemptFacts:
        """Return the facts for the mended attempt; ``uses_developer`` is the target's, not a fact."""
        if self.remove_parameter is not None:
            return replace(facts, removed_parameters=facts.removed_parameters | {self.remove_parameter})
        if self.drops_reasoning:
            return replace(facts, without_reasoning=True)
        if self.effort is not None:
            return replace(facts, effort_override=self.effort)
        return facts


class RetryAfter(Struct, frozen=True, kw_only=True):
    """Send the same request to the same provider once more."""

    history: History
    """The history with this decision in it."""
    seconds: float = 0.0


class GiveUp(Struct, frozen=True):
    """This provider will not do; the failure stands."""


Decision = Repair | RetryAfter | GiveUp


def decide(failure: Failure, history: History, sent: Sent, *, retries_allowed: int, now: float) -> Decision:
    """Choose what follows a failed attempt; to be asked only while the client has seen no content of it.

    Args:
        failure: how it failed.
        history: what was done before, for this request at this provider.
        sent: what the attempt sent.
        retries_allowed: the most repeats for one request.
        now: Unix seconds.
    """
    repair = _REPAIRS.get(failure.kind)
    if repair is not None:
        return repair(failure, history, sent) or GiveUp()
    return _repeat(failure, history, retries_allowed, now)


def _repeat(failure: Failure, history: History, retries_allowed: int, now: float) -> Decision:
    repeat = FAILURES[failure.kind].repeat
    if repeat is Repeat.NEVER or failure.kind in history.repeated or len(history.repeated) >= retries_allowed:
        return GiveUp()
    named_time = failure.reset_at is not None or failure.retry_after_seconds is not None
    if repeat is Repeat.ONCE_AFTER_SHORT_WAIT and not named_time:
        return GiveUp()
    delay = (wait_seconds(failure, now) or 0.0) if named_time else 0.0
    if delay > _LONGEST_WAIT_SECONDS:
        return GiveUp()
    if repeat is Repeat.ONCE_AFTER_DELAY:
        delay = max(delay, _OVERLOAD_DELAY_SECONDS)
    after = replace(history, repeated=(*history.repeated, failure.kind))
    return RetryAfter(history=after, seconds=delay)


def _repaired(history: History, kind: FailureKind) -> History:
    return replace(history, repaired=history.repaired | {kind})


def _remove_parameter(failure: Failure, history: History, sent: Sent) -> Repair | None:
    parameter = failure.param
    if parameter is None or parameter in sent.facts.removed_parameters or history.removals >= _MAX_REMOVALS:
        return None
    after = replace(history, removals=history.removals + 1)
    return Repair(history=after, remove_parameter=parameter)


def _drop_reasoning(_: Failure, history: History, sent: Sent) -> Repair | None:
    if not sent.has_reasoning or FailureKind.INVALID_REASONING in history.repaired:
        return None
    return Repair(history=_repaired(history, FailureKind.INVALID_REASONING), drops_reasoning=True)


def _use_developer(_: Failure, history: History, sent: Sent) -> Repair | None:
    if sent.system_as == "developer" or FailureKind.INSTRUCTIONS_REFUSED in history.repaired:
        return None
    return Repair(history=_repaired(history, FailureKind.INSTRUCTIONS_REFUSED), uses_developer=True)


def _step_effort(_: Failure, history: History, sent: Sent) -> Repair | None:
    if sent.effort is None or FailureKind.EFFORT_REFUSED in history.repaired:
        return None
    effort = step_effort(sent.effort, sent.efforts)
    if effort is None:
        return None
    return Repair(history=_repaired(history, FailureKind.EFFORT_REFUSED), effort=effort)


_REPAIRS: Mapping[FailureKind, Callable[[Failure, History, Sent], Repair | None]] = MappingProxyType(
    {
        FailureKind.UNSUPPORTED_PARAMETER: _remove_parameter,
        FailureKind.INVALID_REASONING: _drop_reasoning,
        FailureKind.INSTRUCTIONS_REFUSED: _use_developer,
        FailureKind.EFFORT_REFUSED: _step_effort,
    }
)
