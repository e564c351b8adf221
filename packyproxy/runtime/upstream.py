"""Talk to upstreams: the only module that imports an HTTP client.

httpx is the interface, so callers may bring a client or a transport of their own; the engine under it is
aiohttp, which moves the same bytes for a fraction of the CPU (docs/decisions/0003-http-client.md). Redirects
are never followed: the provider's key would travel with them. Foreign exceptions are mapped here, once.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Self, TypeAlias

import aiohttp
import httpx
import yarl

from packyproxy.errors import FailureKind, UpstreamFailed
from packyproxy.providers.request import UpstreamRequest
from packyproxy.translate.failures import transport_failure

__all__ = ["AiohttpTransport", "Upstream", "UpstreamResponse", "WrapTransport"]

WrapTransport: TypeAlias = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]
"""Returns a transport that sends what it is given through another one."""

_CONNECT_SECONDS = 10.0
_TLS_SECONDS = 10.0
_TIMEOUTS = {"timeout": httpx.Timeout(None, connect=_CONNECT_SECONDS).as_dict()}
"""For a transport of the caller's; a client would put its own limits here, which are five seconds of silence
if nobody has thought of them. How long an upstream may think is for the configuration to say."""
_POOL_IDLE_SECONDS = 60.0
_READ_BUFFER_BYTES = 256 * 1024
_ERROR_BODY_BYTES = 256 * 1024
"""No provider explains a refusal at greater length; the rest of such a body is not read."""
_ERROR_BODY_SECONDS = 10.0
"""A refusal is written at once; what is late is not worth the wait."""
_LEFTOVER_BYTES = 1024
_LEFTOVER_SECONDS = 0.5
"""The end of a chunked body is five bytes, and sent with the last event or right after it."""


class _AiohttpBody(httpx.AsyncByteStream):
    """Yield whatever has arrived, so that one network read makes one piece.

    When a chunk's size cannot be read (some gateway wrote its error page into the stream), aiohttp drops the
    connection and tells nobody who waits for the body; so the connection's end is watched too.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        protocol = response.connection.protocol if response.connection is not None else None
        self._lost = protocol.closed if protocol is not None else None
        if self._lost is not None:
            self._lost.add_done_callback(self._connection_lost)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(type(error).__name__) from error
        if not data:
            raise StopAsyncIteration
        return data

    @property
    def is_read(self) -> bool:
        """Whether all of it was read, up to the end of the HTTP message."""
        return self._response.content.at_eof()

    def _connection_lost(self, lost: asyncio.Future[None]) -> None:
        _see(lost)
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError())

    async def aclose(self) -> None:
        if self._lost is not None:
            # The connection may serve others and outlive this by hours.
            self._lost.remove_done_callback(self._connection_lost)
            self._lost.remove_done_callback(_see)
            self._lost.add_done_callback(_see)
            self._lost = None
        # Closing, not releasing: an answer that was not read to its end must not stay in the pool.
        if self.is_read:
            self._response.release()
        else:
            self._response.close()


