"""Malformed files: each gives exactly its problems, never a traceback."""

from pathlib import Path

import pytest

from packyproxy.cli.main import main
from packyproxy.config import load_config
from packyproxy.errors import ConfigError

CORPUS = Path(__file__).parents[2] / "corpus" / "config"
FILES = sorted(CORPUS.glob("*.yaml"))


def test_the_corpus_is_found() -> None:
    """The folder holds the files that the next test is about."""
    assert len(FILES) >= 33


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
