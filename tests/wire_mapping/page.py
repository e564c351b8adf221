"""Reads docs/wire-mapping.md: its sections, the rows of its tables, what stands in code spans, its words of rule.

The page is for people, so the grammar is small. A rule says what becomes of something in the four words that
the page's first table defines: emit, drop, warn, 400. What is quoted after 400 is the text of the refusal.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "PAGE",
    "Fence",
    "Row",
    "Section",
    "names",
    "pattern_of",
    "refusals",
    "section",
    "sections",
    "spans",
    "verdicts",
]

PAGE = Path(__file__).parents[2] / "docs" / "wire-mapping.md"

_HEADING = re.compile(r"(#{2,4}) (\d+(?:\.\d+)*)\.? (.+)")
_SPAN = re.compile(r"``(.+?)``|`([^`]+)`")
_VERDICTS = {
    "emit": re.compile(r"\b(?:emit|emitted)\b", re.IGNORECASE),
    "drop": re.compile(r"\b(?:drop|dropped)\b", re.IGNORECASE),
    "warn": re.compile(r"\bwarn\b", re.IGNORECASE),
    "400": re.compile(r"\b400\b"),
}

Row = tuple[str, ...]
"""The cells of one row of a table, as they are written."""


class Fence(NamedTuple):
    """A block between fences."""

    language: str
    text: str


class Section(NamedTuple):
    """What stands below one heading, down to the next one."""

    number: str
    title: str
    text: str

    @property
    def prose(self) -> str:
        """The text without tables and fences, each paragraph on one line."""
        text = re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)
        lines = [line.strip() for line in text.splitlines() if not line.startswith("|")]
        return re.sub(r" {2,}", " ", " ".join(lines))

    def table(self, at: int = 0) -> list[Row]:
        """Return the rows of one of the section's tables, without its head."""
        return self.tables[at]

    @property
    def tables(self) -> list[list[Row]]:
        """The rows of each table, without the heads."""
        found: list[list[Row]] = []
        inside = False
        for line in self.text.splitlines():
            if line.startswith("|"):
                if not inside:
                    found.append([])
                cells = tuple(cell.strip() for cell in line.strip("|\n ").split("|"))
                found[-1].append(cells)
            inside = line.startswith("|")
        return [rows[2:] for rows in found]

    @property
    def fences(self) -> list[Fence]:
        """The blocks between fences, in order."""
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        return [Fence(language, text) for language, text in blocks]

    @property
    def items(self) -> list[str]:
        """The numbered rules, each on one line."""
        rules = re.findall(r"^\d+\. (.+(?:\n +.+)*)", self.text, re.MULTILINE)
        return [re.sub(r"\s+", " ", rule) for rule in rules]


@cache
def sections() -> dict[str, Section]:
    """Return all sections by number."""
    return {each.number: each for each in _sections()}


def _sections() -> Iterator[Section]:
    lines = PAGE.read_text("utf-8").splitlines(keepends=True)
    starts = [at for at, line in enumerate(lines) if _HEADING.fullmatch(line.rstrip())]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        heading = _HEADING.fullmatch(lines[start].rstrip())
        assert heading is not None
        yield Section(heading[2], heading[3], "".join(lines[start + 1 : end]))


def section(number: str) -> Section:
    """Return one section."""
    return sections()[number]


def spans(text: str) -> list[str]:
    """Return what stands in code spans."""
    return [double or single for double, single in _SPAN.findall(text)]


def names(text: str) -> list[str]:
    """Return the names in code spans; one span may list several: ```a, b```."""
    return [name for span in spans(text) for name in span.split(", ")]


def verdicts(text: str) -> set[str]:
    """Return which of the four words a rule uses outside code spans."""
    plain = _SPAN.sub("", text)
    return {word for word, pattern in _VERDICTS.items() if pattern.search(plain)}


def refusals(text: str) -> list[str]:
    """Return the texts of the refusals that a rule quotes."""
    return re.findall(r"\b400 `([^`]+)`", text)


def pattern_of(quoted: str) -> str:
    """Return what a quoted text stands for: N and M are numbers, x is a name, ``<…>`` anything."""
    pattern = re.sub(r"<[^>]+>|…", ".*", re.escape(quoted))
    pattern = re.sub(r"(?<=\.)[NM](?=\\\.)", r"\\d+", pattern)
    return pattern.replace('"x"', '"[^"]+"').replace(r"\ x\ ", r"\ \w+\ ").replace(r"\n", r"\s")
