"""What a tool answered, when the upstream takes text only (wire-mapping 1.5.1)."""

from collections.abc import Iterable

from msgspec import Raw

from packyproxy.wire import json_text
from packyproxy.wire.responses import InputFile, InputImage, InputPart, InputText

__all__ = ["output_text", "shown_output"]

_NO_OUTPUT = json_text.quote("(no output)")
_IMAGE_BELOW = json_text.quote("[image attached below]")
_DOCUMENT_BELOW = json_text.quote("[document attached below]")


def output_text(parts: Iterable[InputPart], media: list[InputImage | InputFile]) -> Raw:
    """Join the parts of an output to one text that is never empty.

    Args:
        parts: of one output.
        media: takes those that are no text; a placeholder stands for each.
    """
    texts: list[Raw] = []
    for part in parts:
        if isinstance(part, InputText):
            texts.append(part.text)
        else:
            media.append(part)
            texts.append(_IMAGE_BELOW if isinstance(part, InputImage) else _DOCUMENT_BELOW)
    return shown_output(texts[0] if len(texts) == 1 else json_text.join(texts, b"\\n"))


def shown_output(text: Raw) -> Raw:
    """Return the text of an output, or what stands for an empty one."""
    return _NO_OUTPUT if json_text.is_empty(text) else text
