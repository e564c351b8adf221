"""What the client's tools answered, as outputs of function calls (wire-mapping 1.5.1)."""

from msgspec import Raw, Struct, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.messages.block_reading import RESULT_BLOCKS
from packyproxy.translate.messages.content import ContentReader
from packyproxy.translate.tool_names import call_id_to_upstream
from packyproxy.translate.tool_outputs import output_text
from packyproxy.wire import json_text
from packyproxy.wire.messages import BrowserStateBlock, ToolReferenceBlock, ToolResultBlock
from packyproxy.wire.responses import FunctionCallOutput, InputFile, InputImage, InputPart, InputText

__all__ = ["ToolOutput", "translate_tool_result"]

_ERROR_MARK = json_text.quote("[tool_error]")

_RAW_LIST = json.Decoder(list[Raw])


class ToolOutput(Struct, frozen=True):
    """A translated tool result."""

    item: FunctionCallOutput
    media: list[InputImage | InputFile]
    """What must follow in a user message, because the upstream takes only text in tool outputs."""
    revealed: list[str]
    """Names of the deferred tools that the result refers to."""


def translate_tool_result(
    block: ToolResultBlock, field: str, reader: ContentReader, *, with_media: bool
) -> ToolOutput:
    """Translate the tool result that stood at ``field``.

    Args:
        block: the tool result.
        field: its path in the body.
        reader: turns the blocks inside into parts.
        with_media: the upstream takes images and files inside a tool output.

    Raises:
        InvalidRequest: the result names no call, or a block inside is wrong or unknown.
    """
    if isinstance(block.tool_use_id, UnsetType):
        raise InvalidRequest("field required", field=f"{field}.tool_result.tool_use_id")
    parts, revealed = _parts(block.content, f"{field}.content", reader)
    media: list[InputImage | InputFile] = []
    output: Raw | list[InputPart]
    if with_media and any(not isinstance(part, InputText) for part in parts):
        output = [InputText(_ERROR_MARK), *parts] if block.is_error else parts
    else:
        output = output_text(parts, media)
        if block.is_error:
            output = json_text.join((_ERROR_MARK, output), b"\\n")
    return ToolOutput(FunctionCallOutput(call_id_to_upstream(block.tool_use_id), output), media, revealed)


def _parts(content: Raw | UnsetType, field: str, reader: ContentReader) -> tuple[list[InputPart], list[str]]:
    if isinstance(content, UnsetType) or json_text.is_null(content):
        return [], []
    if json_text.is_text(content):
        return [InputText(content)], []
    parts: list[InputPart] = []
    revealed: list[str] = []
    blocks = RESULT_BLOCKS.read(content, field)
    sources = (
        _RAW_LIST.decode(content) if any(isinstance(block, BrowserStateBlock) for block in blocks) else ()
    )
    for at, block in enumerate(blocks):
        if isinstance(block, ToolReferenceBlock):
            revealed.append(block.tool_name)
            parts.append(InputText(json_text.quote(f'Tool "{block.tool_name}" is now available.')))
        elif isinstance(block, BrowserStateBlock):
            parts.append(InputText(json_text.quote(json_text.compact(sources[at]))))
        else:
            parts += reader.parts(block, f"{field}.{at}")
    return parts, revealed
