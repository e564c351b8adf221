"""The commands, run in-process: what they print and how they end."""

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packyproxy import __version__
from packyproxy.cli.main import main

PROVIDER = """
packycode:
  enabled: true
  base-url: "https://a.example/v1"
  credentials: {openai-api-key: sk-canary-key}
"""


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in an empty folder with an empty home, and give logging back as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PACKYPROXY_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    root, ours = logging.getLogger(), logging.getLogger("packyproxy")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def write(tmp_path: Path) -> "type[Path]":
    """Return a function that writes the configuration that the commands will find."""

    def write_text(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write_text  # type: ignore[return-value]


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` names the program and its version."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (0, f"packyproxy {__version__}\n") == (end.value.code, capsys.readouterr().out)


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["demo"], ["check"]], ids=["top", "serve", "demo", "check"]
)
def test_help_teaches_with_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every help text shows complete command lines."""
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert 0 == end.value.code
    assert f"\n  packyproxy {command[0] if command else 'demo'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["serve", "--port", "x"],
        ["serve", "--port", "65536"],
        ["serve", "--workers", "0"],
        ["check", "a"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that cannot be read says so on stderr."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert 2 == end.value.code
    assert "usage: packyproxy" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "check"])
def test_without_a_file_the_next_step_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No configuration at all is exit code 2 and tells what to do."""
    assert 2 == main([command])
    assert "copy config.example.yaml to config.yaml" in capsys.readouterr().err


def test_check_prints_every_problem(write: "type[Path]", capsys: pytest.CaptureFixture[str]) -> None:
    """One line per problem, in the order of the file, then the count; exit code 2."""
    path = write("prot: 1\nport: x\n")
    assert 2 == main(["check", "--config", str(path)])
    expected = [
        "prot: unknown key: did you mean port?",
        "port: is text, not a whole number: write decimal digits, without quotes",
        f"{path}: 2 problems",
    ]
    assert expected == capsys.readouterr().out.splitlines()


def test_check_shows_what_a_valid_file_amounts_to(
    write: "type[Path]", capsys: pytest.CaptureFixture[str]
) -> None:
    """Provider, models and settings without effect are shown, the key is not."""
    path = write(PROVIDER + "metrics: true\napi-keys: [sk-canary-client]\n")
    assert 0 == main(["check"])
    expected = [
        "the configuration is valid",
        f"  config     {path}",
        "  provider   packycode at https://a.example/v1",
        "  models     24 listed; claude-* names get gpt-5 at effort high",
        "  api-keys   1 configured",
        "  note       valid, but without effect in this release: metrics",
    ]
    assert expected == capsys.readouterr().out.splitlines()


def test_check_accepts_a_file_without_an_enabled_provider(
    write: "type[Path]", capsys: pytest.CaptureFixture[str]
) -> None:
    """That is valid, and said."""
    write("packycode: {enabled: false}\n")
    assert 0 == main(["check"])
    assert "provider   none is enabled: set packycode.enabled: true" in capsys.readouterr().out


def test_serve_prints_problems_and_exits_with_2(
    write: "type[Path]", capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong configuration is never served."""
    write("debug: 1\n")
    assert 2 == main(["serve"])
    assert (
        "debug: is a number, not true or false: write true or false, without quotes\n"
        == capsys.readouterr().err
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_serve_refuses_to_be_open_to_others(
    host: str, write: "type[Path]", capsys: pytest.CaptureFixture[str]
) -> None:
    """Beyond loopback, serving without client keys needs an explicit word."""
    write(PROVIDER)
    assert 2 == main(["serve", "--host", host])
    error = capsys.readouterr().err
    assert error.startswith(
        f"api-keys: none is configured, and {host} can be reached from other machines: add at least"
    )
    assert "--allow-open" in error


@pytest.mark.parametrize("host", ["http://127.0.0.1", "", "a b"], ids=repr)
def test_serve_judges_the_host_it_is_given(
    host: str, write: "type[Path]", capsys: pytest.CaptureFixture[str]
) -> None:
    """``--host`` follows the rule of the file's ``host``."""
    write(PROVIDER)
    assert 2 == main(["serve", "--host", host])
    assert capsys.readouterr().err.startswith("--host: not a host name or IP address")


def test_a_port_in_use_is_told(write: "type[Path]", capsys: pytest.CaptureFixture[str]) -> None:
    """The address, the reason and the way out; exit code 1."""
    write(PROVIDER)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert 1 == main(["serve", "--port", str(port)])
    expected = (
        f"packyproxy: cannot listen on 127.0.0.1 port {port} (address already in use): "
        "stop what uses it, or choose another with --port\n"
    )
    assert expected == capsys.readouterr().err


def test_help_loads_neither_server_nor_yaml() -> None:
    """``packyproxy --help`` is instant: commands are imported when they run."""
    code = (
        "import sys\nfrom packyproxy.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'hypercorn', 'yaml', 'aiohttp', 'httpx', 'starlette', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == ran.stdout.splitlines()[-1]
