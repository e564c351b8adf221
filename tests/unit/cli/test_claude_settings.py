"""What Claude Code's settings files set, and what ``doctor`` says of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from packyproxy.cli.claude_settings import VariableInFile, variables_in_settings
from packyproxy.cli.client_findings import client_findings, leads_here
from packyproxy.config import Config, Secret

URL = "http://127.0.0.1:8317"
ELSEWHERE = "http://127.0.0.1:9"


def write(path: Path, **variables: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"theme": "dark", "env": variables}))


def in_user_settings(name: str, value: str) -> dict[str, VariableInFile]:
    return {name: VariableInFile(value, "~/.claude/settings.json")}


def test_files_stand_over_each_other(tmp_path: Path) -> None:
    """The user's, then the project's, then the user's own for the project."""
    write(tmp_path / "home/.claude/settings.json", A="user", B="user", C="user")
    write(tmp_path / ".claude/settings.json", B="project", C="project")
    write(tmp_path / ".claude/settings.local.json", C="local")
    found = variables_in_settings({"HOME": str(tmp_path / "home")})
    assert {
        "A": VariableInFile("user", "~/.claude/settings.json"),
        "B": VariableInFile("project", ".claude/settings.json"),
        "C": VariableInFile("local", ".claude/settings.local.json"),
    } == found


def test_the_users_folder_may_be_named(tmp_path: Path) -> None:
    """``CLAUDE_CONFIG_DIR`` stands in for ``~/.claude``."""
    write(tmp_path / "home/.claude/settings.json", A="home")
    write(tmp_path / "named/settings.json", A="named")
    environ = {"HOME": str(tmp_path / "home"), "CLAUDE_CONFIG_DIR": str(tmp_path / "named")}
    assert "named" == variables_in_settings(environ)["A"].value


@pytest.mark.parametrize("text", [b'{"env":{"A":"a"},}', b"[]", b'{"env":[]}', b"\xff"])
def test_what_is_no_settings_file_sets_nothing(text: bytes, tmp_path: Path) -> None:
    """Claude Code does not use it either."""
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/settings.json").write_bytes(text)
    assert {} == variables_in_settings({})


def test_a_value_that_is_no_text_is_taken_for_one(tmp_path: Path) -> None:
    """A number beside the address keeps it from nobody."""
    write(tmp_path / ".claude/settings.json", ANTHROPIC_BASE_URL=ELSEWHERE, API_TIMEOUT_MS=600_000, A=True)
    found = {name: variable.value for name, variable in variables_in_settings({}).items()}
    assert {"ANTHROPIC_BASE_URL": ELSEWHERE, "API_TIMEOUT_MS": "600000", "A": "true"} == found


def test_no_value_is_shown() -> None:
    """It may be a key."""
    assert "canary" not in repr(VariableInFile("canary", "~/.claude/settings.json"))


def test_a_file_that_leads_elsewhere_is_to_mend() -> None:
    """The shell was set up for the proxy, and does not count."""
    settings = in_user_settings("ANTHROPIC_BASE_URL", ELSEWHERE)
    (finding,) = client_findings({"ANTHROPIC_BASE_URL": URL}, Config(), settings)
    assert ("failed", "ANTHROPIC_BASE_URL") == (finding.mark, finding.subject)
    assert (
        "set in ~/.claude/settings.json, which stands over this shell: leads to 127.0.0.1 port 9; "
        f"this configuration listens on 127.0.0.1 port 8317; set it to {URL} there, or remove it"
    ) == finding.text
    assert not leads_here({"ANTHROPIC_BASE_URL": URL}, Config(), settings)


def test_a_file_that_leads_elsewhere_may_be_meant() -> None:
    """Where the shell says nothing of the proxy, it is worth knowing and no more."""
    (finding,) = client_findings({}, Config(), in_user_settings("ANTHROPIC_BASE_URL", ELSEWHERE))
    assert "note" == finding.mark


def test_a_file_that_leads_here_will_do() -> None:
    """No export is needed then."""
    settings = in_user_settings("ANTHROPIC_BASE_URL", URL)
    finding, *_ = client_findings({}, Config(), settings)
    assert ("ok", True) == (finding.mark, leads_here({}, Config(), settings))


def test_an_empty_token_in_a_file_hides_the_one_of_the_shell() -> None:
    """Claude Code asks its user to log in, and the shell looks as it should."""
    environ = {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": "k"}
    settings = in_user_settings("ANTHROPIC_AUTH_TOKEN", "")
    findings = client_findings(environ, Config(api_keys=(Secret("k"),)), settings)
    assert ("failed", "empty in ~/.claude/settings.json, which stands over this shell: remove it there") in [
        (finding.mark, finding.text) for finding in findings
    ]
