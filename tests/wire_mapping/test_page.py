"""The page as a whole: its sections are in order, what it refers to is there, and its tables are tables."""

import re
from itertools import pairwise

import pytest

from tests.wire_mapping.page import PAGE, Section, section, sections

SECTIONS = list(sections().values())
VERSIONS = re.compile(r"(?:`\w+`|Code|CLI) (\d+\.\d+\.\d+)")

each_section = pytest.mark.parametrize("part", SECTIONS, ids=lambda part: part.number)


def words(part: Section) -> str:
    """Return what a section says, tables too, without code."""
    text = re.sub(r"^```.*?^```$", "", part.text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"``.+?``|`[^`]+`", "", text))


def test_sections_are_in_order() -> None:
    """Numbers rise, and no section is skipped: they are cited by docstrings, so they stay what they are."""
    keys = [tuple(map(int, part.number.split("."))) for part in SECTIONS]
    gaps = [
        after
        for before, after in pairwise(keys)
        if after not in {(*before, 1), *((*before[:at], before[at] + 1) for at in range(len(before)))}
    ]
    assert [gap for gap in gaps if gap[-1] != 1] == []


@each_section
def test_sections_that_are_referred_to_exist(part: Section) -> None:
    """A number of the form of a section's is the number of a section."""
    text = VERSIONS.sub("", words(part))
    numbers = (
        []
        if part.number == "9"
        else re.findall(r"(?<![\w./·])(\d{1,2}\.\d{1,2}(?:\.\d)?)(?![\w%])(?!\.\d)", text)
    )
    numbers += re.findall(r"\bsections? (\d+)\b", text)
    assert [number for number in numbers if number not in sections()] == []


@each_section
def test_rules_that_are_referred_to_exist(part: Section) -> None:
    """Where a rule of a section is named, that section has so many rules."""
    found = re.findall(r"(\d+\.\d+) rule (\d+)", words(part)) + re.findall(
        r"Rules (\d+) and (\d+) of (\d+\.\d+)", words(part)
    )
    cited = [
        (each[-1], max(map(int, each[:-1]))) if len(each) == 3 else (each[0], int(each[1])) for each in found
    ]
    assert [(number, rule) for number, rule in cited if len(section(number).items) < rule] == []


@each_section
def test_rows_have_all_cells(part: Section) -> None:
    """Every row of a table has as many cells as its head, and something in the first one."""
    tables = re.findall(r"(?:^\|.+\n)+", part.text, re.MULTILINE)
    widths = [{line.count("|") for line in table.splitlines()} for table in tables]
    assert ([1] * len(tables), True) == (
        [len(width) for width in widths],
        all(row[0] for rows in part.tables for row in rows),
    )


def test_contents_lists_all_chapters() -> None:
    """The list at the top has a link to every chapter."""
    contents = re.search(r"^Contents: (.+?)\n\n", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert contents
    linked = re.findall(r"\[(\d+)\s[^\]]+\]\(#(\d+)-", contents[1])
    chapters = [part.number for part in SECTIONS if "." not in part.number]
    assert [(number, number) for number in chapters] == linked


def test_edge_cases_are_numbered() -> None:
    """The cases of 11 can be cited by number."""
    rows = section("11").table()
    assert [str(number) for number in range(1, len(rows) + 1)] == [row[0] for row in rows]


def test_prose_fits_on_a_page() -> None:
    """Lines of prose are wrapped; tables, code and the contents are not."""
    text = re.sub(r"^```.*?^```$", "", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []
