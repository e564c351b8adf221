"""JSON string literals kept as the bytes they arrived in.

A literal is a ``Raw`` that holds one valid JSON string with its quotes. Texts travel from the client's body
to the upstream's body in this form, so long histories are copied instead of being decoded and encoded again,
and escapes stay as the client wrote them. Nothing here checks validity: the decoder that cut the literal out
of a body did.
"""

import re
from collections.abc import Iterable

from msgspec import Raw, json

__all__ = [
    "EMPTY",
    "begins_with",
    "compact",
    "concat",
    "inner",
    "is_blank",
    "is_empty",
    "is_list",
    "is_null",
    "is_object",
    "is_text",
    "join",
    "quote",
    "unquote",
]

EMPTY = Raw(b'""')
"""The literal of the empty text."""

_encode = json.Encoder().encode
_decode = json.Decoder(str).decode

_SURE_STARTS = frozenset(range(0x21, 0x7F)) - frozenset(b'"\\')
"""Bytes that show right behind the quote that a text is not empty and begins with no white space."""

_BLANK_START = re.compile(rb"(?:[ ]++|\\[nrtf]|\\u0020)*+")
# What may be Unicode white space further on: only then is the text decoded to ask Python.
_MAY_BE_BLANK = re.compile(rb"(?:[ \x80-\xff0-9A-Fa-f]++|\\[nrtfu])*+")
# Runs of escaped characters from U+007F on, and runs of everything else: the second half of an escaped
# backslash begins no escape, so none may be skipped. What is repeated is atomic: before Python 3.11.5 a
# possessive repeat ended behind a part of it (CPython issue 106052).
_WIDE_OR_NOT = re.compile(
    r"(?P<wide>(?:(?>\\u(?!00(?:[0-6]|7[^fF]))[0-9A-Fa-f]{4}))++)|(?:[^\\]++|\\[^u]|\\u00(?:[0-6].|7[^fF]))++"
)


def quote(text: str) -> Raw:
    """Write a text as a literal."""
    return Raw(_encode(text))


def unquote(literal: Raw) -> str:
    """Read the text of a literal."""
    return _decode(literal)


def inner(literal: Raw) -> bytes:
    """Return what stands between the quotes, still escaped."""
    return bytes(literal)[1:-1]


def is_text(value: Raw) -> bool:
    """Tell whether a JSON value is a string."""
    return memoryview(value)[0] == 0x22  # the double quote


def is_null(value: Raw) -> bool:
    """Tell whether a JSON value is ``null``."""
    return memoryview(value)[0] == 0x6E  # n, which begins no other JSON value


def is_object(value: Raw) -> bool:
    """Tell whether a JSON value is an object."""
    return memoryview(value)[0] == 0x7B  # the opening brace


def is_list(value: Raw) -> bool:
    """Tell whether a JSON value is a list."""
    return memoryview(value)[0] == 0x5B  # the opening bracket


def is_empty(literal: Raw) -> bool:
    """Tell whether the text has no characters."""
    return len(literal) == 2


def is_blank(literal: Raw) -> bool:
    """Tell whether the text is empty or white space only."""
    view = memoryview(literal)
    if view[1] in _SURE_STARTS:
        return False
    inside = view[1:-1]
    if _BLANK_START.fullmatch(inside):
        return True
    # What is no escape of white space ends here: the first characters show a letter that no escape contains.
    return bool(_MAY_BE_BLANK.fullmatch(inside)) and not unquote(literal).strip()


def begins_with(literal: Raw, prefix: bytes) -> bool:
    """Tell whether the text without its leading white space begins with ``prefix``, unescaped ASCII."""
    view = memoryview(literal)
    start = 1
    if view[1] not in _SURE_STARTS and (blank := _BLANK_START.match(view, 1)):
        start = blank.end()
    return view[start : start + len(prefix)] == prefix


def compact(value: Raw) -> str:
    r"""Write a JSON value without white space; its keys and numbers stay as they are, in their order.

    Characters from U+007F on lose their escapes (``\u00e9``): the text is for a model to read, and clients
    differ.
    """
    text = json.format(bytes(value), indent=-1).decode()
    if "\\u" not in text:
        return text
    return _WIDE_OR_NOT.sub(lambda run: _decode(f'"{run[0]}"') if run["wide"] else run[0], text)


def concat(*parts: bytes | Raw) -> Raw:
    """Make one literal of literals (``Raw``) and of already escaped text (``bytes``), in order."""
    return Raw(b'"%b"' % b"".join([inner(part) if isinstance(part, Raw) else part for part in parts]))


def join(literals: Iterable[Raw], separator: bytes) -> Raw:
    r"""Join texts with an escaped separator, such as the two bytes ``b"\\n"``; no texts give an empty one."""
    return Raw(b'"%b"' % separator.join(map(inner, literals)))
