"""Takes the content out of what upstreams send, byte by byte: nothing moves, nothing gets longer or shorter.

What is kept stands in :mod:`packyproxy.testing.cassettes.vocabulary`; every other text becomes filler, every
other number ones. Ids are numbered. True, false and null stay, and so does the shape of objects and lists,
and the name of an event. A stream is redacted whole and may then be cut where it was cut before, in the
middle of a character too.

Redacting what was redacted changes nothing, which is how a recording is checked.
"""

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from packyproxy.testing.cassettes.filler import ArgumentsFiller, fill_digits, fill_literal, fill_plain
from packyproxy.testing.cassettes.vocabulary import (
    ARGUMENT_DELTAS,
    ENDPOINTS,
    EVENT_TYPE,
    FIELDS,
    HEADERS,
    ID_FIELDS,
    ID_HEADERS,
    ID_PREFIXES,
    MODEL,
    NUMBER_FIELDS,
    OPAQUE_FIELDS,
    WORD_FIELDS,
    WORDS,
)
from packyproxy.wire.responses_events import EVENT_TYPES
from packyproxy.wire.sse import BOM

__all__ = ["KeptHeaders", "Redactor", "redact_path"]

_BLANKS: Final = b" \t\r\n"
_DONE: Final = b"[DONE]"
_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[<{\[]?")
"""By this a reader tells a page, a document and a stream from each other."""
_LINE: Final = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_HAS_FIELD: Final = re.compile(rb"(?:^|[\r\n])(?:data|event|id|retry|):")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\[\s\S])*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_ID: Final = re.compile(rb"[A-Za-z0-9_.:|/+=?&%#~-]+")
_ID_PLACE: Final = re.compile(rb"[A-Za-z0-9]")
_ID_GAP: Final = re.compile(rb"[^A-Za-z0-9]")
_FILLED: Final = re.compile(rb"[x_.:|/+=?&%#~-]*")
_NUMBERED: Final = re.compile(rb"0*[0-9]{1,5}")
_DIGITS: Final = re.compile(rb" ?[0-9]{1,9}")
_UNKNOWN: Final = "?"
_TOP: Final = 2
"""How many containers are open in the outermost object: it, and what it is in."""
_MODEL_FIELDS: Final = frozenset({"model", "id"})
"""Lists of models have them as ids."""
_MOST_DIGITS: Final = 24
"""Longer than any number of the API; a text could be spelled in more."""


class KeptHeaders(Struct, frozen=True):
    """What a recording has of an answer's headers."""

    values: Mapping[str, str]
    """By name, in lower case."""
    others: int
    """How many there were besides."""


class Redactor:
    """Redacts the answers of one recording; an id gets the same number in all of them.

    Args:
        keeps_numbers: leave ids that are numbers already, whichever they are: to look at a recording of which
            parts were taken out.
    """

    def __init__(self, *, keeps_numbers: bool = False) -> None:
        self._keeps_numbers = keeps_numbers
        self._numbers: dict[tuple[bytes, int], dict[bytes, int]] = {}

    def body(self, data: bytes) -> bytes:
        """Redact the body of an answer: a stream, a JSON document, a page or a text."""
        start = _START.match(data)
        assert start is not None
        if start[0][-1:] in (b"{", b"["):
            document = _read(data.removeprefix(BOM))
            if document is not None:
                bom = data[: len(data) - len(data.removeprefix(BOM))]
                return bom + self._json(data.removeprefix(BOM), document, {})
        elif start[0][-1:] != b"<" and _HAS_FIELD.search(data.removeprefix(BOM)):
            return self._stream(data)
        return start[0] + fill_plain(data[start.end() :])

    def headers(self, pairs: Iterable[tuple[str, str]]) -> KeptHeaders:
        """Return the headers that may be kept, and how many others there are."""
        values: dict[str, str] = {}
        others = 0
        for name, value in pairs:
            lowered = name.lower()
            if lowered in ID_HEADERS and value.isascii():
                values[lowered] = self.identify(value.encode()).decode()
            elif any(known.fullmatch(lowered) and form.fullmatch(value) for known, form in HEADERS):
                values[lowered] = value
            else:
                others += 1
        return KeptHeaders(values, others)

    def identify(self, text: bytes) -> bytes:
        """Number an id or a link among those of its kind; its prefix, its separators and its length stay."""
        found = ID_PREFIXES.match(text)
        prefix = found[0] if found else b""
        rest = text[len(prefix) :]
        if not _ID.fullmatch(rest):
            return fill_literal(text)
        places = len(_ID_PLACE.findall(rest))
        if _FILLED.fullmatch(rest) or (self._keeps_numbers and _NUMBERED.fullmatch(_ID_GAP.sub(b"", rest))):
            return text
        known = self._numbers.setdefault((prefix, places), {})
        # No text that was seen is held on to.
        number = known.setdefault(blake2b(text, digest_size=16).digest(), len(known) + 1)
        digits = b"%d" % number if number < 10**places else b""
        filled = iter(digits.rjust(places, b"0" if digits else b"x"))
        return prefix + _ID_PLACE.sub(lambda _: bytes((next(filled),)), rest)

    def _stream(self, data: bytes) -> bytes:
        out: list[bytes] = []
        places: list[int] = []
        calls: dict[object, ArgumentsFiller] = {}
        if data.startswith(BOM):
            out.append(BOM)
            data = data.removeprefix(BOM)
        for line, end in _LINE.findall(data):
            if line:
                field, kept, value = _field(line)
                out += (kept, value, end)
                if field == b"data":
                    places.append(len(out) - 2)
            else:
                self._frame(out, places, calls)
                out.append(end)
        self._frame(out, places, calls)
        return b"".join(out)

    def _frame(self, out: list[bytes], places: list[int], calls: dict[object, ArgumentsFiller]) -> None:
        """Redact the data of a frame, which stands at ``places`` of ``out``, maybe in several lines."""
        if not places:
            return
        data = b"\n".join(out[place] for place in places)
        if data.strip() != _DONE:
            document = _read(data)
            data = fill_plain(data) if document is None else self._json(data, document, calls)
        at = 0
        for place in places:
            size = len(out[place])
            out[place] = data[at : at + size]
            at += size + 1
        places.clear()

    def _json(self, data: bytes, document: object, calls: dict[object, ArgumentsFiller]) -> bytes:
        """Redact JSON that ``document`` was read from."""
        head = document if isinstance(document, dict) else {}
        kind = head.get("type")
        filler = None
        if isinstance(kind, str) and kind in ARGUMENT_DELTAS:
            call = (kind, repr(head.get("item_id")), repr(head.get("output_index")))
            filler = calls.setdefault(call, ArgumentsFiller())
        return _TOKEN.sub(_JsonRedactor(self, filler), data)


class _Container(Struct):
    """An object or a list that is open."""

    is_object: bool
    is_opaque: bool
    field: str
    """The field that the next value belongs to: of a list, the one that the list belongs to."""
    expects_name: bool


class _JsonRedactor:
    """Redacts the tokens of one JSON text in turn.

    Args:
        redactor: numbers the ids.
        pieces: fills the member ``delta`` of an event that has a piece of a call's arguments.
    """

    def __init__(self, redactor: Redactor, pieces: ArgumentsFiller | None) -> None:
        self._redactor = redactor
        self._pieces = pieces
        self._open = [_Container(is_object=False, is_opaque=False, field="", expects_name=False)]

    def __call__(self, found: re.Match[bytes]) -> bytes:
        token = found[0]
        place = self._open[-1]
        match token[:1]:
            case b'"':
                inner = token[1:-1]
                filled = self._name(place, inner) if place.expects_name else self._text(place, inner)
                return b'"%b"' % filled
            case b"{" | b"[":
                is_object = token == b"{"
                is_opaque = place.is_opaque or place.field in OPAQUE_FIELDS or place.field == _UNKNOWN
                self._open.append(
                    _Container(
                        is_object=is_object, is_opaque=is_opaque, field=place.field, expects_name=is_object
                    )
                )
            case b"}" | b"]":
                self._open.pop()
            case b",":
                place.expects_name = place.is_object
            case b":":
                place.expects_name = False
            case _ if token[0] in b"-0123456789" and token != b"-Infinity":
                is_known = place.is_object and not place.is_opaque and place.field in NUMBER_FIELDS
                return token if is_known and len(token) <= _MOST_DIGITS else fill_digits(token)
            case _:
                pass
        return token

    def _name(self, place: _Container, inner: bytes) -> bytes:
        name = inner.decode(errors="replace")
        if place.is_opaque or name not in FIELDS:
            place.field = _UNKNOWN
            return fill_literal(inner)
        place.field = name
        return inner

    def _text(self, place: _Container, inner: bytes) -> bytes:
        field = place.field
        if place.is_opaque:
            return fill_literal(inner)
        if field in WORD_FIELDS and inner.decode(errors="replace") in WORDS:
            return inner
        if field == "type" and len(self._open) == _TOP and EVENT_TYPE.fullmatch(inner):
            return inner
        if field in _MODEL_FIELDS and MODEL.fullmatch(inner):
            return inner
        if field in ID_FIELDS:
            return self._redactor.identify(inner)
        if field == "arguments":
            return ArgumentsFiller().fill(inner)
        if field == "delta" and self._pieces is not None:
            return self._pieces.fill(inner)
        return fill_literal(inner)


def redact_path(path: str) -> str:
    """Return the end of a URL's path if it is one that is asked for here, else filler."""
    for endpoint in ENDPOINTS:
        if path.endswith(endpoint):
            return endpoint
    return fill_plain(path.encode()).decode()


def _read(data: bytes) -> object | None:
    """Read JSON, bad UTF-8 or not; None for what is none, and for ``null``."""
    try:
        document: object = json.loads(data.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return document


def _is_event_type(name: bytes) -> bool:
    return name.decode(errors="replace") in EVENT_TYPES or bool(EVENT_TYPE.fullmatch(name))


def _field(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what a line of a stream is, what of it is kept, and the rest: redacted but for data."""
    name, colon, value = line.partition(b":")
    match name:
        case b"data":
            blank = b" " if value.startswith(b" ") else b""
            return name, name + colon + blank, value[len(blank) :]
        case b"event" if _is_event_type(value.removeprefix(b" ")):
            return name, line, b""
        case b"retry" if _DIGITS.fullmatch(value):
            return name, line, b""
        case b"event" | b"retry" | b"id" | b"":
            blank = b" " if value.startswith(b" ") else b""
            return name, name + colon + blank, fill_plain(value[len(blank) :])
        case _:
            return b"", fill_plain(name) + colon, fill_plain(value)
