"""The options that are objects or lists: ``reasoning``, ``text`` and ``include`` (wire-mapping 7.2)."""

from msgspec import Raw, Struct, json

from packyproxy.translate.effort import check_effort
from packyproxy.translate.responses.json_fields import (
    Fields,
    kind_of,
    optional,
    read_elements,
    read_object,
    require_kind,
)
from packyproxy.translate.responses.tokens import format_tokens
from packyproxy.wire import json_text

__all__ = [
    "ReasoningOptions",
    "TextOptions",
    "include_without",
    "read_include",
    "read_reasoning",
    "read_text",
    "write_reasoning",
    "write_text",
]

_ENCRYPTED_REASONING = "reasoning.encrypted_content"
_ONLY_REASONING = Raw(json.encode([_ENCRYPTED_REASONING]))
_NEVER_INCLUDED = frozenset(
    {
        "message.output_text.logprobs",
        "file_search_call.results",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "message.input_image.image_url",
    }
)


class ReasoningOptions(Struct, frozen=True):
    """``reasoning`` with its fields under their present names."""

    whole: Raw | Fields
    fields: Fields
    effort: str | None


class TextOptions(Struct, frozen=True):
    """``text`` and what its format costs."""

    whole: Raw
    fields: Fields
    tokens: int


def read_reasoning(fields: Fields) -> ReasoningOptions | None:
    """Read ``reasoning`` of a body; None without one.

    Raises:
        InvalidRequest: it is no object, or a field of it that is looked at is wrong.
    """
    value = optional(fields, "reasoning", "object")
    if value is None:
        return None
    options = read_object(value, "reasoning")
    literal = optional(options, "effort", "string", within="reasoning")
    effort = check_effort(None if literal is None else json_text.unquote(literal), "reasoning.effort")
    summary = optional(options, "summary", "string", within="reasoning")
    old_summary = optional(options, "generate_summary", "string", within="reasoning")
    if "generate_summary" not in options:
        return ReasoningOptions(value, options, effort)
    del options["generate_summary"]
    if summary is None and old_summary is not None:
        options["summary"] = old_summary
    return ReasoningOptions(options, options, effort)


def write_reasoning(
    options: ReasoningOptions | None, effort: str | None, *, with_summary: bool
) -> Raw | Fields | None:
    """Return ``reasoning`` for one attempt; None when there is nothing to say."""
    fields = {} if options is None else options.fields
    if effort is not None and (options is None or effort != options.effort):
        fields = {**fields, "effort": json_text.quote(effort)}
    elif options is not None and (with_summary or "summary" not in fields):
        return options.whole or None
    if not with_summary:
        fields = _without(fields, "summary")
    return fields or None


def read_text(fields: Fields) -> TextOptions | None:
    """Read ``text`` of a body; None without one.

    Raises:
        InvalidRequest: it is no object.
    """
    value = optional(fields, "text", "object")
    if value is None:
        return None
    options = read_object(value, "text")
    form = options.get("format")
    tokens = 0
    if form is not None and kind_of(form) == "object":
        tokens = format_tokens(read_object(form, "text.format"))
    return TextOptions(value, options, tokens)


def write_text(options: TextOptions, *, with_verbosity: bool, with_strict: bool) -> Raw | Fields | None:
    """Return ``text`` for one attempt; None when nothing of it is left."""
    fields = options.fields if with_verbosity else _without(options.fields, "verbosity")
    form = fields.get("format")
    if not with_strict and form is not None and kind_of(form) == "object":
        fields = {**fields, "format": Raw(json.encode(_without(read_object(form, "text.format"), "strict")))}
    return options.whole if fields is options.fields else fields or None


def read_include(fields: Fields) -> Raw:
    """Return ``include`` with the encrypted reasoning, and without what no codex back end has.

    Raises:
        InvalidRequest: it is no list of texts.
    """
    asked = optional(fields, "include", "array")
    if asked is None:
        return _ONLY_REASONING
    names = [
        json_text.unquote(require_kind(element, f"include[{at}]", "string"))
        for at, element in enumerate(read_elements(asked))
    ]
    kept = [name for name in names if name not in _NEVER_INCLUDED]
    if _ENCRYPTED_REASONING not in kept:
        kept.append(_ENCRYPTED_REASONING)
    return asked if kept == names else Raw(json.encode(kept))


def include_without(include: Raw, refused: frozenset[str]) -> Raw:
    """Return ``include`` without what an upstream has refused, named as ``include[...]``."""
    kept = [
        element
        for element in read_elements(include)
        if f"include[{json_text.unquote(element)}]" not in refused
    ]
    return Raw(json.encode(kept))


def _without(fields: Fields, name: str) -> Fields:
    return {key: value for key, value in fields.items() if key != name}
