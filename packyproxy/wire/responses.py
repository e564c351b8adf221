"""The Responses request that goes upstream: structs in the key order of wire-mapping 1.1, and its encoder.

Every text that came from the client is a JSON string literal kept as ``Raw`` (see ``wire.json_text``): it is
copied, never decoded and encoded again. What a request does not carry is ``UNSET``, so the key is absent.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json

__all__ = [
    "AllowedTool",
    "AllowedTools",
    "CustomChoice",
    "CustomTool",
    "CustomToolCall",
    "CustomToolCallOutput",
    "FunctionCall",
    "FunctionCallOutput",
    "FunctionChoice",
    "FunctionTool",
    "InputFile",
    "InputImage",
    "InputItem",
    "InputPart",
    "InputText",
    "JsonObjectFormat",
    "JsonSchemaFormat",
    "MessageItem",
    "MessagePart",
    "OutputText",
    "Reasoning",
    "ReasoningItem",
    "ResponsesRequest",
    "TextOptions",
    "Tool",
    "ToolChoice",
    "WebSearchFilters",
    "WebSearchTool",
    "encode_request",
]


class InputText(Struct, frozen=True, tag_field="type", tag="input_text"):
    """Text that the model reads; ``text`` is a JSON string literal."""

    text: Raw


class OutputText(Struct, frozen=True, tag_field="type", tag="output_text"):
    """Text that the model wrote earlier; ``text`` is a JSON string literal."""

    text: Raw


class InputImage(Struct, frozen=True, tag_field="type", tag="input_image"):
    """An image by URL or ``data:`` URL; ``image_url`` is a JSON string literal."""

    image_url: Raw
    detail: Literal["auto", "low", "high", "original"] | UnsetType = "auto"


class InputFile(Struct, frozen=True, tag_field="type", tag="input_file"):
    """A document, either by ``file_url`` or by ``filename`` and ``file_data`` (JSON string literals)."""

    filename: Raw | UnsetType = UNSET
    file_data: Raw | UnsetType = UNSET
    file_url: Raw | UnsetType = UNSET


InputPart = InputText | InputImage | InputFile
"""What a user message or a tool output may hold."""

MessagePart = InputPart | OutputText
"""What any message may hold."""


class MessageItem(Struct, frozen=True, tag_field="type", tag="message"):
    """One message; assistant messages hold ``output_text`` only."""

    role: Literal["user", "assistant", "developer"]
    content: list[MessagePart]
    phase: Literal["commentary", "final_answer"] | UnsetType = UNSET


class FunctionCall(Struct, frozen=True, tag_field="type", tag="function_call"):
    """A tool call the model made; ``arguments`` is a JSON string literal that holds compact JSON."""

    call_id: str
    name: str
    arguments: Raw


class FunctionCallOutput(Struct, frozen=True, tag_field="type", tag="function_call_output"):
    """What a tool answered: a JSON string literal, or parts when media are in it."""

    call_id: str
    output: Raw | list[InputPart]


class CustomToolCall(Struct, frozen=True, tag_field="type", tag="custom_tool_call"):
    """A call of a tool that takes plain text; ``input`` is a JSON string literal."""

    call_id: str
    name: str
    input: Raw


class CustomToolCallOutput(Struct, frozen=True, tag_field="type", tag="custom_tool_call_output"):
    """What such a tool answered: a JSON string literal, or parts when media are in it."""

    call_id: str
    output: Raw | list[InputPart]


class ReasoningItem(Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """Encrypted reasoning on its way back; ``summary`` is always empty (wire-mapping 2.4)."""

    id: str | UnsetType = UNSET
    summary: tuple[()] = ()
    encrypted_content: str


InputItem = (
    MessageItem | FunctionCall | FunctionCallOutput | CustomToolCall | CustomToolCallOutput | ReasoningItem
)


class FunctionTool(Struct, frozen=True, tag_field="type", tag="function"):
    """A tool the client runs; ``description`` is a JSON string literal, ``parameters`` a JSON schema."""

    name: str
    description: Raw
    parameters: Raw
    strict: bool | UnsetType = False

    def __repr__(self) -> str:
        return "FunctionTool()"  # lists of them outlive their request, and a name is the client's


class CustomTool(Struct, frozen=True, tag_field="type", tag="custom"):
    """A tool of the client that takes plain text; ``description`` is a JSON string literal."""

    name: str
    description: Raw | UnsetType = UNSET
    format: Raw | UnsetType = UNSET
    """What the text must follow: ``{"type":"text"}`` or a grammar."""

    def __repr__(self) -> str:
        return "CustomTool()"  # as above


class WebSearchFilters(Struct, frozen=True):
    """Where the upstream's web search may look; ``allowed_domains`` is a JSON array of strings."""

    allowed_domains: Raw


