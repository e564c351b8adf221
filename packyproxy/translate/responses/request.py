"""A Responses request, read and put right for one attempt: its own fields (wire-mapping 7.1, 7.2).

A field that no row changes goes out as the bytes it came in, at its place; unknown ones too. ``read`` does
what holds for every provider, ``to_responses`` the rest, once per attempt. An effort that is absent stays so,
unless the model's name or its alias brings one: a client of this API leaves it out to get the model's own.
"""

from functools import partial

from msgspec import Raw, Struct, ValidationError, json

from packyproxy.errors import CapabilityMissing, InvalidRequest
from packyproxy.translate.contract import NOTHING_LEARNED, AttemptFacts, Target, Translation
from packyproxy.translate.decoding import decode_body, too_deep
from packyproxy.translate.effort import clamp_effort, searching_effort
from packyproxy.translate.responses.facts import ResponsesFacts
from packyproxy.translate.responses.items import Input, SentInput, read_input, write_input
from packyproxy.translate.responses.json_fields import FALSE, TRUE, Fields, optional, read_elements
from packyproxy.translate.responses.options import (
    ReasoningOptions,
    TextOptions,
    include_without,
    read_include,
    read_reasoning,
    read_text,
    write_reasoning,
    write_text,
)
from packyproxy.translate.responses.tokens import instructions_tokens
from packyproxy.translate.responses.tools import ToolList, read_choice, read_tools
from packyproxy.translate.token_count import BASE_TOKENS
from packyproxy.translate.tool_memory import ToolMemory
from packyproxy.wire import json_text

__all__ = ["ResponsesRequest", "read", "read_cache_key", "read_model", "to_responses"]

_BODY = json.Decoder(Fields)
_ANYTHING = json.Decoder()

_STORED = {
    "previous_response_id": "this gateway is stateless, resend the full input",
    "conversation": "this gateway is stateless, resend the full input",
    "background": "this gateway is stateless, wait for the answer or stream it",
    "prompt": "this gateway is stateless, send the prompt's own text",
}
"""What only a server can do that keeps things, and what to do instead."""

_DROPPED = frozenset(
    {
        *_STORED,
        "stream_options",
        "truncation",
        "top_logprobs",
        "user",
        "safety_identifier",
        "metadata",
        "prompt_cache_options",
        "prompt_cache_retention",
        "max_tool_calls",
        "moderation",
        "access_programs",
        "image",
    }
)
"""What no provider is sent."""

_REMOVABLE = frozenset({"service_tier", "prompt_cache_key", "client_metadata", "parallel_tool_calls"})
"""Of the whole fields that an upstream may refuse, those that are left out without a word."""

_FAST_TIERS = frozenset({b'"priority"', b'"fast"'})
_PRIORITY = Raw(b'"priority"')
_SAMPLING = ("temperature", "top_p")
_NO_ITEMS = Raw(b"[]")

_Body = dict[str, object]


class ResponsesRequest(Struct, frozen=True, kw_only=True):
    """A decoded and checked Responses request; also a ``contract.ClientRequest``."""

    fields: Fields
    """The body as every provider gets it, but for what ``to_responses`` puts in."""
    model: str
    is_stream: bool
    input: Input
    instructions: Raw
    """A JSON string literal."""
    tools: ToolList | None
    reasoning: ReasoningOptions | None
    text: TextOptions | None
    cache_key: str | None
    max_tokens: int | None
    warnings: tuple[str, ...]

    @property
    def session_hint(self) -> None:
        """Sessions are named by headers here, or by the cache key."""

    @property
    def is_prewarm(self) -> bool:
        """Whether the request is answered locally: never."""
        return False

    def opening(self) -> bytes:
        """Return the instructions and the first user message, which name a session if nothing else does."""
        return bytes(self.instructions) + b"\0" + self.input.opening


def read(
    body: bytes, *, counting: bool = False, memory: ToolMemory[ToolList] | None = None
) -> ResponsesRequest:
    """Decode and check a request body.

    Args:
        body: the decompressed bytes.
        counting: the request is for the token count, where ``input`` may be missing.
        memory: of tool lists read before.

    Raises:
        InvalidRequest: the body is not JSON, a field is wrong, or it needs something that was stored.
    """
    try:
        return _read(decode_body(_BODY, body), memory or ToolMemory(read_tools), counting=counting)
    except RecursionError:
        raise too_deep() from None


