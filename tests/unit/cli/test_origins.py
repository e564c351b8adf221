"""Where a configuration came from, in words."""

from pathlib import Path

import pytest

from packyproxy.cli.origins import describe_sources, found_file
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


def test_the_file_that_was_looked_at() -> None:
    """A file that was named is the one, whether it is there or not."""
    assert Path.cwd() / "absent.yaml" == found_file("absent.yaml")


def test_no_file_at_all() -> None:
    """In none of the usual places there is one."""
    assert found_file(None) is None


def test_a_user_without_a_home_has_the_folder_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may run under a user that nobody knows."""

    def home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", home)
    (tmp_path / "config.yaml").touch()
    assert tmp_path / "config.yaml" == found_file(None)
