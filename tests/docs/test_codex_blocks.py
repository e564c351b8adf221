"""What the pages show of the Codex CLI's ``config.toml`` is TOML, and leads to a provider."""

import tomllib
from typing import Any

import pytest

from packyproxy.config.codex_files import read_codex
from tests.support.block_kinds import Kind, blocks_of
from tests.support.documents import Block


class Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a key, whatever the variable is called."""
        return "sk-0123456789"


@pytest.mark.parametrize("block", blocks_of(Kind.CODEX), ids=lambda block: block.place)
def test_settings_of_the_codex_cli_name_a_provider(block: Block) -> None:
    """Our own reader of the Codex CLI's files finds a provider in them; every variable that they name is set."""
    if "model_providers" not in tomllib.loads(block.text):
        return  # a profile, or a setting alone
    reading = read_codex(block.text.encode(), None, Everything())
    assert (True, ()) == (reading.provider is not None, reading.notes), f"{block.place}: {reading.notes}"
