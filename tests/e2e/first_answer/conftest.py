"""Surroundings in which nobody has set anything up yet."""

import os
from pathlib import Path

import pytest

from packyproxy.cli.main import main
from tests.support.newcomer import Command

CLIENTS_AND_PROVIDERS = ("ANTHROPIC_", "CLAUDE_", "CODEX_", "OPENAI_", "PACKYCODE_", "PACKYPROXY_", "XDG_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
OTHERS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "MANAGEMENT_PASSWORD")


@pytest.fixture(autouse=True)
def _newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an empty folder, with an empty home, and with nothing set that leads anywhere."""
    monkeypatch.chdir(tmp_path)
    for name in tuple(os.environ):
        if name.startswith(CLIENTS_AND_PROVIDERS) or name.upper() in PROXIES or name in OTHERS:
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def packyproxy(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process; returns its exit code and all that it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main(arguments)
        output = capsys.readouterr()
        return code, output.out + output.err

    return run
