r"""The local token estimate of a translated request (wire-mapping 9), and its correction from real usage.

A heuristic on the bytes of the JSON string literals; no tokenizer. It errs high, because Claude Code compacts
its history when the estimate nears the window, and a compaction too early is cheaper than a refused request.

Tokens per character, chosen for o200k_base on the side of too many: one byte in UTF-8 (English, code) 1/3.2;
two (accents, Cyrillic, Greek, Arabic, Hebrew) 0.5, running text being 0.3-0.45; three (Chinese, Japanese,
Korean, Indic) 0.9, running text being 0.4-0.8; four (emoji, rare signs) 2.5. A ``\uXXXX`` escape counts like
three bytes.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Any

from msgspec import UNSET, Raw, json

from packyproxy.translate.media_size import URL_FILE_TOKENS, file_tokens, image_tokens
from packyproxy.wire.responses import (
    CustomTool,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    InputFile,
    InputImage,
    InputText,
    JsonSchemaFormat,
    MessageItem,
    MessagePart,
    OutputText,
    ReasoningItem,
    ResponsesRequest,
    Tool,
    WebSearchTool,
)

__all__ = [
    "BASE_TOKENS",
    "CALL_TOKENS",
    "FORMAT_TOKENS",
    "INSTRUCTIONS_TOKENS",
    "MESSAGE_TOKENS",
    "OUTPUT_TOKENS",
    "TOOLS_TOKENS",
    "TOOL_TOKENS",
    "WEB_SEARCH_TOKENS",
    "ScaleFactors",
    "encrypted_tokens",
    "estimate_tokens",
    "json_tokens",
    "text_tokens",
    "tool_tokens",
]

BASE_TOKENS = 3
"""Of every request."""
INSTRUCTIONS_TOKENS = 4
"""Of instructions, beside their text."""
MESSAGE_TOKENS = 4
"""Of a message, beside its parts."""
CALL_TOKENS = 8
"""Of a call of a tool, beside its name and arguments."""
OUTPUT_TOKENS = 6
"""Of the output of a call, beside its parts."""
TOOLS_TOKENS = 16
"""Of a list of tools, beside its tools."""
TOOL_TOKENS = 10
"""Of a tool, beside its texts and schema."""
WEB_SEARCH_TOKENS = 300
"""Of a web search, whose description only the upstream knows."""
FORMAT_TOKENS = 10
"""Of the form of the answer, beside its schema."""

_WEB_SEARCH = b'"web_search'
"""In the JSON of a built-in tool: it is one that searches the web, of whatever date."""

_ONE_BYTE, _TWO_BYTES, _THREE_BYTES, _FOUR_BYTES = 1 / 3.2, 0.5, 0.9, 2.5
_BACKSLASH = 0x5C
_DENSE = 12
"""From one backslash in so many bytes on, escapes are told apart; code and prose have fewer."""
_COUNTED_WHOLE = 2048
"""Of texts with more bytes, escapes and wide characters are counted in a sample: the rest is like it."""
_SLICES, _SLICE_BYTES = 8, 64
_LEADS_TWO, _LEADS_THREE, _LEADS_FOUR = (
    bytes(range(0xC2, 0xE0)),
    bytes(range(0xE0, 0xF0)),
    bytes(range(0xF0, 0xF5)),
)
_UNCOUNTED = bytes(set(range(256)) - {_BACKSLASH, *_LEADS_TWO, *_LEADS_THREE, *_LEADS_FOUR})


def estimate_tokens(request: ResponsesRequest, *, tools_estimate: int | None = None) -> int:
    """Estimate the input tokens of a request as the upstream will count them.

    Args:
        request: the translated request.
        tools_estimate: the sum of ``tool_tokens`` over its tools, where that is known already.
    """
    tokens = BASE_TOKENS + sum([_ITEM_TOKENS[type(item)](item) for item in request.input])
    instructions = text_tokens(request.instructions)
    if instructions:
        tokens += INSTRUCTIONS_TOKENS + instructions
    if request.tools:
        tools = sum(map(tool_tokens, request.tools)) if tools_estimate is None else tools_estimate
        tokens += TOOLS_TOKENS + tools
    if request.text is not UNSET and request.text.format is not UNSET:
        wanted = request.text.format
        tokens += FORMAT_TOKENS
        if isinstance(wanted, JsonSchemaFormat):
            tokens += json_tokens(wanted.schema)
    return tokens


def text_tokens(literal: Raw | bytes) -> int:
    """Estimate the text of a JSON string literal, given with its quotes."""
    data = bytes(literal)
    return _tokens(data, len(data) - 2)


def _tokens(data: bytes, length: int) -> int:
    """Estimate ``length`` bytes of JSON text, counted without what encloses them."""
    is_plain = data.isascii()
    if is_plain and _BACKSLASH not in data:  # finding none costs a tenth of counting none
        return ceil(max(0, length) * _ONE_BYTE)
    if len(data) <= _COUNTED_WHOLE:
        more, wide = _more_than_one(data, is_plain=is_plain)
    else:
        sample = _sample(data)
        more, wide = _more_than_one(sample, is_plain=is_plain)
        share = len(sample) / len(data)
        more, wide = more / share, wide / share
    return ceil(max(0, length - more) * _ONE_BYTE + wide)


def _sample(data: bytes) -> bytes:
    """Return slices spread over a long text: they show what is in it, however long it is."""
    return b"".join([data[at : at + _SLICE_BYTES] for at in range(0, len(data), len(data) // _SLICES)])


def _more_than_one(data: bytes, *, is_plain: bool) -> tuple[float, float]:
    """Return how many bytes are not characters of one byte, and what tokens such characters are.

    Args:
        data: JSON text.
        is_plain: it is ASCII.
    """
    more, wide, counted = 0, 0.0, data
    if not is_plain:
        # One pass leaves little to count in; three over all of it were the dearest part of a request.
        counted = data.translate(None, _UNCOUNTED)
        after_two = counted.translate(None, _LEADS_TWO)
        after_three = after_two.translate(None, _LEADS_THREE)
        two, three = len(counted) - len(after_two), len(after_two) - len(after_three)
        four = len(after_three) - len(after_three.translate(None, _LEADS_FOUR))
        more = 2 * two + 3 * three + 4 * four
        wide = two * _TWO_BYTES + three * _THREE_BYTES + four * _FOUR_BYTES
    escapes = counted.count(b"\\")
    if escapes * _DENSE > len(data):
        # A pair of backslashes is one escape. Looked for only here: finding two bytes costs more than all the
        # rest.
        escapes -= data.count(b"\\\\")
        unicode_escapes = data.count(b"\\u")
        more += 5 * unicode_escapes
        wide += unicode_escapes * _THREE_BYTES
    return more + escapes, wide


_FORMATTED_WITHIN = 64
"""JSON that is written with white space shows it in its first bytes."""


def json_tokens(value: Raw) -> int:
    """Estimate a JSON value in its compact form."""
    data = bytes(value)
    beginning = data[:_FORMATTED_WITHIN]
    if b'": ' in beginning or b"\n" in beginning:
        data = json.format(data, indent=-1)
    return _tokens(data, len(data))


def encrypted_tokens(length: int) -> int:
    """Estimate encrypted content by how many characters it has in base64."""
    # Three quarters of base64 are content, and about six bytes of that were one token.
    return -(-length // 8)


def _name_tokens(name: str) -> int:
    return ceil(len(name) * _ONE_BYTE)


def _message_tokens(item: MessageItem) -> int:
    return MESSAGE_TOKENS + sum(map(_part_tokens, item.content))


def _call_tokens(item: FunctionCall) -> int:
    return CALL_TOKENS + _name_tokens(item.name) + text_tokens(item.arguments)


def _custom_call_tokens(item: CustomToolCall) -> int:
    return CALL_TOKENS + _name_tokens(item.name) + text_tokens(item.input)


def _output_tokens(item: FunctionCallOutput | CustomToolCallOutput) -> int:
    output = item.output
    return OUTPUT_TOKENS + (
        sum(map(_part_tokens, output)) if isinstance(output, list) else text_tokens(output)
    )


def _reasoning_tokens(item: ReasoningItem) -> int:
    return encrypted_tokens(len(item.encrypted_content))


_ITEM_TOKENS: dict[type, Callable[[Any], int]] = {
    MessageItem: _message_tokens,
    FunctionCall: _call_tokens,
    FunctionCallOutput: _output_tokens,
    CustomToolCall: _custom_call_tokens,
    CustomToolCallOutput: _output_tokens,
    ReasoningItem: _reasoning_tokens,
}


def _part_tokens(part: MessagePart) -> int:
    if type(part) is InputText or type(part) is OutputText:
        return text_tokens(part.text)
    if isinstance(part, InputImage):
        return image_tokens(part.image_url)
    assert isinstance(part, InputFile), "a part of a type that is not in MessagePart"
    return URL_FILE_TOKENS if part.file_data is UNSET else file_tokens(part.file_data)


def tool_tokens(tool: Tool) -> int:
    """Estimate one tool, without the share of the list as a whole."""
    if isinstance(tool, FunctionTool):
        description, parameters = text_tokens(tool.description), json_tokens(tool.parameters)
        return TOOL_TOKENS + _name_tokens(tool.name) + description + parameters
    if isinstance(tool, CustomTool):
        description = 0 if tool.description is UNSET else text_tokens(tool.description)
        form = 0 if tool.format is UNSET else json_tokens(tool.format)
        return TOOL_TOKENS + _name_tokens(tool.name) + description + form
    if isinstance(tool, WebSearchTool) or _WEB_SEARCH in bytes(tool):
        return WEB_SEARCH_TOKENS
    return TOOL_TOKENS + json_tokens(tool)


_LOWEST_FACTOR, _HIGHEST_FACTOR = 0.5, 2.0
_MAX_MODELS = 256
_SMALLEST_SAMPLE_TOKENS = 500
"""Below this the fixed parts of a request, and what a relay adds unseen, say nothing about its text."""
_RISE, _FALL = 0.5, 0.1
"""Up fast and down slowly, so that the corrected estimate errs high too."""


class ScaleFactors:
    """What estimates must be multiplied with, learned per model from answered requests; starts at 1.

    Keeps the 256 models that were met last.
    """

    def __init__(self) -> None:
        self._factors: OrderedDict[str, float] = OrderedDict()

    def feed(self, model: str, estimated: int, actual: int) -> None:
        """Take one answered request.

        Args:
            model: the upstream's model id.
            estimated: its estimate before correction.
            actual: the input tokens that the upstream counted, cached ones included; 0 counts as unknown.
        """
        if estimated < _SMALLEST_SAMPLE_TOKENS or actual <= 0:
            return
        ratio = min(max(actual / estimated, _LOWEST_FACTOR), _HIGHEST_FACTOR)
        factor = self._factors.get(model)
        if factor is None:
            factor = 1.0
            if len(self._factors) >= _MAX_MODELS:
                self._factors.popitem(last=False)
        self._factors[model] = factor + (ratio - factor) * (_RISE if ratio > factor else _FALL)

    def factor(self, model: str) -> float:
        """Return the correction of a model, between 0.5 and 2."""
        return self._factors.get(model, 1.0)

    def correct(self, model: str, estimated: int) -> int:
        """Return an estimate multiplied with the factor of its model, rounded up; at least 1."""
        return max(1, ceil(estimated * self.factor(model)))
