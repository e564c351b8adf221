"""The tool list of a Chat request (wire-mapping 6.1): functions, custom tools, and built-in ones as they are.

Entries keep their order, and translating one depends on its own bytes alone, so equal lists give equal bytes.
The older ``functions`` are functions like any other.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec import UNSET, Raw, Struct, UnsetType, json
from msgspec.structs import replace

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_part, optional_text, require_text
from packyproxy.translate.token_count import tool_tokens
from packyproxy.translate.tool_names import MAX_NAME_CHARS, ToolNames, map_tool_name
from packyproxy.translate.tool_schema import normalise_schema
from packyproxy.wire import json_text
from packyproxy.wire.chat import (
    CustomDefinition,
    CustomFormat,
    FunctionDefinition,
    ToolDefinition,
    WebSearchOptions,
)
from packyproxy.wire.responses import CustomTool, FunctionTool, Tool, WebSearchTool

__all__ = [
    "Declared",
    "ToolList",
    "built_in",
    "read_functions",
    "read_tools",
    "with_web_search",
]

_WEB_SEARCH = "web_search"
_OLD_WEB_SEARCH = "web_search_preview"

_DEFINITIONS = json.Decoder(list[ToolDefinition] | None)
_RAW_LIST = json.Decoder(list[Raw])
_FIELDS = json.Decoder(dict[str, Raw])
_encode = json.Encoder().encode


class Declared(Struct, frozen=True):
    """A tool of the request, translated as far as its own bytes say."""

    type: str
    """``function``, ``custom``, or the upstream's type of a built-in tool."""
    name: str | None
    """The client's own; built-in tools have none."""
    tool: Tool
    tokens: int

    def __repr__(self) -> str:
        return f"Declared(tokens={self.tokens!r})"  # lists outlive their request, and a name is the client's


class ToolList:
    """The tools of a request; one that is repeated word for word counts once.

    Raises:
        InvalidRequest: two have one name.
    """

    def __init__(self, tools: Iterable[Declared], field: str) -> None:
        self.tools = _without_repeats(tools)
        self.names = tuple(tool.name for tool in self.tools if tool.name is not None)
        if len(set(self.names)) < len(self.names):
            raise InvalidRequest("Tool names must be unique.", field=field)
        self.choices = frozenset((tool.type, tool.name) for tool in self.tools)
        """What a choice can name."""
        self.searches_web = any(tool.type.startswith(_WEB_SEARCH) for tool in self.tools)
        self.tokens = sum(tool.tokens for tool in self.tools)
        self._known = frozenset(self.names)
        self.upstream_names = ToolNames(self.names)
        """The names of requests that name no other tools, as most do."""
        self._upstream = [_named(tool, self.upstream_names, keeps_strict=True) for tool in self.tools]

    def __len__(self) -> int:
        return len(self.tools)

    def names_with(self, called: Collection[str]) -> ToolNames:
        """Return all names of a request that calls such tools, also some that are gone from the list."""
        return self.upstream_names if self._known.issuperset(called) else ToolNames((*self.names, *called))

    def upstream(self, names: ToolNames, removed: frozenset[str]) -> list[Tool]:
        """Return the tools under the names they have among all names of the request.

        Args:
            names: of the request.
            removed: parameters that the target has refused.
        """
        keeps_strict = "strict" not in removed
        if names is self.upstream_names and keeps_strict:
            return self._upstream
        return [_named(declared, names, keeps_strict=keeps_strict) for declared in self.tools]


def read_tools(tools: Raw) -> ToolList:
    """Read ``tools``.

    Raises:
        InvalidRequest: an entry is wrong, or two have one name.
    """
    definitions = decode_part(_DEFINITIONS, tools, "tools", with_brackets=True)
    if not definitions:
        return ToolList((), "tools")
    entries = _RAW_LIST.decode(tools)
    pairs = enumerate(zip(definitions, entries, strict=True))
    return ToolList([_declared(tool, entry, f"tools[{at}]") for at, (tool, entry) in pairs], "tools")


def read_functions(functions: Sequence[FunctionDefinition]) -> ToolList:
    """Read the older ``functions``.

    Raises:
        InvalidRequest: an entry is wrong, or two have one name.
    """
    read = [_function(function, f"functions[{at}]") for at, function in enumerate(functions)]
    return ToolList(read, "functions")


