"""Speak the ASGI lifespan protocol for a runtime."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.types import Receive, Send

__all__ = ["serve_lifespan"]


async def serve_lifespan(resource: AbstractAsyncContextManager[Any], receive: Receive, send: Send) -> None:
    """Enter ``resource`` at startup and leave it at shutdown.

    A failed start is *said* (``lifespan.startup.failed``): raising would leave uvicorn and hypercorn serving.
    """
    await receive()
    try:
        await resource.__aenter__()
    except Exception as error:  # noqa: BLE001 - whatever keeps the runtime from starting is the server's to hear
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    try:
        await resource.__aexit__(None, None, None)
    except Exception as error:  # noqa: BLE001 - likewise for stopping
        await send({"type": "lifespan.shutdown.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})
