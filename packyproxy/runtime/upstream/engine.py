"""Send requests over aiohttp's connections: sockets, TLS, proxies, the pool and the parser are its.

Its session makes a dozen objects and a task for every request, for redirects, cookies, forms, compression
and uploads. There are none here, and without it a request costs half (docs/decisions/0003-http-client.md).
What goes out is therefore written by ourselves: a head that is mostly the same for every request to a URL,
and the body behind it.

Errors are httpx's, as those of every other way to an upstream.
"""

import asyncio
import ssl

import aiohttp
import httpx
import yarl
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage

from packyproxy.providers.request import UpstreamRequest

__all__ = ["CONNECT_SECONDS", "Engine", "EngineAnswer", "TlsFailed"]

CONNECT_SECONDS = 10.0
"""For the socket alone."""
_TLS_SECONDS = 10.0
_POOL_IDLE_SECONDS = 60.0
_READ_BUFFER_BYTES = 64 * 1024
"""Twice as much may wait for a client that does not read, and one read of the socket more."""
_JOINED_BYTES = 64 * 1024
"""A body up to this size is copied behind its head, which is quicker than handing over two pieces."""
_MAX_ROUTES = 256
"""More URLs than the providers of a way have, save that clients choose the query of some."""


class TlsFailed(httpx.ConnectError):
    """A certificate or handshake problem: repeating it cannot help."""


class _Route:
    """What all requests with one method to one URL have in common.

    Args:
        method: in upper case.
        url: an absolute URL.
        proxy: the HTTP proxy before it.
    """

    def __init__(self, method: str, url: str, proxy: yarl.URL | None) -> None:
        target = yarl.URL(str(httpx.URL(url)), encoded=True)
        loop = asyncio.get_running_loop()
        self.destination = aiohttp.ClientRequest(method, target, loop=loop, proxy=proxy)
        """Never sent: it tells the connector where to, and is given the proxy's credentials by it."""
        # A proxy is told the whole URL, unless it only tunnels, as it does for TLS.
        is_forwarded = proxy is not None and not self.destination.is_ssl()
        path = str(self.destination.url) if is_forwarded else target.raw_path_qs
        self.first_lines = f"{method} {path} HTTP/1.1\r\nHost: {target.host_port_subcomponent}\r\n"

    def head(self, request: UpstreamRequest) -> bytes:
        """Return everything before the body of a request.

        Raises:
            ValueError: a header holds a line break.
        """
        lines = [f"{name}: {value}" for name, value in request.headers]
        lines.append(f"Content-Length: {len(request.body)}")
        credentials = self.destination.headers.get("Proxy-Authorization")
        if credentials is not None:
            lines.append(f"Proxy-Authorization: {credentials}")
        fields = "\r\n".join(lines)
        if len(fields.splitlines()) != len(lines):
            raise ValueError("a header of an upstream request holds a line break")
        return f"{self.first_lines}{fields}\r\n\r\n".encode("latin-1")


class EngineAnswer:
    """An answer whose headers have arrived, on its connection.

    When a chunk's size cannot be read (some gateway wrote its error page into the stream), aiohttp drops the
    connection and tells nobody who waits for the body; so the connection's end is watched too.
    """

    def __init__(
        self,
        connection: Connection,
        head: RawResponseMessage,
        content: aiohttp.StreamReader,
    ) -> None:
        self._connection = connection
        self._content = content
        self.status: int = head.code
        self.raw_headers: tuple[tuple[bytes, bytes], ...] = head.raw_headers
        assert connection.protocol is not None, "nobody else ends it"
        self._lost = connection.protocol.closed
        if self._lost is not None:
            self._lost.add_done_callback(self._connection_lost)
        content.on_eof(self._message_ended)

    @property
    def is_read(self) -> bool:
        """Whether all of it was read, up to the end of the HTTP message."""
        return self._content.at_eof()

    async def read(self) -> bytes:
        """Return whatever has arrived, so that one network read makes one piece; ``b""`` at the end.

        Raises:
            httpx.ReadError: the connection broke.
        """
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(type(error).__name__) from error

    async def aclose(self) -> None:
        """Be done with it; one that was not read to its end takes its connection along."""
        if self._lost is not None:
            # The connection may serve others and outlive this by hours.
            self._lost.remove_done_callback(self._connection_lost)
            self._lost.remove_done_callback(_see)
            self._lost.add_done_callback(_see)
            self._lost = None
        if not self._content.is_eof():
            # Also lets go of our callback, or the two would hold each other.
            self._content.set_exception(aiohttp.ClientConnectionError())
            if self._connection.transport is not None:
                # Under TLS a farewell waits for the peer's, and what still comes until then is an error.
                self._connection.transport.abort()
        self._connection.close()

    def _message_ended(self) -> None:
        transport = self._connection.transport
        # Who answers before the request is there would take the rest of it for the next one.
        if transport is not None and transport.get_write_buffer_size():
            self._connection.close()
        else:
            self._connection.release()

    def _connection_lost(self, lost: asyncio.Future[None]) -> None:
        _see(lost)
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError())


