"""A Chat Completions request, read and translated (wire-mapping 6.1).

``read`` finds everything a request can be refused for but what depends on the provider; ``to_responses`` is
pure and runs once per attempt, because what a provider takes differs from one to the next.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json

from packyproxy.errors import CapabilityMissing, InvalidRequest
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.history import HistoryTranslator
from packyproxy.translate.chat.response_format import read_format
from packyproxy.translate.chat.tool_choice import read_choice, read_function_call
from packyproxy.translate.chat.tools import ToolList, read_functions, read_tools, with_web_search
from packyproxy.translate.chat.turns import AssistantTurn, SystemTurn, Turn, first_user_text, read_turns
from packyproxy.translate.contract import NOTHING_LEARNED, AttemptFacts, Target, Translation
from packyproxy.translate.decoding import decode_body, too_deep
from packyproxy.translate.effort import check_effort, clamp_effort, requested_effort, searching_effort
from packyproxy.translate.request_fields import (
    join_instructions,
    local_limit,
    sampling_number,
    upstream_limit,
    with_system_item,
)
from packyproxy.translate.token_count import estimate_tokens
from packyproxy.translate.tool_memory import ToolMemory
from packyproxy.translate.tool_names import ToolNames
from packyproxy.wire import json_text
from packyproxy.wire.chat import ChatBody
from packyproxy.wire.responses import (
    InputItem,
    InputText,
    JsonObjectFormat,
    JsonSchemaFormat,
    MessageItem,
    Reasoning,
    ResponsesRequest,
    TextOptions,
    ToolChoice,
    encode_request,
)

__all__ = ["ChatRequest", "read", "to_responses"]

_MAX_MESSAGES = 100_000
_MAX_STOP_SEQUENCES = 4
_VERBOSITIES: dict[str, Literal["low", "medium", "high"]] = {"low": "low", "medium": "medium", "high": "high"}
_PRIORITIES = frozenset({b'"priority"', b'"fast"'})
_UNDEMANDING = frozenset({b"null", b'"auto"', b'"none"'})
_LOST_UNLESS_EMPTY = (
    "logprobs",
    "top_logprobs",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "seed",
    "prediction",
    "moderation",
)
"""Fields that are lost with every provider; what counts as false asks for nothing."""

_SILENCE: list[InputItem] = [MessageItem(role="user", content=[InputText(json_text.EMPTY)])]
"""Stands for messages that say nothing at all, as no upstream takes an empty input."""

_NO_TOOLS = ToolList((), "tools")

_BODY = json.Decoder(ChatBody)
_ANYTHING = json.Decoder()


class ChatRequest(Struct, frozen=True, kw_only=True):
    """A decoded and checked Chat request; also a ``contract.ClientRequest``."""

    body: ChatBody
    turns: list[Turn]
    """All but the system messages that open the conversation."""
    instructions: Raw
    """Their text as a JSON string literal."""
    tools: ToolList
    tool_choice: ToolChoice
    names: ToolNames
    format: JsonSchemaFormat | JsonObjectFormat | UnsetType
    verbosity: Literal["low", "medium", "high"] | UnsetType
    stop_sequences: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def model(self) -> str:
        """The model string as sent."""
        return self.body.model

    @property
    def is_stream(self) -> bool:
        """Whether the client asked for an SSE answer."""
        return bool(self.body.stream)

    @property
    def session_hint(self) -> None:
        """Chat has no such field."""

    @property
    def is_prewarm(self) -> bool:
        """Whether the client wants no text at all: a limit of 0."""
        return self.max_tokens == 0

    @property
    def cache_key(self) -> str | None:
        """The client's own ``prompt_cache_key``."""
        return self.body.prompt_cache_key or None

    @property
    def max_tokens(self) -> int | None:
        """The limit of the answer, as the client asked for it."""
        newer = self.body.max_completion_tokens
        return self.body.max_tokens if newer is None else newer

    @property
    def uses_functions(self) -> bool:
        """Whether the tools came as the older ``functions``."""
        return bool(self.body.functions)

    def opening(self) -> bytes:
        """Return the instructions and the first user text: what names a session that nothing else names."""
        return bytes(self.instructions) + b"\0" + first_user_text(self.turns)


def read(body: bytes, *, memory: ToolMemory[ToolList] | None = None) -> ChatRequest:
    """Decode and check a request body.

    Args:
        body: the decompressed bytes.
        memory: of tool lists read before.

    Raises:
        InvalidRequest: the body is not JSON, a field is wrong, or the request asks for what this gateway
            cannot do.
    """
    try:
        return _read(decode_body(_BODY, body, with_brackets=True), memory or ToolMemory(read_tools))
    except RecursionError:
        raise too_deep() from None


