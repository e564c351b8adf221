"""``packyproxy serve``: the proxy under hypercorn, in this process or in several that share the port."""

import logging
import multiprocessing
import signal
import socket
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final

from msgspec.structs import replace

from packyproxy.cli.banner import banner
from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.logs import configure_logging
from packyproxy.cli.server import (
    Stop,
    bind,
    calm_the_collector,
    is_loopback,
    run_in_loop,
    serve_app,
    server_url,
)
from packyproxy.config import Config, load_config
from packyproxy.config.pending import not_yet_in_effect
from packyproxy.config.rules import check_host
from packyproxy.config.yaml_file import find_file
from packyproxy.errors import ConfigError, Problem

__all__ = ["serve"]

_LONGEST_GRACE_SECONDS: Final = 30.0
"""Service managers and containers kill what has not ended by then."""

_log = logging.getLogger("packyproxy")


def serve(path: str | None, *, host: str | None, port: int | None, workers: int, allow_open: bool) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises:
        ConfigError: the configuration cannot be used, or would be open to other machines.
        CommandFailed: the address cannot be bound, or a worker died.
    """
    config = _with_overrides(load_config(find_file(path)), host, port)
    if not (config.api_keys or allow_open or is_loopback(config.host)):
        fix = (
            "add at least one, or pass --allow-open if everybody who can connect may use your provider's key"
        )
        message = f"none is configured, and {config.host} can be reached from other machines"
        raise ConfigError((Problem(field="api-keys", code="open_to_others", message=message, fix=fix),))
    configure_logging(config.log_format, debug=config.debug)
    listener = bind(config.host, config.port)
    print(banner(config, server_url(listener), workers=workers), flush=True)
    if pending := not_yet_in_effect(config):
        _log.warning(
            "without effect in this release: %s", ", ".join(pending), extra={"event": "not_in_effect"}
        )
    if workers == 1:
        return _serve_here(config, listener, signal.SIGINT, signal.SIGTERM)
    return _serve_in_workers(config, listener, workers)


def _with_overrides(config: Config, host: str | None, port: int | None) -> Config:
    if host is not None and (complaint := check_host(host)):
        message, fix = complaint
        raise ConfigError((Problem(field="--host", code="invalid", message=message, fix=fix),))
    return replace(
        config,
        host=config.host if host is None else host,
        port=config.port if port is None else port,
    )


def _serve_here(config: Config, listener: socket.socket, *signals: signal.Signals) -> int:
    from packyproxy.app import PackyProxy

    async def main() -> int:
        stop = Stop()
        stop.on_signals(*signals)
        grace_seconds = min(config.streaming.total_timeout, _LONGEST_GRACE_SECONDS)
        async with PackyProxy(config) as proxy:
            calm_the_collector()
            await serve_app(proxy, listener, stop, grace_seconds=grace_seconds)
        return 0

    return run_in_loop(main)


def _serve_in_workers(config: Config, listener: socket.socket, count: int) -> int:
    """Fork workers over one listening socket and wait for them.

    A worker that dies ends all, for a manager to restart. Ctrl-C reaches the whole process group, so workers
    ignore it and take their orders from this process alone.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise CommandFailed(
            "--workers above 1 needs a system that can fork: run several processes on several ports"
        )
    context = multiprocessing.get_context("fork")
    workers: list[BaseProcess] = []
    is_stopping = False

    def stop(*_: object) -> None:
        nonlocal is_stopping
        if multiprocessing.parent_process() is not None:
            raise SystemExit(0)  # a worker that has not begun yet still has this handler
        is_stopping = True
        for worker in workers:
            worker.terminate()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    while len(workers) < count and not is_stopping:
        workers.append(context.Process(target=_worker, args=(config, listener)))
        workers[-1].start()
    wait([worker.sentinel for worker in workers])
    has_died = not is_stopping
    if has_died:
        stop()
    for worker in workers:
        worker.join()
    if has_died:
        raise CommandFailed("a worker process died; the others were stopped")
    return 0


def _worker(config: Config, listener: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve_here(config, listener, signal.SIGTERM)
