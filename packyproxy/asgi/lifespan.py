"""Speak the ASGI lifespan protocol for a resource, alone or around a host application.

The resource starts before the host and stops after it; if it cannot start, the host is never begun, so that
nothing of it needs to be ended. A failed start is *said* (``lifespan.startup.failed``): raising would leave
uvicorn and hypercorn serving. What the host says travels on, once the resource has come to its end where the
server may stop listening then. A host that leaves startup unanswered has no lifespan; all is answered for it.
"""

import logging
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["serve_lifespan", "serve_lifespan_around"]

_log = logging.getLogger("packyproxy")


async def serve_lifespan(resource: AbstractAsyncContextManager[Any], receive: Receive, send: Send) -> None:
    """Enter ``resource`` at startup and leave it at shutdown."""
    lifespan = _Lifespan(resource, receive, send)
    if await lifespan.has_begun():
        try:
            await lifespan.finish()
        finally:
            await lifespan.leave()


async def serve_lifespan_around(
    resource: AbstractAsyncContextManager[Any], host: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Enter ``resource``, let ``host`` live its lifespan, and leave ``resource``.

    What the host raises is raised, unless it had not answered startup yet.
    """
    lifespan = _Lifespan(resource, receive, send)
    if not await lifespan.has_begun():
        return
    try:
        try:
            await host(scope, lifespan.receive, lifespan.send)
        except Exception as error:
            if lifespan.is_answered:
                raise
            _log_no_lifespan(error)
        await lifespan.finish()
    finally:
        await lifespan.leave()


class _Lifespan:
    """The server as a host sees it, with a resource that lives as long as the host does."""

    def __init__(self, resource: AbstractAsyncContextManager[Any], receive: Receive, send: Send) -> None:
        self._resource = resource
        self._receive = receive
        self._send = send
        self._startup: Message | None = None
        """The server's first message, until the host takes it."""
        self._is_entered = False
        self._is_shutting_down = False
        self.is_answered = False
        """Whether the server knows what became of the startup."""
        self._is_over = False

    async def has_begun(self) -> bool:
        """Wait for the startup and enter the resource; if that fails, say so."""
        self._startup = await self._receive()
        try:
            await self._resource.__aenter__()
        except Exception as error:  # noqa: BLE001 - whatever keeps the resource from starting is the server's to hear
            await self._send({"type": "lifespan.startup.failed", "message": str(error)})
            return False
        self._is_entered = True
        return True

    async def receive(self) -> Message:
        """Return the server's next message."""
        if self._startup is not None:
            startup, self._startup = self._startup, None
            return startup
        message = await self._receive()
        self._is_shutting_down = message["type"] == "lifespan.shutdown"
        return message

    async def send(self, message: Message) -> None:
        """Pass an answer on; before one that ends the lifespan, leave the resource."""
        kind = message["type"]
        self.is_answered = True
        if kind in {"lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
            self._is_over = True
            try:
                await self.leave()
            except Exception as error:  # noqa: BLE001 - said as well, unless the host has said worse
                if kind == "lifespan.shutdown.complete":
                    message = {"type": "lifespan.shutdown.failed", "message": str(error)}
        await self._send(message)

    async def finish(self) -> None:
        """Answer what the host has not, now and at the shutdown."""
        if not self.is_answered:
            self._startup = None
            await self.send({"type": "lifespan.startup.complete"})
        if not self._is_over:
            while not self._is_shutting_down:
                await self.receive()
            await self.send({"type": "lifespan.shutdown.complete"})

    async def leave(self) -> None:
        """Leave the resource, if it was entered and not left."""
        if self._is_entered:
            self._is_entered = False
            await self._resource.__aexit__(None, None, None)


def _log_no_lifespan(error: Exception) -> None:
    """Log why the host's own lifespan does not run: by design, or by a fault that a server hides likewise."""
    _log.info(
        "the host answers no lifespan (%s): the proxy starts and stops without it",
        type(error).__name__,
        extra={"event": "host_without_lifespan", "error": type(error).__name__},
    )