def read_model(fields: Fields) -> str:
    """Return the model that a body names.

    Raises:
        InvalidRequest: it names none.
    """
    model = optional(fields, "model", "string")
    if model is None or json_text.is_empty(model):
        raise InvalidRequest("field required", field="model")
    return json_text.unquote(model)


def read_cache_key(fields: Fields) -> str | None:
    """Return the ``prompt_cache_key`` that a body names, None for an empty one.

    Raises:
        InvalidRequest: it is no text.
    """
    cache_key = optional(fields, "prompt_cache_key", "string")
    return None if cache_key is None else json_text.unquote(cache_key) or None


def to_responses(
    request: ResponsesRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
) -> Translation:
    """Put a request right for one attempt; deterministic.

    Raises:
        CapabilityMissing: it searches the web, and this provider cannot.
    """
    try:
        return _translate(request, target, facts)
    except RecursionError:
        raise too_deep() from None


def _translate(request: ResponsesRequest, target: Target, facts: AttemptFacts) -> Translation:
    removed, searches_web = facts.removed_parameters, request.tools is not None and request.tools.searches_web
    if searches_web and not target.capabilities.web_search:
        reason = "web_search is not available on any configured provider"
        raise CapabilityMissing(reason, field="tools", says_all=True)
    effort = facts.effort_override or _effort(request, target)
    if searches_web:
        effort = searching_effort(effort, target.efforts)
    history = write_input(request.input, target, facts)
    warnings = list(request.warnings)
    body: _Body = {**request.fields, "model": target.model, "input": history.items}
    if request.cache_key is None:
        _put(body, "prompt_cache_key", target.prompt_cache_key)
    if request.reasoning is not None or effort is not None:
        with_summary = "reasoning.summary" not in removed
        _put(body, "reasoning", write_reasoning(request.reasoning, effort, with_summary=with_summary))
    _keep_what_is_taken(body, request, target, removed, warnings)
    if target.capabilities.system_as == "developer":
        _say_as_developer(body, request.instructions, history)
    if removed:
        _leave_out(body, request, removed)
    return Translation(
        body=json.encode(body),
        effort=effort,
        warnings=tuple(warnings),
        stream_facts=ResponsesFacts(
            model=request.model, upstream_model=target.model, scope=target.scope, original_names={}
        ),
        count_tokens=partial(_tokens, request, history),
        limits_output="max_output_tokens" in body,
        reasoning=history.reasoning,
        has_compaction=request.input.has_compaction,
    )


def _read(fields: Fields, memory: ToolMemory[ToolList], *, counting: bool) -> ResponsesRequest:
    model = read_model(fields)
    _refuse_stored(fields)
    history = optional(fields, "input", "string", "array")
    if history is None and not counting:
        raise InvalidRequest("field required", field="input")
    instructions = optional(fields, "instructions", "string") or json_text.EMPTY
    listed = optional(fields, "tools", "array")
    tools = None if listed is None else memory.read(listed)
    limit = optional(fields, "max_output_tokens", "number")
    items = read_input(history or _NO_ITEMS)
    return ResponsesRequest(
        fields=_for_everyone(fields, instructions, tools, has_tools=bool(tools) or items.has_tools),
        model=model,
        is_stream=_is_true(optional(fields, "stream", "boolean")),
        input=items,
        instructions=instructions,
        tools=tools,
        reasoning=read_reasoning(fields),
        text=read_text(fields),
        cache_key=read_cache_key(fields),
        max_tokens=None if limit is None else _whole_number(limit, "max_output_tokens"),
        warnings=tuple(_lost(fields)),
    )


def _refuse_stored(fields: Fields) -> None:
    for name, advice in _STORED.items():
        value = fields.get(name)
        if value is not None and bytes(value) not in {b"null", b"false"}:
            raise InvalidRequest(
                f"{name} is not supported: {advice}", field=name, code="unsupported_parameter", says_all=True
            )


def _lost(fields: Fields) -> list[str]:
    """Name the fields that say something and are lost with every provider."""
    lost: list[str] = []
    if _is_true(optional(fields, "store", "boolean")):
        lost.append("store")
    if bytes(fields.get("truncation", b"")) == b'"auto"':
        lost.append("truncation")
    if bytes(fields.get("top_logprobs", b"0")) not in {b"null", b"0"}:
        lost.append("top_logprobs")
    return lost


