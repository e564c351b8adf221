"""The loop over a streamed answer, run in this process while observing and while not.

Neither server nor sockets are part of it: reads come from a list, and what the client gets is thrown away. So
the quickest of many runs is the work itself, to a hundredth of a microsecond per event.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from programs.observed_serve import Switch

from packyproxy.app import PackyProxy
from packyproxy.runtime.upstream import Upstream

__all__ = ["quickest_loops"]

_SETTINGS = {
    "packycode": {
        "enabled": True,
        "base-url": "http://upstream.test/v1",
        "credentials": {"openai-api-key": "sk-benchmark"},
    }
}


class _Answer:
    """An upstream's answer that is there already."""

    def __init__(self, reads: Sequence[bytes]) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self._reads = reads

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for read in self._reads:
            yield read

    async def finish(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


async def quickest_loops(request: bytes, reads: Sequence[bytes], *, pairs: int) -> tuple[float, float]:
    """Serve one streamed request again and again, observing and not.

    Args:
        request: as it is sent to a server.
        reads: what the upstream answers, one network read each.
        pairs: how often either is measured.

    Returns:
        The CPU seconds of the quickest run while observing, and of the quickest while not.
    """
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    scope = {
        "type": "http",
        "method": "POST",
        "path": first.split()[1].partition(b"?")[0].decode(),
        "query_string": b"",
        "headers": [tuple(line.lower().split(b": ", 1)) for line in lines],
    }
    proxy = PackyProxy(_SETTINGS)
    found: dict[bool, list[float]] = {True: [], False: []}

    async def open_answer(*_: object) -> Any:
        return _Answer(reads)

    with tempfile.TemporaryDirectory() as folder, patch.object(Upstream, "open", open_answer):
        switch = Switch(Path(folder) / "observing")
        gc.disable()
        try:
            for number in range(pairs):
                for is_on in (True, False) if number % 2 else (False, True):
                    (switch.turn_on if is_on else switch.turn_off)()
                    await _serve(proxy, scope, body)
                    before = time.process_time()
                    await _serve(proxy, scope, body)
                    found[is_on].append(time.process_time() - before)
                    gc.collect()
        finally:
            gc.enable()
            switch.turn_on()
    return min(found[True]), min(found[False])


async def _serve(proxy: PackyProxy, scope: dict[str, Any], body: bytes) -> None:
    message = {"type": "http.request", "body": body, "more_body": False}
    messages = [message]
    stays: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await stays
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    await proxy(scope, receive, send)
