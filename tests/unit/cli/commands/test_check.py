"""``packyproxy check``: problems, warnings, and what a configuration amounts to."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from packyproxy.cli.commands.check import check

WriteConfig = Callable[[str], Path]

PROVIDERS = """\
packycode:
  enabled: true
  base-url: "https://a.example/v1"
  credentials: {openai-api-key: sk-a-key}
tppc:
  providers:
    - {name: spare, enabled: false}
    - {name: b, enabled: true, base-url: "https://b.example/v1", api-key: sk-b-key, priority: 1, models: [gpt-5]}
"""


def test_every_problem_is_printed(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """One line per problem, in the order of the file, then the count; exit code 2."""
    path = write_config("prot: 1\nport: x\n")
    assert 2 == check(str(path))
    expected = [
        "prot: unknown key: did you mean port?",
        "port: is text, not a whole number: write decimal digits, without quotes",
        f"{path}: 2 problems",
    ]
    assert expected == capsys.readouterr().out.splitlines()


def test_problems_as_json(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """Each problem is an object with its place in the file; the exit code is 2 as well."""
    path = write_config("\nprot: 1\n")
    assert 2 == check(None, as_json=True)
    problem = {
        "field": "prot",
        "code": "unknown_key",
        "message": "unknown key",
        "fix": "did you mean port?",
        "line": 2,
    }
    expected = {"ok": False, "source": str(path), "problems": [problem], "warnings": []}
    assert expected == json.loads(capsys.readouterr().out)


def test_without_anything_to_check_json_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """That there is no file is a problem like any other for a program that reads the output."""
    assert 2 == check(None, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (False, None, ["no_file"]) == (
        printed["ok"],
        printed["source"],
        [problem["code"] for problem in printed["problems"]],
    )


def test_what_a_valid_file_amounts_to(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """The facts, then every provider in the order in which they are asked, the disabled ones last."""
    path = write_config(PROVIDERS + "api-keys: [a-client-key]\nmetrics: true\n")
    assert 0 == check(None)
    expected = [
        "the configuration is valid",
        f"  config      {path}",
        "  listens     127.0.0.1 port 8317",
        "  api-keys    1 configured",
        "  models      24 listed; claude-* names get gpt-5 at effort high",
        "  routing     fill-first; a session stays with its provider",
        "  management  off: it needs remote-management.secret-key, or $MANAGEMENT_PASSWORD",
        "  metrics     on: /metrics",
        "",
        "providers, in the order in which they are asked:",
        "  name       state     models  base-url              settings from",
        "  b          enabled   1       https://b.example/v1  config.yaml",
        "  packycode  enabled   24      https://a.example/v1  config.yaml",
        "  spare      disabled  -       -                     config.yaml",
    ]
    assert expected == capsys.readouterr().out.splitlines()


def test_settings_from_elsewhere_name_their_source(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where not all settings come from the file, each is named with its source."""
    write_config("packycode: {enabled: true, base-url: 'https://a.example/v1'}\n")
    monkeypatch.setenv("PACKYCODE_API_KEY", "sk-canary-key")
    monkeypatch.setenv("PACKYCODE_MODEL", "gpt-5-codex")
    assert 0 == check(None)
    printed = capsys.readouterr().out
    expected = "config.yaml: enabled, base-url; env: credentials.openai-api-key, defaults.model"
    assert expected in printed
    assert "claude-* names get gpt-5-codex at effort high" in printed
    assert "canary" not in printed


def test_without_a_file_the_environment_may_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A provider that the environment describes in full is shown as the configuration."""
    monkeypatch.setenv("PACKYCODE_BASE_URL", "https://a.example/v1")
    monkeypatch.setenv("PACKYCODE_API_KEY", "sk-canary-key")
    assert 0 == check(None, as_json=True)
    (provider,) = json.loads(capsys.readouterr().out)["providers"]
    assert ("packycode", True, "env") == (
        provider["name"],
        provider["has-key"],
        provider["effective-source"],
    )


@pytest.mark.parametrize(
    "config", ["packycode: {enabled: false}\n", "port: 8000\n"], ids=["disabled", "none"]
)
def test_warnings_leave_it_valid(
    config: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without an enabled provider is usable, and what is odd about it comes last."""
    write_config(config)
    assert 0 == check(None)
    lines = capsys.readouterr().out.splitlines()
    assert "the configuration is valid" == lines[0]
    assert lines[-1].startswith("warning: config.yaml: no provider is enabled")


def test_a_valid_file_as_json(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get the same facts under the names of the configuration."""
    path = write_config(PROVIDERS + "routing: {strategy: round-robin, session-affinity: false}\n")
    assert 0 == check(None, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    providers = printed.pop("providers")
    expected = {
        "ok": True,
        "source": str(path),
        "problems": [],
        "warnings": [],
        "strategy": "round-robin",
        "session-affinity": False,
        "models": 24,
        "api-keys": 0,
        "notes": [],
        "management": False,
        "metrics": False,
    }
    assert expected == printed
    assert [("b", True, 1), ("packycode", True, 24), ("spare", False, 0)] == [
        (provider["name"], provider["enabled"], provider["models"]) for provider in providers
    ]
    assert {
        "name": "b",
        "enabled": True,
        "base-url": "https://b.example/v1",
        "has-key": True,
        "effective-source": "config.yaml",
        "sources": dict.fromkeys(
            ("name", "enabled", "base-url", "api-key", "models", "priority"), "config.yaml"
        ),
        "priority": 1,
        "weight": 1,
        "models": 1,
    } == providers[0]
