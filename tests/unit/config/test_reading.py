"""Where the file of a process is looked for, and what is said when it is not there."""

from pathlib import Path

import pytest

from packyproxy.config.reading import discover_config, found_file
from packyproxy.errors import ConfigError


@pytest.fixture(autouse=True)
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder with an empty home, and no variable set; return the folder."""
    for name in ("PACKYPROXY_CONFIG", "XDG_CONFIG_HOME", "PACKYCODE_BASE_URL", "PACKYCODE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    return folder


def refusal(explicit: str | None = None) -> str:
    """Return the one problem of discovering."""
    with pytest.raises(ConfigError) as refused:
        discover_config(explicit)
    (problem,) = refused.value.problems
    return str(problem)


def test_the_file_that_was_named(cwd: Path) -> None:
    """A file that was named is the one, whether it is there or not."""
    assert cwd / "absent.yaml" == found_file("absent.yaml")


def test_no_file_at_all() -> None:
    """In none of the usual places there is one."""
    assert found_file(None) is None


def test_a_user_without_a_home_has_the_folder_it_is_in(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run under a user that nobody knows."""

    def home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", home)
    (cwd / "config.yaml").touch()
    assert cwd / "config.yaml" == found_file(None)


def test_a_process_whose_folder_is_gone_has_its_home(cwd: Path, tmp_path: Path) -> None:
    """A shell that stands in a deleted folder still finds the file under the home folder."""
    file = tmp_path / "home" / ".config" / "packyproxy" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    cwd.rmdir()
    assert file == found_file(None)


def test_a_link_to_nowhere_is_the_file(cwd: Path, tmp_path: Path) -> None:
    """No other place is taken silently where somebody has put a link."""
    file = tmp_path / "home" / ".config" / "packyproxy" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    (cwd / "config.yaml").symlink_to("nowhere")
    assert refusal().startswith(f"config.yaml: {cwd}/config.yaml cannot be read (no such file or directory)")


@pytest.mark.parametrize(
    ("xdg", "places"),
    [
        ("", "./config.yaml or ~/.config/packyproxy/config.yaml"),
        ("/etc/xdg", "./config.yaml or /etc/xdg/packyproxy/config.yaml"),
    ],
    ids=["usual", "XDG"],
)
def test_the_places_without_a_file_are_named(xdg: str, places: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those where this process looked."""
    monkeypatch.setenv("XDG_CONFIG_HOME", xdg)
    assert refusal().startswith(f"config.yaml: no configuration file was found in {places}: write one with ")


def test_a_variable_that_names_no_file_is_told_of(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been set long ago, so the problem says where the name is from; a command line goes before."""
    monkeypatch.setenv("PACKYPROXY_CONFIG", "old.yaml")
    reason = "cannot be read (no such file or directory)"
    fix = "check the path, or write the file with packyproxy init"
    assert f"config.yaml: {cwd}/old.yaml {reason} (from $PACKYPROXY_CONFIG): {fix}" == refusal()
    assert f"config.yaml: {cwd}/new.yaml {reason}: {fix}" == refusal("new.yaml")
