"""Write values as YAML that every reader understands alike.

Text is bare only where it was bare before and no version of YAML reads it as anything else; all other text
stands in quotes. Values are those of JSON; a :class:`Secret` is written out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias, TypeGuard

from packyproxy.config.secret import Secret

__all__ = ["Quotes", "block_lines", "entry_lines", "inline", "is_block"]

Quotes: TypeAlias = Literal["double", "single", "bare"]
"""How a text is written, where that is possible."""

_BARE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*")
_WORDS_OF_YAML: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_NEEDS_ESCAPE: Final = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_STEP: Final = "  "


def inline(value: object, quotes: Quotes = "double") -> str:
    """Return a value on one line; collections are written with brackets."""
    match value:
        case Mapping():
            pairs = (f"{_key(name)}: {inline(item)}" for name, item in value.items())
            return f"{{{', '.join(pairs)}}}"
        case str():
            return _text(value, quotes)
        case Secret():
            return _text(value.reveal(), quotes)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return _number(value)
        case Sequence():
            return f"[{', '.join(inline(item, quotes) for item in value)}]"
        case _:
            return str(value)


def is_block(value: object) -> TypeGuard[Mapping[str, object] | Sequence[object]]:
    """Tell whether a value is better read over several lines: mappings, and lists that hold collections."""
    if isinstance(value, Mapping):
        return bool(value)
    return _is_list(value) and any(isinstance(item, Mapping) or _is_list(item) for item in value)


def block_lines(value: Mapping[str, object] | Sequence[object]) -> list[str]:
    """Return the lines of a collection that is not empty, the outermost without indentation."""
    if isinstance(value, Mapping):
        return [line for name, item in value.items() for line in entry_lines(name, item)]
    lines = []
    for item in value:
        first, *others = block_lines(item) if is_block(item) else [inline(item)]
        lines += [f"- {first}", *(_STEP + line for line in others)]
    return lines


def entry_lines(name: str, value: object) -> list[str]:
    """Return the lines of one key and its value."""
    if is_block(value):
        return [f"{_key(name)}:", *(_STEP + line for line in block_lines(value))]
    return [f"{_key(name)}: {inline(value)}"]


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _key(name: str) -> str:
    return _text(name, "bare")


def _text(value: str, quotes: Quotes) -> str:
    if quotes == "bare" and _BARE.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    if quotes == "single" and not _NEEDS_ESCAPE.search(value):
        return "'" + value.replace("'", "''") + "'"
    return _NEEDS_ESCAPE.sub(_escape, json.dumps(value, ensure_ascii=False))


def _escape(character: re.Match[str]) -> str:
    code = ord(character[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _number(value: float) -> str:
    """Write a float so that YAML 1.1, which wants a point and a signed exponent, reads it as one."""
    written = repr(value)
    digits, exponent, power = written.partition("e")
    return digits + ("" if "." in digits else ".0") + exponent + power
