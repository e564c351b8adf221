"""``packyproxy serve``: the proxy under hypercorn, in this process or in several that share the port."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from packyproxy.cli.advice import oversight_warnings
from packyproxy.cli.banner import banner
from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.logs import configure_logging, log_together
from packyproxy.cli.overrides import Overrides
from packyproxy.cli.port_check import running_version
from packyproxy.cli.registration import Kind, register
from packyproxy.cli.server import (
    Stop,
    bind,
    calm_the_collector,
    keep_freed_memory,
    loop_name,
    run_in_loop,
    serve_app,
    server_url,
)
from packyproxy.cli.service_manager import tell_service_manager
from packyproxy.config import Config
from packyproxy.runtime.reload.config_file import ConfigFile
from packyproxy.runtime.upstream import WrapTransport

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

__all__ = ["follow_logging", "serve"]

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
_LINGER_SECONDS: Final = 1.0
"""What a balancer has sent until it noticed the end, arrives in far less."""


def serve(
    path: str | None,
    *,
    host: str | None,
    port: int | None,
    workers: int,
    grace_seconds: float,
    allow_open: bool,
    packycode: bool,
    tppc: bool,
    wrappers: Sequence[WrapTransport] = (),
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Args:
        path: of the configuration, None to look for it; the file is followed while it serves.
        host: stands over the file's, also when that changes.
        port: likewise.
        workers: how many processes share the port.
        grace_seconds: how long running answers may go on when it is to end.
        allow_open: without api-keys, listen beyond loopback all the same.
        packycode: the models of the ``packycode`` block are expected.
        tppc: the models of ``tppc.providers`` are expected.
        wrappers: put around the transport to every upstream; for one worker.

    Raises:
        ConfigError: the configuration cannot be used, lacks a source that was asked for, or would be open to
            other machines.
        CommandFailed: the address cannot be bound, or a worker died.
    """
    file = ConfigFile(path, amend=Overrides(host, port, allow_open=allow_open).apply)
    config = file.loaded.config
    wanted: dict[Kind, bool] = {"packycode": packycode, "tppc": tppc}
    registered = register(config, tuple(kind for kind, is_wanted in wanted.items() if is_wanted))
    configure_logging(config.log_format, debug=config.debug)
    listener = _bind(config)
    notes = (*registered, *file.loaded.notes, *map(str, oversight_warnings(config, os.environ)))
    text = banner(
        config,
        server_url(listener),
        environment=os.environ,
        loop=loop_name(),
        workers=workers,
        notes=notes,
    )
    with _signals_wait():
        print(text, flush=True)  # who reads it may end this at once
        if workers == 1:
            return _serve_here(file, listener, _obey_signals, grace_seconds=grace_seconds, wrappers=wrappers)
        return _serve_in_workers(file, listener, workers, grace_seconds)


def _bind(config: Config) -> socket.socket:
    try:
        return bind(config.host, config.port)
    except CommandFailed as error:
        version = running_version(config.host, config.port) if config.port else None
        if version is None:
            raise
        raise CommandFailed(
            f"packyproxy {version} serves on {config.host} port {config.port} already: use that one, stop "
            "it, or choose another port with --port"
        ) from error


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Keep signals back until somebody lets them in who can end in order; at the latest until the end."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        _let_signals_in()


def _let_signals_in() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _serve_here(
    file: ConfigFile,
    listener: socket.socket,
    obey: Callable[[Stop], object],
    *,
    grace_seconds: float,
    wrappers: Sequence[WrapTransport] = (),
) -> int:
    from packyproxy.app import PackyProxy

    async def main() -> int:
        stop = Stop()
        obey(stop)
        proxy = PackyProxy(file)
        proxy.runtime.transport_wrappers.extend(wrappers)
        proxy.runtime.listen(follow_logging)
        proxy.runtime.recorder.log_together = log_together
        async with proxy:
            calm_the_collector()
            keep_freed_memory()
            await serve_app(
                proxy, listener, stop, grace_seconds=grace_seconds, linger_seconds=_LINGER_SECONDS
            )
        return 0

    return run_in_loop(main)


def follow_logging(config: Config) -> None:
    """Log as a configuration says that has come into force."""
    configure_logging(config.log_format, debug=config.debug)


def _serve_in_workers(file: ConfigFile, listener: socket.socket, count: int, grace_seconds: float) -> int:
    """Fork workers over one listening socket and wait for them.

    A worker that dies ends all, for a manager to restart. Ctrl-C reaches the whole process group, so workers
    ignore it. SIGTERM may reach all of them too (systemd does that) and comes to workers from this process as
    well, so for them it is one wish however often it comes; only this process tells them to end at once.
    """
    import multiprocessing
    from multiprocessing.connection import wait

    if "fork" not in multiprocessing.get_all_start_methods():
        raise CommandFailed(
            "--workers above 1 needs a system that can fork: run several processes on several ports"
        )
    context = multiprocessing.get_context("fork")
    workers: list[BaseProcess] = []
    is_stopping = False

    def stop(*_: object) -> None:
        nonlocal is_stopping
        tell_service_manager("STOPPING=1")
        order = signal.SIGUSR1 if is_stopping else signal.SIGTERM
        is_stopping = True
        for worker in workers:
            if worker.pid is not None and worker.exitcode is None:
                os.kill(worker.pid, order)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    # Signals wait: here until there is a whole list of workers to pass them on to, in a worker until it can
    # stop in order.
    for _ in range(count):
        workers.append(context.Process(target=_worker, args=(file, listener, grace_seconds)))
        workers[-1].start()
    _let_signals_in()
    tell_service_manager("READY=1")
    listener.close()  # else the system would take connections in that workers, when they end, accept no more
    wait([worker.sentinel for worker in workers])
    has_died = not is_stopping
    if has_died:
        stop()
    for worker in workers:
        worker.join()
    if has_died:
        raise CommandFailed("a worker process died; the others were stopped")
    return 0


def _worker(file: ConfigFile, listener: socket.socket, grace_seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve_here(file, listener, _obey_parent, grace_seconds=grace_seconds)


def _obey_signals(stop: Stop) -> None:
    stop.on_signals(*_STOPPING, first=lambda: tell_service_manager("STOPPING=1"))
    _let_signals_in()
    tell_service_manager("READY=1")  # whoever connects is served, and a signal ends this in order


def _obey_parent(stop: Stop) -> None:
    stop.obey(ask=signal.SIGTERM, insist=signal.SIGUSR1)
    _let_signals_in()
