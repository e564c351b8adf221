"""The commands of each page work as they stand, one after the other, and print what the page shows."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.block_kinds import Kind, blocks_to_run, is_of_the_reader, kinds_of
from tests.support.documents import read_page
from tests.support.reader import CommandFailed, Printed, Reader
from tests.support.shown_output import output_differences
from tests.support.stand_ins.world import UNCHECKED

pytestmark = pytest.mark.e2e

PAGES = sorted({block.page for block in blocks_to_run(Kind.COMMAND)})
MUST_BE_HERE = {"curl": r"\bcurl ", "openssl": r"\bopenssl (?!rand)"}
"""Programs that nothing stands in for, and what calls them."""


def with_its_needs(page: str) -> Any:
    """Return a page as a parameter; it is skipped where a program is missing that its commands need."""
    text = "".join(block.text for block in blocks_to_run(Kind.COMMAND) if block.page == page)
    needed = [program for program, call in MUST_BE_HERE.items() if re.search(call, text)]
    missing = [program for program in needed if shutil.which(program) is None]
    return pytest.param(
        page, marks=pytest.mark.skipif(bool(missing), reason=f"there is no {' '.join(missing)}")
    )


@pytest.mark.parametrize("page", [with_its_needs(page) for page in PAGES])
async def test_the_commands_work(page: str, tmp_path: Path) -> None:
    """A reader who follows the page from its top gets through, and sees what it shows."""
    failures, printed = [], Printed("", "")
    async with Reader(tmp_path, read_page(page).blocks) as reader:
        for block, kind in kinds_of(page):
            if block.path and is_of_the_reader(block.path):
                reader.put(block)
            if kind is Kind.COMMAND:
                try:
                    printed = await reader.run(block)
                except CommandFailed as failed:
                    pytest.fail(f"{block.place}: a command fails; the last lines were:\n{failed}")
            elif kind is Kind.OUTPUT:
                failures += [
                    f"{block.place}: {difference}"
                    for difference in output_differences(block.language, block.text, *printed)
                ]
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize(
    ("shown", "printed", "is_same"),
    [
        ("a  b\n", "  a b\n\n", True),
        ("a … b\n", "a 1\n2 b\n", True),
        ("a…\n", "a\n", True),
        ("…b\n", "anything\nb\n", True),
        ("a\n", "a\nb\n", False),
        ("a.b\n", "acb\n", False),
        ("a\nb\n", "b\na\n", False),
        ("anything\n", f"{UNCHECKED}\n", True),
    ],
)
def test_a_text_that_differs_is_noticed(shown: str, printed: str, is_same: bool) -> None:
    """Every line counts, but neither blanks nor what an ellipsis stands for."""
    assert is_same == (output_differences("text", shown, printed, "") == [])


def test_errors_may_be_shown_or_not() -> None:
    """A text shows what goes to stdout, and beside it, before or after, all that goes to stderr or nothing of it."""
    shown = ["a\n", "a\nb\n", "b\na\n", "b\n"]
    assert [True, True, True, False] == [
        output_differences("text", text, "a\n", "b\n") == [] for text in shown
    ]


@pytest.mark.parametrize(
    ("language", "shown", "printed", "is_same"),
    [
        ("json", '{"a": 1}', '{"a": 1}', True),
        ("json", '{"a": 1}', '{"a": 2}', False),
        ("json", '{"a": 1, "...": "..."}', '{"a": 1, "b": 2}', True),
        ("http", "HTTP/1.1 401\nx-a: b\n", "HTTP/1.1 401\r\nX-A: c\r\n\r\n{}", True),
        ("http", "HTTP/1.1 401\n", "HTTP/1.1 200\r\n\r\n{}", False),
        ("http", "HTTP/1.1 401\nx-a: b\n", "HTTP/1.1 401\r\n\r\n{}", False),
        ("http", "HTTP/1.1 401\n\n{}", 'HTTP/1.1 401\r\n\r\n{"a": 1}', False),
    ],
)
def test_an_answer_that_differs_is_noticed(language: str, shown: str, printed: str, is_same: bool) -> None:
    """JSON compares by its members, an HTTP answer by status, names of headers, and members."""
    assert is_same == (output_differences(language, shown, printed, "") == [])
