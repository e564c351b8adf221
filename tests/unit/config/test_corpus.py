"""Malformed files: each gives exactly its problems, never a traceback."""

from pathlib import Path

import pytest

from packyproxy.config import load_config
from packyproxy.errors import ConfigError

CORPUS = Path(__file__).parents[2] / "corpus" / "config"
FILES = sorted(CORPUS.glob("*.yaml"))


def test_the_corpus_is_found() -> None:
    """The folder holds the files that the next test is about."""
    assert len(FILES) >= 28


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