def with_web_search(tools: ToolList, options: WebSearchOptions | None) -> ToolList:
    """Add the web search that ``web_search_options`` asks for, unless the list has one.

    Raises:
        InvalidRequest: an option is wrong.
    """
    if options is None:
        return tools
    size = optional_text(options.search_context_size, "web_search_options.search_context_size")
    location: Raw | UnsetType = UNSET
    if options.user_location is not None:
        kind = {"type": Raw(b'"approximate"')}
        location = Raw(_encode(kind | (options.user_location.approximate or {}) | kind))
    if tools.searches_web:
        return tools
    tool = WebSearchTool(user_location=location, search_context_size=UNSET if size is None else size)
    return ToolList((*tools.tools, Declared(_WEB_SEARCH, None, tool, tool_tokens(tool))), "tools")


def _named(declared: Declared, names: ToolNames, *, keeps_strict: bool) -> Tool:
    tool = declared.tool
    if declared.name is None or not isinstance(tool, FunctionTool | CustomTool):
        return tool
    name = names.to_upstream(declared.name)
    if type(tool) is FunctionTool and not keeps_strict:
        return replace(tool, name=name, strict=UNSET)
    return tool if tool.name == name else replace(tool, name=name)


def built_in(kind: str, entry: Raw) -> tuple[str, Raw]:
    """Return type and JSON of a built-in tool, or of a choice of one, as the upstream knows it."""
    if not kind.startswith(_OLD_WEB_SEARCH):
        return kind, entry
    return _WEB_SEARCH, Raw(_encode({**_FIELDS.decode(entry), "type": Raw(b'"web_search"')}))


def _without_repeats(tools: Iterable[Declared]) -> tuple[Declared, ...]:
    named: dict[str, Declared] = {}
    return tuple(
        tool
        for tool in tools
        if tool.name is None or named.setdefault(tool.name, tool) is tool or named[tool.name] != tool
    )


def _declared(definition: ToolDefinition, entry: Raw, field: str) -> Declared:
    if definition.type == "function":
        if definition.function is None:
            raise InvalidRequest("field required", field=f"{field}.function")
        return _function(definition.function, f"{field}.function")
    if definition.type == "custom":
        if definition.custom is None:
            raise InvalidRequest("field required", field=f"{field}.custom")
        return _custom(definition.custom, f"{field}.custom")
    kind, tool = built_in(definition.type, entry)
    return Declared(kind, None, tool, tool_tokens(tool))


def _function(definition: FunctionDefinition, field: str) -> Declared:
    name = _checked_name(definition.name, field)
    description = optional_text(definition.description, f"{field}.description") or json_text.EMPTY
    parameters = definition.parameters
    is_object = not isinstance(parameters, UnsetType) and json_text.is_object(parameters)
    is_strict = bool(definition.strict) and is_object
    if not is_strict:
        parameters, description = normalise_schema(parameters, description)
    assert not isinstance(parameters, UnsetType)
    tool = FunctionTool(map_tool_name(name), description, parameters, is_strict)
    return Declared("function", name, tool, tool_tokens(tool))


def _custom(definition: CustomDefinition, field: str) -> Declared:
    name = _checked_name(definition.name, field)
    description = optional_text(definition.description, f"{field}.description")
    form = UNSET if definition.format is None else _custom_format(definition.format, f"{field}.format")
    tool = CustomTool(map_tool_name(name), UNSET if description is None else description, form)
    return Declared("custom", name, tool, tool_tokens(tool))


def _checked_name(name: str, field: str) -> str:
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise InvalidRequest(f"must be 1-{MAX_NAME_CHARS} characters", field=f"{field}.name")
    return name


def _custom_format(form: CustomFormat, field: str) -> Raw:
    if form.type == "text":
        return Raw(b'{"type":"text"}')
    if form.type != "grammar":
        raise InvalidRequest("must be text or grammar", field=f"{field}.type")
    if isinstance(form.grammar, UnsetType):
        raise InvalidRequest("field required", field=f"{field}.grammar")
    grammar = decode_part(_FIELDS, form.grammar, f"{field}.grammar", with_brackets=True)
    flat = {"type": Raw(b'"grammar"')}
    for key in ("syntax", "definition"):
        flat[key] = require_text(grammar.get(key), f"{field}.grammar.{key}")
    return Raw(_encode(flat))
