"""The processes under measurement: started, watched through /proc, and ended by their id.

Linux only, because of /proc. CPU time is user and system together, in seconds, over all threads. What a
server forked counts as part of it.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from rig.event_loop import wait_until

__all__ = [
    "DEFAULT_SERVERS",
    "SERVERS",
    "ServerProcess",
    "clean_environment",
    "free_port",
    "started_proxy",
    "started_pump",
    "started_reloading_proxy",
    "started_server",
]

SERVERS = ("hypercorn", "uvicorn", "granian")
"""What proxy and pump can be served by; hypercorn is ``packyproxy serve``."""

DEFAULT_SERVERS = ("hypercorn", "uvicorn")
"""Those on which the goals hold."""

_PROGRAMS = Path(__file__).parent.parent / "programs"
_BIN = Path(sys.executable).parent
_IMPORT_PATH = os.pathsep.join(filter(None, (str(_PROGRAMS), os.environ.get("PYTHONPATH"))))
"""On which other servers find ``served.py``."""
_READY_SECONDS = 20.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.002

_SERVER_COMMANDS = {
    "uvicorn": (
        *("uvicorn", "--factory", "--host", "127.0.0.1", "--interface", "asgi3", "--lifespan", "on"),
        *("--http", "httptools", "--ws", "none", "--backlog", "2048"),
        *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1"),
        *("--no-access-log", "--no-server-header", "--log-level", "warning"),
    ),
    "granian": (
        *("granian", "--factory", "--host", "127.0.0.1", "--interface", "asgi"),
        *("--http", "1", "--no-ws", "--backlog", "2048", "--workers-kill-timeout", "1"),
        *("--no-access-log", "--log-level", "warning"),
    ),
}
"""What hypercorn is set to in ``packyproxy serve``, said to other servers as far as they can be told."""

_CONFIG = """\
packycode:
  enabled: true
  base-url: "{upstream_url}"
  credentials: {{openai-api-key: "sk-benchmark"}}
