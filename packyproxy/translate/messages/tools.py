"""The tool list and the choice of a tool (wire-mapping 1.7, 1.8).

Entries keep their order, and translating one depends on its own bytes alone, so equal lists give equal bytes.
Deferred tools appear once the conversation has brought them up.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json
from msgspec.structs import replace

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_part, optional_text, safe_name
from packyproxy.translate.messages.history import ToolEvent
from packyproxy.translate.messages.typed_tools import TypedTool, computer_description, typed_tool
from packyproxy.translate.token_count import tool_tokens
from packyproxy.translate.tool_names import MAX_NAME_CHARS, ToolNames, map_tool_name
from packyproxy.translate.tool_schema import is_strict_schema, normalise_schema
from packyproxy.wire import json_text
from packyproxy.wire.messages import ToolAdditionBlock, ToolChoice, ToolDefinition
from packyproxy.wire.responses import (
    AllowedTools,
    FunctionChoice,
    FunctionTool,
    Tool,
    WebSearchFilters,
    WebSearchTool,
)
from packyproxy.wire.responses import ToolChoice as UpstreamChoice

__all__ = ["Declared", "ToolList", "ToolPlan", "ToolTranslator", "declared_tools", "read_tools"]

_MAX_EXAMPLES = 3
_RAW_LIST = json.Decoder(list[Raw])
_STRINGS = json.Decoder(list[str] | None)
_FLAG = json.Decoder(bool | None)
_ANYTHING = json.Decoder()
_DEFINITIONS = json.Decoder(list[ToolDefinition] | None)

Kind = Literal["function", "web_search", "web_fetch", "unavailable", "tool_search"]


class Declared:
    """A tool of the request, with its path in the body; what follows from its bytes alone is worked out once.

    Raises:
        InvalidRequest: the name is missing or too long, or the type is not supported.
    """

    __slots__ = ("_function", "_tokens", "definition", "field", "kind", "name")

    def __init__(self, field: str, definition: ToolDefinition) -> None:
        self.field = field
        self.definition = definition
        self.kind = _kind(definition, field)
        if definition.name is None:
            raise InvalidRequest("field required", field=f"{field}.name")
        if not 1 <= len(definition.name) <= MAX_NAME_CHARS:
            raise InvalidRequest(f"must be 1-{MAX_NAME_CHARS} characters", field=f"{field}.name")
        self.name = definition.name
        self._function: FunctionTool | None = None
        self._tokens: int | None = None

    @property
    def function(self) -> FunctionTool:
        """The upstream's form of a tool of kind ``function`` when nothing else in the request changes it.

        Raises:
            InvalidRequest: a field of the definition is wrong.
        """
        if self._function is None:
            self._function = _function(self.definition, self.field)
        return self._function

    @property
    def tokens(self) -> int:
        """The estimate of ``function``."""
        if self._tokens is None:
            self._tokens = tool_tokens(self.function)
        return self._tokens


class ToolPlan(Struct, frozen=True, kw_only=True):
    """What the upstream is given of the tools; everything ``UNSET`` when no tool survives."""

    tools: list[Tool] | UnsetType = UNSET
    tool_choice: UpstreamChoice | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    searches_web: bool = False
    blocked_domains: tuple[str, ...] = ()
    tokens: int = 0
    """The estimate of all ``tools``."""


class ToolList:
    """The ``tools`` of a request, with what follows from them alone.

    Raises:
        InvalidRequest: an entry is wrong, or two have one name.
    """

    def __init__(self, definitions: Iterable[ToolDefinition]) -> None:
        self.tools = tuple(Declared(f"tools.{at}", definition) for at, definition in enumerate(definitions))
        self.names = frozenset(tool.name for tool in self.tools)
        if len(self.names) < len(self.tools):
            raise InvalidRequest("Tool names must be unique.", field="tools")
        self.has_fit_names = all(map_tool_name(name) == name for name in self.names)
        """Whether every name goes upstream as it is."""

    def __len__(self) -> int:
        return len(self.tools)

    @cached_property
    def ordinary_plan(self) -> ToolPlan | None:
        """The plan for the usual case: plain tools only, and a request that says nothing else about them.

        Raises:
            InvalidRequest: a field of a definition is wrong.
        """
        if not self.tools or not self.has_fit_names or not all(map(_is_plain, self.tools)):
            return None
        return ToolTranslator(ToolNames(()), []).plan(self.tools, None)


def read_tools(tools: Raw) -> ToolList:
    """Read the ``tools`` of a request.

    Raises:
        InvalidRequest: an entry is wrong, or two have one name.
    """
    return ToolList(decode_part(_DEFINITIONS, tools, "tools") or ())


# Families of typed tools by the start of their type; the first that fits counts. None stands for a refusal.
_FAMILIES: tuple[tuple[str, Kind | None], ...] = (
    ("web_search_", "web_search"),
    ("web_fetch_", "web_fetch"),
    ("code_execution_", "unavailable"),
    ("advisor_", "unavailable"),
    ("tool_search_tool_", "tool_search"),
    ("computer_toolset_", None),
    ("browser_toolset_", None),
    ("mcp_toolset", None),
)


def declared_tools(listed: Iterable[Declared], events: Iterable[tuple[str, ToolEvent]]) -> list[Declared]:
    """List the tools of a request: those of ``tools``, then those that messages define.

    A definition in a message takes the place of an older one of that name.

    Raises:
        InvalidRequest: a definition in a message is wrong.
    """
    added: dict[str, Declared] = {}
    for where, event in events:
        definition = event.tool.definition
        if isinstance(event, ToolAdditionBlock) and not isinstance(definition, UnsetType):
            tool = Declared(f"{where}.tool.definition", definition)
            added[tool.name] = tool
    return [*(tool for tool in listed if tool.name not in added), *added.values()]


def _kind(definition: ToolDefinition, field: str) -> Kind:
    named = definition.type
    if named is None or named == "custom" or typed_tool(named) is not None:
        return "function"
    for start, kind in _FAMILIES:
        if not named.startswith(start):
            continue
        if kind is not None:
            return kind
        if start == "mcp_toolset":
            raise InvalidRequest(
                "mcp_toolset is not supported by this gateway: run MCP servers on the client side",
                field=f"{field}.type",
            )
        raise InvalidRequest(f"{safe_name(named)} is not supported by this gateway", field=f"{field}.type")
    if not isinstance(definition.input_schema, UnsetType):
        return "function"
    raise InvalidRequest(f'"{safe_name(named)}" is not supported by this gateway', field=f"{field}.type")


class ToolTranslator:
    """Translates the tools of one request for one attempt."""

    def __init__(
        self, names: ToolNames, warnings: list[str], removed_parameters: frozenset[str] = frozenset()
    ) -> None:
        self._names = names
        self._warnings = warnings
        self._removed = removed_parameters

    def plan(
        self,
        declared: Sequence[Declared],
        choice: ToolChoice | None,
        *,
        revealed: frozenset[str] = frozenset(),
        events: Iterable[tuple[str, ToolEvent]] = (),
    ) -> ToolPlan:
        """Translate the tools and the choice among them.

        Args:
            declared: the tools of the request.
            choice: the client's ``tool_choice``.
            revealed: names of deferred tools that the conversation has brought up.
            events: additions and removals in the conversation, in order.

        Raises:
            InvalidRequest: a tool or the choice is wrong.
        """
        shown, withdrawn = self._changes(events)
        if choice is not None and choice.name is not None:
            shown.add(choice.name)
        shown |= revealed
        # With a server-side tool search nobody could search upstream, so everything is visible.
        shows_all = any(tool.kind == "tool_search" for tool in declared)
        usable = [
            tool
            for tool in declared
            if tool.name not in withdrawn
            and (shows_all or not tool.definition.defer_loading or tool.name in shown)
            and self._is_usable(tool)
        ]
        tools, tokens = self._emit(usable)
        chosen = self._choice(choice, declared, usable, has_tools=bool(tools))
        searches_web = any(isinstance(tool, WebSearchTool) for tool in tools)
        if not tools:
            return ToolPlan()
        is_parallel = not (choice is not None and choice.disable_parallel_tool_use)
        return ToolPlan(
            tools=tools,
            tool_choice=chosen,
            parallel_tool_calls=UNSET if "parallel_tool_calls" in self._removed else is_parallel,
            searches_web=searches_web,
            blocked_domains=tuple(domain for tool in usable for domain in _blocked_domains(tool)),
            tokens=tokens,
        )

    def _changes(self, events: Iterable[tuple[str, ToolEvent]]) -> tuple[set[str], set[str]]:
        shown: set[str] = set()
        withdrawn: set[str] = set()
        for _, event in events:
            tool = event.tool
            defined = None if isinstance(tool.definition, UnsetType) else tool.definition.name
            name = tool.name if defined is None else defined
            if tool.type.startswith("mcp_"):
                self._warnings.append(
                    tool.type if tool.type == "mcp_toolset_reference" else "mcp_tool_reference"
                )
            elif name is not None and isinstance(event, ToolAdditionBlock):
                shown.add(name)
                withdrawn.discard(name)
            elif name is not None:
                withdrawn.add(name)
        return shown, withdrawn

    def _is_usable(self, tool: Declared) -> bool:
        if tool.kind == "tool_search":
            return False
        if tool.kind == "unavailable":
            named = tool.definition.type or ""
            self._warnings.append("advisor" if named.startswith("advisor_") else "code_execution")
            return False
        if tool.kind == "function" and _is_only_for_code(tool.definition.allowed_callers):
            self._warnings.append("allowed_callers")
            return False
        return True

    def _emit(self, usable: list[Declared]) -> tuple[list[Tool], int]:
        """Return the upstream's tools and their estimate."""
        tools: list[Tool] = []
        tokens = 0
        web = [tool for tool in usable if tool.kind in {"web_search", "web_fetch"}]
        if any(tool.kind == "web_fetch" for tool in web):
            self._warnings.append("web_fetch")
        # One upstream tool searches and reads pages, so only the first of them has a place in the list.
        configured = next((tool for tool in web if tool.kind == "web_search"), None)
        for tool in usable:
            if tool.kind == "function":
                tools.append(self._function(tool))
                tokens += tool.tokens
            elif tool is web[0]:
                tools.append(_web_search(configured))
                tokens += tool_tokens(tools[-1])
        return tools, tokens

    def _function(self, tool: Declared) -> FunctionTool:
        """Return the tool under the name that it has among all names of this request."""
        function = tool.function
        if _typed(tool.definition) is None:
            name = self._names.to_upstream(tool.name)
            if name != function.name:
                function = replace(function, name=name)
        return replace(function, strict=UNSET) if "strict" in self._removed else function

    def _choice(
        self,
        choice: ToolChoice | None,
        declared: Sequence[Declared],
        usable: list[Declared],
        *,
        has_tools: bool,
    ) -> UpstreamChoice:
        kind = "auto" if choice is None else choice.type
        if kind in _PLAIN_CHOICES and choice is not None and kind == "any" and not has_tools:
            raise InvalidRequest("tool_choice requires at least one usable tool")
        if kind in _PLAIN_CHOICES:
            return _PLAIN_CHOICES[kind]
        if kind != "tool" or choice is None:
            raise InvalidRequest("must be one of auto, any, none, tool", field="tool_choice.type")
        if choice.name is None:
            raise InvalidRequest("field required", field="tool_choice.name")
        if not has_tools:
            raise InvalidRequest("tool_choice requires at least one usable tool")
        tool = next((tool for tool in usable if tool.name == choice.name), None)
        if tool is None:
            is_known = any(tool.name == choice.name for tool in declared)
            problem = "is not available on this gateway" if is_known else "not found in tools"
            raise InvalidRequest(f'tool "{safe_name(choice.name)}" {problem}', field="tool_choice.name")
        if tool.kind == "function":
            typed = _typed(tool.definition)
            return FunctionChoice(typed.name if typed else self._names.to_upstream(tool.name))
        is_only_tool = all(other.kind != "function" for other in usable)
        return "required" if is_only_tool else AllowedTools((WebSearchTool(),))


