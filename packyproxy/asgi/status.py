"""Tell that the process lives and whether it can serve: ``/``, ``/healthz``, ``/readyz``, without a key."""

import msgspec
from starlette.types import Receive, Send

from packyproxy.asgi.call import Call
from packyproxy.asgi.dispatch import dispatch
from packyproxy.asgi.paths import Scope
from packyproxy.asgi.routes import Route, RouteTable
from packyproxy.runtime.runtime import Runtime

__all__ = ["Status"]


class Status:
    """The status routes as an ASGI component.

    ``GET|HEAD /`` answers 200 (Claude Code probes it at start), ``/healthz`` 200 while the process runs,
    ``/readyz`` 200 when at least one provider can serve and else 503.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.routes = (
            Route("/", ("GET", "HEAD"), self._root),
            Route("/healthz", ("GET", "HEAD"), self._health),
            Route("/readyz", ("GET", "HEAD"), self._ready),
        )
        self._table = RouteTable(self.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; a websocket is refused."""
        await self._runtime.catch_up()
        await dispatch(self._table, scope, receive, send)

    async def _root(self, call: Call) -> None:
        await call.answer(200, msgspec.json.encode({"name": "packyproxy", "version": self._runtime.version}))

    async def _health(self, call: Call) -> None:
        await call.answer(200, b'{"status":"ok"}')

    async def _ready(self, call: Call) -> None:
        providers = tuple(self._runtime.snapshot.providers.values())
        if not providers:
            await call.answer(503, b'{"status":"no provider is enabled"}')
        elif await self._runtime.routing.can_serve(providers):
            await call.answer(200, b'{"status":"ready"}')
        else:
            await call.answer(503, b'{"status":"no provider can serve at the moment"}')