"""


class ServerProcess:
    """A server on a loopback port of its own."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        log: IO[bytes],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._log = log
        self._started_at = time.perf_counter()
        self.ready_seconds = 0.0
        """From exec to the first 200."""
        self.counts_file: Path | None = None
        """The file that ``counted_serve.py`` writes, when it runs."""
        self.observing_file: Path | None = None
        """The file that ``observed_serve.py`` writes, when it runs."""
        self.config_file: Path | None = None
        """The proxy's configuration."""
        self._reloads = 0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**clean_environment(), **(environment or {})},
        )

    async def wait_ready(self, path: str = "/readyz", *, within_seconds: float = _READY_SECONDS) -> None:
        """Return once a GET of a path answers 200."""
        while not await _answers(self.port, path):
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}:\n{self._log_text()}")
            if time.perf_counter() - self._started_at > within_seconds:
                raise RuntimeError(f"the server was not ready in {within_seconds} s:\n{self._log_text()}")
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
        threads = (thread for process in self._processes() for thread in (process / "task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def rss_bytes(self) -> int:
        """Return the resident memory."""
        return self._status_bytes("VmRSS")

    def peak_rss_bytes(self) -> int:
        """Return the largest resident memory since the start."""
        return self._status_bytes("VmHWM")

    def open_files(self) -> int:
        """Return the number of open file descriptors."""
        return sum(1 for process in self._processes() for _ in (process / "fd").iterdir())

    async def object_counts(self) -> tuple[int, int]:
        """Return the numbers of unfinished asyncio tasks and of all objects that the garbage collector knows.

        Only of a process that counts them; it collects garbage first.
        """
        assert self.counts_file is not None, "started without counts_objects"
        self.counts_file.unlink(missing_ok=True)
        serving = self.counts_file.with_suffix(".pid")
        os.kill(int(serving.read_text()) if serving.exists() else self.pid, signal.SIGUSR1)
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
        """End the process, by force when it does not end by itself, and what it forked."""
        if self._process.poll() is None:
            forked = [int(process.name) for process in self._processes()][1:]
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                for pid in forked:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _processes(self) -> Iterator[Path]:
        """Yield the folder in /proc of the process, and of each one below it."""
        unseen = [self.pid]
        while unseen:
            process = Path(f"/proc/{unseen.pop()}")
            yield process
            for thread in (process / "task").iterdir():
                unseen += map(int, (thread / "children").read_text().split())

    def _status_bytes(self, name: str) -> int:
        lines = (
            line
            for process in self._processes()
            for line in (process / "status").read_text().splitlines()
            if line.startswith(name + ":")
        )
        return sum(int(line.split()[1]) for line in lines) * 1024

    def _log_text(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]


@asynccontextmanager
async def started_proxy(
    upstream_url: str,
    *,
    server: str = "hypercorn",
    workers: int = 1,
    loop: str = "uvloop",
    config: str | None = None,
    counts_objects: bool = False,
    can_stop_observing: bool = False,
    through: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[ServerProcess]:
    """Run the proxy in front of an upstream for the length of the block.

    Args:
        upstream_url: the provider's base URL.
        server: one of ``SERVERS``.
        workers: how many processes it forks; with one, ``packyproxy serve`` and uvicorn fork none.
        loop: the event loop of other servers; ``packyproxy serve`` takes uvloop when it finds it.
        config: the text of config.yaml; by default one provider at that URL.
        counts_objects: let it tell what it holds on request (``counted_serve.py``).
        can_stop_observing: let it observe or not, as it is told (``observed_serve.py``); on hypercorn only.
        through: a program that is given the server's command, and runs it.
        environment: further variables.
    """
    with tempfile.TemporaryDirectory(prefix="packyproxy-bench-") as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(config or _CONFIG.format(upstream_url=upstream_url))
        port = free_port()
        counts_file, observing_file = Path(folder) / "counts", Path(folder) / "observing"
        program = [str(_BIN / "packyproxy")]
        if counts_objects:
            program = [sys.executable, str(_PROGRAMS / "counted_serve.py"), str(counts_file)]
        if can_stop_observing:
            program = [sys.executable, str(_PROGRAMS / "observed_serve.py"), str(observing_file)]
        command = [*program, "serve", "--config", str(file), "--port", str(port), "--workers", str(workers)]
        variables = dict(environment or {})
        if server != "hypercorn":
            assert not can_stop_observing, "only packyproxy serve can"
            command = _serving(server, "proxy", port, workers=workers, loop=loop)
            variables |= {"PYTHONPATH": _IMPORT_PATH, "BENCHMARK_CONFIG_FILE": str(file)}
            if counts_objects:
                variables["BENCHMARK_COUNTS_FILE"] = str(counts_file)
        async with started_server([*through, *command], port, environment=variables) as process:
            process.counts_file, process.observing_file, process.config_file = (
                counts_file,
                observing_file,
                file,
            )
            yield process


@asynccontextmanager
async def started_reloading_proxy(config_text: str) -> AsyncIterator[ServerProcess]:
    """Run a proxy that reads its configuration again when it is told to, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="packyproxy-bench-") as folder:
        config, counts_file, port = Path(folder) / "config.yaml", Path(folder) / "counts", free_port()
        config.write_text(config_text)
        program = str(_PROGRAMS / "reloading_serve.py")
        command = [sys.executable, program, str(counts_file), str(config), str(port)]
        async with started_server(command, port) as process:
            process.counts_file, process.config_file = counts_file, config
            yield process


@asynccontextmanager
async def started_pump(
    upstream_url: str, *, server: str = "hypercorn", through: Sequence[str] = ()
) -> AsyncIterator[ServerProcess]:
    """Run the pump in front of an upstream for the length of the block.

    Args:
        upstream_url: the provider's base URL.
        server: one of ``SERVERS``.
        through: a program that is given the server's command, and runs it.
    """
    port = free_port()
    command, variables = [sys.executable, str(_PROGRAMS / "pump.py"), str(port), upstream_url], {}
    if server != "hypercorn":
        command = _serving(server, "pump", port, workers=1, loop="uvloop")
        variables = {"PYTHONPATH": _IMPORT_PATH, "BENCHMARK_UPSTREAM_URL": upstream_url}
    async with started_server([*through, *command], port, environment=variables) as process:
        yield process


@asynccontextmanager
async def started_server(
    command: Sequence[str],
    port: int,
    *,
    environment: Mapping[str, str] | None = None,
    ready_path: str = "/readyz",
    ready_seconds_limit: float = _READY_SECONDS,
) -> AsyncIterator[ServerProcess]:
    """Run any server for the length of the block, which begins when a GET of a path answers 200."""
    with tempfile.TemporaryFile() as log:
        process = ServerProcess(command, port=port, log=log, environment=environment)
        try:
            await process.wait_ready(ready_path, within_seconds=ready_seconds_limit)
            yield process
        finally:
            process.stop()


def _serving(server: str, factory: str, port: int, *, workers: int, loop: str) -> list[str]:
    """Return the command that serves what a factory of ``served.py`` makes."""
    program, *options = _SERVER_COMMANDS[server]
    choices = ["--port", str(port), "--workers", str(workers), "--loop", loop]
    return [str(_BIN / program), *options, *choices, f"served:{factory}"]


async def _answers(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % path.encode())
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        writer.close()


def clean_environment() -> dict[str, str]:
    """Return the environment without what would change the proxy or keep it from its byte code."""
    unwanted = ("PACKY", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
