"""The first steps: a Python, a clone, a file. Each row breaks one thing; words and next step are what is told."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.newcomer import Command, configure
from tests.support.servers import run_command

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
VALID = "packycode: {enabled: true, base-url: 'https://a.example/v1', credentials: {openai-api-key: sk-1}}"
PATH_OF_KEY = "packycode.credentials.openai-api-key"


@pytest.mark.parametrize(
    ("text", "words", "next_step"),
    [
        pytest.param(
            None, "no configuration file was found in ./config.yaml", "packyproxy init", id="no file"
        ),
        pytest.param(
            VALID.replace("sk-1", "''"), f"{PATH_OF_KEY}: is missing", "add your provider's key", id="no key"
        ),
        pytest.param(
            VALID.replace("sk-1", "'sk-1 '"), f"{PATH_OF_KEY}: holds blanks", "copy the key again", id="blank"
        ),
        pytest.param(
            VALID.replace("https://", "ftp://"), "base-url: not an http(s) URL", "use https://", id="scheme"
        ),
        pytest.param(
            VALID.replace("https://", ""), "base-url: not an http(s) URL", "add https://", id="no scheme"
        ),
        pytest.param(
            VALID.replace("/v1", "/v1/responses"),
            "base-url: ends with /responses",
            "remove /responses",
            id="/responses",
        ),
        pytest.param(VALID + "\n\tport: 1", "line 2", "indent with spaces", id="tab"),
        pytest.param("packycode: 'sk", "line 1", "close the quote", id="quote"),
        pytest.param(VALID + "\nprot: 1", "prot: ", "did you mean port", id="misspelt key"),
    ],
)
def test_what_is_wrong_with_the_file(
    text: str | None, words: str, next_step: str, packyproxy: Command
) -> None:
    """Both commands that look at it say so with exit code 2, in JSON as well."""
    if text is not None:
        Path("config.yaml").write_text(text)
    for command in ("check", "doctor"):
        code, output = packyproxy(command)
        assert (2, True, True) == (code, words in output, next_step in output)
        code, output = packyproxy(command, "--json")
        (problem,) = json.loads(output)["problems"]
        said = f"{problem['field']}: {problem['message']}"
        assert (2, True, True) == (code, words in said, next_step in problem["fix"])


def test_serve_does_not_start_with_it(tmp_path: Path) -> None:
    """It says the same, with the same exit code."""
    Path("config.yaml").write_text(VALID.replace("sk-1", "''"))
    served = run_command("serve", "--config", str(tmp_path / "config.yaml"))
    assert (2, "") == (served.returncode, served.stdout)
    assert served.stderr.startswith(f"{PATH_OF_KEY}: is missing: add your provider's key")


@pytest.mark.parametrize(
    ("change", "words", "next_step"),
    [
        pytest.param(
            {"provider": {"credentials": {"openai-api-key": "sk-..."}}},
            "looks like the placeholder of an example",
            "write the key that you got from the provider",
            id="placeholder",
        ),
        pytest.param(
            {"provider": {"enabled": False}},
            "no provider is enabled",
            "set packycode.enabled to true",
            id="disabled",
        ),
        pytest.param(
            {"host": "0.0.0.0"}, "can be reached from other machines", "--allow-open", id="open to all"
        ),
    ],
)
def test_what_is_hardly_meant(
    change: dict[str, Any], words: str, next_step: str, packyproxy: Command
) -> None:
    """A warning of ``check``, which leaves the exit code at 0."""
    configure("https://a.example/v1", **change)
    code, output = packyproxy("check")
    assert 0 == code
    assert f"warning: {next(line for line in output.splitlines() if words in line)[9:]}" in output
    assert next_step in output


def test_a_file_that_others_may_read(packyproxy: Command, tmp_path: Path) -> None:
    """It holds a key: a warning with the command that mends it, after which it is gone."""
    configure("https://a.example/v1")
    Path("config.yaml").chmod(0o644)
    code, output = packyproxy("check")
    mend = f"chmod 600 {tmp_path / 'config.yaml'}"
    assert (0, True) == (code, f"every user of this machine may read it: {mend}\n" in output)
    subprocess.run(mend.split(), check=True)
    assert "warning" not in packyproxy("check")[1]


@pytest.mark.parametrize("home", ["/dev/null", "/nowhere"])
def test_no_home_is_needed(home: str, packyproxy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read or written there but what the user keeps there."""
    monkeypatch.setenv("HOME", home)
    assert 0 == packyproxy("init")[0]
    monkeypatch.setenv("PACKYCODE_API_KEY", "sk-1")
    assert (0, True) == (packyproxy("check")[0], Path("config.yaml").exists())


def test_a_folder_that_cannot_be_written(packyproxy: Command) -> None:
    """``init`` says which, and what to do."""
    Path("folder").touch()
    code, output = packyproxy("init", "--config", "folder/config.yaml")
    assert 2 == code
    assert "folder/config.yaml cannot be written (not a directory): " in output


@pytest.mark.parametrize("stands_for", ["an old Python", "a Python without venv", "no Python"])
def test_the_scripts_say_which_python_they_need(stands_for: str, tmp_path: Path) -> None:
    """Nothing is made; the package that may be missing is named, and the variable that names another one."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "cksum", "cat"):
        (programs / name).symlink_to(shutil.which(name) or "")
    if stands_for != "no Python":
        (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
        (programs / "python3").chmod(0o755)
    clone = tmp_path / "packyproxy"
    (clone / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "venv", clone / "scripts")
    shutil.copy(ROOT / "pyproject.toml", clone)
    ran = subprocess.run(
        [clone / "scripts" / "venv", "run"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (2, False) == (ran.returncode, (clone / ".venv").exists())
    assert ran.stderr.startswith("packyproxy needs Python 3.11 or newer, with venv: apt install python3-venv")
    assert "PYTHON=/path/to/python names one" in ran.stderr
