"""What the client's tools answered, as outputs of function calls (wire-mapping 1.5.1)."""

from collections.abc import Sequence

from msgspec import Raw, Struct, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.messages.block_reading import RESULT_BLOCKS
from packyproxy.translate.messages.content import ContentReader
from packyproxy.translate.tool_names import call_id_to_upstream
from packyproxy.translate.tool_outputs import output_text, shown_output
from packyproxy.wire import json_text
from packyproxy.wire.messages import BrowserStateBlock, ToolReferenceBlock, ToolResultBlock
from packyproxy.wire.responses import FunctionCallOutput, InputFile, InputImage, InputPart, InputText

__all__ = ["ToolOutput", "translate_tool_result"]

_ERROR_MARK = json_text.quote("[tool_error]")

_RAW_LIST = json.Decoder(list[Raw])


class ToolOutput(Struct, frozen=True):
    """A translated tool result."""

    item: FunctionCallOutput
    media: Sequence[InputImage | InputFile] = ()
    """What must follow in a user message, because the upstream takes only text in tool outputs."""
    revealed: Sequence[str] = ()
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
    call_id = call_id_to_upstream(block.tool_use_id)
    content = block.content
    if isinstance(content, UnsetType) or json_text.is_null(content):
        content = json_text.EMPTY
    if json_text.is_text(content):
        return ToolOutput(FunctionCallOutput(call_id, _marked(block, shown_output(content))))
    revealed: list[str] = []
    parts = _parts(content, f"{field}.content", reader, revealed)
    if with_media and any(not isinstance(part, InputText) for part in parts):
        output = [InputText(_ERROR_MARK), *parts] if block.is_error else parts
        return ToolOutput(FunctionCallOutput(call_id, output), revealed=revealed)
    media: list[InputImage | InputFile] = []
    text = _marked(block, output_text(parts, media))
    return ToolOutput(FunctionCallOutput(call_id, text), media, revealed)


def _marked(block: ToolResultBlock, text: Raw) -> Raw:
    return json_text.join((_ERROR_MARK, text), b"\\n") if block.is_error else text


def _parts(content: Raw, field: str, reader: ContentReader, revealed: list[str]) -> list[InputPart]:
    parts: list[InputPart] = []
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
    return parts
