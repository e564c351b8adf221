"""The diagrams in the documents are those of the state tables in the code."""

import re

import pytest

from scripts.diagrams import DIAGRAMS, drawn
from tests.support.block_kinds import Kind, blocks_of
from tests.support.documents import ROOT

PAGES = sorted({block.page for block in blocks_of(Kind.DIAGRAM)})
MARK = re.compile(r"^<!-- scripts/diagrams\.py: (\w+) -->\n\n```mermaid$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_diagrams_are_those_of_the_code(page: str) -> None:
    """Drawing the diagrams of a page anew changes nothing: else run ``scripts/diagrams.py``."""
    text = (ROOT / page).read_text("utf-8")
    assert drawn(text) == text


def test_each_diagram_stands_in_one_place() -> None:
    """Every diagram in the documents is drawn by the script, and every diagram of the script stands in them."""
    marks = [name for page in PAGES for name in MARK.findall((ROOT / page).read_text("utf-8"))]
    assert sorted(DIAGRAMS) == sorted(marks)
    assert len(blocks_of(Kind.DIAGRAM)) == len(marks)


def test_diagrams_show_changes_of_state() -> None:
    """A line for each way from a state to another one, with every signal that goes it; others have none."""
    lines = DIAGRAMS["blocks"].splitlines()
    assert "    held --> none: write_whole, release" in lines
    assert [] == [line for line in lines if re.match(r" +(\w+) --> \1:", line)]
