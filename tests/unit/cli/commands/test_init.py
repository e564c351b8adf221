"""``packyproxy init``: a configuration to begin with."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from packyproxy.cli.main import main
from packyproxy.config import parse_config
from packyproxy.config.yaml_edit import Edit, edit_text

TEMPLATES = ("packycode", "tppc", "codex-cli")

CODEX_CONFIG = """\
model_provider = "relay"
[model_providers.relay]
base_url = "https://relay.example/v1"
experimental_bearer_token = "sk-canary-of-codex-1234"
"""


def template_text(name: str) -> str:
    return files("packyproxy.cli").joinpath("templates", f"{name}.yaml").read_text("utf-8")


def with_comments_as_settings(text: str) -> str:
    """Return a template with the settings in force that it shows as comments."""
    _, settings = text.split("\n\n", 1)
    return re.sub(r"(?m)^( *)# ( *(?:- )?[a-z][a-z-]*:)", r"\1\2", settings)


@pytest.fixture
def codex_home(tmp_path: Path) -> Path:
    """Set the Codex CLI up for a third-party provider."""
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(CODEX_CONFIG)
    return tmp_path


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_written_for_its_owner_alone(
    template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is the template, under ./config.yaml, and nobody else may read it: it will hold a key."""
    assert 0 == main(["init", "--template", template])
    path = tmp_path / "config.yaml"
    assert (template_text(template), 0o600) == (path.read_text(), path.stat().st_mode & 0o777)
    assert f"wrote {path}" == capsys.readouterr().out.splitlines()[0]


def test_what_is_missing_is_said_with_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fresh file lacks the key: the output names it, where it belongs, and what to run then."""
    main(["init"])
    path = tmp_path / "config.yaml"
    fix = "add your provider's key, or set packycode.requires-openai-auth: false if it takes none"
    assert [
        f"wrote {path}",
        "",
        f"packycode.credentials.openai-api-key: is missing: {fix}",
        f"{path}: 1 problem",
        "",
        f"next: fill in what is missing above, in {path}; then",
        "  packyproxy doctor",
        "  packyproxy serve",
    ] == capsys.readouterr().out.splitlines()


def test_a_key_in_the_environment_is_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the variable set nothing is missing, and asking the provider comes next."""
    monkeypatch.setenv("PACKYCODE_API_KEY", "sk-canary-1234567")
    assert 0 == main(["init"])
    output = capsys.readouterr().out
    assert output.endswith("next:\n  packyproxy doctor\n  packyproxy serve\n")
    assert "canary" not in output


def test_an_existing_file_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it holds, it stays, and the text names two ways on."""
    path = tmp_path / "config.yaml"
    path.touch()
    assert 2 == main(["init"])
    assert "" == path.read_text()
    assert (
        f"packyproxy: {path} exists and is left as it is: look at it with packyproxy check, "
        "or name another file with --config\n"
    ) == capsys.readouterr().err


def test_another_file_comes_with_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The usual place in the home directory may be named before its folder exists; commands then name the file."""
    path = tmp_path / "a folder" / "proxy.yaml"
    assert 0 == main(["init", "--config", str(path), "--template", "tppc"])
    assert path.exists()
    assert f"  packyproxy serve --config '{path}'" == capsys.readouterr().out.splitlines()[-1]


def test_a_folder_that_cannot_be_made_is_one_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in place of the folder is no traceback."""
    (tmp_path / "file").touch()
    assert 2 == main(["init", "--config", str(tmp_path / "file" / "config.yaml")])
    assert "cannot be written (not a directory)" in capsys.readouterr().err


@pytest.mark.usefixtures("codex_home")
def test_what_codex_says_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The template for the Codex CLI takes address and key from its files, and shows them, the key masked."""
    assert 0 == main(["init", "--template", "codex-cli"])
    output = capsys.readouterr().out
    assert "its key    packycode.credentials.openai-api-key  ***1234" in output
    assert "codex-cli: base-url" in output
    assert "canary" not in output


def test_why_codex_says_nothing_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its files the output says where they were looked for."""
    assert 0 == main(["init", "--template", "codex-cli"])
    assert (
        f"from the Codex CLI: nothing; there is no config.toml in {tmp_path / '.codex'}: "
        "set $CODEX_HOME if it is elsewhere"
    ) in capsys.readouterr().out


@pytest.mark.parametrize("template", ["packycode", "tppc"])
def test_a_template_is_valid_once_it_is_filled_in(template: str) -> None:
    """The places that the template leaves empty are all that is missing."""
    place = ("packycode",) if template == "packycode" else ("tppc", "providers", 0)
    key = ("credentials", "openai-api-key") if template == "packycode" else ("api-key",)
    edits = [Edit((*place, *key), "k"), Edit((*place, "base-url"), "https://a.example/v1")]
    config = parse_config(edit_text(template_text(template), edits))
    assert 1 == len(config.enabled_providers)


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_a_template_shows_in_comments_is_valid(template: str) -> None:
    """A setting may be put into force by taking its # away."""
    settings = yaml.safe_load(with_comments_as_settings(template_text(template)))
    for provider in (settings.get("packycode"), *settings.get("tppc", {}).get("providers", ())):
        if provider:
            provider["enabled"] = False
    assert "127.0.0.1" == parse_config(yaml.safe_dump(settings)).host
