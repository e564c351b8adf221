"""How an answer ends: the stop reason and the usage (wire-mapping 4.8, 4.10)."""

from msgspec import UNSET, UnsetType

from packyproxy.translate.messages.items import Answer
from packyproxy.translate.text_limits import likely_tokens
from packyproxy.wire.messages_events import (
    OutputTokensDetails,
    ServerToolUsage,
    StopDetails,
    StopReason,
    Usage,
)
from packyproxy.wire.responses_events import Usage as UpstreamUsage
from packyproxy.wire.responses_output import ResponseObject, ToolUsage

__all__ = ["answer_usage", "estimated_usage", "searches_made", "service_tier", "stop"]

_MAX_EXPLANATION_CHARS = 500

_REASONS: dict[str, StopReason] = {
    "max_output_tokens": "max_tokens",
    "content_filter": "refusal",
    "max_messages": "pause_turn",
    "max_tool_calls": "pause_turn",
}


def stop(
    response: ResponseObject, answer: Answer, *, is_incomplete: bool
) -> tuple[StopReason, StopDetails | None]:
    """Choose the ``stop_reason`` of an answer that the upstream ended, and its details.

    A missing or unknown reason counts as a normal end, so a new upstream value never breaks a client.
    """
    if is_incomplete:
        details = response.incomplete_details
        reason = (details.reason if details is not None else None) or ""
        if reason in _REASONS:
            return _REASONS[reason], StopDetails() if reason == "content_filter" else None
        if "context" in reason:
            return "model_context_window_exceeded", None
    if answer.tool_ids:
        return "tool_use", None
    if answer.refusal and not is_incomplete:
        return "refusal", StopDetails(explanation=answer.refusal[:_MAX_EXPLANATION_CHARS])
    return "end_turn", None


def answer_usage(usage: UpstreamUsage, searches: int) -> Usage:
    """Convert the upstream's counts.

    ``input_tokens`` is at least 1 when there was any input: a zero would be ignored by clients, which then
    count the estimate of ``message_start`` on top.
    """
    cached, cache_write = usage.cached_tokens, usage.cache_write_tokens
    uncached = max(0, usage.input_tokens - cached - cache_write)
    thinking = usage.reasoning_tokens
    return Usage(
        input_tokens=uncached or min(1, max(0, usage.input_tokens)),
        cache_creation_input_tokens=cache_write,
        cache_read_input_tokens=cached,
        output_tokens=usage.output_tokens,
        output_tokens_details=UNSET if thinking is None else OutputTokensDetails(thinking_tokens=thinking),
        server_tool_use=_server_tool_use(searches),
    )


def estimated_usage(input_tokens: int, shown_bytes: int, searches: int) -> Usage:
    """Estimate from what was shown, for an upstream that told no counts or was stopped early."""
    return Usage(
        input_tokens=input_tokens,
        output_tokens=likely_tokens(shown_bytes),
        server_tool_use=_server_tool_use(searches),
    )


def searches_made(told: ToolUsage | None, shown: int) -> int:
    """Return the upstream's number of searches, or of those that were shown when it told none."""
    number = told.web_search.num_requests if told is not None and told.web_search is not None else None
    return shown if number is None else number


def service_tier(upstream_tier: str | None) -> str:
    """Name the upstream's service tier in Messages terms."""
    return "priority" if upstream_tier in {"priority", "fast"} else "standard"


def _server_tool_use(searches: int) -> ServerToolUsage | UnsetType:
    return ServerToolUsage(web_search_requests=searches) if searches > 0 else UNSET
