"""A configuration as it was written, before anything is known about its keys.

The values are those of JSON, but a bare YAML scalar that is not text is kept as :class:`Plain` with its
spelling: ``no``, ``0777`` and ``1:30`` may well have been meant as text.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from packyproxy.config.schema import Source
from packyproxy.config.secret import MASK
from packyproxy.errors import Problem

__all__ = ["Document", "Origin", "Plain", "is_blank", "join_path", "plain_value", "shown_path"]

_LONGEST_SHOWN_KEY: Final = 40
_PAIR_SIGNS: Final = re.compile(r"[:=]")
_MAY_BE_SECRET: Final = re.compile(r"(?<![a-z0-9])sk-|[\"']", re.IGNORECASE)
"""Also behind a quote, which is part of a key only where something else is missing."""


class Plain(Struct, frozen=True):
    """A bare scalar that YAML 1.1 reads as a truth value or a number."""

    text: str
    """As written in the file."""
    value: bool | int | float


class Origin(Struct, frozen=True):
    """Where a value came from that the document itself did not give."""

    source: Source
    label: str
    """For a person: the variable or the file."""


class Document(Struct, frozen=True, kw_only=True):
    """The values of a file or mapping, where they stand, and what the notation itself got wrong."""

    root: object
    """Mappings, lists, text, None and :class:`Plain` (from a mapping also bare numbers and truth values)."""
    lines: Mapping[str, int] = {}
    """1-based line of each path, e.g. of ``tppc.providers[0].name``."""
    problems: tuple[Problem, ...] = ()
    origins: Mapping[str, Origin] = {}
    """By path: the values that were filled in from elsewhere."""


def join_path(parent: str, key: str) -> str:
    """Return the path of ``key`` in the mapping at ``parent``, which is ``""`` for the whole file.

    A key that may be a secret in the wrong place is masked, so that a path can always be shown. So is what
    stands behind a colon or the like: YAML takes ``{api-key:SECRET}``, which lacks a blank, for a key.
    """
    name = _PAIR_SIGNS.split(key, maxsplit=1)[0]
    rest = key[len(name) :]
    if len(name) > _LONGEST_SHOWN_KEY or _MAY_BE_SECRET.search(name) or not name.isprintable():
        name = MASK
    key = name + (rest[0] + MASK if len(rest) > 1 else rest)
    return f"{parent}.{key}" if parent else key


def shown_path(path: Iterable[str | int]) -> str:
    """Return keys and list indexes as one path: ``tppc.providers[0].api-key``."""
    shown = ""
    for key in path:
        shown = join_path(shown, key) if isinstance(key, str) else f"{shown}[{key}]"
    return shown


def is_blank(value: object) -> bool:
    """Tell whether a value is null or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def plain_value(value: object) -> object:
    """Return what YAML reads a bare scalar as, and any other value as it is."""
    return value.value if isinstance(value, Plain) else value
