"""Take the keys of one mapping, each once and with its expected type; what is left over is unknown.

A value that does not fit is a problem and reads as the default, so that everything else is still judged.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from packyproxy.config.document import Document, Origin, Plain, is_blank, join_path, plain_value
from packyproxy.config.rules import Complaint
from packyproxy.config.schema import Source
from packyproxy.errors import Problem

__all__ = ["Findings", "Section"]

_Choice = TypeVar("_Choice", bound=str)
_Check = Callable[[str], Complaint | None]

_PARENT: Final = re.compile(r"(?:^|\.)[^.\[\]]*$|\[[^\[\]]*\]?$|\]$")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL_FRACTION: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_QUOTES_FIX: Final = "put it in quotes"


class Findings:
    """The problems of one document, and every path that was looked for in it."""

    def __init__(self, document: Document) -> None:
        self._lines = document.lines
        self._origins = document.origins
        self.problems = list(document.problems)
        self.known_paths: set[str] = set()

    def add(self, path: str, code: str, message: str, fix: str) -> None:
        """Add one problem; its line is that of the path or of the nearest mapping around it.

        A value that was filled in from elsewhere has no line; the message says where it came from.
        """
        if origin := self._origins.get(path):
            message = f"{message} (from {origin.label})"
            self.problems.append(Problem(field=path, code=code, message=message, fix=fix))
            return
        place = path
        while place and place not in self._lines:
            place = _PARENT.sub("", place)
        line = self._lines.get(place) if place else None
        self.problems.append(Problem(field=path, code=code, message=message, fix=fix, line=line))

    def origin(self, path: str) -> Origin | None:
        """Return where the value at a path was filled in from; None when the document gives it."""
        return self._origins.get(path)


class Section:
    """One mapping of the document being read."""

    def __init__(self, findings: Findings, values: Mapping[object, object], path: str) -> None:
        self._findings = findings
        self._values = values
        self._taken: dict[str, None] = {}
        self.path = path

    @classmethod
    def of(cls, findings: Findings, value: object, path: str) -> "Section":
        """Return a value as a section; nothing at all counts as an empty one."""
        if isinstance(value, Mapping):
            return cls(findings, value, path)
        if value is not None:
            findings.add(
                path, "wrong_type", f"is {_kind(value)}, not a mapping", "write key: value lines under it"
            )
        return cls(findings, {}, path)

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return join_path(self.path, key)

    def problem(self, key: str, code: str, message: str, fix: str) -> None:
        """Report a problem at a key."""
        self.problem_at(self.at(key), code, message, fix)

    def problem_at(self, path: str, code: str, message: str, fix: str) -> None:
        """Report a problem at a whole path."""
        self._findings.add(path, code, message, fix)

    def section(self, key: str) -> "Section":
        """Take a mapping."""
        return Section.of(self._findings, self._take(key), self.at(key))

    def sections(self, key: str, *, text_as: str | None = None) -> Iterator["Section"]:
        """Take a list of mappings; with ``text_as`` a bare text stands for a mapping of that one key."""
        for path, value in self._items(key):
            if text_as is not None and isinstance(value, str | Plain):
                yield Section(self._findings, {text_as: value}, path)
            elif isinstance(value, Mapping):
                yield Section(self._findings, value, path)
            else:
                self._wrong_type(
                    path, value, "a mapping", "write key: value lines after the dash, or remove it"
                )

    def mapping(self, key: str, key_check: _Check, value_check: _Check) -> tuple[tuple[str, str], ...]:
        """Take a mapping of free keys to text, in the file's order; pairs that break a rule are left out."""
        entries = self.section(key)
        pairs = []
        for name in entries.names():
            if not isinstance(name, str):
                self._findings.add(entries.path, "key_not_text", "a key is not text", "put the key in quotes")
                continue
            value = entries.text(name, check=value_check)
            if complaint := key_check(name):
                entries.problem(name, "invalid", *complaint)
            elif value is not None:
                pairs.append((name, value))
        return tuple(pairs)

    def text(self, key: str, *, check: _Check | None = None) -> str | None:
        """Take text; None when it is absent or wrong. An empty text is returned as it is, unchecked."""
        if not self._has(key):
            return None
        return self._as_text(self._values[key], self.at(key), check)

    def optional_text(self, key: str, *, check: _Check | None = None) -> str | None:
        """Take text for which blank means absent."""
        if not self.has(key):
            self._take(key)
            return None
        value = self.text(key, check=check)
        return value if value and value.strip() else None

    def required_text(self, key: str, default: str, *, check: _Check) -> str:
        """Take text that must not be blank."""
        value = self.text(key, check=check)
        if value is not None and not value.strip():
            self.problem(key, "missing", "is blank", "give it a value or remove the line")
            return default
        return default if value is None else value

    def texts(self, key: str, *, check: _Check) -> tuple[str, ...]:
        """Take a list of texts that must not be blank."""
        found = []
        for path, item in self._items(key):
            value = self._as_text(item, path, check)
            if value is not None and not value.strip():
                self._findings.add(path, "missing", "is blank", "give it a value or remove the line")
            elif value is not None:
                found.append(value)
        return tuple(found)

    def choice(self, key: str, default: _Choice, options: Sequence[_Choice]) -> _Choice:
        """Take one of several words."""
        value = self.text(key)
        if value is None:
            return default
        for option in options:
            if option == value:
                return option
        near = difflib.get_close_matches(value.lower(), options, n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        offer = f"use one of {', '.join(options)}" if len(options) > 1 else f"use {options[0]}"
        self.problem(key, "not_an_option", "not a known value", offer + guess)
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        """Take a truth value."""
        if not self._has(key):
            return default
        value = self._values[key]
        plain = plain_value(value)
        if isinstance(plain, bool):
            return plain
        self._wrong_type(self.at(key), value, "true or false", "write true or false, without quotes")
        return default

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """Take a whole number."""
        if not self._has(key):
            return default
        value = self._values[key]
        plain = plain_value(value)
        if isinstance(plain, bool) or not isinstance(plain, int):
            self._wrong_type(self.at(key), value, "a whole number", "write decimal digits, without quotes")
        elif isinstance(value, Plain) and not _DECIMAL.fullmatch(value.text):
            self._surprising_number(key, "decimal digits, without a leading zero, colons or underscores")
        elif not low <= plain <= high:
            self.problem(key, "out_of_range", "out of range", f"use a number from {low} to {high}")
        else:
            return plain
        return default

    def seconds(
        self, key: str, default: float, *, may_be_zero: bool = False, high: float = 86_400.0
    ) -> float:
        """Take a time in seconds."""
        if not self._has(key):
            return default
        value = self._values[key]
        plain = plain_value(value)
        if isinstance(plain, bool) or not isinstance(plain, int | float):
            self._wrong_type(
                self.at(key), value, "a number of seconds", "write a number, without quotes or unit"
            )
        elif (
            isinstance(value, Plain) and math.isfinite(plain) and not _DECIMAL_FRACTION.fullmatch(value.text)
        ):
            self._surprising_number(key, "seconds as a decimal number")
        elif not 0 <= plain <= high or (plain == 0 and not may_be_zero):
            lower = "0" if may_be_zero else "above 0"
            self.problem(key, "out_of_range", "out of range", f"use seconds from {lower} to {high:g}")
        else:
            return float(plain)
        return default

    def optional_seconds(self, key: str) -> float | None:
        """Take a time in seconds for which null means unset."""
        if self._values.get(key) is None:
            self._take(key)
            return None
        return self.seconds(key, 0.0) or None

    def tristate(self, key: str, *, unset: str) -> bool | None:
        """Take true, false (also as the words on and off) or the word ``unset``, which reads as None."""
        value = self._values.get(key)
        if value is None:
            self._take(key)
            return None
        if not isinstance(value, str):
            return self.flag(key, default=False)
        word = self.choice(key, unset, (unset, "on", "off"))
        return None if word == unset else word == "on"

    def sources(self, *, whole: frozenset[str] = frozenset()) -> dict[str, Source]:
        """Return where each value in here came from, by its path within; what says nothing is left out.

        A mapping in here counts value by value, but one of a name in ``whole`` counts as one.
        """
        found: dict[str, Source] = {}
        for key, value in self._values.items():
            inner = value if isinstance(value, Mapping) and key not in whole else None
            paths = {str(key): value} if inner is None else {f"{key}.{name}": v for name, v in inner.items()}
            for path, given in paths.items():
                if not is_blank(given) and given not in ([], (), {}):
                    origin = self._findings.origin(self.at(path))
                    found[path] = origin.source if origin else "config.yaml"
        return found

    def names(self) -> tuple[object, ...]:
        """Return the keys as they are in the document."""
        return tuple(self._values)

    def has(self, key: str) -> bool:
        """Tell whether a key is given a value."""
        return self._values.get(key) is not None

    def lacks(self, key: str) -> bool:
        """Tell whether a text is absent or blank."""
        return is_blank(self._values.get(key))

    def close(self, **meant: str) -> None:
        """Report every key that was not taken; ``meant`` maps usual mistakes to what was meant."""
        known = list(self._taken)
        for key in self._values:
            if not isinstance(key, str):
                self._findings.add(self.path, "key_not_text", "a key is not text", "put the key in quotes")
            elif key not in self._taken:
                self._unknown(key, known, meant)

    def _unknown(self, key: str, known: list[str], meant: Mapping[str, str]) -> None:
        near = [text for mistake, text in meant.items() if mistake == key.lower().replace("-", "_")]
        near = near or difflib.get_close_matches(key.lower().replace("_", "-"), known, n=1)
        name, colon, _ = key.partition(":")
        if colon and name in known:
            fix = "put a blank behind the colon"
        elif near:
            fix = f"did you mean {near[0]}?"
        else:
            fix = f"remove it; known here: {', '.join(known)}"
        self.problem(key, "unknown_key", "unknown key", fix)

    def _has(self, key: str) -> bool:
        """Take a scalar; a key without a value is a problem."""
        if key not in self._values:
            self._take(key)
            return False
        if self._take(key) is None:
            self.problem(key, "missing", "has no value", "give it a value or remove the line")
            return False
        return True

    def _take(self, key: str) -> object:
        self._taken[key] = None
        self._findings.known_paths.add(self.at(key))
        return self._values.get(key)

    def _items(self, key: str) -> list[tuple[str, object]]:
        value = self._take(key)
        if isinstance(value, list | tuple):
            return [(f"{self.at(key)}[{index}]", item) for index, item in enumerate(value)]
        if value is not None:
            self._wrong_type(
                self.at(key), value, "a list", "write each item on a line of its own after a dash"
            )
        return []

    def _as_text(self, value: object, path: str, check: _Check | None) -> str | None:
        if isinstance(value, str):
            complaint = check(value) if check is not None and value.strip() else None
            if complaint is None:
                return value
            self._findings.add(path, "invalid", *complaint)
        elif isinstance(value, Plain) and isinstance(value.value, bool):
            reading = "true" if value.value else "false"
            message = f"YAML reads a bare {value.text} as {reading}, not as text"
            self._findings.add(path, "wrong_type", message, _QUOTES_FIX)
        elif isinstance(value, Plain):
            self._findings.add(path, "wrong_type", "YAML reads this as a number, not as text", _QUOTES_FIX)
        elif value is None:
            self._findings.add(path, "missing", "has no value", "give it a value or remove the line")
        else:
            self._wrong_type(path, value, "text", "write one text value")
        return None

    def _wrong_type(self, path: str, value: object, wanted: str, fix: str) -> None:
        self._findings.add(path, "wrong_type", f"is {_kind(value)}, not {wanted}", fix)

    def _surprising_number(self, key: str, wanted: str) -> None:
        self.problem(key, "wrong_type", "YAML reads this as another number than it seems", f"write {wanted}")


def _kind(value: object) -> str:
    """Name the type of a value without showing it."""
    plain = plain_value(value)
    match plain:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return f"a Python {type(plain).__name__}"
