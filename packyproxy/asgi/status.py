"""Tell that the process lives and whether it can serve, without a key: ``/``, ``/healthz``, ``/readyz``.

``/metrics`` tells how it fares, to this machine and to whoever shows a client key.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from packyproxy.asgi.access import let_in
from packyproxy.asgi.addresses import is_local
from packyproxy.asgi.call import Call
from packyproxy.asgi.dispatch import dispatch
from packyproxy.asgi.paths import Scope
from packyproxy.asgi.routes import Route, RouteTable
from packyproxy.asgi.types import Receive, Send
from packyproxy.runtime.observation.survey import ProviderReport, survey
from packyproxy.runtime.runtime import Runtime
from packyproxy.usage.figures import Figures

if TYPE_CHECKING:
    from packyproxy.asgi.metrics import Exposition

__all__ = ["Status"]

_NOT_INSTALLED: Final = (
    b"metrics are on, but prometheus_client is missing: pip install 'packyproxy[metrics]'\n"
)


class Status:
    """The status routes as an ASGI component.

    ``GET|HEAD /`` answers 200 (Claude Code probes it at start), ``/healthz`` 200 while the process runs,
    ``/readyz`` 200 when at least one provider can serve and else 503. ``/metrics`` is there while the
    configuration says ``metrics: true``, and answers 501 without the extra ``metrics``.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.routes = (
            Route("/", ("GET", "HEAD"), self._root),
            Route("/healthz", ("GET", "HEAD"), self._health),
            Route("/readyz", ("GET", "HEAD"), self._ready),
            Route("/metrics", ("GET", "HEAD"), self._metrics, is_there=self._has_metrics),
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

    def _has_metrics(self) -> bool:
        return self._runtime.snapshot.config.metrics

    async def _metrics(self, call: Call) -> None:
        runtime = self._runtime
        if not is_local(call.scope, call.headers):
            await let_in(call, runtime, runtime.snapshot)
        providers = await survey(runtime)
        figures = runtime.recorder.figures()
        accept = call.headers.get("accept", "")
        try:
            # In a thread: the module is loaded at the first time, and many figures take a while to write.
            exposition = await asyncio.to_thread(_expose, figures, providers, runtime.version, accept)
        except ModuleNotFoundError as error:
            if error.name != "prometheus_client":
                raise
            await call.answer(501, _NOT_INSTALLED, media_type=b"text/plain; charset=utf-8")
        else:
            await call.answer(200, exposition.body, media_type=exposition.media_type.encode())


def _expose(figures: Figures, providers: Sequence[ProviderReport], version: str, accept: str) -> "Exposition":
    # By itself first: where several threads fail to load a module of ours at once, some find it half loaded.
    import prometheus_client  # noqa: F401, PLC0415 - an extra

    from packyproxy.asgi.metrics import expose  # noqa: PLC0415 - needs it

    return expose(figures, providers, version=version, accept=accept)
