"""A Messages request, read and translated: its own fields, and its parts put together (wire-mapping 1.1-1.9).

``read`` refuses what no provider could be given and decodes the history once; ``to_responses`` is pure and
runs once per attempt, because what a provider can read and takes differs from one to the next.
"""

import re
from functools import partial

from msgspec import UNSET, Raw, Struct, UnsetType, json

from packyproxy.errors import CapabilityMissing, InvalidRequest
from packyproxy.translate.contract import NOTHING_LEARNED, AttemptFacts, Target, Translation
from packyproxy.translate.decoding import decode_body, decode_part, require_text, too_deep
from packyproxy.translate.effort import check_effort, clamp_effort, requested_effort, searching_effort
from packyproxy.translate.messages.facts import MessagesFacts
from packyproxy.translate.messages.history import History, HistoryTranslator
from packyproxy.translate.messages.tools import ToolList, ToolPlan, ToolTranslator, declared_tools, read_tools
from packyproxy.translate.messages.turns import Turn, first_user_text, read_turns
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
from packyproxy.translate.tool_schema import is_strict_schema
from packyproxy.wire import json_text
from packyproxy.wire.messages import MessagesBody, OutputFormat, TextBlock, ToolAdditionBlock, ToolUseBlock
from packyproxy.wire.responses import (
    JsonSchemaFormat,
    Reasoning,
    ReasoningItem,
    ResponsesRequest,
    TextOptions,
    encode_request,
)

__all__ = ["MessagesRequest", "read", "to_responses"]

_MAX_MESSAGES = 100_000
_VISIBLE_THINKING = frozenset({"enabled", "adaptive", "between_tools"})
_KNOWN_THINKING = _VISIBLE_THINKING | {"disabled"}
_SEARCH_SOURCES = "web_search_call.action.sources"
_ENCRYPTED_REASONING = "reasoning.encrypted_content"
_OLD_USER_ID = re.compile(r".*_session_([0-9a-fA-F-]{36})", re.DOTALL)

_UNCHANGED_NAMES = ToolNames(())

_BODY = json.Decoder(MessagesBody)
_SYSTEM_BLOCKS = json.Decoder(list[TextBlock])
_ANYTHING = json.Decoder()


class MessagesRequest(Struct, frozen=True, kw_only=True):
    """A decoded and checked Messages request; also a ``contract.ClientRequest``."""

    body: MessagesBody
    turns: list[Turn]
    tools: ToolList
    instructions: Raw
    """The system text as a JSON string literal."""
    is_counting: bool
    session_hint: str | None
    """The session id in ``metadata.user_id``."""
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
    def is_prewarm(self) -> bool:
        """Whether the client only wants a cache warmed: ``max_tokens: 0``."""
        return self.body.max_tokens == 0 and not self.is_counting

    @property
    def cache_key(self) -> None:
        """Messages has no such field."""

    @property
    def max_tokens(self) -> int | None:
        """The limit of the answer, as the client asked for it."""
        return None if isinstance(self.body.max_tokens, UnsetType) else self.body.max_tokens

    def opening(self) -> bytes:
        """Return the instructions and the first user text: what names a session that nothing else names."""
        return bytes(self.instructions) + b"\0" + first_user_text(self.turns)


def read(
    body: bytes, *, counting: bool = False, memory: ToolMemory[ToolList] | None = None
) -> MessagesRequest:
    """Decode and check a request body.

    Args:
        body: the decompressed bytes.
        counting: the request is for ``count_tokens``, where ``max_tokens`` is not required.
        memory: of tool lists read before.

    Raises:
        InvalidRequest: the body is not JSON, a field is wrong, or the request asks for what this gateway
            cannot do.
    """
    try:
        return _read(decode_body(_BODY, body), memory or ToolMemory(read_tools), counting=counting)
    except RecursionError:
        raise too_deep() from None


def _read(decoded: MessagesBody, memory: ToolMemory[ToolList], *, counting: bool) -> MessagesRequest:
    _check_required(decoded, counting=counting)
    _check_unsupported(decoded)
    warnings: list[str] = []
    turns = read_turns(decoded.messages, warnings)
    return MessagesRequest(
        body=decoded,
        turns=turns,
        tools=ToolList(()) if isinstance(decoded.tools, UnsetType) else memory.read(decoded.tools),
        instructions=_instructions(decoded.system),
        is_counting=counting,
        session_hint=_session_hint(decoded.metadata),
        warnings=(*_dropped(decoded), *warnings),
    )


def to_responses(
    request: MessagesRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
) -> Translation:
    """Translate for one attempt; deterministic.

    Raises:
        InvalidRequest: the request holds something that no provider can be given.
    """
    try:
        return _translate(request, target, facts)
    except RecursionError:
        raise too_deep() from None


