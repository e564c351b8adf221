"""Read an upstream's error body and write the two error shapes that clients know (wire-mapping 8.1, 8.2).

Upstream errors come in every form a relay has thought of, so reading never fails: any bytes give an
:class:`UpstreamError`, at worst an empty one. Its text is one printable line of at most 1000 characters in
which keys and tokens are masked; codes and parameter paths are kept only when they look like such.
"""

import json
import re
from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from typing import Any, cast

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from packyproxy.wire.masking import mask_text, mask_values

__all__ = [
    "MAX_MESSAGE_CHARACTERS",
    "UpstreamError",
    "clean_text",
    "error_object",
    "impersonal_error",
    "read_error",
    "with_time_left",
    "wrap_error_object",
    "write_anthropic_error",
    "write_openai_error",
    "write_usage_limit",
]

MAX_MESSAGE_CHARACTERS = 1000
"""How much upstream text an error shown to a client may carry."""

_MAX_TEXT_BYTES = 65_536
"""Where a body that is no JSON is cut before it is searched: titles and sentences stand at the beginning."""

_MAX_OBJECT_BYTES = 16_384
"""How long an error object may be that clients are shown whole."""

_CUT = "..."
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_PARAM = re.compile(r"[A-Za-z0-9_.\[\]\-]{1,128}")

_EVENT_TYPES = frozenset({"error", "response.failed"})
"""Values of ``type`` that name the envelope, not the error."""


class UpstreamError(Struct, frozen=True, kw_only=True):
    """What an upstream's error body says, whatever its form; ``message`` is ready to be shown.

    ``repr`` shows nothing of it: upstream text may quote the client's content.
    """

    message: str = ""
    code: str | None = None
    type: str | None = None
    """``error.type``, else a top-level ``error_type``."""
    param: str | None = None
    plan_type: str | None = None
    resets_at: float | None = None
    """Unix seconds."""
    resets_in_seconds: float | None = None
    status: int | None = None
    """An HTTP status that the body itself names: ``status``, ``status_code``, or a number as ``code``."""
    is_html: bool = False

    def __repr__(self) -> str:
        return f"UpstreamError(code={self.code!r}, type={self.type!r})"


def read_error(body: bytes, *, secrets: Sequence[str] = ()) -> UpstreamError:
    """Read any error body or error event (wire-mapping 8.2).

    The first form that matches wins: an ``error`` object (also inside ``response``), an ``error`` string, a
    ``detail`` string or list, a flat ``message``, HTML with its title, plain text. Nothing is ever raised.

    Args:
        body: the decompressed body of an HTTP answer, the ``data`` of an event, or a bare error object.
        secrets: texts to mask besides bearer tokens and ``sk-...`` keys: the provider's key, for one.
    """
    stripped = body.strip()
    if stripped[:1] == b"<":
        title = _TITLE.search(stripped[:_MAX_TEXT_BYTES].decode(errors="replace"))
        return UpstreamError(message=clean_text(title[1] if title else "", secrets), is_html=True)
    value = _decode(stripped)
    if isinstance(value, Mapping):
        return _from_object(cast("Mapping[str, object]", value), secrets)
    text = value if isinstance(value, str) else stripped[:_MAX_TEXT_BYTES].decode(errors="replace")
    return UpstreamError(message="" if value is None and stripped == b"null" else clean_text(text, secrets))


def clean_text(text: str, secrets: Sequence[str] = ()) -> str:
    """Return ``text`` as one printable line of at most 1000 characters with secrets masked."""
    text = text[:_MAX_TEXT_BYTES]
    text = mask_text(text, secrets)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(text) > MAX_MESSAGE_CHARACTERS:
        text = text[: MAX_MESSAGE_CHARACTERS - len(_CUT)].rstrip() + _CUT
    return text


def error_object(body: bytes, secrets: Sequence[str] = ()) -> bytes | None:
    """Return the ``error`` object of a body, whole but for masked secrets; None if it has none worth showing.

    One that is empty, nested too deeply or longer than 16 KiB is none.

    Args:
        body: the decompressed body of an HTTP answer.
        secrets: as for :func:`read_error`.
    """
    if len(body) > _MAX_TEXT_BYTES:
        return None
    value = _decode(body)
    error = cast("Mapping[str, object]", value).get("error") if isinstance(value, Mapping) else None
    if not isinstance(error, Mapping) or not error:
        return None
    try:
        encoded = _encode(mask_values(cast("object", error), secrets))
    except RecursionError:
        return None
    return encoded if len(encoded) <= _MAX_OBJECT_BYTES else None


def with_time_left(error: bytes, *, now: float, until: float) -> bytes:
    """Return an error object as it reads now, when some of the span that it names has passed.

    Args:
        error: as :func:`error_object` returned it.
        now: Unix seconds.
        until: Unix seconds at which the span ends.
    """
    fields = _decode_fields(error)
    if _number(msgspec.json.decode(fields.get("resets_in_seconds", _NULL))) is None:
        return error
    return _encode({**fields, "resets_in_seconds": max(0, ceil(until - now))})


