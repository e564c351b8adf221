"""From a client's bytes to structs; errors name the field and quote nothing (wire-mapping 0.6, 8.1).

A body is checked for UTF-8 once; ``Raw`` parts cut out of it are decoded later by ``decode_part``, which
needs to know where the part stood.
"""

import re
from codecs import utf_8_decode
from typing import TypeVar

from msgspec import DecodeError, Raw, UnsetType, ValidationError, json

from packyproxy.errors import InvalidRequest
from packyproxy.wire import json_text

__all__ = [
    "decode_body",
    "decode_part",
    "optional_text",
    "require_text",
    "require_url",
    "safe_name",
    "too_deep",
]

_T = TypeVar("_T")

# Either what is sound, as much of it as there is, or one lone surrogate. Escapes are taken whole, so that the
# second half of ``\\\\`` never begins another one. What is repeated is atomic: see ``wire.json_text``.
_SOUND_OR_LONE = re.compile(
    rb"(?P<sound>(?:(?>[^\\]++|\\[^u]|\\u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?![dD][89a-fA-F]))))++)"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)

_PIECE_BYTES = 16 * 1024

_URL_SCHEMES = ("http://", "https://", "data:")

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>\w+)`")
_EXPECTED = re.compile(r"Expected `(?P<expected>[\w |]+)`(?:, got `(?P<got>\w+)`)?")
_JSON_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_FIRST_BYTES = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}


def too_deep(field: str = "") -> InvalidRequest:
    """Return the refusal of JSON whose nesting no decoder here follows."""
    return InvalidRequest("JSON is nested too deeply", field=field)


def safe_name(text: str) -> str:
    """Cut a name that a client sent to at most 64 printable ASCII characters, fit for an error text."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in text[:64])


def decode_body(decoder: json.Decoder[_T], body: bytes, *, with_brackets: bool = False) -> _T:
    r"""Decode a whole request body.

    Lone surrogate escapes (``\ud83d`` without its other half) become U+FFFD: programs that cut texts make
    them, and one in a history would otherwise end the session.

    Args:
        decoder: of the whole body.
        body: the decompressed bytes.
        with_brackets: name places in lists as OpenAI does, ``messages[0].role``, and not ``messages.0.role``.

    Raises:
        InvalidRequest: the body is not UTF-8, not JSON, not an object, or a field has the wrong type.
    """
    if not body.isascii():
        _check_utf8(body)
    try:
        try:
            return decoder.decode(body)
        except ValidationError:
            raise
        except DecodeError:
            return decoder.decode(_SOUND_OR_LONE.sub(lambda found: found["sound"] or rb"\ufffd", body))
    except ValidationError as error:
        raise _refusal(error, "", with_brackets=with_brackets) from None
    except RecursionError:
        raise too_deep() from None
    except DecodeError:
        raise InvalidRequest("invalid JSON") from None


def _check_utf8(body: bytes) -> None:
    # In pieces, which stay in the processor's cache: a text of the whole body, made only to be dropped, took
    # three times as long.
    view, start = memoryview(body), 0
    try:
        while start < len(body):
            end = start + _PIECE_BYTES
            start += utf_8_decode(view[start:end], "strict", end >= len(body))[1]
    except UnicodeDecodeError:
        raise InvalidRequest("request body is not valid UTF-8") from None


def decode_part(decoder: json.Decoder[_T], part: Raw, field: str, *, with_brackets: bool = False) -> _T:
    """Decode a part of a body that stood at ``field``.

    Args:
        decoder: of the part.
        part: cut out of a body.
        field: its path in the body.
        with_brackets: as for ``decode_body``.

    Raises:
        InvalidRequest: a field in it has the wrong type; the path is the one in the whole body.
    """
    try:
        return decoder.decode(part)
    except ValidationError as error:
        raise _refusal(error, field, with_brackets=with_brackets) from None
    except RecursionError:
        raise too_deep(field) from None


def require_text(value: Raw | UnsetType | None, field: str) -> Raw:
    """Return a value that must be a string.

    Raises:
        InvalidRequest: it is missing or something else.
    """
    if value is None or isinstance(value, UnsetType):
        raise InvalidRequest("field required", field=field)
    if not json_text.is_text(value):
        got = _FIRST_BYTES.get(chr(memoryview(value)[0]), "number")
        raise InvalidRequest(f"expected string, got {got}", field=field)
    return value


def optional_text(value: Raw | UnsetType | None, field: str) -> Raw | None:
    """Return a text that may be missing, null or empty, which all give None.

    Raises:
        InvalidRequest: it is there and not a string.
    """
    if value is None or isinstance(value, UnsetType) or json_text.is_null(value):
        return None
    text = require_text(value, field)
    return None if json_text.is_empty(text) else text


def require_url(value: Raw | UnsetType | None, field: str) -> Raw:
    """Return a text that must be the URL of something the upstream can fetch or decode.

    Raises:
        InvalidRequest: it is missing, no string, or another kind of URL.
    """
    url = require_text(value, field)
    # A data URL may have megabytes, so its beginning must do, unless that is full of escapes.
    beginning = str(memoryview(url)[1:16], "latin-1").replace("\\/", "/").lower()
    if beginning.startswith(_URL_SCHEMES) or json_text.unquote(url).lower().startswith(_URL_SCHEMES):
        return url
    raise InvalidRequest("must be an http, https or data URL", field=field)


def _refusal(error: ValidationError, field: str, *, with_brackets: bool) -> InvalidRequest:
    found = _MESSAGE.fullmatch(str(error))
    what, path = (found["what"], found["path"] or "") if found else ("", "")
    path = path.replace("[...]", "")
    if not with_brackets:
        path = re.sub(r"\[(\d+)\]", r".\1", path)
    where = f"{field}{path}".strip(".")
    if missing := _MISSING.fullmatch(what):
        return InvalidRequest(
            "field required", field=f"{where}.{missing['name']}" if where else missing["name"]
        )
    if not where:
        return InvalidRequest("request body must be a JSON object")
    if expected := _EXPECTED.fullmatch(what):
        wanted = " or ".join(_JSON_NAMES.get(name, name) for name in expected["expected"].split(" | "))
        got = expected["got"]
        return InvalidRequest(
            f"expected {wanted}, got {_JSON_NAMES.get(got, got)}" if got else f"expected {wanted}",
            field=where,
        )
    return InvalidRequest("invalid value", field=where)
