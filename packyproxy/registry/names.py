"""How model names are written: patterns, prefixes, the names that stand for a provider's defaults.

Names are compared without regard to case (wire-mapping 10.4).
"""

import fnmatch
import re
from typing import Final

__all__ = ["FAMILY_PREFIXES", "MAIN_GLOBS", "SMALL_GLOBS", "Glob", "is_sendable"]

FAMILY_PREFIXES: Final = ("anthropic-", "anthropic/", "openai/")
"""What clients put before an id to say whose protocol they speak; it is left out to find the model."""

_LONGEST_NAME: Final = 256


class Glob:
    """A pattern of ``*`` and ``?`` over a whole name, without regard to case."""

    __slots__ = ("_pattern", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # fnmatch makes patterns that cannot backtrack; its bracket sets are no part of ours: names end in
        # "[1m]".
        self._pattern = re.compile(fnmatch.translate(text.replace("[", "[[]")), re.IGNORECASE)

    def matches(self, name: str) -> bool:
        """Tell whether the whole name fits."""
        return self._pattern.match(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Glob) and self._pattern == other._pattern

    def __hash__(self) -> int:
        return hash(self._pattern)

    def __repr__(self) -> str:
        return f"Glob({self.text!r})"


SMALL_GLOBS: Final = (Glob("claude-*haiku*"), Glob("haiku"))
"""Names that stand for a provider's ``defaults.small-model``."""

MAIN_GLOBS: Final = (Glob("claude-*"), Glob("opus"), Glob("sonnet"), Glob("default"))
"""Names that stand for its ``defaults.model``; asked after the small ones."""


def is_sendable(name: str) -> bool:
    """Tell whether a name may be an id: it will travel in headers and logs."""
    return 0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable() and " " not in name
