"""Where a configuration came from, in words."""

import pytest

from packyproxy.cli.origins import describe_sources
from packyproxy.config.schema import Source


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({}, ""),
        ({"enabled": "config.yaml", "base-url": "config.yaml"}, "config.yaml"),
        ({"enabled": "env", "defaults.model": "env"}, "env"),
        (
            {"enabled": "env", "base-url": "codex-cli", "defaults.model": "env"},
            "env: enabled, defaults.model; codex-cli: base-url",
        ),
    ],
    ids=["defaults", "file", "environment", "several"],
)
def test_sources_are_named_once(sources: dict[str, Source], expected: str) -> None:
    """One source needs no list of settings; several name theirs."""
    assert expected == describe_sources(sources)