def _see(lost: asyncio.Future[None]) -> None:
    """Look at why a connection ended, or asyncio would log that nobody did."""
    if not lost.cancelled():
        lost.exception()


async def _exchange(
    connection: Connection, head: bytes, body: bytes
) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """Write a request, and wait for the head of its answer."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise aiohttp.ClientConnectionResetError
    protocol.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=_READ_BUFFER_BYTES)
    if len(body) <= _JOINED_BYTES:
        transport.write(head + body)
    else:
        transport.writelines((head, body))
    answer, content = await protocol.read()
    while 100 <= answer.code < 200:
        answer, content = await protocol.read()
    return answer, content


class Engine:
    """Pooled connections, opened on the event loop of the first request.

    Args:
        proxy_url: an HTTP proxy for every request; the environment's proxy variables are not read.
        ssl_context: for providers behind a private certificate authority; aiohttp's default otherwise.
    """

    def __init__(self, *, proxy_url: str | None = None, ssl_context: ssl.SSLContext | None = None) -> None:
        self._proxy = yarl.URL(proxy_url) if proxy_url is not None else None
        self._ssl_context = ssl_context
        self._connector: aiohttp.TCPConnector | None = None
        self._routes: dict[tuple[str, str], _Route] = {}
        self._timeout = aiohttp.ClientTimeout()

    @property
    def is_open(self) -> bool:
        """Whether there may be connections."""
        return self._connector is not None

    async def send(self, request: UpstreamRequest) -> EngineAnswer:
        """Send a request whole and wait for the headers of its answer.

        Raises:
            httpx.TransportError: there is none.
        """
        try:
            return await self._ask_twice(request)
        except TimeoutError as error:  # the connector's: nothing else here has a limit
            raise httpx.ConnectTimeout(type(error).__name__) from error
        except aiohttp.ClientSSLError as error:
            raise TlsFailed(type(error).__name__) from error
        except aiohttp.InvalidURL as error:
            raise httpx.UnsupportedProtocol(type(error).__name__) from error
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise httpx.ConnectError(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close every pooled connection."""
        if self._connector is not None:
            connector = self._forget_connector(self._connector)
            await connector.close()

    def abandon(self) -> None:
        """Let go of every pooled connection, when their event loop has closed and none can be closed."""
        if self._connector is not None:
            # On a closed loop that only notes it, so nothing of it waits, nor complains of open ones.
            next(self._forget_connector(self._connector).close().__await__(), None)

    def _forget_connector(self, connector: aiohttp.TCPConnector) -> aiohttp.TCPConnector:
        self._connector = None
        self._routes.clear()  # they hold the loop
        return connector

    async def _ask_twice(self, request: UpstreamRequest) -> EngineAnswer:
        """Ask; once more when a pooled connection turns out to be closed and asking twice does no harm."""
        try:
            return await self._ask(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if request.method != "GET":
                raise
            return await self._ask(request)

    async def _ask(self, request: UpstreamRequest) -> EngineAnswer:
        connector = self._connector
        if connector is None:
            connector = self._connector = self._open_connector()
        route = self._route(request)
        connection = await connector.connect(route.destination, traces=[], timeout=self._timeout)
        try:
            answer, content = await _exchange(connection, route.head(request), request.body)
        except BaseException:
            connection.close()
            raise
        return EngineAnswer(connection, answer, content)

    def _route(self, request: UpstreamRequest) -> _Route:
        key = request.method, request.url
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            route = self._routes[key] = _Route(request.method, request.url, self._proxy)
        return route

    def _open_connector(self) -> aiohttp.TCPConnector:
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, connect=CONNECT_SECONDS + _TLS_SECONDS
        )
        return aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_POOL_IDLE_SECONDS,
            ssl=self._ssl_context if self._ssl_context is not None else True,
        )