def _see(lost: asyncio.Future[None]) -> None:
    """Look at why a connection ended, or asyncio would log that nobody did."""
    if not lost.cancelled():
        lost.exception()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """An httpx transport on aiohttp's client; opens its session at the first request, on that event loop.

    Args:
        proxy_url: an HTTP proxy for every request; the environment's proxy variables are not read.
        ssl_context: for providers behind a private certificate authority; aiohttp's default otherwise.
    """

    def __init__(self, *, proxy_url: str | None = None, ssl_context: ssl.SSLContext | None = None) -> None:
        self._proxy_url = proxy_url
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a session, which may hold connections."""
        return self._session is not None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its body is sent whole, the answer's body streams.

        Raises:
            httpx.TransportError: the members of its tree that Upstream maps.
        """
        if self._session is None:
            self._session = self._open_session()
        try:
            response = await self._session.request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers=[
                    (name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw
                ],
                data=await request.aread(),
                allow_redirects=False,
                proxy=self._proxy_url,
            )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ServerTimeoutError) as error:
            raise httpx.ConnectTimeout(type(error).__name__, request=request) from error
        except aiohttp.ClientSSLError as error:
            raise _TlsError(type(error).__name__, request=request) from error
        except aiohttp.InvalidURL as error:
            raise httpx.UnsupportedProtocol(type(error).__name__, request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error
        # The answer does not hold its request, whose body would stay in memory as long as the answer streams.
        return httpx.Response(response.status, headers=response.raw_headers, stream=_AiohttpBody(response))

    async def aclose(self) -> None:
        """Close every pooled connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def abandon(self) -> None:
        """Let go of every pooled connection, when their event loop has closed and none can be closed."""
        if self._session is not None:
            session, self._session = self._session, None
            if session.connector is not None:
                # On a closed loop that only notes it, so nothing of it waits, nor complains of open ones.
                next(session.connector.close().__await__(), None)
            session.detach()

    def _open_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_POOL_IDLE_SECONDS,
            ssl=self._ssl_context if self._ssl_context is not None else True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, connect=_CONNECT_SECONDS + _TLS_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "user-agent", "content-type"),
            read_bufsize=_READ_BUFFER_BYTES,
        )


class _TlsError(httpx.ConnectError):
    """A certificate or handshake problem: repeating it cannot help."""


class UpstreamResponse:
    """One answer whose headers have arrived; iterate over it for the body, then ``aclose`` or ``finish`` it.

    Args:
        response: with a stream that nobody else reads.
        finishing: holds the tasks of ``finish`` while they run.
        closed: called once, when nothing more comes of it.
    """

    def __init__(
        self, response: httpx.Response, finishing: set[asyncio.Task[None]], closed: Callable[[], None]
    ) -> None:
        self._response = response
        self._finishing = finishing
        self._closed = closed
        self._is_closed = False
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)  # type: ignore[arg-type]
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes as they arrived.

        Raises:
            UpstreamFailed: the connection broke.
        """
        try:
            return await self._pieces.__anext__()
        except httpx.TransportError as error:
            raise UpstreamFailed(transport_failure(FailureKind.TRUNCATED)) from error

    async def read_error_body(self) -> bytes:
        """Read a refusal's body, as far as any refusal goes (256 KiB).

        A broken connection ends it early, and so does one that falls silent for longer than a client should
        wait.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                async for piece in self:
                    body += piece
                    if len(body) >= _ERROR_BODY_BYTES:
                        break
        except (UpstreamFailed, TimeoutError):
            pass  # the status alone still tells what happened
        return bytes(body[:_ERROR_BODY_BYTES])

    async def aclose(self) -> None:
        """End the upstream request; at once when its answer was not read to the end."""
        try:
            await self._response.aclose()
        finally:
            if not self._is_closed:
                self._is_closed = True
                self._closed()

    async def finish(self) -> None:
        """End a request whose answer is whole, so that its connection can serve the next one.

        After the last event comes the end of the HTTP message, often a moment later. It is waited for beside
        the exchange, briefly; an upstream that goes on talking is cut off.
        """
        stream = self._response.stream
        if isinstance(stream, _AiohttpBody) and stream.is_read:
            await self.aclose()
            return
        task = asyncio.get_running_loop().create_task(self._read_to_end())
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _read_to_end(self) -> None:
        left = _LEFTOVER_BYTES
        try:
            async with asyncio.timeout(_LEFTOVER_SECONDS):
                async for piece in self:
                    left -= len(piece)
                    if left < 0:
                        break
        except (UpstreamFailed, TimeoutError):
            pass  # then the connection is not used again
        finally:
            await self.aclose()


class Upstream:
    """One way to upstreams, on one event loop: its connections, and the requests that go over them.

    Args:
        client: a caller's own client; it is used as it is and never closed here.
        transport: a caller's own transport; likewise.
        proxy_url: for our own transport, when neither is given.
        wrappers: put around the transport in turn, to see what passes; not around a client.
    """

    def __init__(
        self,
        *,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy_url: str | None = None,
        wrappers: Iterable[WrapTransport] = (),
    ) -> None:
        self._client = client
        self._own_transport = None if client or transport else AiohttpTransport(proxy_url=proxy_url)
        self._transport = transport or self._own_transport
        if self._transport is not None:
            for wrap in wrappers:
                self._transport = wrap(self._transport)
        self._urls: dict[str, httpx.URL] = {}
        self._finishing: set[asyncio.Task[None]] = set()
        self._open_answers = 0
        self.is_retired = False
        """Whether it closes when it is idle."""
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no answer is open, and none is on its way."""
        return not self._open_answers and self._closing is None

    def retire(self) -> None:
        """Close what was opened here as soon as it is idle; whoever asks nevertheless is still served."""
        self.is_retired = True
        self._close_when_idle()

    def restore(self) -> None:
        """Keep connections again, as before ``retire``."""
        self.is_retired = False

    async def open(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request and wait for the response headers.

        Raises:
            UpstreamFailed: no answer came; the failure's kind says why.
        """
        url = self._urls.get(request.url)
        if url is None:
            url = self._urls[request.url] = httpx.URL(request.url)
        outgoing = httpx.Request(
            request.method, url, headers=list(request.headers), content=request.body, extensions=_TIMEOUTS
        )
        self._open_answers += 1
        response: UpstreamResponse | None = None
        try:
            response = UpstreamResponse(await self._send(outgoing), self._finishing, self._answer_closed)
            return response
        except _TlsError as error:
            raise UpstreamFailed(transport_failure(FailureKind.TLS, url.host)) from error
        except httpx.ConnectError as error:
            kind = FailureKind.TLS if _is_tls(error) else FailureKind.UNREACHABLE
            raise UpstreamFailed(transport_failure(kind, url.host)) from error
        except httpx.ConnectTimeout as error:
            raise UpstreamFailed(transport_failure(FailureKind.CONNECT_TIMEOUT, url.host)) from error
        except httpx.TimeoutException as error:
            raise UpstreamFailed(transport_failure(FailureKind.HEADERS_TIMEOUT, url.host)) from error
        except httpx.TransportError as error:
            raise UpstreamFailed(transport_failure(FailureKind.UNREACHABLE, url.host)) from error
        finally:
            if response is None:
                self._answer_closed()

    async def aclose(self) -> None:
        """Close what was opened here; a caller's own client or transport stays open."""
        for task in tuple(self._finishing):
            task.cancel()
        if self._finishing:
            await asyncio.wait(tuple(self._finishing))
        if self._closing is not None:
            await asyncio.wait({self._closing})
        if self._own_transport is not None:
            await self._own_transport.aclose()

    def abandon(self) -> None:
        """Let go of what was opened here, on an event loop that has closed."""
        if self._own_transport is not None:
            self._own_transport.abandon()

    async def _send(self, outgoing: httpx.Request) -> httpx.Response:
        if self._transport is not None:
            return await self._transport.handle_async_request(outgoing)
        assert self._client is not None, "neither a client nor a transport"
        return await self._client.send(outgoing, stream=True, follow_redirects=False)

    def _answer_closed(self) -> None:
        self._open_answers -= 1
        self._close_when_idle()

    def _close_when_idle(self) -> None:
        """Start to close our own transport; a request that comes meanwhile opens it anew."""
        if self.is_retired and self.is_idle and self._own_transport and self._own_transport.is_open:
            self._closing = asyncio.get_running_loop().create_task(self._own_transport.aclose())
            self._closing.add_done_callback(self._transport_closed)

    def _transport_closed(self, _: asyncio.Task[None]) -> None:
        self._closing = None
        self._close_when_idle()


def _is_tls(error: BaseException) -> bool:
    """Tell whether a caller's own client failed over TLS: httpx hides it in the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
