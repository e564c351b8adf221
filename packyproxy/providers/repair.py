"""Decide what to do after a failed attempt: mend the request, ask the same provider again, or give up.

Pure: the failure, what was sent and what was tried already come in, a decision goes out (wire-mapping 0.2, 0.5, 1.3,
1.6, 2.4, 8.3). Repairs are limited each by its own rule and do not count as repeats; repeats are limited by the
failure's row in ``translate.failure_table`` and by the operator's ``request-retry``.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import Failure, FailureKind
from packyproxy.translate.contract import AttemptFacts
from packyproxy.translate.effort import step_effort
from packyproxy.translate.failure_table import FAILURES, Repeat
from packyproxy.translate.failures import wait_seconds

__all__ = ["Decision", "GiveUp", "History", "Repair", "RepeatRequest", "Sent", "decide"]

_MAX_REMOVALS = 3
_LONGEST_WAIT_SECONDS = 5.0
"""A client waits this long for a repeat that the upstream asked to put off; longer ones it is told about."""
_OVERLOAD_DELAY_SECONDS = 1.0


class Sent(Struct, frozen=True, kw_only=True):
    """What the failed attempt sent, as far as it can be mended."""

    facts: AttemptFacts = AttemptFacts()
    effort: str | None = None
    efforts: tuple[str, ...] = ()
    """What the model is believed to take, weakest first."""
    has_reasoning: bool = False
    system_as: Literal["instructions", "developer"] = "instructions"


class Repair(Struct, frozen=True, kw_only=True):
    """Translate again with one thing changed, and send that at once to the same provider."""

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


class RepeatRequest(Struct, frozen=True):
    """Send the same request to the same provider once more."""

    delay_seconds: float = 0.0


class GiveUp(Struct, frozen=True):
    """This provider will not do; the failure stands."""


Decision = Repair | RepeatRequest | GiveUp


class History(Struct, frozen=True):
    """What was done about earlier failures of this request at this provider."""

    removals: int = 0
    repaired: frozenset[FailureKind] = frozenset()
    repeated: tuple[FailureKind, ...] = ()

    def after(self, failure: Failure, decision: Decision) -> Self:
        """Return the history with one more decision in it."""
        if isinstance(decision, RepeatRequest):
            return replace(self, repeated=(*self.repeated, failure.kind))
        if isinstance(decision, Repair):
            removals = self.removals + (decision.remove_parameter is not None)
            return replace(self, removals=removals, repaired=self.repaired | {failure.kind})
        return self


def decide(
    failure: Failure, history: History, sent: Sent, *, has_content: bool, request_retry: int, now: float
) -> Decision:
    """Choose what follows a failed attempt.

    Args:
        failure: how it failed.
        history: what was tried before it, for this request at this provider.
        sent: what it sent.
        has_content: model output has reached the client; then nothing can be done.
        request_retry: the most repeats for one request.
        now: Unix seconds.
    """
    if has_content:
        return GiveUp()
    repair = _REPAIRS.get(failure.kind)
    if repair is not None:
        return repair(failure, history, sent) or GiveUp()
    return _repeat(failure, history, request_retry, now)


def _repeat(failure: Failure, history: History, request_retry: int, now: float) -> Decision:
    repeat = FAILURES[failure.kind].repeat
    if repeat is Repeat.NEVER or failure.kind in history.repeated or len(history.repeated) >= request_retry:
        return GiveUp()
    upstream_named_time = failure.reset_at is not None or failure.retry_after_seconds is not None
    delay = 0.0
    if upstream_named_time or repeat is Repeat.ONCE_AFTER_SHORT_WAIT:
        delay = wait_seconds(failure, now) or 0.0
    if delay > _LONGEST_WAIT_SECONDS:
        return GiveUp()
    if repeat is Repeat.ONCE_AFTER_DELAY:
        delay = max(delay, _OVERLOAD_DELAY_SECONDS)
    return RepeatRequest(delay)


def _remove_parameter(failure: Failure, history: History, sent: Sent) -> Repair | None:
    parameter = failure.param
    if parameter is None or parameter in sent.facts.removed_parameters or history.removals >= _MAX_REMOVALS:
        return None
    return Repair(remove_parameter=parameter)


def _drop_reasoning(_: Failure, history: History, sent: Sent) -> Repair | None:
    if not sent.has_reasoning or FailureKind.INVALID_REASONING in history.repaired:
        return None
    return Repair(drops_reasoning=True)


def _use_developer(_: Failure, history: History, sent: Sent) -> Repair | None:
    if sent.system_as == "developer" or FailureKind.INSTRUCTIONS_REFUSED in history.repaired:
        return None
    return Repair(uses_developer=True)


def _step_effort(_: Failure, history: History, sent: Sent) -> Repair | None:
    if sent.effort is None or FailureKind.EFFORT_REFUSED in history.repaired:
        return None
    effort = step_effort(sent.effort, sent.efforts)
    return Repair(effort=effort) if effort is not None else None


_REPAIRS: Mapping[FailureKind, Callable[[Failure, History, Sent], Repair | None]] = MappingProxyType(
    {
        FailureKind.UNSUPPORTED_PARAMETER: _remove_parameter,
        FailureKind.INVALID_REASONING: _drop_reasoning,
        FailureKind.INSTRUCTIONS_REFUSED: _use_developer,
        FailureKind.EFFORT_REFUSED: _step_effort,
    }
)
