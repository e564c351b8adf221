"""No block of code in a document escapes: each has a language, and belongs to exactly one check of this folder."""

import re
from pathlib import Path

import pytest

from tests.support.block_kinds import Kind, Unclaimed, kind_of
from tests.support.documents import PAGES, Block, read_page

CHECKS = {path: path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py"))}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_checked(page: str) -> None:
    """Each block of the page is of a kind for which there is a check."""
    unclaimed, before = [], None
    for block in read_page(page).blocks:
        try:
            kind_of(block, before)
        except Unclaimed as error:
            unclaimed.append(str(error))
        before = block
    assert not unclaimed, "\n".join(unclaimed)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_every_kind_has_its_check(kind: Kind) -> None:
    """The blocks of each kind are taken up in this folder."""
    takers = [path.name for path, text in CHECKS.items() if re.search(rf"Kind\.{kind.name}\b", text)]
    assert takers, f"nothing takes up what {kind.value!r} is said of"


@pytest.mark.parametrize(
    ("language", "text", "before", "advice"),
    [
        ("?", "ls\n", None, "a fence without a language"),
        ("indented", "ls\n", None, "code without a fence"),
        ("html", "<pre>ls</pre>", None, "code without a fence"),
        ("bash", "ls\n", None, "nothing checks 'bash'"),
        ("ini", "# not/there.service\n[Unit]\n", None, "there is no file not/there.service"),
        ("text", "hello\n", None, "no command before it prints"),
        ("text", "hello\n", "yaml", "no command before it prints"),
        ("text", "hello\n", "python", "no command before it prints"),
        ("http", "HTTP/1.1 200\n", "python", "nothing checks 'http'"),
    ],
)
def test_what_nobody_checks_is_refused(language: str, text: str, before: str | None, advice: str) -> None:
    """A block that no check takes up is told of by page and line, with what to do."""
    above = None if before is None else Block("README.md", 1, before, "x\n", section=1)
    with pytest.raises(Unclaimed, match=rf"^README.md:7: .*{advice}"):
        kind_of(Block("README.md", 7, language, text, section=1), above)
