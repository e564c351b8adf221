"""Every command with every option stands in the page of the command line, and every command in the README."""

import re
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO

import pytest

from packyproxy.cli.parser import read_arguments
from tests.support.documents import Row, read_page

PAGE = "docs/command-line.md"
HELP = {"-h", "--help"}


@cache
def help_text(*words: str) -> str:
    """Return what the command line says of itself."""
    written = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(written), suppress(SystemExit):
        patch.setenv("COLUMNS", "100")
        read_arguments([*words, "--help"])
    return written.getvalue()


@cache
def commands() -> tuple[str, ...]:
    """Return the name of every command, as the overview lists them."""
    listed = help_text().partition("commands:")[2].partition("\n\n")[0]
    return tuple(re.findall(r"^  ([a-z-]+)  ", listed, re.MULTILINE))


def options(command: str) -> dict[str, tuple[str, ...]]:
    """Return the options and arguments of a command with what they take, as its help lists them.

    Of one that takes one of several words, those words belong to it and what it takes has no name.
    """
    listed = re.findall(r"^  ((?:-|[A-Z]).*?)(?:  .*)?$", help_text(command), re.MULTILINE)
    found = {}
    for spellings in (line.split(", ") for line in listed):
        taken = spellings[-1].partition(" ")[2]  # Python 3.13 says it behind the last spelling only
        for spelling in spellings:
            option = spelling if " " in spelling or not taken else f"{spelling} {taken}"
            name, _, words = option.partition(" {")
            found[name] = tuple(words.rstrip("}").split(",")) if words else ()
    return {name: words for name, words in found.items() if name not in HELP}


def documented(command: str) -> dict[str, Row]:
    """Return the row of each option that the page has under the command's heading."""
    rows = [row for row in read_page(PAGE).rows if row.heading == command]
    named = {code: row for row in rows for code in row.cells[0].codes if re.match(r"-|[A-Z]+$", code)}
    has_words = {name for name, words in options(command).items() if words}
    return {
        code.partition(" ")[0] if code.partition(" ")[0] in has_words else code: row
        for code, row in named.items()
        if code not in HELP
    }


@pytest.mark.parametrize("command", commands())
def test_every_option_has_a_row(command: str) -> None:
    """The page's table of a command has each of its options, with what it takes, and no other."""
    assert set(options(command)) == set(documented(command))


@pytest.mark.parametrize("command", commands())
def test_every_choice_is_named(command: str) -> None:
    """The row of an option that takes one of several words names them."""
    rows = documented(command)
    choices = [(name, word) for name, words in options(command).items() for word in words]
    assert [] == [
        (name, word) for name, word in choices if not any(word in cell.text for cell in rows[name].cells)
    ]


def test_every_command_has_a_section() -> None:
    """The page has a heading for each, in the order of the overview."""
    headings = [heading.text for heading in read_page(PAGE).headings]
    assert list(commands()) == [heading for heading in headings if heading in commands()]


@pytest.mark.parametrize("page", ["README.md", "README_CN.md"])
def test_the_readme_names_every_command(page: str) -> None:
    """Its table of commands has a row for each, and no other."""
    rows = read_page(page).rows
    heading = next(row.heading for row in rows if row.cells[0].codes[:1] == ("serve",))
    named = [
        row.cells[0].codes[0].split()[0] for row in rows if row.heading == heading and row.cells[0].codes
    ]
    assert sorted(commands()) == sorted(name for name in named if name != "packyproxy")
