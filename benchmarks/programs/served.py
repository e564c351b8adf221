"""The proxy and the pump as applications for other servers than that of ``packyproxy serve``.

Both are factories that find what they need in the environment. As in ``packyproxy serve``, the cycle
collector is calmed once the application has started.
"""

import gc
import logging
import os
import signal
from pathlib import Path
from typing import Any

__all__ = ["proxy", "pump"]

_OBJECTS_BETWEEN_COLLECTIONS = 10_000


class _Calm:
    """An application that calms the collector once it has started."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        # No coroutine of its own: a request costs no more than without this class.
        return self._app(scope, receive, _calming(send) if scope["type"] == "lifespan" else send)


def proxy() -> Any:
    """Return the proxy for the configuration of ``BENCHMARK_CONFIG_FILE``."""
    from packyproxy.app import PackyProxy

    logging.getLogger("packyproxy").addHandler(logging.NullHandler())
    if name := os.environ.get("BENCHMARK_COUNTS_FILE"):
        _count_on_request(Path(name))
    return _Calm(PackyProxy(os.environ["BENCHMARK_CONFIG_FILE"]))


def pump() -> Any:
    """Return the pump before ``BENCHMARK_UPSTREAM_URL``."""
    from pump import Pump

    return _Calm(Pump(os.environ["BENCHMARK_UPSTREAM_URL"]))


def _calming(send: Any) -> Any:
    async def send_and_calm(message: Any) -> None:
        gc.collect()
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        await send(message)

    return send_and_calm


def _count_on_request(file: Path) -> None:
    from counted_serve import write_counts

    file.with_suffix(".pid").write_text(str(os.getpid()))
    signal.signal(signal.SIGUSR1, lambda *_: write_counts(file))