def _is_true(value: Raw | None) -> bool:
    return value is not None and bytes(value) == b"true"


def _number(value: Raw, field: str) -> float:
    try:
        number: float = _ANYTHING.decode(value)
    except ValidationError:
        raise InvalidRequest("number out of range", field=field) from None
    return number


def _whole_number(value: Raw, field: str) -> int:
    number = _number(value, field)
    if not isinstance(number, int):
        raise InvalidRequest("expected integer, got number", field=field)
    return number


def _for_everyone(fields: Fields, instructions: Raw, tools: ToolList | None, *, has_tools: bool) -> Fields:
    """Return the body with what every provider gets alike."""
    for name, kind in (
        ("parallel_tool_calls", "boolean"),
        ("client_metadata", "object"),
        ("context_management", "array"),
    ):
        optional(fields, name, kind)
    for name in _SAMPLING:
        if number := optional(fields, name, "number"):
            _number(number, name)
    tier, choice = (
        optional(fields, "service_tier", "string"),
        optional(fields, "tool_choice", "string", "object"),
    )
    sent = {name: value for name, value in fields.items() if name not in _DROPPED}
    sent["instructions"] = instructions
    sent["store"], sent["stream"] = FALSE, TRUE
    sent["include"] = read_include(fields)
    if tools is not None:
        sent["tools"] = tools.whole
    if choice is not None:
        sent["tool_choice"] = read_choice(choice)
    if not has_tools:
        sent.pop("parallel_tool_calls", None)
    if tier is not None and bytes(tier) in _FAST_TIERS:
        sent["service_tier"] = _PRIORITY
    else:
        sent.pop("service_tier", None)
    return sent


def _effort(request: ResponsesRequest, target: Target) -> str | None:
    own = request.reasoning.effort if request.reasoning is not None else None
    effort = target.suffix_effort or own or target.named_effort
    return None if effort is None else clamp_effort(effort, target.efforts)


def _put(body: _Body, name: str, value: object | None) -> None:
    """Set a field at its place; None takes it away."""
    if value is None:
        body.pop(name, None)
    else:
        body[name] = value


def _keep_what_is_taken(
    body: _Body,
    request: ResponsesRequest,
    target: Target,
    removed: frozenset[str],
    warnings: list[str],
) -> None:
    """Keep the sampling, the limit of the answer and context management where the provider takes them."""
    capabilities = target.capabilities
    accepted = {
        "temperature": capabilities.sampling,
        "top_p": capabilities.sampling,
        "max_output_tokens": capabilities.max_output_tokens,
        "context_management": capabilities.compact is True,
    }
    for name, is_accepted in accepted.items():
        value = request.fields.get(name)
        if value is None:
            continue
        # A sampling number of exactly 1 is every model's default.
        is_idle = json_text.is_null(value) or (name in _SAMPLING and _ANYTHING.decode(value) == 1)
        if is_idle or not is_accepted or name in removed:
            del body[name]
            if not is_idle:
                warnings.append(name)


def _say_as_developer(body: _Body, instructions: Raw, history: SentInput) -> None:
    if json_text.is_empty(instructions):
        return
    content = b'[{"type":"input_text","text":%b}]' % bytes(instructions)
    item = {"type": Raw(b'"message"'), "role": Raw(b'"developer"'), "content": Raw(content)}
    items = read_elements(history.items) if isinstance(history.items, Raw) else history.items
    body["instructions"] = json_text.EMPTY
    body["input"] = [item, *items]


def _leave_out(body: _Body, request: ResponsesRequest, removed: frozenset[str]) -> None:
    """Take out what this upstream has refused before (wire-mapping 0.2)."""
    for name in removed & _REMOVABLE:
        body.pop(name, None)
    body["include"] = include_without(request.fields["include"], removed)
    if request.text is not None:
        text = write_text(
            request.text, with_verbosity="text.verbosity" not in removed, with_strict="strict" not in removed
        )
        _put(body, "text", text)
    if request.tools is not None and "strict" in removed:
        body["tools"] = request.tools.without_strict()


def _tokens(request: ResponsesRequest, history: SentInput) -> int:
    told = instructions_tokens(request.instructions) + history.tokens
    tools = 0 if request.tools is None else request.tools.tokens
    return BASE_TOKENS + told + tools + (0 if request.text is None else request.text.tokens)