def _translate(request: MessagesRequest, target: Target, facts: AttemptFacts) -> Translation:
    body, removed = request.body, facts.removed_parameters
    warnings = list(request.warnings)
    names = _tool_names(request)
    history = HistoryTranslator(target, facts, names, warnings).translate(request.turns)
    plan = _tool_plan(request, history, names, warnings, removed)
    if plan.searches_web and not target.capabilities.web_search:
        raise CapabilityMissing("web_search is not available on any configured provider")
    effort = facts.effort_override or _effort(request, target, history.effort)
    if plan.searches_web:
        effort = searching_effort(effort, target.efforts)
    as_developer = target.capabilities.system_as == "developer"
    upstream = ResponsesRequest(
        model=target.model,
        instructions=json_text.EMPTY if as_developer else request.instructions,
        input=with_system_item(history.items, request.instructions) if as_developer else history.items,
        tools=plan.tools,
        tool_choice=plan.tool_choice,
        parallel_tool_calls=plan.parallel_tool_calls,
        reasoning=_reasoning(body, effort, removed),
        text=_text_options(body, removed),
        include=_include(plan, removed),
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
        stream_facts=_stream_facts(request, target, names, plan, removed),
        reasoning=tuple(item.encrypted_content for item in upstream.input if isinstance(item, ReasoningItem)),
        count_tokens=partial(estimate_tokens, upstream, tools_estimate=plan.tokens),
        limits_output=not isinstance(upstream.max_output_tokens, UnsetType),
    )


def _check_required(body: MessagesBody, *, counting: bool) -> None:
    if not body.model:
        raise InvalidRequest("field required", field="model")
    if isinstance(body.max_tokens, UnsetType):
        if not counting:
            raise InvalidRequest("field required", field="max_tokens")
    elif body.max_tokens < 0:
        raise InvalidRequest("must be at least 0", field="max_tokens")
    if not body.messages:
        raise InvalidRequest("at least one message is required", field="messages")
    if len(body.messages) > _MAX_MESSAGES:
        raise InvalidRequest(f"at most {_MAX_MESSAGES} messages are accepted", field="messages")


def _check_unsupported(body: MessagesBody) -> None:
    if not _is_absent(body.thread):
        # The anthropic SDK's tool runner reads these details and sends whole histories from then on.
        details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
        raise InvalidRequest(
            "message threads are not supported by this gateway", field="thread", details=details
        )
    if not _is_absent(body.compaction):
        raise InvalidRequest("compaction is not supported by this gateway")
    if _decoded(body.mcp_servers):
        raise InvalidRequest(
            "mcp_servers is not supported by this gateway: run MCP servers on the client side"
        )
    container = _decoded(body.container)
    if isinstance(container, dict) and container.get("skills"):
        raise InvalidRequest("container.skills is not supported by this gateway")
    if body.output_config is not None:
        check_effort(body.output_config.effort, "output_config.effort")
    _format_of(body)


def _dropped(body: MessagesBody) -> list[str]:
    """Name the fields of the request that are lost with every provider."""
    lost = {
        "top_k": not _is_absent(body.top_k),
        "task_budget": body.output_config is not None and not _is_absent(body.output_config.task_budget),
        "container": not _is_absent(body.container),
        "context_management": not _is_absent(body.context_management),
        "thinking": body.thinking is not None and body.thinking.type not in _KNOWN_THINKING,
    }
    return [token for token, is_lost in lost.items() if is_lost]


def _is_absent(value: Raw | UnsetType) -> bool:
    return isinstance(value, UnsetType) or json_text.is_null(value)


def _decoded(value: Raw | UnsetType) -> object:
    return None if isinstance(value, UnsetType) else _ANYTHING.decode(value)


def _session_hint(metadata: Raw | UnsetType) -> str | None:
    """Find the session id in ``metadata.user_id``: JSON as text, or the older ``..._session_<uuid>``."""
    found = _decoded(metadata)
    user_id = found.get("user_id") if isinstance(found, dict) else None
    if not isinstance(user_id, str):
        return None
    if old := _OLD_USER_ID.fullmatch(user_id):
        return old[1]
    try:
        parsed = _ANYTHING.decode(user_id)
    except (ValueError, RecursionError):  # a plain user id, which names no session
        return None
    session = parsed.get("session_id") if isinstance(parsed, dict) else None
    return session if isinstance(session, str) and session else None


def _instructions(system: Raw | UnsetType) -> Raw:
    if _is_absent(system) or isinstance(system, UnsetType):
        return json_text.EMPTY
    if json_text.is_text(system):
        return join_instructions((system,))
    blocks = decode_part(_SYSTEM_BLOCKS, system, "system")
    return join_instructions(
        [require_text(block.text, f"system.{at}.text") for at, block in enumerate(blocks)]
    )


