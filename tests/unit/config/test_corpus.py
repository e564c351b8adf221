"""Malformed files: each gives exactly its problems, never a traceback."""

import io
import sys
from pathlib import Path

import pytest

from packyproxy.cli.main import main
from packyproxy.config import load_config
from packyproxy.errors import ConfigError

CORPUS = Path(__file__).parents[2] / "corpus" / "config"
FILES = sorted(CORPUS.glob("*.yaml"))
BOMBS = {"alias_bomb", "deep_nesting"}
"""They take as long to read as all the others together."""


def test_the_corpus_is_found() -> None:
    """The folder holds the files that the next test is about."""
    assert len(FILES) >= 37


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_malformed_files_give_their_problems(path: Path) -> None:
    """A wrong file is refused with every problem it has, in the words that were agreed on."""
    with pytest.raises(ConfigError) as refusal:
        load_config(path)
    assert path.with_suffix(".problems").read_text().splitlines() == [str(p) for p in refusal.value.problems]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_problems_never_repeat_what_may_be_a_key(path: Path) -> None:
    """No problem quotes a value that is or looks like a secret."""
    with pytest.raises(ConfigError) as refusal:
        load_config(path)
    said = str(refusal.value) + repr(refusal.value.problems)
    assert not [secret for secret in ("sk-", "hidden", "1234567890", "secretkey") if secret in said]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_command_prints_every_problem(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``packyproxy check`` names all of them, line by line, and exits 2."""
    assert 2 == main(["check", "--config", str(path)])
    printed = capsys.readouterr()
    problems = path.with_suffix(".problems").read_text().splitlines()
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    assert [*problems, f"{path}: {count}"] == printed.out.splitlines()
    assert "" == printed.err


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--port", "0", "--packycode", "--tppc"],
        ["run", "--", "true"],
        ["doctor"],
        ["models"],
        ["explain", "gpt-5"],
        ["translate"],
        ["migrate"],
    ],
    ids=lambda command: command[0],
)
def test_no_command_works_with_a_malformed_file(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each one names what is wrong, exits 2, and leaves the file as it is."""
    request = b'{"model": "gpt-5", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}'
    for path in (each for each in FILES if each.stem not in BOMBS):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(request)))
        before = path.read_bytes()
        code = main([command[0], "--config", str(path), *command[1:]])
        printed = "".join(capsys.readouterr())
        problems = path.with_suffix(".problems").read_text().splitlines()
        missing = [problem for problem in problems if problem not in printed]
        assert (path.name, 2, []) == (path.name, code, missing)
        assert before == path.read_bytes()