_PLAIN_CHOICES: dict[str, Literal["auto", "required", "none"]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
}


def _typed(definition: ToolDefinition) -> TypedTool | None:
    return None if definition.type is None else typed_tool(definition.type)


def _function(definition: ToolDefinition, field: str) -> FunctionTool:
    typed = _typed(definition)
    if typed is not None:
        is_computer = typed.name == "computer"
        description = computer_description(definition) if is_computer else typed.description
        return FunctionTool(typed.name, description, typed.parameters)
    assert definition.name is not None, "declared tools have names"
    description = optional_text(definition.description, f"{field}.description") or json_text.EMPTY
    parameters, description = normalise_schema(definition.input_schema, description)
    if not isinstance(definition.input_examples, UnsetType):
        description = _with_examples(description, definition.input_examples, f"{field}.input_examples")
    is_strict = _wants_strict(definition.strict, f"{field}.strict") and is_strict_schema(parameters)
    return FunctionTool(map_tool_name(definition.name), description, parameters, is_strict)


def _is_plain(tool: Declared) -> bool:
    definition = tool.definition
    is_open = isinstance(definition.allowed_callers, UnsetType) and not definition.defer_loading
    return is_open and tool.kind == "function" and _typed(definition) is None


def _wants_strict(strict: Raw | UnsetType, field: str) -> bool:
    return not isinstance(strict, UnsetType) and bool(decode_part(_FLAG, strict, field))


