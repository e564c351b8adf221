"""The Messages request as clients send it: structs named after the documented fields.

Only what the translation reads is declared; msgspec skips the rest. Texts, schemas and tool inputs stay
``Raw``, and so does every field that must not be type-checked because the request only loses it. Blocks are
told apart by ``type``; one that is not declared here is unknown, and the translation decides what that means.
"""

from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "AdvisorToolResultBlock",
    "BashCodeExecutionToolResultBlock",
    "Block",
    "BrowserStateBlock",
    "CodeExecutionToolResultBlock",
    "CompactionBlock",
    "ContainerUploadBlock",
    "DocumentBlock",
    "FallbackBlock",
    "ImageBlock",
    "McpToolListingBlock",
    "McpToolResultBlock",
    "McpToolUseBlock",
    "Message",
    "MessagesBody",
    "OutputConfig",
    "OutputFormat",
    "RedactedThinkingBlock",
    "ResultBlock",
    "SearchResultBlock",
    "ServerCall",
    "ServerResult",
    "ServerToolUseBlock",
    "Source",
    "SystemBlock",
    "TextBlock",
    "TextEditorCodeExecutionToolResultBlock",
    "Thinking",
    "ThinkingBlock",
    "ToolAdditionBlock",
    "ToolChange",
    "ToolChoice",
    "ToolDefinition",
    "ToolReferenceBlock",
    "ToolRemovalBlock",
    "ToolResultBlock",
    "ToolSearchToolResultBlock",
    "ToolUseBlock",
    "WebFetchToolResultBlock",
    "WebSearchToolResultBlock",
]


class TextBlock(Struct, frozen=True, tag_field="type", tag="text"):
    """A text, on either side."""

    text: Raw


class Source(Struct, frozen=True):
    """Where an image or document comes from; which fields count depends on ``type``."""

    type: str
    media_type: str | None = None
    data: Raw | UnsetType = UNSET
    url: Raw | UnsetType = UNSET
    content: Raw | UnsetType = UNSET


class ImageBlock(Struct, frozen=True, tag_field="type", tag="image"):
    """An image the model shall see."""

    source: Source


class DocumentBlock(Struct, frozen=True, tag_field="type", tag="document"):
    """A document the model shall read."""

    source: Source
    title: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    citations: Raw | UnsetType = UNSET


class SearchResultBlock(Struct, frozen=True, tag_field="type", tag="search_result"):
    """A search hit that the client found."""

    source: Raw
    title: Raw
    content: list[TextBlock]
    citations: Raw | UnsetType = UNSET


class ThinkingBlock(Struct, frozen=True, tag_field="type", tag="thinking"):
    """Thinking of an earlier turn; only its signature matters here."""

    signature: Raw | UnsetType = UNSET


class RedactedThinkingBlock(Struct, frozen=True, tag_field="type", tag="redacted_thinking"):
    """Hidden thinking of an earlier turn."""

    data: Raw | UnsetType = UNSET


class ToolUseBlock(Struct, frozen=True, tag_field="type", tag="tool_use"):
    """A call of one of the client's tools."""

    id: str
    name: str
    input: Raw | UnsetType = UNSET


class ToolResultBlock(Struct, frozen=True, tag_field="type", tag="tool_result"):
    """What one of the client's tools answered; ``content`` is a string, blocks, or nothing."""

    tool_use_id: str | UnsetType = UNSET
    content: Raw | UnsetType = UNSET
    is_error: bool | None = None


class ToolReferenceBlock(Struct, frozen=True, tag_field="type", tag="tool_reference"):
    """A deferred tool that a search revealed."""

    tool_name: str


class BrowserStateBlock(Struct, frozen=True, tag_field="type", tag="browser_state"):
    """A browser snapshot; the block as a whole is passed on as JSON text, so no field is read."""


class ServerCall(Struct, frozen=True):
    """A call of a tool that a server ran."""

    name: str
    id: Raw | UnsetType = UNSET
    input: Raw | UnsetType = UNSET


class ServerToolUseBlock(ServerCall, frozen=True, tag_field="type", tag="server_tool_use"):
    """A call of a tool that the Messages server ran."""


class McpToolUseBlock(ServerCall, frozen=True, tag_field="type", tag="mcp_tool_use"):
    """A call of an MCP tool that the Messages server ran."""


class ServerResult(Struct, frozen=True):
    """What a tool answered to a server."""

    tool_use_id: Raw | UnsetType = UNSET
    content: Raw | UnsetType = UNSET


class WebSearchToolResultBlock(ServerResult, frozen=True, tag_field="type", tag="web_search_tool_result"):
    """What the server's web search found."""


class WebFetchToolResultBlock(ServerResult, frozen=True, tag_field="type", tag="web_fetch_tool_result"):
    """A page that the server fetched."""


class CodeExecutionToolResultBlock(
    ServerResult, frozen=True, tag_field="type", tag="code_execution_tool_result"
):
    """What code printed on the server."""


class BashCodeExecutionToolResultBlock(
    ServerResult, frozen=True, tag_field="type", tag="bash_code_execution_tool_result"
):
    """What a shell command printed on the server."""


