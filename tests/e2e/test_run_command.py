"""``packyproxy run``, with real programs as its children."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from packyproxy.testing import FakeUpstream
from tests.support.servers import COMMAND, END_SECONDS, PROVIDER_KEY, Listener, free_port, write_config

pytestmark = pytest.mark.e2e

ASKING = """
import json, os, sys, urllib.request
body = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
url = os.environ["ANTHROPIC_BASE_URL"]
request = urllib.request.Request(
    url + "/v1/messages",
    json.dumps(body).encode(),
    {"content-type": "application/json", "authorization": "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"]},
)
with urllib.request.urlopen(request, timeout=20) as response:
    answer = json.load(response)
print(json.dumps({"url": url, "content": answer["content"], "input": sys.stdin.read()}))
sys.exit(7)
"""

WITHOUT_KEY = """
import os, sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(os.environ["ANTHROPIC_BASE_URL"] + "/v1/models", timeout=20)
except urllib.error.HTTPError as error:
    sys.exit(error.code - 400)
"""


def start(config: Path, code: str, **options: Any) -> subprocess.Popen[str]:
    """Start ``packyproxy run`` over a Python program."""
    command = [str(COMMAND), "run", "--config", str(config), "--", sys.executable, "-c", code]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


async def end(process: subprocess.Popen[str], text: str = "") -> tuple[int, str, str]:
    """Wait for the end; return exit code, output and errors."""
    out, err = await asyncio.to_thread(process.communicate, text, END_SECONDS)
    return process.returncode, out, err


async def test_the_child_talks_through_a_proxy_of_its_own(
    upstream: FakeUpstream, listener: Listener, tmp_path: Path
) -> None:
    """The answer comes from the provider, input and output are the child's, and so is the exit code."""
    config = write_config(tmp_path, listener.url, **{"api-keys": ["somebody-elses-key"]})
    code, out, err = await end(start(config, ASKING), "typed")
    answer = json.loads(out)
    assert (7, "") == (code, err)
    assert [{"type": "text", "text": "Hello."}] == answer["content"]
    assert "typed" == answer["input"]
    assert f"Bearer {PROVIDER_KEY}" == upstream.last_request.headers["authorization"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(answer["url"]).port or 0), timeout=5)


async def test_nobody_else_may_use_it(listener: Listener, tmp_path: Path) -> None:
    """Without the key that the child was given there is no way in, also where no api-keys are configured."""
    code, _, _ = await end(start(write_config(tmp_path, listener.url), WITHOUT_KEY))
    assert 401 - 400 == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_signals_are_passed_on(number: signal.Signals, tmp_path: Path) -> None:
    """The child may end in its own way, and its exit code counts."""
    handling = (
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\n"
        "signal.pause()"
    )
    process = start(write_config(tmp_path, f"http://127.0.0.1:{free_port()}"), handling)
    assert process.stdout
    assert "ready\n" == await asyncio.to_thread(process.stdout.readline)
    process.send_signal(number)
    assert 5 == (await end(process))[0]


async def test_ctrl_c_is_the_childs(tmp_path: Path) -> None:
    """A terminal sends SIGINT to both; the child decides what it means."""
    handling = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(6))\n"
        "print('ready', flush=True)\n"
        "signal.pause()"
    )
    process = start(
        write_config(tmp_path, f"http://127.0.0.1:{free_port()}"), handling, start_new_session=True
    )
    assert process.stdout
    assert "ready\n" == await asyncio.to_thread(process.stdout.readline)
    # The new session is a process group of these two alone, as a terminal's foreground group is.
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = await end(process)
    assert (6, "") == (code, err)


async def test_a_child_that_a_signal_ended(tmp_path: Path) -> None:
    """Its number is added to 128, as shells do."""
    process = start(
        write_config(tmp_path, f"http://127.0.0.1:{free_port()}"),
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert 128 + signal.SIGKILL == (await end(process))[0]


def test_without_a_file_it_says_whose_settings_count(tmp_path: Path) -> None:
    """One line before the child begins: nobody is surprised by where the requests go."""
    ambient = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PACKYCODE_BASE_URL": "http://127.0.0.1:9/v1",
        "PACKYCODE_API_KEY": PROVIDER_KEY,
    }
    command = [str(COMMAND), "run", "--", sys.executable, "-c", "print('child')"]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=END_SECONDS, check=False, cwd=tmp_path, env=ambient
    )
    said = "packyproxy: no configuration file: settings are from env\n"
    assert (0, "child\n", said) == (ended.returncode, ended.stdout, ended.stderr)
