r"""Filler of the same length, byte by byte: what stands in a recording for a text.

A character becomes one that takes as many bytes and is spelled the same way: ``x`` for ASCII, one each for
two, three and four bytes of UTF-8 and for their escapes. So a text that an upstream sends in pieces and then
whole still agrees with itself, and a stream may be cut at any byte where it was cut before. Spaces are filled
as letters are; what is no UTF-8 stays none.
"""

import re
from collections.abc import Callable
from typing import Final

__all__ = ["ArgumentsFiller", "fill_digits", "fill_literal", "fill_plain"]

_WIDE: Final = (
    rb"(?P<two>[\xc2-\xdf][\x80-\xbf]?)"
    rb"|(?P<three>(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf]?|[\xe0-\xef])"
    rb"|(?P<four>(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{0,2}|[\xf0-\xf4])"
)
"""Characters outside ASCII, also such as are cut off in the middle."""
_LITERAL: Final = re.compile(
    rb"(?P<ascii>[ !#-\[\]-\x7f]+)"
    rb"|(?P<high>\\u[dD][89abAB][0-9a-fA-F]{2})"
    rb"|(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<break>\\u000[89aAcCdD])"
    rb"|(?P<control>\\u00[01][0-9a-fA-F])"
    rb"|(?P<quote>\\u00(?:22|5[cC]))"
    rb"|(?P<narrow>\\u00[0-7][0-9a-fA-F])"
    rb"|(?P<escape2>\\u0[0-7][0-9a-fA-F]{2})"
    rb"|(?P<escape3>\\u[0-9a-fA-F]{4})"
    rb"|(?P<slash>\\/)"
    rb"|(?P<short>\\[bfnrt])"
    rb'|(?P<backslash>\\["\\])'
    rb"|" + _WIDE + rb"|(?P<ascii1>[\x00-\x7f])|(?P<other>[\x80-\xff])"
)
_PLAIN: Final = re.compile(
    rb"(?P<kept>[\r\n]+)|(?P<ascii>[\x00-\x09\x0b\x0c\x0e-\x7f]+)|" + _WIDE + rb"|(?P<other>[\x80-\xff])"
)
_SPELLED: Final = re.compile(rb"\\u[0-9a-fA-F]{4}|\\[\s\S]|" + _WIDE + rb"|[\s\S]")
_FILL: Final = {
    "high": rb"\ud835",
    "low": rb"\udccd",
    "break": rb"\u000a",
    "control": rb"\u0001",
    "quote": rb"\u0022",
    "narrow": rb"\u0078",
    "escape2": rb"\u00d7",
    "escape3": rb"\u2573",
    "slash": rb"\/",
    "short": rb"\n",
    "backslash": b'\\"',
    "other": b"\xff",
    "two": "\u00d7".encode(),
    "three": "\u2573".encode(),
    "four": "\U0001d4cd".encode(),
}
"""By group; bytes of a character that is cut off in the middle get as much of it."""
_DIGIT: Final = re.compile(rb"[0-9]")
_IN_WORDS: Final = {ord("t"): b"rue", ord("f"): b"alse", ord("n"): b"ull"}
_SHORT_ESCAPES: Final = {ord(letter): value for letter, value in zip("bfnrt", b"\b\f\n\r\t", strict=True)}
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_LETTERS: Final = 26
_NOT_ASCII: Final = 0x80


def fill_literal(inner: bytes) -> bytes:
    """Fill what stands between the quotes of a JSON string."""
    return _LITERAL.sub(_fill, inner)


def fill_plain(text: bytes) -> bytes:
    """Fill a text that is no JSON; line ends stay."""
    return _PLAIN.sub(_fill_plain, text)


def fill_digits(number: bytes) -> bytes:
    """Fill a JSON number: every digit becomes a 1."""
    return _DIGIT.sub(b"1", number)


def _fill(found: re.Match[bytes]) -> bytes:
    kind, size = found.lastgroup, found.end() - found.start()
    if kind in ("ascii", "ascii1"):
        return b"x" * size
    return _FILL[kind or ""][:size]


def _fill_plain(found: re.Match[bytes]) -> bytes:
    return found[0] if found.lastgroup == "kept" else _fill(found)


