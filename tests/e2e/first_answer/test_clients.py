"""The port of the proxy, and the shell that Claude Code is started in. Each row breaks one thing."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from packyproxy.testing import FakeUpstream
from tests.support.newcomer import Command, configure, doctor
from tests.support.servers import Listener, ServeProcess, run_command, write_config

pytestmark = pytest.mark.e2e


async def test_a_port_that_something_else_has(
    listener: Listener, packyproxy: Command, tmp_path: Path
) -> None:
    """``serve`` does not start, ``doctor`` finds it: another port is the way on."""
    words = "(address already in use): stop what uses it, or choose another with --port"
    async with listener.serving(FakeUpstream("OK")):
        configure(f"{listener.url}/v1", host="127.0.0.1", port=int(listener.url.rpartition(":")[2]))
        served = await asyncio.to_thread(run_command, "serve", "--config", str(tmp_path / "config.yaml"))
        code, output = await doctor(packyproxy)
    assert (1, True) == (served.returncode, words in served.stderr)
    assert (1, True) == (code, words in output)
    assert output.endswith("something to mend: address\n")


async def test_a_port_that_packyproxy_has(listener: Listener, packyproxy: Command, tmp_path: Path) -> None:
    """A second one does not start and says why; for ``doctor`` that is as it should be."""
    async with listener.serving(FakeUpstream("OK")):
        with ServeProcess(write_config(tmp_path, listener.url)) as proxy:
            configure(f"{listener.url}/v1", port=proxy.port)
            served = await asyncio.to_thread(run_command, "serve", "--config", str(tmp_path / "config.yaml"))
            code, output = await doctor(packyproxy)
    assert 1 == served.returncode
    assert f"serves on 127.0.0.1 port {proxy.port} already: use that one" in served.stderr
    assert 0 == code
    assert output.endswith(
        "all is well\n\nnext, in the shell where Claude Code runs:\n"
        f"  export ANTHROPIC_BASE_URL={proxy.url}\n  export ANTHROPIC_AUTH_TOKEN=any-value\n  claude\n"
    )


TOKEN = "client-key-1"
HERE = {"ANTHROPIC_BASE_URL": "{url}", "ANTHROPIC_AUTH_TOKEN": TOKEN}


@pytest.mark.parametrize(
    ("environ", "code", "words", "next_step"),
    [
        pytest.param(
            {}, 0, "not set: Claude Code, started here", "export ANTHROPIC_BASE_URL={url}", id="unset"
        ),
        pytest.param(
            {"ANTHROPIC_BASE_URL": "https://relay.example"},
            0,
            "leads to relay.example port 443",
            "export ANTHROPIC_BASE_URL={url}",
            id="elsewhere",
        ),
        pytest.param(
            {**HERE, "ANTHROPIC_BASE_URL": "{url}/v1"},
            1,
            "has the path /v1",
            "export ANTHROPIC_BASE_URL={url}",
            id="/v1",
        ),
        pytest.param(
            {**HERE, "ANTHROPIC_BASE_URL": "127.0.0.1:{port}"},
            1,
            "is no URL that begins with http://",
            "export ANTHROPIC_BASE_URL={url}",
            id="no scheme",
        ),
        pytest.param(
            {"ANTHROPIC_BASE_URL": "{url}"},
            1,
            "ask you to log in",
            "set it to one of the api-keys",
            id="no key",
        ),
        pytest.param(
            {**HERE, "ANTHROPIC_AUTH_TOKEN": "any-value"},
            1,
            "get a 401",
            "set it to one of them",
            id="wrong key",
        ),
        pytest.param(
            {**HERE, "ANTHROPIC_API_KEY": TOKEN}, 0, "set beside", "unset one of them", id="two keys"
        ),
        pytest.param(
            {**HERE, "HTTPS_PROXY": "http://p"},
            0,
            "may ask that proxy",
            "add 127.0.0.1 to NO_PROXY",
            id="proxy",
        ),
        pytest.param(
            {**HERE, "CLAUDE_CODE_USE_VERTEX": "1"}, 1, "Claude Code then ignores", "unset it", id="cloud"
        ),
    ],
)
async def test_what_is_wrong_with_the_shell(
    environ: Mapping[str, str],
    code: int,
    words: str,
    next_step: str,
    listener: Listener,
    packyproxy: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What keeps Claude Code from the proxy fails; what may be meant is a note."""
    port = configure(f"{listener.url}/v1", api_keys=[TOKEN])
    places = {"url": f"http://127.0.0.1:{port}", "port": port}
    for name, value in environ.items():
        monkeypatch.setenv(name, value.format(**places))
    async with listener.serving(FakeUpstream("OK")):
        outcome, output = await doctor(packyproxy)
    assert code == outcome
    (line,) = [line for line in output.splitlines() if words in line]
    assert next_step.format(**places) in line


async def test_settings_of_claude_code_stand_over_the_shell(
    listener: Listener, packyproxy: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file is named that leads it past the proxy."""
    port = configure(f"{listener.url}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{port}")
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"env": {"ANTHROPIC_BASE_URL": "https://relay.example"}}')
    async with listener.serving(FakeUpstream("OK")):
        code, output = await doctor(packyproxy)
    assert 1 == code
    assert "set in ~/.claude/settings.json, which stands over this shell: leads to relay.example" in output
