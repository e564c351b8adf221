"""The Chat Completions request as clients send it: structs named after the documented fields.

Only what the translation reads is declared; msgspec skips the rest. Texts, schemas and arguments stay
``Raw``, and so does every field that must not be type-checked because the request only loses it, or whose
type depends on another field. Parts of content are told apart by ``type``.
"""

from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "AllowedTools",
    "AssistantPart",
    "AudioPart",
    "CalledCustom",
    "CalledFunction",
    "ChatBody",
    "CustomDefinition",
    "CustomFormat",
    "FilePart",
    "FileSource",
    "FunctionDefinition",
    "ImagePart",
    "ImageUrl",
    "JsonSchema",
    "Message",
    "NamedTool",
    "RefusalPart",
    "ResponseFormat",
    "StreamOptions",
    "TextPart",
    "ToolCall",
    "ToolChoice",
    "ToolDefinition",
    "UserLocation",
    "UserPart",
    "WebSearchOptions",
]


class TextPart(Struct, frozen=True, tag_field="type", tag="text"):
    """A text, on either side."""

    text: Raw


class ImageUrl(Struct, frozen=True):
    """Where an image is, or the image itself as a ``data:`` URL."""

    url: Raw | UnsetType = UNSET
    detail: Raw | UnsetType = UNSET


class ImagePart(Struct, frozen=True, tag_field="type", tag="image_url"):
    """An image the model shall see; ``image_url`` is an ``ImageUrl``, from some clients the URL alone."""

    image_url: Raw


class FileSource(Struct, frozen=True):
    """A document; ``file_data`` is a ``data:`` URL or bare base64."""

    file_data: Raw | UnsetType = UNSET
    file_id: Raw | UnsetType = UNSET
    filename: Raw | UnsetType = UNSET


class FilePart(Struct, frozen=True, tag_field="type", tag="file"):
    """A document the model shall read."""

    file: FileSource


class AudioPart(Struct, frozen=True, tag_field="type", tag="input_audio"):
    """Speech; nothing of it is read."""


class RefusalPart(Struct, frozen=True, tag_field="type", tag="refusal"):
    """What the model said instead of an answer."""

    refusal: Raw


UserPart = TextPart | ImagePart | FilePart | AudioPart
"""What a user message or a tool's answer may hold."""

AssistantPart = TextPart | RefusalPart
"""What an assistant message may hold."""


class CalledFunction(Struct, frozen=True):
    """A call's function; ``arguments`` is a string literal that holds JSON if the model wrote it well."""

    name: str
    arguments: Raw | UnsetType = UNSET


class CalledCustom(Struct, frozen=True):
    """A call's custom tool; ``input`` is a JSON string literal."""

    name: str
    input: Raw | UnsetType = UNSET


class ToolCall(Struct, frozen=True):
    """One entry of ``tool_calls``; which object counts depends on ``type``."""

    id: str | UnsetType = UNSET
    type: str | None = None
    function: CalledFunction | None = None
    custom: CalledCustom | None = None


class Message(Struct, frozen=True):
    """One entry of ``messages``; which fields count depends on ``role``."""

    role: str
    content: Raw | UnsetType = UNSET
    refusal: Raw | UnsetType = UNSET
    tool_calls: Raw | UnsetType = UNSET
    """A list of ``ToolCall``."""
    function_call: Raw | UnsetType = UNSET
    """A ``CalledFunction``."""
    tool_call_id: Raw | UnsetType = UNSET
    name: Raw | UnsetType = UNSET


class FunctionDefinition(Struct, frozen=True):
    """A function of the client; ``parameters`` is a JSON schema."""

    name: str
    description: Raw | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET
    strict: bool | None = None


class CustomFormat(Struct, frozen=True):
    """What the text for a custom tool must follow; ``grammar`` is an object."""

    type: str
    grammar: Raw | UnsetType = UNSET


class CustomDefinition(Struct, frozen=True):
    """A tool of the client that takes plain text."""

    name: str
    description: Raw | UnsetType = UNSET
    format: CustomFormat | None = None


class ToolDefinition(Struct, frozen=True):
    """One entry of ``tools``; one of another type is a built-in tool of the Responses API."""

    type: str
    function: FunctionDefinition | None = None
    custom: CustomDefinition | None = None


class NamedTool(Struct, frozen=True):
    """The tool that a choice names."""

    name: str


class AllowedTools(Struct, frozen=True):
    """The tools that a choice leaves; each is a ``ToolChoice`` that names one."""

    mode: str
    tools: list[Raw]


class ToolChoice(Struct, frozen=True):
    """Which tool the model must call; which object counts depends on ``type``."""

    type: str
    function: NamedTool | None = None
    custom: NamedTool | None = None
    allowed_tools: AllowedTools | None = None


class JsonSchema(Struct, frozen=True):
    """A schema that the answer must follow."""

    name: str
    schema: Raw | UnsetType = UNSET
    strict: bool | None = None
    description: Raw | UnsetType = UNSET


class ResponseFormat(Struct, frozen=True):
    """The shape that the answer must have."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(Struct, frozen=True):
    """Options of a streamed answer."""

    include_usage: bool | None = None


class UserLocation(Struct, frozen=True):
    """Where the user is, roughly."""

    approximate: dict[str, Raw] | None = None


class WebSearchOptions(Struct, frozen=True):
    """How the model searches the web."""

    search_context_size: Raw | UnsetType = UNSET
    user_location: UserLocation | None = None


class ChatBody(Struct, frozen=True, kw_only=True):
    """The whole body of ``POST /v1/chat/completions``."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    response_format: ResponseFormat | None = None
    tools: Raw | UnsetType = UNSET
    """A list of ``ToolDefinition``; kept whole, as it is the same at every turn and large."""
    tool_choice: Raw | UnsetType = UNSET
    """A word or a ``ToolChoice``."""
    parallel_tool_calls: bool | None = None
    functions: list[FunctionDefinition] | None = None
    function_call: Raw | UnsetType = UNSET
    """A word or a ``NamedTool``."""
    web_search_options: WebSearchOptions | None = None
    stop: str | list[str] | None = None
    prompt_cache_key: str | None = None
    n: Raw | UnsetType = UNSET
    modalities: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET
    service_tier: Raw | UnsetType = UNSET
    temperature: Raw | UnsetType = UNSET
    top_p: Raw | UnsetType = UNSET
    logprobs: Raw | UnsetType = UNSET
    top_logprobs: Raw | UnsetType = UNSET
    frequency_penalty: Raw | UnsetType = UNSET
    presence_penalty: Raw | UnsetType = UNSET
    logit_bias: Raw | UnsetType = UNSET
    seed: Raw | UnsetType = UNSET
    prediction: Raw | UnsetType = UNSET
    moderation: Raw | UnsetType = UNSET