class ArgumentsFiller:
    r"""Fills the arguments of one call, which are JSON inside of a JSON string, piece by piece.

    They keep their shape: what was a JSON document still is one, with as many members. Names are filled with
    a letter each, in turn, so that those of one object stay different; other texts with ``x``, numbers with
    ones. From where it turns out to be no JSON all is filled as text.
    """

    def __init__(self) -> None:
        self._take: Callable[[int, bytes], bytes] = self._outside
        self._open: list[int] = []
        self._expects_name = False
        self._names = 0
        self._letter = ord("x")
        self._rest = b""
        """What is to come of ``true``, ``false`` or ``null``."""
        self._was_digit = False
        self._hex = ""

    def fill(self, inner: bytes) -> bytes:
        """Fill the next piece: what stands between the quotes of its JSON string."""
        return b"".join(self._one(found) for found in _SPELLED.finditer(inner))

    def _one(self, found: re.Match[bytes]) -> bytes:
        spelled = found[0]
        return self._take(_meaning(spelled), spelled)

    def _outside(self, char: int, spelled: bytes) -> bytes:
        """Keep what JSON is made of."""
        was_digit, self._was_digit = self._was_digit, False
        if self._rest:
            if char == self._rest[0]:
                self._rest = self._rest[1:]
                return spelled
            return self._give_up(spelled)
        if char in b"0123456789":
            self._was_digit = True
            return _spell(ord("1"), spelled)
        if char in b"+-." or (was_digit and char in b"eE") or char in b" \n\r\t":
            return spelled
        if char in b"{}[],:":
            self._punctuate(char)
            return spelled
        if char == ord('"'):
            self._begin_text()
            return spelled
        self._rest = _IN_WORDS.get(char, b"")
        return spelled if self._rest else self._give_up(spelled)

    def _punctuate(self, char: int) -> None:
        if char in b"{[":
            self._open.append(char)
        elif char in b"}]" and self._open:
            self._open.pop()
        is_in_object = bool(self._open) and self._open[-1] == ord("{")
        self._expects_name = char in b"{," and is_in_object

    def _begin_text(self) -> None:
        self._letter = ord("x")
        if self._expects_name:
            self._letter = ord("a") + self._names % _LETTERS
            self._names += 1
        self._take = self._inside

    def _inside(self, char: int, spelled: bytes) -> bytes:
        if char == ord('"'):
            self._take = self._outside
            return spelled
        if char == ord("\\"):
            self._take = self._after_backslash
            return spelled
        if ord(" ") <= char < _NOT_ASCII:
            return _spell(self._letter, spelled)
        return fill_literal(spelled)

    def _after_backslash(self, char: int, spelled: bytes) -> bytes:
        self._take = self._inside
        if char == ord("u"):
            self._hex = ""
            self._take = self._in_code
            return spelled
        if char in b'"\\/':
            return spelled
        return _spell(ord("n"), spelled) if char in b"bfnrt" else self._give_up(spelled)

    def _in_code(self, char: int, spelled: bytes) -> bytes:
        if char not in _HEX:
            return self._give_up(spelled)
        self._hex += chr(char).lower()
        filled = _fill_code(self._hex)
        if len(self._hex) == len(filled):
            self._take = self._inside
        return _spell(ord(filled[len(self._hex) - 1]), spelled)

    def _give_up(self, spelled: bytes) -> bytes:
        self._take = _as_text
        return fill_literal(spelled)


def _as_text(_: int, spelled: bytes) -> bytes:
    return fill_literal(spelled)


def _meaning(spelled: bytes) -> int:
    """Return the ASCII character that is spelled so, or :data:`_NOT_ASCII`."""
    if len(spelled) == 1:
        return min(spelled[0], _NOT_ASCII)
    if spelled[0] != ord("\\"):
        return _NOT_ASCII
    if len(spelled) == 2:
        return _SHORT_ESCAPES.get(spelled[1], spelled[1])
    return min(int.from_bytes(bytes.fromhex(spelled[2:].decode())), _NOT_ASCII)


def _spell(char: int, like: bytes) -> bytes:
    """Spell a letter or digit as another character is: by itself or as an escape of six bytes."""
    if len(like) == 1:
        return bytes((char,))
    return rb"\u%04x" % char if len(like) == 6 else like


def _fill_code(code: str) -> str:
    """Return what fills the four digits of an escape of which those given are known so far."""
    if code[0] == "0":
        return "0078"
    if code[0] != "d":
        return "2573"
    if len(code) == 1 or code[1] in "01234567":
        return "d000"
    return "d835" if code[1] in "89ab" else "dccd"