def _read(body: ChatBody, memory: ToolMemory[ToolList]) -> ChatRequest:
    _check_required(body)
    _check_unsupported(body)
    stop_sequences = _stop_sequences(body.stop)
    _check_limits(body)
    check_effort(body.reasoning_effort, "reasoning_effort")
    verbosity = _verbosity(body.verbosity)
    text_format = read_format(body.response_format)
    tools = _tools(body, memory)
    warnings = _dropped(body)
    turns = read_turns(body.messages, warnings)
    names = _tool_names(tools, turns)
    opening = next((at for at, turn in enumerate(turns) if type(turn) is not SystemTurn), len(turns))
    return ChatRequest(
        body=body,
        turns=turns[opening:],
        instructions=_instructions(turns[:opening]),
        tools=tools,
        tool_choice=_tool_choice(body, tools, names),
        names=names,
        format=text_format,
        verbosity=verbosity,
        stop_sequences=stop_sequences,
        warnings=tuple(warnings),
    )


def to_responses(request: ChatRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED) -> Translation:
    """Translate for one attempt; deterministic.

    Raises:
        InvalidRequest: the request holds something that this provider cannot be given.
    """
    try:
        return _translate(request, target, facts)
    except RecursionError:
        raise too_deep() from None


def _translate(request: ChatRequest, target: Target, facts: AttemptFacts) -> Translation:
    body, removed, tools = request.body, facts.removed_parameters, request.tools
    if tools.searches_web and not target.capabilities.web_search:
        field = "tools" if body.web_search_options is None else "web_search_options"
        reason = "web_search is not available on any configured provider"
        raise CapabilityMissing(reason, field=field, says_all=True)
    warnings = list(request.warnings)
    items = HistoryTranslator(target, facts, request.names, tools).translate(request.turns)
    as_developer = _is_input(request, items, target)
    effort = _effort(request, target, facts)
    upstream = ResponsesRequest(
        model=target.model,
        instructions=json_text.EMPTY if as_developer else request.instructions,
        input=(with_system_item(items, request.instructions) if as_developer else items) or _SILENCE,
        tools=tools.upstream(request.names, removed) if tools else UNSET,
        tool_choice=request.tool_choice if tools else UNSET,
        parallel_tool_calls=_is_parallel(request, removed) if tools else UNSET,
        reasoning=_reasoning(effort, target, removed),
        text=_text_options(request, removed),
        prompt_cache_key=UNSET if "prompt_cache_key" in removed else target.prompt_cache_key or UNSET,
        service_tier="priority" if _is_fast(body) and "service_tier" not in removed else UNSET,
        max_output_tokens=upstream_limit(request.max_tokens, target, removed),
        temperature=sampling_number(body.temperature, "temperature", target, removed, warnings),
        top_p=sampling_number(body.top_p, "top_p", target, removed, warnings),
    )
    return Translation(
        body=encode_request(upstream),
        effort=effort,
        warnings=tuple(dict.fromkeys(warnings)),
        stream_facts=ChatFacts(
            model=body.model,
            scope=target.scope,
            original_names=request.names.originals,
            thinking_is_visible=target.chat_reasoning,
            stop_sequences=request.stop_sequences,
            max_text_tokens=local_limit(request.max_tokens, target, removed),
            uses_functions=request.uses_functions,
            includes_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
            is_folded=not request.is_stream,
        ),
        count_tokens=partial(estimate_tokens, upstream, tools_estimate=tools.tokens),
        limits_output=not isinstance(upstream.max_output_tokens, UnsetType),
    )


def _is_input(request: ChatRequest, items: list[InputItem], target: Target) -> bool:
    """Tell whether the opening system messages go into the input, and not into the instructions."""
    if target.capabilities.system_as == "developer" or not items:  # alone, they are what the model is asked
        return True
    # In JSON mode the upstream wants JSON mentioned, and does not look for it in the instructions.
    is_json_mode = isinstance(request.format, JsonObjectFormat)
    return (
        is_json_mode and _mentions_json(request.instructions) and not any(map(_mentions_json, _told(items)))
    )


def _told(items: list[InputItem]) -> Iterator[Raw]:
    """Yield what users and developers say."""
    messages = (item for item in items if type(item) is MessageItem)
    return (part.text for message in messages for part in message.content if type(part) is InputText)


def _mentions_json(text: Raw) -> bool:
    return b"json" in bytes(text).lower()


def _check_required(body: ChatBody) -> None:
    if not body.model:
        raise InvalidRequest("field required", field="model")
    if not body.messages:
        raise InvalidRequest("at least one message is required", field="messages")
    if len(body.messages) > _MAX_MESSAGES:
        raise InvalidRequest(f"at most {_MAX_MESSAGES} messages are accepted", field="messages")


def _check_unsupported(body: ChatBody) -> None:
    n = _decoded(body.n)
    if n is not None and (n != 1 or isinstance(n, bool)):
        reason = "n must be 1: this gateway returns a single choice"
        raise InvalidRequest(reason, field="n", says_all=True)
    no_audio = "audio output is not supported by this gateway"
    modalities = _decoded(body.modalities)
    if isinstance(modalities, list) and "audio" in modalities:
        raise InvalidRequest(no_audio, field="modalities", says_all=True)
    if _decoded(body.audio) is not None:
        raise InvalidRequest(no_audio, field="audio", says_all=True)


