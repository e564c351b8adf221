"""Commands of ours that stand within a sentence or a table are ones that the command line takes."""

import re
import shlex

import pytest

from packyproxy.cli.parser import read_arguments
from tests.support.documents import PAGES, CodeSpan, read_page

PLACEHOLDERS = {"N": "1", "COMMAND": "serve", "PROTOCOL": "chat", "…": "", "...": ""}
"""What a word in capital letters stands for, where the parser does not take any."""
REST = re.compile(r"\s*(?:[|;&<>]|2>).*")
"""Of a line of shell, what the command is not told."""


def commands(page: str) -> list[CodeSpan]:
    return [span for span in read_page(page).spans if re.match(r"packyproxy (?:-|[a-z…]|COMMAND)", span.text)]


def is_taken(command: str) -> bool:
    """Tell whether the parser takes a command; what it demands may be left out where a command is only named."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(REST.sub("", command))[1:]]
    given = list(filter(None, words)) or ["--help"]
    return any(_parses([*given, *more]) for more in ([], ["x"], ["--", "x"]))


def _parses(words: list[str]) -> bool:
    try:
        read_arguments(words)
    except SystemExit as ending:
        return ending.code == 0
    return True


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_commands_in_sentences_are_taken(page: str) -> None:
    """Each has a command and options that there are."""
    wrong = [f"{page}:{span.line}: {span.text}" for span in commands(page) if not is_taken(span.text)]
    assert not wrong, "\n".join(["the command line does not take:", *wrong])


@pytest.mark.parametrize(
    "command",
    ["packyproxy serv", "packyproxy serve --prot 1", "packyproxy serve --port x", "packyproxy check x"],
)
def test_what_is_no_command_is_noticed(command: str) -> None:
    """A wrong command, a wrong option, a wrong value and an argument too many are told."""
    assert not is_taken(command)
