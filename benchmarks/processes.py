"""The processes under measurement: started, watched through /proc, and ended by their id.

Linux only, because of /proc. CPU time is user and system together, in seconds, over all threads.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from event_loop import wait_until

__all__ = ["ServerProcess", "started_proxy", "started_pump", "started_reloading_proxy"]

_HERE = Path(__file__).parent
_READY_SECONDS = 20.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.002

_CONFIG = """\
packycode:
  enabled: true
  base-url: "{upstream_url}"
  credentials: {{openai-api-key: "sk-benchmark"}}
"""


class ServerProcess:
    """A server on a loopback port of its own."""

    def __init__(self, command: Sequence[str], *, port: int, log: IO[bytes]) -> None:
        self.port = port
        self._log = log
        self._started_at = time.perf_counter()
        self.ready_seconds = 0.0
        """From exec to the first 200 of /readyz."""
        self.counts_file: Path | None = None
        """The file that ``counted_serve.py`` writes, when it runs."""
        self.observing_file: Path | None = None
        """The file that ``observed_serve.py`` writes, when it runs."""
        self.config_file: Path | None = None
        """The proxy's configuration."""
        self._reloads = 0
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PACKY")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        self._proc = Path(f"/proc/{self._process.pid}")

    async def wait_ready(self) -> None:
        """Return once /readyz answers 200."""
        while not await _answers_ready(self.port):
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}:\n{self._log_text()}")
            if time.perf_counter() - self._started_at > _READY_SECONDS:
                raise RuntimeError(f"the server was not ready in {_READY_SECONDS} s:\n{self._log_text()}")
            await asyncio.sleep(_POLL_SECONDS)
        self.ready_seconds = time.perf_counter() - self._started_at

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far."""
        threads = (self._proc / "task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def rss_bytes(self) -> int:
        """Return the resident memory."""
        return self._status_bytes("VmRSS")

    def peak_rss_bytes(self) -> int:
        """Return the largest resident memory since the start."""
        return self._status_bytes("VmHWM")

    def open_files(self) -> int:
        """Return the number of open file descriptors."""
        return sum(1 for _ in (self._proc / "fd").iterdir())

    async def object_counts(self) -> tuple[int, int]:
        """Return the numbers of unfinished asyncio tasks and of all objects that the garbage collector knows.

        Only of a process that counts them; it collects garbage first.
        """
        assert self.counts_file is not None, "started without counts_objects"
        self.counts_file.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        if not await wait_until(self.counts_file.exists, seconds=_STOP_SECONDS):
            raise RuntimeError("the server did not tell its counts")
        tasks, objects = self.counts_file.read_text().split()
        return int(tasks), int(objects)

    async def observe(self, *, is_on: bool) -> None:
        """Let the proxy observe what it does, or not; only of one that can stop, which begins with it."""
        assert self.observing_file is not None, "started without can_stop_observing"
        self.observing_file.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1 if is_on else signal.SIGUSR2)
        if not await wait_until(self.observing_file.exists, seconds=_STOP_SECONDS):
            raise RuntimeError(f"the server did not change its mind:\n{self._log_text()}")

    async def reload(self) -> float:
        """Let the proxy read its configuration again; return how long that took it, in seconds.

        Only of ``started_reloading_proxy``.
        """
        assert self.config_file is not None, "started without a configuration"
        answer = self.config_file.with_name("reloaded")
        self._reloads += 1
        self._process.send_signal(signal.SIGUSR2)
        if not await wait_until(
            lambda: answer.exists() and answer.read_text().startswith(f"{self._reloads} "),
            seconds=_STOP_SECONDS,
        ):
            raise RuntimeError(f"the proxy did not read its configuration again:\n{self._log_text()}")
        return float(answer.read_text().split()[1])

    def stop(self) -> None:
        """End the process, by force when it does not end by itself."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _status_bytes(self, name: str) -> int:
        for line in (self._proc / "status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"/proc knows no {name}")

    def _log_text(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]


@asynccontextmanager
async def started_proxy(
    upstream_url: str,
    *,
    config: str | None = None,
    counts_objects: bool = False,
    can_stop_observing: bool = False,
    through: Sequence[str] = (),
) -> AsyncIterator[ServerProcess]:
    """Run ``packyproxy serve`` in front of an upstream for the length of the block.

    Args:
        upstream_url: the provider's base URL.
        config: the text of config.yaml; by default one provider at that URL.
        counts_objects: serve through ``counted_serve.py``, which tells what it holds on request.
        can_stop_observing: serve through ``observed_serve.py``, which observes or not, as it is told.
        through: a program that is given the server's command, and runs it.
    """
    with tempfile.TemporaryDirectory(prefix="packyproxy-bench-") as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(config or _CONFIG.format(upstream_url=upstream_url))
        port = _free_port()
        counts_file, observing_file = Path(folder) / "counts", Path(folder) / "observing"
        program = [str(Path(sys.executable).with_name("packyproxy"))]
        if counts_objects:
            program = [sys.executable, str(_HERE / "counted_serve.py"), str(counts_file)]
        if can_stop_observing:
            program = [sys.executable, str(_HERE / "observed_serve.py"), str(observing_file)]
        command = [*through, *program, "serve", "--config", str(file), "--port", str(port)]
        async with _started(command, port) as server:
            server.counts_file, server.observing_file, server.config_file = counts_file, observing_file, file
            yield server


@asynccontextmanager
async def started_reloading_proxy(config_text: str) -> AsyncIterator[ServerProcess]:
    """Run a proxy that reads its configuration again when it is told to, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="packyproxy-bench-") as folder:
        config, counts_file, port = Path(folder) / "config.yaml", Path(folder) / "counts", _free_port()
        config.write_text(config_text)
        program = str(_HERE / "reloading_serve.py")
        async with _started(
            [sys.executable, program, str(counts_file), str(config), str(port)], port
        ) as server:
            server.counts_file, server.config_file = counts_file, config
            yield server


@asynccontextmanager
async def started_pump(upstream_url: str, *, through: Sequence[str] = ()) -> AsyncIterator[ServerProcess]:
    """Run the pump in front of an upstream for the length of the block, through a program as the proxy."""
    port = _free_port()
    command = [*through, sys.executable, str(_HERE / "pump.py"), str(port), upstream_url]
    async with _started(command, port) as server:
        yield server


@asynccontextmanager
async def _started(command: Sequence[str], port: int) -> AsyncIterator[ServerProcess]:
    with tempfile.TemporaryFile() as log:
        server = ServerProcess(command, port=port, log=log)
        try:
            await server.wait_ready()
            yield server
        finally:
            server.stop()


async def _answers_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        writer.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
