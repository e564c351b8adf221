"""What is read of an upstream's events when they are passed on (wire-mapping 0.5, 7.3).

Most events are never looked at: that they are JSON, and of which type, is all there is to know, and reading
them gives the frame to write. Those that begin, end or count something are read as far as they are used, in
the same pass over their bytes.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias, Union, cast

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, defstruct

from packyproxy.translate.responses.frames import frame
from packyproxy.wire import responses_events as upstream
from packyproxy.wire.lone_delta import LoneFrame
from packyproxy.wire.responses_events import (
    EVENT_TYPES,
    ResponsesEvent,
    UnparsableEvent,
    decode_event,
    mend_json,
    safe_name,
)
from packyproxy.wire.responses_output import UNREADABLE, read_fields

__all__ = [
    "Begun",
    "BegunResponse",
    "DeltaForm",
    "Handshake",
    "Lifecycle",
    "PassedEvent",
    "Told",
    "delta_form",
    "delta_runs",
    "read_event",
]


class Handshake(Struct, gc=False):
    """An event that may precede content and is none, the response object aside."""

    frame: bytes
    unknown: str = ""
    """Its type, safe to log, if nobody knows that."""


class BegunResponse(Struct, gc=False):
    """What is looked at of a response that goes on."""

    id: Raw | UnsetType = UNSET
    created_at: Raw | UnsetType = UNSET
    model: Raw | UnsetType = UNSET
    headers: Raw | UnsetType = UNSET


class Begun(Struct, gc=False):
    """What is looked at of an event that holds such a response, or headers."""

    response: BegunResponse | UnsetType = UNSET
    headers: Raw | UnsetType = UNSET


class Lifecycle(Struct, gc=False):
    """An event of the handshake that holds the response object, or headers."""

    name: bytes
    frame: bytes
    document: bytes
    """Its data in valid Unicode."""
    begun: Begun | None = None
    """What its data says, if it has the usual form."""


class Told(Struct):
    """An event that changes what is known of the answer."""

    event: ResponsesEvent
    frame: bytes
    """Empty when the event has no type."""
    document: bytes
    """Its data in valid Unicode."""


PassedEvent: TypeAlias = bytes | Handshake | Lifecycle | Told | UnparsableEvent
"""What ``read_event`` returns; bytes are the frame of an event that only passes."""

_LIFECYCLE = frozenset(
    {
        "codex.response.metadata",
        "response.created",
        "response.in_progress",
        "response.metadata",
        "response.queued",
    }
)
_HANDSHAKE = frozenset({"codex.rate_limits", "keepalive", "response.safety_buffering"})
_TOLD: dict[str, type[Struct]] = {
    cast("str", cls.__struct_config__.tag): cls
    for cls in (
        upstream.Cancelled,
        upstream.Completed,
        upstream.CompletedAlias,
        upstream.ErrorEvent,
        upstream.ErrorEventAlias,
        upstream.Failed,
        upstream.Incomplete,
        upstream.ItemAdded,
        upstream.ItemDone,
    )
}

_SILENT_PREFIX = "responsesapi."
"""Begins the types of a family that is known as a whole."""


def read_event(data: bytes) -> PassedEvent:
    """Read the data of one frame; total: whatever the bytes, some event is returned."""
    try:
        event = _decode(data)
    except UNREADABLE:
        return _read_oddity(data)
    kind = type(event)
    written = frame(_NAMES[kind], data) if b"\n" in data else _PREFIXES[kind] + data + b"\n\n"
    wrap = _WRAPPERS.get(kind)
    return written if wrap is None else wrap(event, written, data)


def delta_form(frames: bytes) -> "DeltaForm | None":
    """Return the form of the deltas that frames begin with; None if they begin otherwise."""
    return _FORMS.get(frames[: frames.find(b"\n") + 1])


def delta_runs(frames: bytes) -> list[bytes]:
    """Cut frames where deltas of one type begin and end; from where that is not easily told in one piece."""
    return [found[0] for found in _find_runs(frames)]


def _read_as(name: str, data: bytes, document: bytes) -> PassedEvent:
    """Read an event of a known type; ``document`` is its data in valid Unicode."""
    encoded = name.encode()
    written = frame(encoded, data)
    if name in _TOLD:
        return Told(decode_event(document), written, document)
    if name in _LIFECYCLE:
        return Lifecycle(encoded, written, document)
    return Handshake(written) if name in _HANDSHAKE else written


def _read_oddity(data: bytes) -> PassedEvent:
    """Read what has no known type, more than one, or half a surrogate pair in it."""
    document = data
    fields = read_fields(data)
    if fields is None:
        mended = mend_json(data)
        if mended is None:
            return UnparsableEvent()
        document, fields = mended, read_fields(mended)
    if fields is None:
        return UnparsableEvent()
    if "type" not in fields:
        event = decode_event(document)
        return event if type(event) is UnparsableEvent else Told(event, b"", document)
    try:
        name = msgspec.json.decode(fields["type"], type=str)
    except UNREADABLE:
        return UnparsableEvent()
    if name in EVENT_TYPES:
        return _read_as(name, data, document)
    safe = safe_name(name)
    return Handshake(frame(safe.encode(), data), "" if name.startswith(_SILENT_PREFIX) else safe)


# One class per type: telling them apart costs no text, and of most events nothing but the type is read.
def _class_for(name: str) -> type[Struct]:
    if name in _TOLD:
        return _TOLD[name]
    bases = (Begun,) if name in _LIFECYCLE else ()
    return defstruct("Typed", (), bases=bases, tag_field="type", tag=name, gc=False)


_CLASSES = {name: _class_for(name) for name in EVENT_TYPES}
_NAMES = {cls: name.encode() for name, cls in _CLASSES.items()}
_PREFIXES = {cls: b"event: %b\ndata: " % name for cls, name in _NAMES.items()}
_decode = cast(
    "Callable[[bytes], Any]", msgspec.json.Decoder(cast("Any", Union[(*_CLASSES.values(),)])).decode
)


def _wrapper_for(name: str) -> Callable[[Any, bytes, bytes], PassedEvent]:
    if name in _TOLD:
        return Told
    encoded = name.encode()
    if name in _LIFECYCLE:
        return lambda begun, written, data: Lifecycle(encoded, written, data, begun)
    return lambda _, written, __: Handshake(written)


_WRAPPERS = {
    cls: _wrapper_for(name)
    for name, cls in _CLASSES.items()
    if name in _TOLD or name in _LIFECYCLE or name in _HANDSHAKE
}
"""What is made of the events that do not only pass."""


class DeltaForm:
    """What the frames of one type of delta look like, as ``read_event`` would write them.

    That is how nearly every read of a stream looks. Others may be as good; they are only not known to be.
    """

    def __init__(self, cls: type[Struct]) -> None:
        prefix = _PREFIXES[cls]
        self._kind = cls
        self._find_datas = re.compile(re.escape(prefix) + rb"(.++)\n\n").findall
        self._overhead = len(prefix) + len(b"\n\n")
        self.read_lone = LoneFrame(cls).read
        """Returns None for a read that may be anything else than one whole delta of this type."""

    def are_all(self, frames: bytes) -> bool:
        """Tell whether all frames are deltas of this type."""
        rest = len(frames)
        try:
            if not frames.isascii():
                frames.decode()
            for data in self._find_datas(frames):
                if type(_decode(data)) is not self._kind:
                    return False
                rest -= self._overhead + len(data)
        except UNREADABLE:
            return False
        # Every match is a whole frame, so nothing else stands there if their lengths add up.
        return not rest


_FORMS = {
    prefix[: prefix.index(b"\n") + 1]: DeltaForm(cls)
    for cls, prefix in _PREFIXES.items()
    if _NAMES[cls].endswith(b".delta")
}
"""By event line."""

# What is repeated is atomic: see ``wire.json_text``.
_find_runs = re.compile(
    rb"(event: .*\.delta\n)data: .++\n\n(?:(?>\1data: .++\n\n))*+"
    rb"|(?:(?>event: (?!.*\.delta\n).*+\ndata: .++\n\n))++"
    rb"|(?s:.++)"
).finditer