class WebSearchTool(Struct, frozen=True, tag_field="type", tag="web_search"):
    """The upstream's own web search; ``user_location`` is a JSON object, ``search_context_size`` a string."""

    filters: WebSearchFilters | UnsetType = UNSET
    user_location: Raw | UnsetType = UNSET
    search_context_size: Raw | UnsetType = UNSET


Tool = FunctionTool | CustomTool | WebSearchTool | Raw
"""Raw: a built-in tool of the upstream, as the client sent it."""


class FunctionChoice(Struct, frozen=True, tag_field="type", tag="function"):
    """The model must call this function."""

    name: str


class CustomChoice(Struct, frozen=True, tag_field="type", tag="custom"):
    """The model must call this custom tool."""

    name: str


AllowedTool = FunctionChoice | CustomChoice | WebSearchTool | Raw
"""Names a tool of the list; Raw: a built-in one, as the client named it."""


class AllowedTools(Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    """The model may call these tools only, and with ``required`` must call one of them."""

    tools: tuple[AllowedTool, ...]
    mode: Literal["auto", "required"] = "required"


ToolChoice = Literal["auto", "none", "required"] | FunctionChoice | CustomChoice | AllowedTools | Raw
"""Raw: a built-in tool of the upstream, as the client named it."""


class Reasoning(Struct, frozen=True):
    """How hard the model thinks and whether it tells about it."""

    effort: str | UnsetType = UNSET
    summary: Literal["auto"] | UnsetType = UNSET


class JsonSchemaFormat(Struct, frozen=True, tag_field="type", tag="json_schema"):
    """A schema that the answer must follow."""

    name: str
    schema: Raw
    strict: bool | UnsetType = False
    description: Raw | UnsetType = UNSET
    """A JSON string literal."""


class JsonObjectFormat(Struct, frozen=True, tag_field="type", tag="json_object"):
    """The answer must be some JSON object."""


class TextOptions(Struct, frozen=True):
    """Options of the answer's text."""

    format: JsonSchemaFormat | JsonObjectFormat | UnsetType = UNSET
    verbosity: Literal["low", "medium", "high"] | UnsetType = UNSET


class ResponsesRequest(Struct, frozen=True, kw_only=True):
    """One whole upstream request (wire-mapping 1.1)."""

    model: str
    instructions: Raw
    """A JSON string literal; always present, ``""`` when there is no system text."""
    input: list[InputItem]
    tools: list[Tool] | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    text: TextOptions | UnsetType = UNSET
    store: bool = False
    stream: bool = True
    include: tuple[str, ...] = ("reasoning.encrypted_content",)
    prompt_cache_key: str | UnsetType = UNSET
    service_tier: Literal["priority"] | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    temperature: Raw | UnsetType = UNSET
    """The number as the client wrote it."""
    top_p: Raw | UnsetType = UNSET


_ENCODER = json.Encoder()


def encode_request(request: ResponsesRequest) -> bytes:
    """Encode a request as the bytes to send."""
    return _ENCODER.encode(request)
