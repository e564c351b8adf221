"""What the pages show of ``config.yaml`` is valid: a whole file by itself, a part of one as part of a whole one."""

from typing import Any

import pytest
import yaml

from packyproxy.config import config_from_mapping, parse_config
from tests.support.block_kinds import Kind, blocks_of
from tests.support.documents import Block

WHOLE = {
    "packycode": {
        "enabled": True,
        "base-url": "https://codex-api.packycode.com/v1",
        "credentials": {"openai-api-key": "sk-0123456789"},
    }
}
"""What a part is put into."""


def merged(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping in which what a part says stands over the whole; lists are taken as they are."""
    both = dict(whole)
    for key, value in part.items():
        both[key] = merged(both[key], value) if isinstance(value, dict) and key in both else value
    return both


@pytest.mark.parametrize("block", blocks_of(Kind.SETTINGS), ids=lambda block: block.place)
def test_settings_are_valid(block: Block) -> None:
    """The configuration has no problem; ``# config.yaml`` in a first line says that it is a whole file."""
    if block.path == "config.yaml":
        parse_config(block.text)
        return
    part = yaml.safe_load(block.text)
    assert isinstance(part, dict), f"{block.place}: these are no keys of config.yaml"
    config_from_mapping(merged(WHOLE, part))