def _tool_plan(
    request: MessagesRequest,
    history: History,
    names: ToolNames,
    warnings: list[str],
    removed: frozenset[str],
) -> ToolPlan:
    choice, events = request.body.tool_choice, history.tool_events
    if choice is None and not events and not removed and (ordinary := request.tools.ordinary_plan):
        return ordinary
    declared = declared_tools(request.tools.tools, events)
    translator = ToolTranslator(names, warnings, removed)
    return translator.plan(declared, choice, revealed=history.revealed, events=events)


def _tool_names(request: MessagesRequest) -> ToolNames:
    """Collect the names in ``tools``, in the choice and in the history, also of tools that are gone."""
    names: list[str | None] = []
    if request.body.tool_choice is not None:
        names.append(request.body.tool_choice.name)
    for turn in request.turns:
        for block in turn.blocks:
            if type(block) is ToolUseBlock:
                names.append(block.name)
            elif type(block) is ToolAdditionBlock and not isinstance(block.tool.definition, UnsetType):
                names.append(block.tool.definition.name)
    if request.tools.has_fit_names and request.tools.names.issuperset(names):
        return _UNCHANGED_NAMES
    listed = (tool.name for tool in request.tools.tools)
    return ToolNames(name for name in (*listed, *names) if name is not None)


def _effort(request: MessagesRequest, target: Target, system_effort: str | None) -> str | None:
    body = request.body
    thinking = body.thinking
    effort = requested_effort(
        suffix=target.suffix_effort,
        thinking_type=thinking.type if thinking else None,
        budget_tokens=thinking.budget_tokens if thinking else None,
        output_effort=system_effort or (body.output_config.effort if body.output_config else None),
        default=target.default_effort,
    )
    return None if effort is None else clamp_effort(effort, target.efforts)


def _shows_thinking(body: MessagesBody) -> bool:
    return body.thinking is not None and body.thinking.type in _VISIBLE_THINKING


def _omits_thinking_text(body: MessagesBody) -> bool:
    return body.thinking is not None and body.thinking.display == "omitted"


def _reasoning(body: MessagesBody, effort: str | None, removed: frozenset[str]) -> Reasoning | UnsetType:
    has_summary = (
        _shows_thinking(body) and not _omits_thinking_text(body) and "reasoning.summary" not in removed
    )
    if effort is None and not has_summary:
        return UNSET
    return Reasoning(UNSET if effort is None else effort, "auto" if has_summary else UNSET)


def _format_of(body: MessagesBody) -> Raw | None:
    """Return the schema the answer must follow.

    Raises:
        InvalidRequest: another type of format, or no schema object.
    """
    wanted: OutputFormat | None = body.output_config.format if body.output_config else None
    field = "output_config.format"
    if wanted is None:
        wanted, field = body.output_format, "output_format"
    if wanted is None:
        return None
    if wanted.type != "json_schema":
        raise InvalidRequest("must be json_schema", field=f"{field}.type")
    if isinstance(wanted.schema, UnsetType):
        raise InvalidRequest("field required", field=f"{field}.schema")
    if not isinstance(_ANYTHING.decode(wanted.schema), dict):
        raise InvalidRequest("expected object", field=f"{field}.schema")
    return wanted.schema


def _text_options(body: MessagesBody, removed: frozenset[str]) -> TextOptions | UnsetType:
    schema = _format_of(body)
    if schema is None:
        return UNSET
    strict = UNSET if "strict" in removed else is_strict_schema(schema)
    return TextOptions(JsonSchemaFormat("output", schema, strict))


def _include(plan: ToolPlan, removed: frozenset[str]) -> tuple[str, ...]:
    if plan.searches_web and f"include[{_SEARCH_SOURCES}]" not in removed:
        return (_ENCRYPTED_REASONING, _SEARCH_SOURCES)
    return (_ENCRYPTED_REASONING,)


def _is_fast(body: MessagesBody) -> bool:
    return not isinstance(body.speed, UnsetType) and bytes(body.speed) == b'"fast"'


def _stream_facts(
    request: MessagesRequest, target: Target, names: ToolNames, plan: ToolPlan, removed: frozenset[str]
) -> MessagesFacts:
    body = request.body
    return MessagesFacts(
        model=body.model,
        scope=target.scope,
        original_names=names.originals,
        thinking_is_visible=_shows_thinking(body),
        thinking_has_text=not _omits_thinking_text(body),
        stop_sequences=tuple(sequence for sequence in body.stop_sequences or () if sequence),
        max_text_tokens=local_limit(request.max_tokens, target, removed),
        blocked_domains=plan.blocked_domains,
        buffered_tools=target.buffered_tools,
        echoes_context_management=not _is_absent(body.context_management),
    )
