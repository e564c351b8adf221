"""``packyproxy run``: what the child is told, and what is refused before it starts."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from packyproxy.cli.commands.run import child_command, child_environment, run
from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.main import main

URL = "http://127.0.0.1:4711"


def configure(folder: Path, *, enabled: bool = True, **settings: Any) -> str:
    provider = {
        "enabled": enabled,
        "base-url": "http://127.0.0.1:9/v1",
        "credentials": {"openai-api-key": "sk-1"},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps({"packycode": provider, **settings}))
    return str(path)


def test_both_families_of_clients_are_led_to_the_proxy() -> None:
    """URL and key in the variables that the clients of Anthropic and of OpenAI read; the rest stays."""
    assert {
        "PATH": "/bin",
        "ANTHROPIC_BASE_URL": URL,
        "ANTHROPIC_AUTH_TOKEN": "key",
        "OPENAI_BASE_URL": f"{URL}/v1",
        "OPENAI_API_KEY": "key",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    } == child_environment({"PATH": "/bin"}, URL, "key")


@pytest.mark.parametrize(
    "name",
    [
        "ANTHROPIC_API_KEY",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
    ],
)
def test_what_leads_elsewhere_is_left_out(name: str) -> None:
    """Other credentials and other clouds would win over the proxy."""
    assert name not in child_environment({name: "1"}, URL, "key")


def test_the_users_own_keys_are_replaced() -> None:
    """The child shows the proxy its key, not the one for OpenAI or Anthropic."""
    ambient = {"OPENAI_API_KEY": "sk-real", "ANTHROPIC_AUTH_TOKEN": "real"}
    environment = child_environment(ambient, URL, "key")
    assert ("key", "key") == (environment["OPENAI_API_KEY"], environment["ANTHROPIC_AUTH_TOKEN"])


def test_exceptions_from_an_http_proxy_are_kept() -> None:
    """Loopback is added to those that there are."""
    environment = child_environment({"NO_PROXY": "a.example,b.example"}, URL, "key")
    assert "a.example,b.example,127.0.0.1" == environment["NO_PROXY"]


@pytest.mark.parametrize("command", [("claude", "-p", "hi"), ("/usr/bin/codex-helper",), ("python", "codex")])
def test_the_command_line_is_left_alone(command: tuple[str, ...]) -> None:
    """Variables are enough for every other program."""
    assert command == child_command(command, URL)


@pytest.mark.parametrize("program", ["codex", "/opt/bin/codex", "codex.exe"])
def test_the_codex_cli_is_told_by_options(program: str) -> None:
    """They are a provider of their own, which wins over whatever is in its files; its words follow."""
    _, *options, last = child_command((program, "resume"), URL)
    assert ("resume", ["--config", "--config"]) == (last, options[::2])
    settings = tomllib.loads("\n".join(options[1::2]))
    provider = {
        "name": "packyproxy",
        "base_url": f"{URL}/v1",
        "wire_api": "responses",
        "env_key": "OPENAI_API_KEY",
    }
    assert {"model_provider": "packyproxy", "model_providers": {"packyproxy": provider}} == settings


def test_windows_has_not_the_signals_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the remedy is told instead of a traceback."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(CommandFailed, match="on Windows: use WSL"):
        run(None, ["claude"])


def test_a_program_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text names it, and the exit code is that of a failure."""
    assert 1 == main(["run", "--config", configure(tmp_path), "--", "no-such-program-here"])
    assert "there is no program 'no-such-program-here'" in capsys.readouterr().err


def test_a_file_that_is_no_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever named an existing file is not asked whether it is installed."""
    config = configure(tmp_path)
    assert 1 == main(["run", "--config", config, "--", config])
    assert f"{config} is there, but is no program that you may run" in capsys.readouterr().err


def test_without_a_provider_nothing_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A child that could not be served is not started."""
    marker = tmp_path / "started"
    config = configure(tmp_path, enabled=False)
    assert 1 == main(["run", "--config", config, "--", "touch", str(marker)])
    assert "no provider is enabled" in capsys.readouterr().err
    assert not marker.exists()


def test_a_wrong_configuration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem is printed, and the exit code says that it is the configuration."""
    assert 2 == main(["run", "--config", configure(tmp_path, prot=1), "--", "true"])
    assert "prot: " in capsys.readouterr().err
