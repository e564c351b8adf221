"""The Responses request that goes upstream: structs in the key order of wire-mapping 1.1, and its encoder.

Every text that came from the client is a JSON string literal kept as ``Raw`` (see ``wire.json_text``): it is
copied, never decoded and encoded again. What a request does not carry is ``UNSET``, so the key is absent.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json

__all__ = [
    "AllowedTools",
    "FunctionCall",
    "FunctionCallOutput",
    "FunctionChoice",
    "FunctionTool",
    "InputFile",
    "InputImage",
    "InputItem",
    "InputPart",
    "InputText",
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
    detail: Literal["auto"] | UnsetType = "auto"


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


class ReasoningItem(Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """Encrypted reasoning on its way back; ``summary`` is always empty (wire-mapping 2.4)."""

    id: str | UnsetType = UNSET
    summary: tuple[()] = ()
    encrypted_content: str


InputItem = MessageItem | FunctionCall | FunctionCallOutput | ReasoningItem


class FunctionTool(Struct, frozen=True, tag_field="type", tag="function"):
    """A tool the client runs; ``description`` is a JSON string literal, ``parameters`` a JSON schema."""

    name: str
    description: Raw
    parameters: Raw
    strict: bool | UnsetType = False


class WebSearchFilters(Struct, frozen=True):
    """Where the upstream's web search may look; ``allowed_domains`` is a JSON array of strings."""

    allowed_domains: Raw


class WebSearchTool(Struct, frozen=True, tag_field="type", tag="web_search"):
    """The upstream's own web search; ``user_location`` is a JSON object as the client sent it."""

    filters: WebSearchFilters | UnsetType = UNSET
    user_location: Raw | UnsetType = UNSET


Tool = FunctionTool | WebSearchTool


class FunctionChoice(Struct, frozen=True, tag_field="type", tag="function"):
    """The model must call this function."""

    name: str


class AllowedTools(Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    """The model must call one of these tools."""

    tools: tuple[WebSearchTool, ...]
    mode: Literal["required"] = "required"


ToolChoice = Literal["auto", "none", "required"] | FunctionChoice | AllowedTools


class Reasoning(Struct, frozen=True):
    """How hard the model thinks and whether it tells about it."""

    effort: str | UnsetType = UNSET
    summary: Literal["auto"] | UnsetType = UNSET


class JsonSchemaFormat(Struct, frozen=True, tag_field="type", tag="json_schema"):
    """A schema that the answer must follow."""

    name: str
    schema: Raw
    strict: bool | UnsetType = False


class TextOptions(Struct, frozen=True):
    """Options of the answer's text."""

    format: JsonSchemaFormat | UnsetType = UNSET


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
