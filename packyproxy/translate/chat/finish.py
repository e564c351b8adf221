"""How an answer ends: the finish reason and the usage (wire-mapping 6.3)."""

from msgspec import UNSET

from packyproxy.translate.chat.items import Answer
from packyproxy.translate.text_limits import likely_tokens
from packyproxy.wire.chat_events import CompletionTokensDetails, FinishReason, PromptTokensDetails, Usage
from packyproxy.wire.responses_events import Usage as UpstreamUsage
from packyproxy.wire.responses_output import ResponseObject

__all__ = ["answer_usage", "estimated_usage", "reason", "service_tier"]

_TIERS = {tier: tier for tier in ("auto", "default", "flex", "priority", "scale")} | {"fast": "priority"}


def reason(response: ResponseObject, answer: Answer, *, is_incomplete: bool) -> FinishReason:
    """Choose the ``finish_reason`` of an answer that the upstream ended.

    A missing or unknown reason counts as a normal end, so a new upstream value never breaks a client. A
    refusal ends normally too, as it does at OpenAI: their SDK's ``parse`` raises on ``content_filter`` and
    never shows the refusal.
    """
    if is_incomplete:
        details = response.incomplete_details
        told = (details.reason if details is not None else None) or ""
        if told == "max_output_tokens" or "context" in told:
            return "length"
        return "content_filter" if told == "content_filter" else "stop"
    if answer.tool_ids:
        return "function_call" if answer.uses_functions else "tool_calls"
    return "stop"


def answer_usage(usage: UpstreamUsage) -> Usage:
    """Convert the upstream's counts; nothing is taken off for what was cached."""
    details = usage.input_tokens_details
    cache_write = details.cache_write_tokens if details is not None else None
    return Usage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=UNSET if cache_write is None else cache_write,
        ),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=usage.reasoning_tokens or 0),
    )


def estimated_usage(input_tokens: int, shown_bytes: int) -> Usage:
    """Estimate from what was shown, for an upstream that told no counts or was stopped early."""
    return answer_usage(UpstreamUsage(input_tokens=input_tokens, output_tokens=likely_tokens(shown_bytes)))


def service_tier(upstream_tier: str | None) -> str:
    """Name the upstream's service tier as Chat does."""
    return _TIERS.get(upstream_tier or "", "default")