def impersonal_error(error: bytes, message: str) -> bytes:
    """Return an error object as it may be shown to anybody: its facts, in words of ours.

    Numbers stay, and single words that are a type, a code or the name of a plan. Any other text may quote
    whoever met the error: ``message`` is replaced, the rest is left out.

    Args:
        error: as :func:`error_object` returned it.
        message: one line.
    """
    fields = _decode_fields(error)
    facts = {name: value for name, value in fields.items() if _is_fact(name, msgspec.json.decode(value))}
    if "message" in fields:
        facts["message"] = Raw(_encode(message))
    return _encode(facts)


def _is_fact(name: str, value: object) -> bool:
    if isinstance(value, str):
        return name in _WORDS and _WORD.fullmatch(value) is not None
    return value is None or isinstance(value, int | float)


def wrap_error_object(error: bytes) -> bytes:
    """Return the body that consists of an error object."""
    return b'{"error":%b}' % error


class _AnthropicBody(Struct, frozen=True):
    type: str
    message: str
    details: dict[str, Any] | UnsetType = UNSET


class _AnthropicEnvelope(Struct, frozen=True):
    type: str
    error: _AnthropicBody
    request_id: str


class _OpenAIBody(Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None


class _OpenAIEnvelope(Struct, frozen=True):
    error: _OpenAIBody


class _UsageLimit(Struct, frozen=True, omit_defaults=True):
    message: str
    type: str
    param: str | None
    code: str
    plan_type: str | None = None
    resets_at: int | None = None


_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_NULL = Raw(b"null")
_USAGE_LIMIT = "usage_limit_reached"
_WORDS = frozenset({"code", "plan_type", "type"})
_WORD = re.compile(r"[A-Za-z0-9_.:+-]{0,64}")


def write_anthropic_error(
    kind: str, message: str, *, request_id: str, details: dict[str, Any] | None = None
) -> bytes:
    """Encode the error body of the Messages surface (wire-mapping 8.1); ``details`` joins ``error``."""
    error = _AnthropicBody(kind, message, UNSET if details is None else details)
    return _encode(_AnthropicEnvelope("error", error, request_id))


def write_openai_error(
    kind: str, message: str, *, code: str | None = None, param: str | None = None
) -> bytes:
    """Encode the error body of the OpenAI surfaces (wire-mapping 8.1)."""
    return _encode(_OpenAIEnvelope(_OpenAIBody(message, kind, param, code)))


def write_usage_limit(message: str, *, plan_type: str | None, resets_at: int | None) -> bytes:
    """Encode the error body by whose type the Codex CLI knows a used-up quota.

    Args:
        message: one line.
        plan_type: what the account has paid for, if known.
        resets_at: Unix seconds, if known.
    """
    limit = _UsageLimit(message, _USAGE_LIMIT, None, _USAGE_LIMIT, plan_type, resets_at)
    return wrap_error_object(_encode(limit))


def _decode(body: bytes) -> object:
    try:
        return cast("object", msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # The strict decoder refuses lone surrogate escapes and bad UTF-8; the code and the reset time beside a
    # damaged text are worth a second look.
    try:
        return cast("object", json.loads(body.decode(errors="replace"), strict=False))
    except (ValueError, RecursionError):
        return None


def _from_object(body: Mapping[str, object], secrets: Sequence[str]) -> UpstreamError:
    error = body.get("error")
    response = body.get("response")
    if error is None and isinstance(response, Mapping):
        error = cast("Mapping[str, object]", response).get("error")
    if isinstance(error, Mapping):
        fields = cast("Mapping[str, object]", error)
        text = _text(fields.get("message")) or _text(body.get("message"))
    else:
        fields = body
        text = _text(error) or _detail(body.get("detail")) or _text(body.get("message"))
    kind = _token(fields.get("type"), _CODE, secrets)
    if kind in _EVENT_TYPES:
        kind = None
    return UpstreamError(
        message=clean_text(text, secrets),
        code=_token(fields.get("code"), _CODE, secrets),
        type=kind or _token(body.get("error_type"), _CODE, secrets),
        param=_token(fields.get("param"), _PARAM, secrets),
        plan_type=_token(fields.get("plan_type"), _CODE, secrets),
        resets_at=_number(fields.get("resets_at")),
        resets_in_seconds=_number(fields.get("resets_in_seconds")),
        status=_status(fields, body),
    )


def _detail(value: object) -> str:
    """Read FastAPI's ``detail``: a text, an object with a text, or a list of ``{loc, msg}``."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(_detail, cast("list[object]", value))))
    if not isinstance(value, Mapping):
        return _text(value)
    fields = cast("Mapping[str, object]", value)
    text = _text(fields.get("msg")) or _text(fields.get("message"))
    place = fields.get("loc")
    if isinstance(place, list) and text:
        steps = [str(step) for step in cast("list[object]", place) if step != "body"]
        return f"'{'.'.join(steps)}': {text}" if steps else text
    return text


def _status(*objects: Mapping[str, object]) -> int | None:
    for fields in objects:
        for name in ("status", "status_code", "code"):
            number = _number(fields.get(name))
            if number is not None and 400 <= number < 600:
                return int(number)
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _token(value: object, pattern: re.Pattern[str], secrets: Sequence[str]) -> str | None:
    """Take a name; one that is a secret or looks like a key is none."""
    if isinstance(value, str) and pattern.fullmatch(value) and mask_text(value, secrets) == value:
        return value
    return None


def _number(value: object) -> float | None:
    """Take a finite number that is not negative, also one in quotes."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and number >= 0 else None