class TextEditorCodeExecutionToolResultBlock(
    ServerResult, frozen=True, tag_field="type", tag="text_editor_code_execution_tool_result"
):
    """What the server's text editor did."""


class ToolSearchToolResultBlock(ServerResult, frozen=True, tag_field="type", tag="tool_search_tool_result"):
    """Which tools the server's tool search revealed."""


class AdvisorToolResultBlock(ServerResult, frozen=True, tag_field="type", tag="advisor_tool_result"):
    """What the server's advisor said."""


class McpToolResultBlock(ServerResult, frozen=True, tag_field="type", tag="mcp_tool_result"):
    """What an MCP tool answered to the server."""


class McpToolListingBlock(Struct, frozen=True, tag_field="type", tag="mcp_tool_listing"):
    """Which tools an MCP server offers."""


class ContainerUploadBlock(Struct, frozen=True, tag_field="type", tag="container_upload"):
    """A file for a code execution container."""


class CompactionBlock(Struct, frozen=True, tag_field="type", tag="compaction"):
    """A summary that replaces everything before it; ``content`` is null when the compaction failed."""

    content: Raw | UnsetType = UNSET
    tool_changes: Raw | UnsetType = UNSET


class FallbackBlock(Struct, frozen=True, tag_field="type", tag="fallback"):
    """Marks that another model took over."""


class ToolDefinition(Struct, frozen=True):
    """One entry of ``tools``: a client tool, or a tool of a type that Anthropic defined."""

    name: str | None = None
    type: str | None = None
    description: Raw | UnsetType = UNSET
    input_schema: Raw | UnsetType = UNSET
    input_examples: Raw | UnsetType = UNSET
    strict: Raw | UnsetType = UNSET
    defer_loading: bool | None = None
    allowed_callers: Raw | UnsetType = UNSET
    allowed_domains: Raw | UnsetType = UNSET
    blocked_domains: Raw | UnsetType = UNSET
    user_location: Raw | UnsetType = UNSET
    display_width_px: Raw | UnsetType = UNSET
    display_height_px: Raw | UnsetType = UNSET

    def __repr__(self) -> str:
        return "ToolDefinition()"  # lists of them outlive their request, and a name is the client's


class ToolChange(Struct, frozen=True):
    """The tool that a change is about: a reference by name, or a whole definition."""

    type: str
    name: str | None = None
    definition: ToolDefinition | UnsetType = UNSET


class ToolAdditionBlock(Struct, frozen=True, tag_field="type", tag="tool_addition"):
    """A tool becomes available."""

    tool: ToolChange


class ToolRemovalBlock(Struct, frozen=True, tag_field="type", tag="tool_removal"):
    """A tool is withdrawn."""

    tool: ToolChange


SystemBlock = TextBlock | ToolAdditionBlock | ToolRemovalBlock
"""What a system message in mid-conversation may hold."""

ResultBlock = (
    TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock | BrowserStateBlock
)
"""What a tool result may hold."""

Block = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock
    | ServerToolUseBlock
    | WebSearchToolResultBlock
    | WebFetchToolResultBlock
    | CodeExecutionToolResultBlock
    | BashCodeExecutionToolResultBlock
    | TextEditorCodeExecutionToolResultBlock
    | ToolSearchToolResultBlock
    | AdvisorToolResultBlock
    | McpToolUseBlock
    | McpToolResultBlock
    | McpToolListingBlock
    | ContainerUploadBlock
    | CompactionBlock
    | FallbackBlock
    | ToolAdditionBlock
    | ToolRemovalBlock
)
"""What a message may hold, on either side."""


class Message(Struct, frozen=True):
    """One entry of ``messages``; ``content`` is text or blocks, only system messages have ``clear_at``."""

    role: str
    content: Raw | UnsetType = UNSET
    clear_at: Raw | UnsetType = UNSET
    output_config: Raw | UnsetType = UNSET


class Thinking(Struct, frozen=True):
    """How the client wants the model to think."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(Struct, frozen=True):
    """The shape that the answer must have."""

    type: str
    schema: Raw | UnsetType = UNSET


class OutputConfig(Struct, frozen=True):
    """Options of the answer."""

    effort: str | None = None
    format: OutputFormat | None = None
    task_budget: Raw | UnsetType = UNSET


class ToolChoice(Struct, frozen=True):
    """Which tool the model must call, if any."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class MessagesBody(Struct, frozen=True, kw_only=True):
    """The whole body of ``POST /v1/messages`` and ``/v1/messages/count_tokens``."""

    model: str
    messages: list[Message]
    max_tokens: int | UnsetType = UNSET
    system: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET
    """A list of ``ToolDefinition``; kept whole, as it is the same at every turn and large."""
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    metadata: Raw | UnsetType = UNSET
    temperature: Raw | UnsetType = UNSET
    top_p: Raw | UnsetType = UNSET
    top_k: Raw | UnsetType = UNSET
    speed: Raw | UnsetType = UNSET
    container: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET
    compaction: Raw | UnsetType = UNSET
    mcp_servers: Raw | UnsetType = UNSET
    thread: Raw | UnsetType = UNSET
