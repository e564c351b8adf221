"""List what clients may ask for: ``GET /v1/models`` and ``/v1/models/{id}`` (wire-mapping 10.1-10.3).

The Codex CLI names its version in the query and wants a catalogue of its own kind: a provider's, or a 404, on
which it uses the one that it brings along. The usual list would be read as an empty catalogue.
"""

from urllib.parse import parse_qs

from packyproxy.asgi.access import let_in
from packyproxy.asgi.call import Call
from packyproxy.asgi.dispatch import dispatch
from packyproxy.asgi.paths import Scope
from packyproxy.asgi.routes import Route, RouteTable
from packyproxy.asgi.types import Receive, Send
from packyproxy.errors import InvalidRequest
from packyproxy.registry.listing import list_models, show_model
from packyproxy.runtime.codex_catalogue import find_catalogue
from packyproxy.runtime.runtime import Runtime

__all__ = ["Models"]


class Models:
    """The model list as an ASGI component, in the shape of whoever asks."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.routes = (
            Route("/v1/models", ("GET",), self._list),
            Route("/v1/models/*", ("GET",), self._show),
        )
        self._table = RouteTable(self.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; a websocket is refused."""
        await self._runtime.catch_up()
        await dispatch(self._table, scope, receive, send)

    async def _list(self, call: Call) -> None:
        snapshot = self._runtime.snapshot
        await let_in(call, self._runtime, snapshot)
        query = {
            name: values[-1]
            for name, values in parse_qs(call.scope["query_string"].decode("latin-1")).items()
        }
        if "client_version" in query:
            await self._pass_catalogue_on(call, query["client_version"])
        else:
            await call.answer(200, list_models(snapshot.registry, call.family, query))

    async def _pass_catalogue_on(self, call: Call, client_version: str) -> None:
        call.family_of_route = "openai"
        catalogue = await find_catalogue(self._runtime, client_version, call.headers)
        if catalogue is None:
            raise InvalidRequest("no provider offers a Codex model catalogue", status=404, code="not_found")
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in catalogue.headers]
        await call.answer(200, catalogue.body, headers)

    async def _show(self, call: Call) -> None:
        snapshot = self._runtime.snapshot
        await let_in(call, self._runtime, snapshot)
        model = call.path.removeprefix("/v1").removeprefix("/models/")
        await call.answer(200, show_model(snapshot.registry, call.family, model))
