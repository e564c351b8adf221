"""``packyproxy migrate``: the packycode block as an entry of the list."""

from collections.abc import Callable
from pathlib import Path

import pytest

from packyproxy.cli.main import main

WriteConfig = Callable[[str], Path]

BLOCK = """\
packycode:
  enabled: true
  base-url: "https://a.example/v1"   # where
  credentials:
    openai-api-key: "sk-canary-of-mine-1234"
"""

MOVED = """\
tppc:
  providers:
    - name: "packycode"
      enabled: true
      base-url: "https://a.example/v1"   # where
      api-key: "sk-canary-of-mine-1234"
"""


def test_the_result_is_shown_and_nothing_is_written(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole file is printed as it would be, its secrets masked."""
    path = write_config(BLOCK)
    assert 0 == main(["migrate"])
    shown = MOVED.replace("sk-canary-of-mine-1234", "***1234")
    assert f"{shown}\nnothing was written; packyproxy migrate --write does that\n" == capsys.readouterr().out
    assert BLOCK == path.read_text()


def test_the_block_is_moved(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """With --write the file is changed, and the output says what comes next."""
    path = write_config(BLOCK)
    assert 0 == main(["migrate", "--write"])
    assert MOVED == path.read_text()
    assert (
        f"moved packycode to tppc.providers[0] in {path}\nnext:\n  packyproxy check\n"
    ) == capsys.readouterr().out


def test_moving_again_is_nothing_to_do(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without the block is a success."""
    path = write_config(MOVED)
    assert 0 == main(["migrate", "--write"])
    assert (f"nothing to do: {path} has no packycode block\n", MOVED) == (
        capsys.readouterr().out,
        path.read_text(),
    )


def test_settings_from_elsewhere_are_not_left_behind(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entries of the list read the file only, so what the environment gave has to be in it first."""
    monkeypatch.setenv("PACKYCODE_MODEL", "gpt-6")
    path = write_config(BLOCK)
    assert 2 == main(["migrate", "--write"])
    assert (
        "packycode.defaults.model: comes from $PACKYCODE_MODEL, which the entries of tppc do not read: "
        "write it into the file first\n"
    ) == capsys.readouterr().err
    assert BLOCK == path.read_text()


def test_settings_of_the_codex_cli_are_imported_first(
    write_config: WriteConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where its files gave a value, the command that writes it into the file is named."""
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text(
        'model = "gpt-6"\nmodel_provider = "a"\n[model_providers.a]\nbase_url = "https://a.example/v1"\n'
    )
    path = write_config(BLOCK)
    assert 2 == main(["migrate", "--write"])
    assert (
        "packycode.defaults.model: comes from the files of the Codex CLI, which the entries of tppc do not read: "
        "first run packyproxy import-codex --write\n"
    ) == capsys.readouterr().err
    assert BLOCK == path.read_text()


def test_a_disabled_block_may_be_incomplete(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is served from it, so nothing changes either."""
    monkeypatch.setenv("PACKYCODE_MODEL", "gpt-6")
    path = write_config("packycode: {enabled: false}\n")
    assert 0 == main(["migrate", "--write"])
    assert 'tppc:\n  providers:\n    - name: "packycode"\n      enabled: false\n' == path.read_text()


def test_without_a_file_there_is_nothing_to_move(capsys: pytest.CaptureFixture[str]) -> None:
    """The text says how to name one."""
    assert 2 == main(["migrate"])
    expected = "config.yaml: there is no configuration file to migrate: name one with --config\n"
    assert expected == capsys.readouterr().err


def test_a_named_file_that_is_missing_is_told_by_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever named one is not told to name one."""
    assert 2 == main(["migrate", "--config", "missing.yaml"])
    assert "missing.yaml cannot be read (no such file or directory)" in capsys.readouterr().err


def test_an_empty_file_has_nothing_to_move(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a valid configuration without the block."""
    path = write_config("")
    assert 0 == main(["migrate"])
    assert f"nothing to do: {path} has no packycode block\n" == capsys.readouterr().out


def test_every_problem_of_a_wrong_file_is_printed(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a valid file is moved."""
    write_config("port: x\ndebug: 1\n")
    assert 2 == main(["migrate"])
    assert 2 == len(capsys.readouterr().err.splitlines())
