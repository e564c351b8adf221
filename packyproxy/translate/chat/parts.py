"""The content of Chat messages as parts of the upstream's items (wire-mapping 6.2).

Everything a part can be refused for is found here, before any provider is chosen.
"""

from typing import Final, Literal

from msgspec import Raw, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_part, optional_text, require_text, require_url
from packyproxy.translate.tagged_lists import TaggedLists
from packyproxy.wire import json_text
from packyproxy.wire.chat import AssistantPart, AudioPart, FilePart, FileSource, ImagePart, ImageUrl, TextPart
from packyproxy.wire.chat import UserPart as Part
from packyproxy.wire.responses import InputFile, InputImage, InputPart, InputText

__all__ = ["assistant_texts", "input_parts", "plain_text", "system_texts"]

_NOUN: Final = "content part"
_DETAILS: dict[bytes, Literal["auto", "low", "high", "original"]] = {
    b'"auto"': "auto",
    b'"low"': "low",
    b'"high"': "high",
    b'"original"': "original",
}

_NO_IMAGE_DATA = json_text.quote("[image omitted: empty data]")
_NO_FILE_DATA = json_text.quote("[document omitted: empty data]")
_NO_DATA = b';base64,"'
_DEFAULT_FILENAME = json_text.quote("file.pdf")
_PDF_URL = b"data:application/pdf;base64,"

_INPUT_PARTS: TaggedLists[Part] = TaggedLists(Part, noun=_NOUN, with_brackets=True)
_ASSISTANT_PARTS: TaggedLists[AssistantPart] = TaggedLists(AssistantPart, noun=_NOUN, with_brackets=True)
_IMAGE_URL = json.Decoder(ImageUrl)


def plain_text(content: Raw | UnsetType) -> list[Raw] | None:
    """Return the text of content that is one, none for a blank one; None for any other content."""
    if isinstance(content, UnsetType) or not json_text.is_text(content):
        return None
    return [] if json_text.is_blank(content) else [content]


def system_texts(content: Raw | UnsetType, field: str) -> list[Raw]:
    """Return the texts of a system or developer message; empty ones are left out.

    Raises:
        InvalidRequest: there is no content, or something else than text in it.
    """
    said = plain_text(content)
    if said is not None:
        return said
    if isinstance(content, UnsetType):
        raise InvalidRequest("field required", field=field)
    _check_list(content, field)
    texts: list[Raw] = []
    for at, part in enumerate(_INPUT_PARTS.read(content, field)):
        if not isinstance(part, TextPart):
            raise InvalidRequest("only text is accepted in this message", field=f"{field}[{at}].type")
        texts.append(require_text(part.text, f"{field}[{at}].text"))
    return [text for text in texts if not json_text.is_empty(text)]


def assistant_texts(content: Raw | UnsetType, field: str, warnings: list[str]) -> list[Raw]:
    """Return what the model said, refusals included; there need not be any.

    Args:
        content: as the message has it.
        field: its path in the body.
        warnings: takes a token when parts of a type that is not known were left out.

    Raises:
        InvalidRequest: it is neither text nor parts, or a text of a part is none.
    """
    said = plain_text(content)
    if said is not None:
        return said
    if _is_absent(content) or isinstance(content, UnsetType):
        return []
    _check_list(content, field)
    skipped: list[str] = []
    texts: list[Raw] = []
    for at, part in enumerate(_ASSISTANT_PARTS.read(content, field, skipped=skipped)):
        if isinstance(part, TextPart):
            texts.append(require_text(part.text, f"{field}[{at}].text"))
        else:
            texts.append(require_text(part.refusal, f"{field}[{at}].refusal"))
    if skipped:
        warnings.append("unknown_part")
    return [text for text in texts if not json_text.is_empty(text)]


def input_parts(content: Raw | UnsetType, field: str, warnings: list[str]) -> list[InputPart]:
    """Return what the model shall read of a user message or of a tool's answer.

    Args:
        content: as the message has it; a text that is empty or blank gives no part.
        field: its path in the body.
        warnings: takes a token for each kind of thing that was replaced.

    Raises:
        InvalidRequest: it is neither text nor parts, or a part cannot be passed on.
    """
    said = plain_text(content)
    if said is not None:
        return [InputText(text) for text in said]
    if isinstance(content, UnsetType):
        raise InvalidRequest("field required", field=field)
    _check_list(content, field)
    parts: list[InputPart] = []
    for at, part in enumerate(_INPUT_PARTS.read(content, field)):
        where = f"{field}[{at}]"
        if type(part) is TextPart:
            text = require_text(part.text, f"{where}.text")
            if not json_text.is_empty(text):
                parts.append(InputText(text))
        elif type(part) is ImagePart:
            parts.append(_image(part.image_url, f"{where}.image_url", warnings))
        elif type(part) is FilePart:
            parts.append(_file(part.file, f"{where}.file", warnings))
        else:
            assert type(part) is AudioPart
            reason = "audio input is not supported by this gateway"
            raise InvalidRequest(reason, field=f"{where}.type", says_all=True)
    return parts


def _check_list(content: Raw, field: str) -> None:
    """Refuse content that is neither text nor parts."""
    if not json_text.is_list(content):
        raise InvalidRequest("must be a string or a list of content parts", field=field)


def _is_absent(value: Raw | UnsetType) -> bool:
    return isinstance(value, UnsetType) or json_text.is_null(value)


def _image(image: Raw, field: str, warnings: list[str]) -> InputPart:
    detail: Literal["auto", "low", "high", "original"] = "auto"
    if json_text.is_text(image):
        url = require_url(image, field)
    else:
        source = decode_part(_IMAGE_URL, image, field, with_brackets=True)
        url = require_url(source.url, f"{field}.url")
        if not isinstance(source.detail, UnsetType) and not json_text.is_null(source.detail):
            wanted = _DETAILS.get(bytes(source.detail))
            if wanted is None:
                raise InvalidRequest("must be one of auto, low, high, original", field=f"{field}.detail")
            detail = wanted
    if _is_without_data(url):
        warnings.append("empty_image")
        return InputText(_NO_IMAGE_DATA)
    return InputImage(url, detail)


def _file(source: FileSource, field: str, warnings: list[str]) -> InputPart:
    if not _is_absent(source.file_id):
        reason = "file_id is not supported by this gateway: send file_data"
        raise InvalidRequest(reason, field=f"{field}.file_id", says_all=True)
    data = require_text(source.file_data, f"{field}.file_data")
    if json_text.is_empty(data) or _is_without_data(data):
        warnings.append("empty_document")
        return InputText(_NO_FILE_DATA)
    filename = optional_text(source.filename, f"{field}.filename") or _DEFAULT_FILENAME
    if bytes(memoryview(data)[1:6]).lower() != b"data:":
        data = json_text.concat(_PDF_URL, data)
    return InputFile(filename=filename, file_data=data)


def _is_without_data(url: Raw) -> bool:
    return bytes(memoryview(url)[-len(_NO_DATA) :]) == _NO_DATA
