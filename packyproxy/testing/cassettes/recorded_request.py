"""What a recording has of a request: how large it is in which places, and the words of the protocol."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from packyproxy.testing.cassettes.redaction import redact_path
from packyproxy.testing.cassettes.vocabulary import FIELDS, MODEL, WORDS
from packyproxy.translate.effort import EFFORTS
from packyproxy.usage.timestamps import timestamp
from packyproxy.wire.responses_output import read_fields

__all__ = ["InputItem", "RecordedRequest", "RecordedTool", "is_summary", "summarise"]

_T = TypeVar("_T")
_OTHER: Final = "other"
"""Stands for a word that is not known."""
_METHODS: Final = frozenset({"GET", "POST"})
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class InputItem(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is known of an input item."""

    type: str
    role: str = ""
    bytes: int


class RecordedTool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a tool."""

    type: str
    bytes: int


class RecordedRequest(
    Struct,
    frozen=True,
    kw_only=True,
    rename="kebab",
    tag_field="line",
    tag="request",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """What is known of a request; sizes are in bytes of JSON."""

    at: str
    """When it was sent, in UTC."""
    upstream: int = 1
    """Which of the upstreams was asked; they are numbered as they come up."""
    method: str = "POST"
    path: str = "/responses"
    """What the provider's base URL is followed by."""
    bytes: int = 0
    model: str = ""
    effort: str = ""
    stream: bool = False
    fields: Mapping[str, int] = {}
    """The sizes of its fields, by name; those of unknown names together, as ``other``."""
    input: Sequence[InputItem] = ()
    tools: Sequence[RecordedTool] = ()


class _Item(Struct):
    type: str = "message"
    role: str = ""


class _Reasoning(Struct):
    effort: str = ""


def summarise(*, at: float, upstream: int, method: str, path: str, body: bytes) -> RecordedRequest:
    """Return what a recording may have of a request.

    Args:
        at: when it was sent, in Unix seconds.
        upstream: the number of who was asked.
        method: of HTTP.
        path: of the URL.
        body: JSON, in most cases.
    """
    members = read_fields(body) or {}
    fields: dict[str, int] = {}
    for name, value in members.items():
        known = name if name in FIELDS else _OTHER
        fields[known] = fields.get(known, 0) + len(value)
    model = _read(members.get("model"), str) or ""
    reasoning = _read(members.get("reasoning"), _Reasoning) or _Reasoning()
    return RecordedRequest(
        at=timestamp(at),
        upstream=upstream,
        method=method if method in _METHODS else _OTHER,
        path=redact_path(path),
        bytes=len(body),
        model=model if MODEL.fullmatch(model.encode(errors="replace")) else _OTHER if model else "",
        effort=reasoning.effort if reasoning.effort in EFFORTS else _OTHER if reasoning.effort else "",
        stream=_read(members.get("stream"), bool) or False,
        fields=fields,
        input=[_item(raw) for raw in _read(members.get("input"), list[Raw]) or ()],
        tools=[
            RecordedTool(type=_word((_read(raw, _Item) or _Item()).type), bytes=len(raw))
            for raw in _read(members.get("tools"), list[Raw]) or ()
        ],
    )


def is_summary(request: RecordedRequest) -> bool:
    """Tell whether there is nothing in it that :func:`summarise` does not write."""
    words = {request.effort, *request.fields}
    words.update(item.type for item in request.input)
    words.update(item.role for item in request.input)
    words.update(tool.type for tool in request.tools)
    return (
        bool(_MOMENT.fullmatch(request.at))
        and request.method in {*_METHODS, _OTHER}
        and redact_path(request.path) == request.path
        and (request.model in {"", _OTHER} or bool(MODEL.fullmatch(request.model.encode())))
        and words <= {"", _OTHER, *WORDS, *FIELDS}
    )


def _item(raw: Raw) -> InputItem:
    item = _read(raw, _Item) or _Item()
    return InputItem(type=_word(item.type), role=_word(item.role) if item.role else "", bytes=len(raw))


def _word(text: str) -> str:
    return text if text in WORDS else _OTHER


def _read(raw: Raw | None, kind: type[_T]) -> _T | None:
    """Read JSON of a type; None for what is of another one."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
