"""Says no to what the real API says no to, in its words.

``codex`` mode adds the narrower rules of the codex back end, which it states as ``{"detail": ...}``;
everything behind them is the public API's own ``{"error": {...}}``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from packyproxy.testing.upstream.check_input import check_input
from packyproxy.testing.upstream.check_tools import (
    check_name,
    check_strict_schema,
    check_tool_choice,
    check_tools,
)
from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.refusals import (
    Refusal,
    Refused,
    check_keys,
    check_length,
    check_type,
    field,
    invalid,
    invalid_value,
    listing,
)

__all__ = ["Refusal", "Rules", "check_compact_request", "check_request"]

_CODEX_KEYS = frozenset(
    {
        "client_metadata",
        "include",
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "service_tier",
        "store",
        "stream",
        "text",
        "tool_choice",
        "tools",
    }
)
_PLATFORM_KEYS = _CODEX_KEYS - {"client_metadata"} | {
    "background",
    "conversation",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "previous_response_id",
    "prompt",
    "prompt_cache_retention",
    "safety_identifier",
    "stream_options",
    "temperature",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
}
_COMPACT_KEYS = _CODEX_KEYS - {"include", "store", "stream"}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SUMMARIES = ("auto", "concise", "detailed")
_VERBOSITIES = ("low", "medium", "high")
_INCLUDES = (
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
)
_MAX_PLATFORM_TOOLS = 128
_MIN_OUTPUT_TOKENS = 16
_MAX_TEMPERATURE = 2

_DATE = r"(-\d{4}-\d{2}-\d{2})?"
_MODEL_EFFORTS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern + _DATE), tuple(efforts.split()))
    for pattern, efforts in (
        (r"gpt-5(-mini|-nano)?", "minimal low medium high"),
        (r"gpt-5-codex.*|gpt-5\.1-codex(-mini)?", "low medium high"),
        (r"gpt-5\.1", "none low medium high"),
        (r"gpt-5\.1-codex-max|gpt-5\.[2-5]-codex.*", "low medium high xhigh"),
        (r"gpt-5\.[2-5].*", "none low medium high xhigh"),
        (r"gpt-5\.[6-9].*|gpt-[6-9].*", "none low medium high xhigh max"),
    )
)


class Rules(Struct, frozen=True, kw_only=True):
    """What a fake upstream is."""

    mode: Literal["codex", "platform"] = "codex"
    models: Sequence[str] | None = None
    """The models that exist; None means any."""
    efforts: Mapping[str, Sequence[str]] = {}
    """Allowed efforts per model, over the built-in table; models in neither take all of them."""


def check_request(body: Mapping[str, Any], rules: Rules, vault: ReasoningVault) -> Refusal | None:
    """Return the refusal that the real API would answer with, or None when it would accept."""
    try:
        if rules.mode == "codex":
            _check_codex(body, rules)
        else:
            _check_platform(body, rules)
        _check_fields(body, rules)
        tools = body.get("tools")
        if tools is not None:
            check_tools(tools)
        if isinstance(body["input"], list):
            check_input(body["input"], vault)
        if body.get("tool_choice") is not None:
            check_tool_choice(body["tool_choice"], _all_tools(body))
    except Refused as refused:
        return refused.refusal
    return None


def _all_tools(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    """Return the tools of a checked request, those among its items too; None where it has no list at all."""
    items = body["input"] if isinstance(body["input"], list) else []
    lists = [item["tools"] for item in items if item.get("type") == "additional_tools"]
    if body.get("tools") is not None:
        lists.append(body["tools"])
    return [tool for tools in lists for tool in tools] if lists else None


def check_compact_request(body: Mapping[str, Any], rules: Rules, vault: ReasoningVault) -> Refusal | None:
    """Return the refusal of a request to ``/responses/compact``, or None when it would be accepted."""
    try:
        _check_compact(body, rules)
        if isinstance(body["input"], list):
            check_input(body["input"], vault)
    except Refused as refused:
        return refused.refusal
    return None


def _check_compact(body: Mapping[str, Any], rules: Rules) -> None:
    if rules.mode == "codex":
        for key in body:
            if key not in _COMPACT_KEYS:
                raise Refused(Refusal.detail(f"Unsupported parameter: {key}"))
        field(body, "instructions", str, "")
    field(body, "input", list if rules.mode == "codex" else (list, str), "")
    model = field(body, "model", str, "")
    if rules.models is not None and model not in rules.models:
        text = f"The requested model '{model}' does not exist."
        raise Refused(Refusal.error(text, param="model", code="model_not_found"))


def _check_codex(body: Mapping[str, Any], rules: Rules) -> None:
    def refuse(detail: str) -> Refused:
        return Refused(Refusal.detail(detail))

    for key in body:
        if key not in _CODEX_KEYS:
            raise refuse(f"Unsupported parameter: {key}")
    if body.get("instructions") is None:
        raise refuse("Instructions are required")
    if not isinstance(body.get("input"), list):
        raise refuse("Input must be a list")
    if any(isinstance(item, dict) and item.get("role") == "system" for item in body["input"]):
        raise refuse("System messages are not allowed")
    if body.get("store") is not False:
        raise refuse("Store must be set to false")
    if body.get("stream") is not True:
        raise refuse("Stream must be set to true")
    if body.get("service_tier") not in (None, "priority"):
        raise refuse(f"Unsupported service_tier: {body['service_tier']}")
    model = field(body, "model", str, "")
    if rules.models is not None and model not in rules.models:
        raise refuse(f"The '{model}' model is not supported when using Codex with a ChatGPT account.")


def _check_platform(body: Mapping[str, Any], rules: Rules) -> None:
    check_keys(body, _PLATFORM_KEYS, "")
    model = field(body, "model", str, "")
    if rules.models is not None and model not in rules.models:
        text = f"The requested model '{model}' does not exist."
        raise Refused(Refusal.error(text, param="model", code="model_not_found"))
    if not body.get("input"):
        text = "One of 'input' or 'previous_response_id' or 'prompt' or 'conversation_id' must be provided."
        raise invalid(text, "input", "missing_required_parameter")
    for key in ("temperature", "top_p"):
        if body.get(key) is not None:
            check_type(body[key], (int, float), key)
    if not 0 <= (body.get("temperature") or 0) <= _MAX_TEMPERATURE:
        text = "Invalid 'temperature': decimal above maximum value. Expected a value <= 2."
        raise invalid(text, "temperature", "decimal_above_max_value")
    limit = body.get("max_output_tokens")
    if limit is not None:
        check_type(limit, int, "max_output_tokens")
        if limit < _MIN_OUTPUT_TOKENS:
            text = "Invalid 'max_output_tokens': integer below minimum value."
            expected = f"Expected a value >= {_MIN_OUTPUT_TOKENS}, but got {limit} instead."
            raise invalid(f"{text} {expected}", "max_output_tokens", "integer_below_min_value")
    tools = body.get("tools")
    if isinstance(tools, list) and len(tools) > _MAX_PLATFORM_TOOLS:
        text = f"Invalid 'tools': array too long. Expected an array with maximum length {_MAX_PLATFORM_TOOLS}"
        raise invalid(
            f"{text}, but got an array with length {len(tools)} instead.", "tools", "array_above_max_length"
        )


def _check_fields(body: Mapping[str, Any], rules: Rules) -> None:
    check_type(body["input"], (list, str), "input")
    check_length(body["model"], "model", 256)
    for key, expected in (
        ("instructions", str),
        ("parallel_tool_calls", bool),
        ("store", bool),
        ("stream", bool),
    ):
        if body.get(key) is not None:
            check_type(body[key], expected, key)
    if body.get("prompt_cache_key") is not None:
        check_type(body["prompt_cache_key"], str, "prompt_cache_key")
        check_length(body["prompt_cache_key"], "prompt_cache_key")
    if body.get("include") is not None:
        check_type(body["include"], list, "include")
        for number, value in enumerate(body["include"]):
            if value not in _INCLUDES:
                raise invalid_value(value, _INCLUDES, f"include[{number}]")
    if body.get("reasoning") is not None:
        _check_reasoning(body["reasoning"], body["model"], rules)
        _check_search_effort(body["reasoning"], body.get("tools") or ())
    if body.get("text") is not None:
        _check_text(body["text"])


def _check_reasoning(reasoning: Any, model: str, rules: Rules) -> None:
    check_type(reasoning, dict, "reasoning")
    check_keys(reasoning, frozenset({"effort", "summary", "generate_summary", "context"}), "reasoning")
    summary = reasoning.get("summary")
    if summary is not None and summary not in _SUMMARIES:
        raise invalid_value(summary, _SUMMARIES, "reasoning.summary")
    effort = reasoning.get("effort")
    if effort is None:
        return
    if effort not in _EFFORTS:
        raise invalid_value(effort, _EFFORTS, "reasoning.effort")
    allowed = _allowed_efforts(model, rules)
    if effort not in allowed:
        text = (
            f"Unsupported value: '{effort}' is not supported with the '{model}' model. Supported values are: "
        )
        raise invalid(f"{text}{listing(allowed)}.", "reasoning.effort", "unsupported_value")


def _check_search_effort(reasoning: Mapping[str, Any], tools: Any) -> None:
    if reasoning.get("effort") == "minimal" and any(
        isinstance(tool, dict) and tool.get("type") == "web_search" for tool in tools
    ):
        raise invalid(
            "The following tools cannot be used with reasoning.effort 'minimal': web_search.", "tools"
        )


def _allowed_efforts(model: str, rules: Rules) -> Sequence[str]:
    if model in rules.efforts:
        return rules.efforts[model]
    return next((efforts for pattern, efforts in _MODEL_EFFORTS if pattern.fullmatch(model)), _EFFORTS)


def _check_text(text: Any) -> None:
    check_type(text, dict, "text")
    check_keys(text, frozenset({"format", "verbosity"}), "text")
    if text.get("verbosity") is not None and text["verbosity"] not in _VERBOSITIES:
        raise invalid_value(text["verbosity"], _VERBOSITIES, "text.verbosity")
    form = text.get("format")
    if form is None:
        return
    check_type(form, dict, "text.format")
    kinds = ("text", "json_schema", "json_object")
    kind = field(form, "type", str, "text.format")
    if kind not in kinds:
        raise invalid_value(kind, kinds, "text.format.type")
    if kind != "json_schema":
        return
    check_keys(form, frozenset({"type", "name", "schema", "strict", "description"}), "text.format")
    name = field(form, "name", str, "text.format")
    check_name(name, "text.format.name")
    schema = field(form, "schema", dict, "text.format")
    param, code, subject = "text.format.schema", "invalid_json_schema", f"response_format '{name}'"
    if schema.get("type") != "object":
        shown = schema.get("type")
        detail = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{shown}\"'."
        raise invalid(f"Invalid schema for {subject}: {detail}", param, code)
    if form.get("strict"):
        check_strict_schema(schema, subject, param, code)
