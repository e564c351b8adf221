"""``packyproxy doctor``, as a process before a real provider."""

import asyncio
import os
from pathlib import Path

import pytest

from packyproxy.testing import FakeUpstream
from tests.support.servers import PROVIDER_KEY, Listener, ServeProcess, free_port, run_command, write_config

pytestmark = pytest.mark.e2e


async def test_all_is_well_beside_a_running_proxy(
    upstream: FakeUpstream, listener: Listener, tmp_path: Path
) -> None:
    """The provider answers, the running proxy is recognised, and the shell leads to it; no key is shown."""
    upstream.script = "OK"
    port = free_port()
    config = write_config(tmp_path, listener.url, port=port, **{"api-keys": ["client-key-canary"]})
    environment = {
        **os.environ,
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
        "ANTHROPIC_AUTH_TOKEN": "client-key-canary",
    }
    with ServeProcess(config, "--port", str(port)):
        ran = await asyncio.to_thread(run_command, "doctor", "--config", str(config), env=environment)
    lines = ran.stdout.splitlines()
    assert (0, "", "all is well") == (ran.returncode, ran.stderr, lines[-1])
    assert any("first token after" in line for line in lines)
    assert any(line.startswith(f"  ok  127.0.0.1 port {port}  packyproxy ") for line in lines)
    assert "  ok  ANTHROPIC_AUTH_TOKEN  one of the api-keys" in lines
    assert {"client-key-canary", PROVIDER_KEY}.isdisjoint(ran.stdout.split())
