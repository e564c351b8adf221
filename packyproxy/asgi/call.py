"""One HTTP request being answered: what arrived, and the only way to write to the client.

An answer may be due before the request's body has arrived (a wrong key, a body that is too large). A server
that closes the connection then resets it, and the client never sees the answer: so the rest of the body is
taken and thrown away, within limits, before the answer ends.

Every answer carries ``x-request-id``, on Anthropic surfaces also ``request-id``, and echoes a printable
``x-client-request-id`` (wire-mapping 12.1, 12.4).
"""

import asyncio

from starlette.types import Message, Receive, Send

from packyproxy.asgi.body import read_body
from packyproxy.asgi.paths import Scope, is_anthropic_path, route_path
from packyproxy.errors import ClientLeft
from packyproxy.runtime.identity import new_request_id
from packyproxy.runtime.serving.downstream import Headers as RawHeaders
from packyproxy.translate.contract import Family

__all__ = ["Call"]

_LONGEST_ECHO = 128
_DISCARD_SECONDS = 30.0
_SILENCE_SECONDS = 5.0
"""How long the rest of a refused body may take, and how long it may pause: what nginx grants
(``lingering_time`` and ``lingering_timeout``)."""


class Call:
    """A request and its answer; implements the runtime's ``Client``."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.scope = scope
        self.is_websocket: bool = scope["type"] == "websocket"
        """Whether this is a websocket's handshake, to be answered as an HTTP request."""
        self.method: str = scope["method"]
        self.path = route_path(scope)
        # A dict, for a request looks a dozen headers up; ASGI has made their names lower case. The first of
        # several with one name counts.
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reversed(list(scope["headers"]))
        }
        self.request_id = new_request_id()
        self.is_started = False
        self.family_of_route: Family | None = None
        """Whose shapes the route speaks, once it is known to speak one."""
        self._request_is_over = not self._has_body()

    @property
    def family(self) -> Family:
        """Whose shapes this client expects: by the route, the path, then its headers (wire-mapping 10.1)."""
        if self.family_of_route is not None:
            return self.family_of_route
        return "anthropic" if is_anthropic_path(self.path) or self.asks_as_anthropic else "openai"

    @property
    def asks_as_anthropic(self) -> bool:
        """Whether the headers are those of an Anthropic client."""
        headers = self.headers
        if "anthropic-version" in headers or headers.get("user-agent", "").startswith(
            ("claude-cli/", "Anthropic/")
        ):
            return True
        return "x-api-key" in headers and not headers.get("authorization", "").lower().startswith("bearer ")

    async def read_body(self, limit: int) -> bytes:
        """Read and decompress the request body.

        Raises:
            InvalidRequest: 413, 415 or 400, as wire-mapping 0.6 says.
            ClientLeft: the connection ended before the body did.
        """
        return await read_body(self._next_message, self.headers, limit)

    async def answer(
        self,
        status: int,
        body: bytes,
        headers: RawHeaders | None = None,
        *,
        media_type: bytes = b"application/json",
    ) -> None:
        """Send a whole answer, JSON by default."""
        await self.start(
            status,
            [
                (b"content-type", media_type),
                (b"content-length", b"%d" % len(body)),
                *(headers or ()),
            ],
        )
        await self.write(b"" if self.method == "HEAD" else body, is_last=self._request_is_over)
        if not self._request_is_over:
            await self._discard_request()
            await self.write(b"", is_last=True)

    async def start(self, status: int, headers: RawHeaders) -> None:
        """Send the status line and headers."""
        self.is_started = True
        request_id = self.request_id.encode()
        headers = [*headers, (b"x-request-id", request_id)]
        if self.family == "anthropic":
            headers.append((b"request-id", request_id))
        echo = self.headers.get("x-client-request-id") or self.headers.get("x-request-id")
        if echo and len(echo) <= _LONGEST_ECHO and echo.isascii() and echo.isprintable():
            headers.append((b"x-client-request-id", echo.encode()))
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, is_last: bool = False) -> None:
        """Send body bytes; returns when the server has taken them."""
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})
        except OSError as error:  # how ASGI lets a server say that the client is gone
            raise ClientLeft from error

    async def wait_gone(self) -> None:
        """Return once the client's connection has ended."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _put(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # how ASGI lets a server say that the client is gone
            raise ClientLeft from error

    def _has_body(self) -> bool:
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    async def _next_message(self) -> Message:
        message = await self._receive()
        self._request_is_over = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def _discard_request(self) -> None:
        try:
            async with asyncio.timeout(_DISCARD_SECONDS):
                while not self._request_is_over:
                    async with asyncio.timeout(_SILENCE_SECONDS):
                        await self._next_message()
        except TimeoutError:
            pass  # the client is slow on purpose or stuck: it may lose the answer