def _is_only_for_code(allowed_callers: Raw | UnsetType) -> bool:
    callers = None if isinstance(allowed_callers, UnsetType) else _ANYTHING.decode(allowed_callers)
    return isinstance(callers, list) and "direct" not in callers


def _with_examples(description: Raw, examples: Raw, field: str) -> Raw:
    if json_text.is_null(examples):
        return description
    entries = decode_part(_RAW_LIST, examples, field)[:_MAX_EXAMPLES]
    if not entries:
        return description
    lines = "\n".join(map(json_text.compact, entries))
    return json_text.concat(description, json_text.quote(f"\n\nExamples of valid input:\n{lines}"))


def _web_search(tool: Declared | None) -> WebSearchTool:
    """Write the upstream's web search, with the limits of a ``web_search_*`` entry if there is one."""
    if tool is None:
        return WebSearchTool()
    definition = tool.definition
    filters: WebSearchFilters | UnsetType = UNSET
    if not isinstance(definition.allowed_domains, UnsetType):
        domains = decode_part(_STRINGS, definition.allowed_domains, f"{tool.field}.allowed_domains")
        filters = WebSearchFilters(definition.allowed_domains) if domains else UNSET
    location = definition.user_location
    has_location = not isinstance(location, UnsetType) and not json_text.is_null(location)
    return WebSearchTool(filters, location if has_location else UNSET)


def _blocked_domains(tool: Declared) -> list[str]:
    domains = tool.definition.blocked_domains
    if tool.kind != "web_search" or isinstance(domains, UnsetType):
        return []
    return decode_part(_STRINGS, domains, f"{tool.field}.blocked_domains") or []
