"""The commands, run in-process: what they print and how they end."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from packyproxy import __version__
from packyproxy.cli.failures import CommandFailed, WrongUsage
from packyproxy.cli.main import main
from packyproxy.translate.protocols import PROTOCOLS

PROVIDER = """
packycode:
  enabled: true
  base-url: "https://a.example/v1"
  credentials: {openai-api-key: sk-canary-key}
"""


COMMANDS = {
    "check",
    "demo",
    "doctor",
    "explain",
    "import-codex",
    "init",
    "migrate",
    "models",
    "record",
    "run",
    "serve",
    "translate",
}
WriteConfig = Callable[[str], Path]


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` names the program and its version."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (0, f"packyproxy {__version__}\n") == (end.value.code, capsys.readouterr().out)


def test_the_package_is_a_command() -> None:
    """``python -m packyproxy`` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "packyproxy", "--version"], capture_output=True, text=True, check=False
    )
    assert (0, f"packyproxy {__version__}\n", "") == (done.returncode, done.stdout, done.stderr)


def test_alone_it_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the overview goes to stderr, and the exit code is 2."""
    with pytest.raises(SystemExit) as end:
        main([])
    printed = capsys.readouterr()
    assert (2, "") == (end.value.code, printed.out)
    assert "first steps:\n  packyproxy demo" in printed.err


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command stands in the help with what it does, on one line of 80 columns."""
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.partition("\ncommands:\n")[2].partition("\n\n")[0].splitlines()
    assert dict.fromkeys(COMMANDS, True) == {
        line.split()[0]: len(line.split()) > 1 and len(line) <= 80 for line in listed
    }


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_teaches_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command's help shows complete command lines and says what its exit code means."""
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    printed = capsys.readouterr().out
    assert 0 == end.value.code
    assert f"\n  packyproxy {command}" in printed
    assert "\nexit codes: 0 success, 2 wrong usage or configuration, 1 any other failure\n" in printed


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_commands_take_the_path_of_a_file(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--config`` is an option of every command."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--config PATH" in capsys.readouterr().out


def test_help_names_every_protocol_that_is_translated(capsys: pytest.CaptureFixture[str]) -> None:
    """The protocols that models are asked in stand behind ``--from``, which does not import them to know."""
    with pytest.raises(SystemExit):
        main(["translate", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    *others, last = [name for name, make in PROTOCOLS.items() if make().operation.is_stream]
    assert f"the client's protocol: {', '.join(others)} or {last} (default {others[0]})" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "there is no command 'nonsense'"),
        (["--config", "x", "check"], "--config belongs after a command: packyproxy COMMAND --config"),
        (["--json=x"], "--json belongs after a command: packyproxy COMMAND --json"),
        (["--versoin"], "unknown argument --versoin: did you mean --version?"),
        (["-V"], "unknown argument -V; --help shows what there is"),
        (["chekc"], "there is no command 'chekc': did you mean check?"),
        (["serve", "--prot", "1"], "unknown argument --prot: did you mean --port?"),
        (["serve", "--por=1"], "unknown argument --por: did you mean --port?"),
        (["serve", "--port", "x"], "argument --port: must be a number from 0 to 65535"),
        (["serve", "--port", "65536"], "argument --port: must be a number from 0 to 65535"),
        (["serve", "--workers", "0"], "argument --workers: must be a number from 1 to 64"),
        (["serve", "--grace", "5m"], "argument --grace: must be a number of seconds from 0 to 86400"),
        (["serve", "--grace", "86401"], "argument --grace: must be a number of seconds from 0 to 86400"),
        (["check", "a"], "unknown argument a; --help shows what there is"),
        (["explain"], "the following arguments are required: MODEL"),
        (["init", "--template", "x"], "argument --template: invalid choice: 'x'"),
        (["run"], "name the program after --, for instance: packyproxy run -- claude"),
        (["run", "claude"], "name the program after --, for instance: packyproxy run -- claude"),
        (["run", "--"], "name the program after --, for instance: packyproxy run -- claude"),
        (["record", "claude"], "name the program after --, for instance: packyproxy record -- claude"),
        (["run", "--nope", "--", "claude"], "unknown argument --nope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command line that cannot be read says on stderr what is wrong, and what was probably meant."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    printed = capsys.readouterr().err
    assert 2 == end.value.code
    assert printed.startswith("usage: packyproxy")
    assert f"error: {said}" in printed


@pytest.mark.parametrize(
    ("arguments", "module", "expected"),
    [
        (
            ["serve", "--config", "x", "--port", "0", "--workers", "2", "--grace", "300", "--tppc"],
            "serve",
            (
                ("x",),
                {
                    "host": None,
                    "port": 0,
                    "workers": 2,
                    "grace_seconds": 300,
                    "allow_open": False,
                    "packycode": False,
                    "tppc": True,
                },
            ),
        ),
        (["demo", "--once"], "demo", ((None,), {"host": "127.0.0.1", "port": None, "once": True})),
        (["init"], "init", ((None,), {"template": "packycode"})),
        (["check", "--json"], "check", ((None,), {"as_json": True})),
        (["doctor", "--config", "x"], "doctor", (("x",), {"as_json": False})),
        (["models", "--provider", "b"], "models", ((None,), {"provider": "b", "as_json": False})),
        (["explain", "gpt-5"], "explain", ((None, "gpt-5"), {"as_json": False})),
        (
            ["translate", "--from", "messages", "--response"],
            "translate",
            ((None,), {"protocol": "messages", "model": None, "is_response": True}),
        ),
        (["import-codex", "--write"], "import_codex", ((None,), {"write": True, "target": "packycode"})),
        (["migrate"], "migrate", ((None,), {"write": False})),
        (
            ["run", "--config", "x", "--", "claude", "-p", "--", "hi"],
            "run",
            (("x", ["claude", "-p", "--", "hi"]), {}),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_command_gets_its_arguments(
    arguments: list[str],
    module: str,
    expected: tuple[tuple[object, ...], dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was written arrives at the command's function, and its exit code is the program's."""
    got: list[object] = []

    def command(*positional: object, **named: object) -> int:
        got.append((positional, named))
        return 7

    stand_in = ModuleType(module)
    setattr(stand_in, module, command)
    monkeypatch.setitem(sys.modules, f"packyproxy.cli.commands.{module}", stand_in)
    assert (7, [expected]) == (main(arguments), got)


@pytest.mark.parametrize(
    ("error", "code"),
    [(CommandFailed("it broke"), 1), (WrongUsage("no such thing"), 2)],
    ids=["failed", "usage"],
)
def test_errors_of_commands_are_one_line(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a command could not do is told in a line on stderr, without a traceback."""

    def check(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr("packyproxy.cli.commands.check.check", check)
    assert code == main(["check"])
    assert f"packyproxy: {error}\n" == capsys.readouterr().err


def test_ctrl_c_ends_a_command_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An interrupted command has failed, without a traceback."""

    def check(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("packyproxy.cli.commands.check.check", check)
    assert 1 == main(["check"])
    assert "" == capsys.readouterr().err


IN_A_PROCESS = (sys.executable, "-c", "import sys\nfrom packyproxy.cli.main import main\nsys.exit(main())")


def test_a_reader_that_has_enough_is_no_error(write_config: WriteConfig) -> None:
    """When the other end of a pipe is closed the command ends quietly."""
    write_config(PROVIDER)
    reading, writing = os.pipe()
    os.close(reading)
    command = [*IN_A_PROCESS, "models"]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (1, "") == (ran.returncode, ran.stderr)


def test_output_that_cannot_be_written_is_told(write_config: WriteConfig) -> None:
    """A full disk is exit code 1 and a line."""
    write_config(PROVIDER)
    with Path("/dev/full").open("wb") as full:
        command = [*IN_A_PROCESS, "check"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    expected = "packyproxy: the output cannot be written (no space left on device)\n"
    assert (1, expected) == (ran.returncode, ran.stderr)


def test_output_may_be_closed(write_config: WriteConfig) -> None:
    """Whoever wants the exit code alone may start the command without a stdout."""
    write_config(PROVIDER)
    command = ["sh", "-c", '"$@" >&-', "sh", *IN_A_PROCESS, "check"]
    ran = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (0, "") == (ran.returncode, ran.stderr)


def test_output_of_a_small_alphabet_takes_every_path(tmp_path: Path) -> None:
    """What the encoding lacks is written as its number."""
    path = tmp_path / "höhe.yaml"
    path.write_text(PROVIDER)
    ran = subprocess.run(
        [*IN_A_PROCESS, "check", "--config", str(path)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (ran.returncode, ran.stderr)
    assert "h\\xf6he.yaml" in ran.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["check", "--json"],
        ["models"],
        ["models", "--json"],
        ["explain", "gpt-5"],
        ["explain", "--json", "gpt-5"],
    ],
    ids=" ".join,
)
def test_keys_are_never_printed(
    command: list[str], write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """No command that shows the configuration shows a key, a header's value or a proxy's password."""
    write_config(
        PROVIDER
        + """
  headers: {x-team: canary-header}
  proxy-url: "http://user:canary-password@proxy.example"
api-keys: [canary-client-key-1234567890]
host: 0.0.0.0
"""
    )
    assert 0 == main(command)
    printed = capsys.readouterr()
    assert "canary" not in printed.out + printed.err


@pytest.mark.parametrize("command", ["serve", "check", "models"])
def test_without_a_file_the_next_step_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No configuration at all is exit code 2 and tells what to do."""
    assert 2 == main([command])
    assert "write one with packyproxy init" in capsys.readouterr().err


def test_serve_prints_problems_and_exits_with_2(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong configuration is never served."""
    write_config("debug: 1\n")
    assert 2 == main(["serve"])
    assert (
        "debug: is a number, not true or false: write true or false, without quotes\n"
        == capsys.readouterr().err
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_serve_refuses_to_be_open_to_others(
    host: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beyond loopback, serving without client keys needs an explicit word."""
    write_config(PROVIDER)
    assert 2 == main(["serve", "--host", host])
    error = capsys.readouterr().err
    assert error.startswith(
        f"api-keys: none is configured, and {host} can be reached from other machines: add at least"
    )
    assert "--allow-open" in error


@pytest.mark.parametrize("host", ["http://127.0.0.1", "", "a b"], ids=repr)
def test_serve_judges_the_host_it_is_given(
    host: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--host`` follows the rule of the file's ``host``."""
    write_config(PROVIDER)
    assert 2 == main(["serve", "--host", host])
    assert capsys.readouterr().err.startswith("--host: not a host name or IP address")


def test_a_port_in_use_is_told(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    """The address, the reason and the way out; exit code 1."""
    write_config(PROVIDER)
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
        "print(sorted({'hypercorn', 'yaml', 'aiohttp', 'httpx', 'starlette', 'asyncio', 'rich'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == ran.stdout.splitlines()[-1]
