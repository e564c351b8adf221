"""One HTTP request being answered: what arrived, and the only way to write to the client.

Every answer carries ``x-request-id``, on Anthropic surfaces also ``request-id``, and echoes a printable
``x-client-request-id`` (wire-mapping 12.1, 12.4).
"""

from starlette.datastructures import Headers
from starlette.types import Receive, Send

from packyproxy.asgi.body import read_body
from packyproxy.asgi.paths import Scope, is_anthropic_path, route_path
from packyproxy.runtime.downstream import Headers as RawHeaders
from packyproxy.runtime.identity import new_request_id
from packyproxy.translate.contract import Family

__all__ = ["Call"]

_LONGEST_ECHO = 128


class Call:
    """A request and its answer; implements the runtime's ``Client``."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.scope = scope
        self.method: str = scope["method"]
        self.path = route_path(scope)
        self.headers = Headers(raw=list(scope["headers"]))
        self.request_id = new_request_id()
        self.is_started = False

    @property
    def family(self) -> Family:
        """Whose shapes this client expects, from the path and then from its headers (wire-mapping 10.1)."""
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
        return await read_body(self._receive, self.headers, limit)

    async def answer(self, status: int, body: bytes, headers: RawHeaders | None = None) -> None:
        """Send a whole JSON answer."""
        await self.start(
            status,
            [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                *(headers or ()),
            ],
        )
        await self.write(b"" if self.method == "HEAD" else body, is_last=True)

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
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, is_last: bool = False) -> None:
        """Send body bytes; returns when the server has taken them."""
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def wait_gone(self) -> None:
        """Return once the client's connection has ended."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