def _stop_sequences(stop: str | list[str] | None) -> tuple[str, ...]:
    sequences = [stop] if isinstance(stop, str) else stop or []
    if len(sequences) > _MAX_STOP_SEQUENCES:
        raise InvalidRequest(f"at most {_MAX_STOP_SEQUENCES} sequences are accepted", field="stop")
    return tuple(sequence for sequence in sequences if sequence)


def _verbosity(wanted: str | None) -> Literal["low", "medium", "high"] | UnsetType:
    if wanted is None:
        return UNSET
    if wanted not in _VERBOSITIES:
        raise InvalidRequest(f"must be one of {', '.join(_VERBOSITIES)}", field="verbosity")
    return _VERBOSITIES[wanted]


def _check_limits(body: ChatBody) -> None:
    for field, limit in (
        ("max_completion_tokens", body.max_completion_tokens),
        ("max_tokens", body.max_tokens),
    ):
        if limit is not None and limit < 0:
            raise InvalidRequest("must be at least 0", field=field)


def _tools(body: ChatBody, memory: ToolMemory[ToolList]) -> ToolList:
    tools = _NO_TOOLS if isinstance(body.tools, UnsetType) else memory.read(body.tools)
    if body.functions:
        if tools:
            raise InvalidRequest("cannot be combined with tools", field="functions")
        tools = read_functions(body.functions)
    return with_web_search(tools, body.web_search_options)


def _tool_choice(body: ChatBody, tools: ToolList, names: ToolNames) -> ToolChoice:
    if body.functions:
        _check_unused(body.tool_choice, "tool_choice", "tools")
        return read_function_call(body.function_call, tools, names)
    _check_unused(body.function_call, "function_call", "functions")
    return read_choice(body.tool_choice, tools, names)


def _check_unused(choice: Raw | UnsetType, field: str, needed: str) -> None:
    """Refuse a choice that demands something of tools given in the other form."""
    if not isinstance(choice, UnsetType) and bytes(choice) not in _UNDEMANDING:
        raise InvalidRequest(f"{field} requires {needed}", field=field, says_all=True)


def _tool_names(tools: ToolList, turns: list[Turn]) -> ToolNames:
    """Collect the names in the list and in the history, also of tools that are gone."""
    return tools.names_with(
        [call.name for turn in turns if type(turn) is AssistantTurn for call in turn.calls]
    )


def _dropped(body: ChatBody) -> list[str]:
    """Name the fields of the request that are lost with every provider."""
    return [field for field in _LOST_UNLESS_EMPTY if _decoded(getattr(body, field))]


def _decoded(value: Raw | UnsetType) -> object:
    return None if isinstance(value, UnsetType) else _ANYTHING.decode(value)


def _instructions(turns: list[Turn]) -> Raw:
    return join_instructions(text for turn in turns if type(turn) is SystemTurn for text in turn.texts)


def _effort(request: ChatRequest, target: Target, facts: AttemptFacts) -> str | None:
    effort = facts.effort_override
    if effort is None:
        effort = requested_effort(
            suffix=target.suffix_effort,
            thinking_type=None,
            budget_tokens=None,
            output_effort=request.body.reasoning_effort,
            default=target.default_effort,
        )
        effort = None if effort is None else clamp_effort(effort, target.efforts)
    return searching_effort(effort, target.efforts) if request.tools.searches_web else effort


def _reasoning(effort: str | None, target: Target, removed: frozenset[str]) -> Reasoning | UnsetType:
    has_summary = target.chat_reasoning and effort != "none" and "reasoning.summary" not in removed
    if effort is None and not has_summary:
        return UNSET
    return Reasoning(UNSET if effort is None else effort, "auto" if has_summary else UNSET)


def _text_options(request: ChatRequest, removed: frozenset[str]) -> TextOptions | UnsetType:
    wanted = request.format
    if isinstance(wanted, JsonSchemaFormat) and "strict" in removed:
        wanted = JsonSchemaFormat(wanted.name, wanted.schema, UNSET, wanted.description)
    verbosity = UNSET if "text.verbosity" in removed else request.verbosity
    return UNSET if wanted is UNSET and verbosity is UNSET else TextOptions(wanted, verbosity)


def _is_parallel(request: ChatRequest, removed: frozenset[str]) -> bool | UnsetType:
    """Tell whether several calls may come; the older form has room for one (wire-mapping 6.3)."""
    if "parallel_tool_calls" in removed:
        return UNSET
    asked = request.body.parallel_tool_calls
    return not request.uses_functions if asked is None else asked


def _is_fast(body: ChatBody) -> bool:
    return not isinstance(body.service_tier, UnsetType) and bytes(body.service_tier) in _PRIORITIES
