"""What a client shows the model: texts, images, documents, search results as input parts (wire-mapping 1.5).

The same blocks occur in user messages and in tool results, so both use this file.
"""

from msgspec import UNSET, Raw, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_part, optional_text, require_text, require_url
from packyproxy.wire import json_text
from packyproxy.wire.messages import DocumentBlock, ImageBlock, SearchResultBlock, Source, TextBlock
from packyproxy.wire.responses import InputFile, InputImage, InputPart, InputText

__all__ = ["ContentReader", "ReadableBlock"]

ReadableBlock = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock
"""What ``ContentReader.parts`` takes."""

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"

_NO_IMAGE_DATA = json_text.quote("[image omitted: empty data]")
_NO_DOCUMENT_DATA = json_text.quote("[document omitted: empty data]")
_DEFAULT_FILENAME = json_text.quote("document.pdf")
_DOCUMENT_END = json_text.quote("</document>")

_INNER_BLOCKS = json.Decoder(list[TextBlock | ImageBlock])
_ANYTHING = json.Decoder()


class ContentReader:
    """Turns blocks into input parts; what was lost on the way is noted in ``warnings``."""

    def __init__(self, warnings: list[str], *, with_detail: bool) -> None:
        self._warnings = warnings
        self._detail: str | UnsetType = "auto" if with_detail else UNSET

    def parts(self, block: ReadableBlock, field: str) -> list[InputPart]:
        """Turn one block, which stood at ``field``, into its parts; an empty text gives none.

        Raises:
            InvalidRequest: a field of the block is wrong, or its source cannot be passed on.
        """
        if isinstance(block, TextBlock):
            text = require_text(block.text, f"{field}.text")
            return [] if json_text.is_empty(text) else [InputText(text)]
        if isinstance(block, ImageBlock):
            return [self._image(block.source, f"{field}.source")]
        if isinstance(block, DocumentBlock):
            return self._document(block, field)
        return [self._search_result(block, field)]

    def _image(self, source: Source, field: str) -> InputPart:
        if source.type == "base64":
            if source.media_type not in _IMAGE_TYPES:
                raise InvalidRequest(f"must be one of {', '.join(_IMAGE_TYPES)}", field=f"{field}.media_type")
            data = require_text(source.data, f"{field}.data")
            if json_text.is_empty(data):
                self._warnings.append("empty_image")
                return InputText(_NO_IMAGE_DATA)
            return self._input_image(json_text.concat(f"data:{source.media_type};base64,".encode(), data))
        if source.type == "url":
            return self._input_image(require_url(source.url, f"{field}.url"))
        raise _unsupported_source("image", source, field, "base64 or url")

    def _input_image(self, url: Raw) -> InputImage:
        return InputImage(url) if self._detail else InputImage(url, UNSET)

    def _document(self, block: DocumentBlock, field: str) -> list[InputPart]:
        source, source_field = block.source, f"{field}.source"
        title = optional_text(block.title, f"{field}.title")
        context = optional_text(block.context, f"{field}.context")
        if _is_enabled(block.citations):
            self._warnings.append("citations")
        parts: list[InputPart] = []
        if context is not None:
            parts.append(InputText(json_text.concat(b"<document_context>", context, b"</document_context>")))
        if source.type == "base64":
            parts.append(self._pdf(source, title, source_field))
        elif source.type == "url":
            parts.append(InputFile(file_url=require_text(source.url, f"{source_field}.url")))
        elif source.type == "text":
            text = require_text(source.data, f"{source_field}.data")
            opening = _document_start(title)
            parts.append(InputText(json_text.join((opening, text, _DOCUMENT_END), b"\\n")))
        elif source.type == "content":
            inside = self._inner_parts(source, source_field)
            parts += [InputText(_document_start(title)), *inside, InputText(_DOCUMENT_END)]
        else:
            raise _unsupported_source("document", source, source_field, "base64, url, text or content")
        return parts

    def _pdf(self, source: Source, title: Raw | None, field: str) -> InputPart:
        if source.media_type != _PDF:
            raise InvalidRequest(f"must be {_PDF}", field=f"{field}.media_type")
        data = require_text(source.data, f"{field}.data")
        if json_text.is_empty(data):
            self._warnings.append("empty_document")
            return InputText(_NO_DOCUMENT_DATA)
        filename = _DEFAULT_FILENAME
        if title is not None:
            has_ending = json_text.inner(title)[-4:].lower() == b".pdf"
            filename = title if has_ending else json_text.concat(title, b".pdf")
        return InputFile(filename=filename, file_data=json_text.concat(b"data:application/pdf;base64,", data))

    def _inner_parts(self, source: Source, field: str) -> list[InputPart]:
        content = source.content
        if isinstance(content, UnsetType):
            raise InvalidRequest("field required", field=f"{field}.content")
        if json_text.is_text(content):
            return [] if json_text.is_empty(content) else [InputText(content)]
        blocks = decode_part(_INNER_BLOCKS, content, f"{field}.content")
        return [
            part for at, block in enumerate(blocks) for part in self.parts(block, f"{field}.content.{at}")
        ]

    def _search_result(self, block: SearchResultBlock, field: str) -> InputText:
        source = require_text(block.source, f"{field}.source")
        title = require_text(block.title, f"{field}.title")
        texts = [
            require_text(part.text, f"{field}.content.{at}.text") for at, part in enumerate(block.content)
        ]
        if _is_enabled(block.citations):
            self._warnings.append("citations")
        opening = json_text.concat(b'<search_result source=\\"', source, b'\\" title=\\"', title, b'\\">')
        return InputText(
            json_text.concat(opening, b"\\n", json_text.join(texts, b"\\n"), b"\\n</search_result>")
        )


def _document_start(title: Raw | None) -> Raw:
    if title is None:
        return Raw(b'"<document>"')
    return json_text.concat(b'<document title=\\"', title, b'\\">')


def _is_enabled(citations: Raw | UnsetType) -> bool:
    found = None if isinstance(citations, UnsetType) else _ANYTHING.decode(citations)
    return isinstance(found, dict) and found.get("enabled") is True


def _unsupported_source(kind: str, source: Source, field: str, known: str) -> InvalidRequest:
    if source.type == "file":
        reason = f"{kind} file_id sources are not supported by this gateway: send base64 or url"
        return InvalidRequest(reason, field=field)
    return InvalidRequest(f"must be {known}", field=f"{field}.type")
