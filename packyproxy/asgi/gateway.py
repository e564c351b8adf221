"""The routes that models are called through: one for each protocol, and where it counts tokens.

Answers that were stored can be asked for as well, to be told that none are (wire-mapping 7.2).
Order of the checks: route, method, client key, content type, body. A body is read only for a known client.
"""

from packyproxy.asgi.access import let_in
from packyproxy.asgi.call import Call
from packyproxy.asgi.dispatch import dispatch
from packyproxy.asgi.paths import Scope
from packyproxy.asgi.routes import Endpoint, Route, RouteTable
from packyproxy.asgi.types import Receive, Send
from packyproxy.errors import InvalidRequest, NoProvider
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.serving.counting import count_tokens
from packyproxy.runtime.serving.exchange import Exchange
from packyproxy.translate.contract import ClientProtocol
from packyproxy.translate.protocols import PROTOCOLS

__all__ = ["Gateway"]


class Gateway:
    """The model routes as an ASGI component."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        routes: list[Route] = []
        for make in PROTOCOLS.values():
            protocol = make()
            family = protocol.family
            routes.append(Route(protocol.path, ("POST",), self._serving(protocol), family=family))
            if protocol.counting_path is not None:
                counting = self._counting(protocol)
                routes.append(Route(protocol.counting_path, ("POST",), counting, family=family))
            if protocol.storing_path is not None:
                routes.append(Route(protocol.storing_path, (), self._tell_of_no_store, family=family))
        self.routes = tuple(routes)
        self._table = RouteTable(self.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; a websocket is refused."""
        await self._runtime.catch_up()
        await dispatch(self._table, scope, receive, send)

    def _serving(self, protocol: ClientProtocol) -> Endpoint:
        async def serve(call: Call) -> None:
            inbound, body = await self._take(call)
            try:
                exchange = Exchange(self._runtime, protocol, inbound, call, body)
            except NoProvider as error:
                raise self._no_provider() from error
            del body  # it would stay in memory as long as the answer streams
            await exchange.run()

        return serve

    def _counting(self, protocol: ClientProtocol) -> Endpoint:
        async def count(call: Call) -> None:
            inbound, body = await self._take(call)
            try:
                counted = count_tokens(self._runtime, protocol, inbound, body)
            except NoProvider as error:
                raise self._no_provider() from error
            await call.answer(200, counted)

        return count

    async def _tell_of_no_store(self, call: Call) -> None:
        await let_in(call, self._runtime, self._runtime.snapshot)
        raise InvalidRequest("responses are not stored by this gateway", status=404, code="not_found")

    def _no_provider(self) -> NoProvider:
        return NoProvider(is_managed=self._runtime.management_key.is_set)

    async def _take(self, call: Call) -> tuple[Inbound, bytes]:
        accepted_at = self._runtime.monotonic()
        snapshot = self._runtime.snapshot
        key_id = await let_in(call, self._runtime, snapshot)
        content_type = call.headers.get("content-type", "application/json")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest(
                "content-type must be application/json", status=415, code="unsupported_media_type"
            )
        body = await call.read_body(snapshot.config.max_body_bytes)
        inbound = Inbound(
            request_id=call.request_id,
            key_id=key_id,
            headers=call.headers,
            accepted_at=accepted_at,
            snapshot=snapshot,
        )
        return inbound, body
