"""Real servers on loopback: an ASGI app in the test's event loop, and the ``packyproxy`` command as a process.

Ports come from the system. Every wait has a bound; a process is ended by its own handle, and its log is kept in a file
beside its configuration.
"""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from packyproxy.cli.server import Stop, bind, serve_app, server_url

COMMAND = Path(sys.executable).with_name("packyproxy")
START_SECONDS = 20.0
END_SECONDS = 20.0
PROVIDER_KEY = "sk-provider-0123456789"


def write_config(folder: Path, upstream_url: str, **settings: Any) -> Path:
    """Write a configuration whose only provider is at ``upstream_url``; ``settings`` are further keys."""
    path = folder / "config.yaml"
    provider = {
        "enabled": True,
        "base-url": f"{upstream_url}/v1",
        "credentials": {"openai-api-key": PROVIDER_KEY},
    }
    # JSON is YAML.
    path.write_text(json.dumps({"packycode": provider} | settings), "utf-8")
    return path


class Listener:
    """A listening socket that outlives the servers run on it, so that one URL serves many tests."""

    def __init__(self) -> None:
        self._socket = bind("127.0.0.1", 0)
        self.url = server_url(self._socket)

    @asynccontextmanager
    async def serving(self, app: Any) -> AsyncIterator[None]:
        """Run an ASGI app under hypercorn in this event loop."""
        stop = Stop()
        server = asyncio.create_task(serve_app(app, self._socket.dup(), stop, grace_seconds=1.0))
        try:
            yield
        finally:
            stop.ask()
            await server

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def run_command(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one ``packyproxy`` command that ends by itself."""
    return subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, timeout=START_SECONDS, check=False, env=env
    )


class ServeProcess:
    """A running ``packyproxy serve``; a context manager that ends it."""

    def __init__(self, config: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        command: Sequence[str | Path] = [COMMAND, "serve", "--config", config, "--port", "0", *arguments]
        self._log_path = config.with_suffix(".log")
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=env, process_group=0
            )
        try:
            self.url = self._read_url()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log_path.read_text("utf-8")

    def terminate(self) -> None:
        """Ask it to end in order."""
        self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def terminate_each(self) -> None:
        """Ask each of its processes to end in order, as systemd does."""
        os.killpg(self._process.pid, signal.SIGTERM)

    async def ended(self) -> int:
        """Wait for its end and return the exit code."""
        return await asyncio.to_thread(self._process.wait, END_SECONDS)

    def close(self) -> None:
        """End it; at once when it does not end in order."""
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _read_url(self) -> str:
        """Read the first line of the banner; the port accepts connections when it is printed."""
        output = self._process.stdout
        assert output is not None
        if not select.select([output], [], [], START_SECONDS)[0]:
            raise TimeoutError("packyproxy serve printed nothing")
        line = output.readline()
        assert " listens on " in line, f"packyproxy serve did not start:\n{self.log}"
        return line.split()[-1]
