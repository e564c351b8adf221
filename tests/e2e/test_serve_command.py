"""``packyproxy serve`` as a process, over loopback."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

COMMAND = [
    sys.executable,
    "-c",
    "import sys; from packyproxy.cli.main import main; sys.exit(main())",
    "serve",
]
PROVIDER = """
packycode: {enabled: true, base-url: "http://127.0.0.1:9/v1", credentials: {openai-api-key: sk-canary-provider}}
api-keys: [canary-client]
metrics: true
port: 0
"""

CODEX_CONFIG = """
model = "gpt-5-codex"
model_provider = "relay"
[model_providers.relay]
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"
requires_openai_auth = true
"""

Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that serves a configuration, None for none, and gives the process and its banner."""
    running: list[subprocess.Popen[str]] = []

    def start_server(
        config: str | None, *arguments: str, env: Mapping[str, str] | None = None
    ) -> tuple[subprocess.Popen[str], str]:
        command = [*COMMAND, *arguments]
        if config is not None:
            path = tmp_path / "served.yaml"
            path.write_text(config)
            command += ["--config", str(path)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env
        )
        running.append(process)
        assert process.stdout is not None
        banner = ""
        while "ANTHROPIC_AUTH_TOKEN" not in banner:
            line = process.stdout.readline()
            assert line, "the server ended before its banner was whole"
            banner += line
        return process, banner

    yield start_server
    for process in running:
        process.kill()
        process.communicate()


def get(banner: str, path: str) -> tuple[int, bytes]:
    url = banner.partition("ANTHROPIC_BASE_URL=http://")[2].split()[0]
    connection = http.client.HTTPConnection(url, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def comes_to_refuse(host: str, port: int) -> bool:
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # the listener was closed while this waited for it
            continue
        except TimeoutError:  # so many wait already that no more fit
            return False
    return False


@pytest.mark.parametrize(
    ("workers", "signal_number"),
    [("1", signal.SIGTERM), ("1", signal.SIGINT), ("2", signal.SIGTERM)],
    ids=["SIGTERM", "SIGINT", "two workers"],
)
def test_it_serves_until_a_signal_and_ends_well(
    start: Start, workers: str, signal_number: signal.Signals
) -> None:
    """The printed URL answers at once; SIGTERM and SIGINT end the server with exit code 0."""
    process, banner = start(PROVIDER, "--workers", workers)
    assert (200, b'{"status":"ready"}') == get(banner, "/readyz")
    process.send_signal(signal_number)
    output, log = process.communicate(timeout=30)
    assert 0 == process.returncode
    assert ("2 processes" in banner) == (workers == "2")
    assert "canary" not in banner + output + log


def test_workers_that_end_leave_nobody_waiting(start: Start) -> None:
    """While one of them finishes an answer, new connections are refused: no worker would take them."""
    process, banner = start(PROVIDER, "--workers", "2")
    host, _, port = banner.partition("ANTHROPIC_BASE_URL=http://")[2].split()[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as unfinished:
        unfinished.sendall(
            b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: canary-client\r\n"
            b"content-length: 9\r\nexpect: 100-continue\r\n\r\n"
        )
        assert unfinished.recv(100).startswith(b"HTTP/1.1 100 "), "a worker waits for the body"
        process.terminate()
        assert comes_to_refuse(host, int(port))
        assert process.poll() is None


def test_the_log_says_what_is_registered_at_the_start(start: Start) -> None:
    """One line per provider, with its models, and no key."""
    process, banner = start(PROVIDER)
    get(banner, "/healthz")
    process.terminate()
    lines = [json.loads(line) for line in process.communicate(timeout=30)[1].splitlines()]
    [line] = [line for line in lines if line["event"] == "models_registered"]
    assert ("packycode", True) == (line["provider"], "gpt-5" in line["ids"])
    assert line["models"] == len(line["ids"])


def test_the_banner_warns_of_a_key_that_can_be_guessed(start: Start, tmp_path: Path) -> None:
    """What ``check`` says of the management API stands in the banner too; the file has its hash afterwards."""
    _, banner = start(PROVIDER + "remote-management: {secret-key: canary-guess}\n")
    assert "/v0/management (key: remote-management.secret-key; its hash replaces it" in banner
    assert "  note       remote-management.secret-key: is shorter than 16 characters" in banner
    get(banner, "/healthz")
    assert "canary-guess" not in banner + (tmp_path / "served.yaml").read_text()


def test_without_a_provider_it_serves_but_is_not_ready(start: Start) -> None:
    """An empty configuration is valid: ``/readyz`` is 503 until a provider is enabled."""
    _, banner = start("port: 0\n")
    assert "none is enabled: set packycode.enabled: true" in banner
    assert 503 == get(banner, "/readyz")[0]


def test_host_and_port_override_the_file(start: Start) -> None:
    """``--host`` and ``--port`` win; ``--allow-open`` lets an open proxy listen beyond loopback."""
    _, banner = start("port: 1\nhost: 127.0.0.1\n", "--host", "0.0.0.0", "--port", "0", "--allow-open")
    assert 200 == get(banner, "/healthz")[0]


def test_codex_cli_is_enough(start: Start, tmp_path: Path) -> None:
    """Without any configuration file its provider is served and announced, and no key is shown."""
    home = tmp_path / ".codex"
    home.mkdir()
    (home / "config.toml").write_text(CODEX_CONFIG)
    (home / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "sk-canary-codex"}))
    ambient = {"HOME": str(tmp_path), "OPENAI_API_KEY": "sk-canary-ambient", "PATH": os.environ["PATH"]}
    _, banner = start(None, "--port", "0", "--packycode", env=ambient)
    assert f"codex-cli ({home / 'config.toml'})" in banner
    assert "packycode at http://127.0.0.1:9/v1 (codex-cli)" in banner
    assert "claude-* names get gpt-5-codex" in banner
    assert "canary" not in banner
    assert (200, b'{"status":"ready"}') == get(banner, "/readyz")
