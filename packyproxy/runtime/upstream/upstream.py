"""One way to upstreams: what is sent over it, and how what goes wrong is told."""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TypeAlias

import httpx

from packyproxy.errors import FailureKind, UpstreamFailed
from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.upstream.engine import CONNECT_SECONDS, Engine, TlsFailed
from packyproxy.runtime.upstream.response import Answer, HttpxAnswer, UpstreamResponse
from packyproxy.runtime.upstream.transport import EngineTransport
from packyproxy.translate.failures import transport_failure

__all__ = ["Upstream", "WrapTransport"]

WrapTransport: TypeAlias = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]
"""Returns a transport that sends what it is given through another one."""

_TIMEOUTS = {"timeout": httpx.Timeout(None, connect=CONNECT_SECONDS).as_dict()}
"""For a transport of the caller's; a client would put its own limits here, which are five seconds of silence
if nobody has thought of them. How long an upstream may think is for the configuration to say."""


class Upstream:
    """One way to upstreams, on one event loop: its connections, and the requests that go over them.

    Args:
        client: a caller's own client; it is used as it is and never closed here.
        transport: a caller's own transport; likewise.
        proxy_url: for our own connections, when neither is given.
        wrappers: put in turn around the transport, our own or the caller's, to see what passes; not around
            a client.
    """

    def __init__(
        self,
        *,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        proxy_url: str | None = None,
        wrappers: Iterable[WrapTransport] = (),
    ) -> None:
        self._engine = None if client or transport else Engine(proxy_url=proxy_url)
        for wrap in wrappers if client is None else ():
            if transport is None and self._engine is not None:
                transport = EngineTransport(self._engine)
            assert transport is not None, "an engine stands in for a transport"
            transport = wrap(transport)
        self._transport = transport
        self._client = client
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
        self._open_answers += 1
        response: UpstreamResponse | None = None
        try:
            response = UpstreamResponse(await self._send(request), self._finishing, self._answer_closed)
            return response
        except TlsFailed as error:
            raise UpstreamFailed(transport_failure(FailureKind.TLS, _host(request))) from error
        except httpx.ConnectError as error:
            kind = FailureKind.TLS if _is_tls(error) else FailureKind.UNREACHABLE
            raise UpstreamFailed(transport_failure(kind, _host(request))) from error
        except httpx.ConnectTimeout as error:
            raise UpstreamFailed(transport_failure(FailureKind.CONNECT_TIMEOUT, _host(request))) from error
        except httpx.TimeoutException as error:
            raise UpstreamFailed(transport_failure(FailureKind.HEADERS_TIMEOUT, _host(request))) from error
        except httpx.TransportError as error:
            raise UpstreamFailed(transport_failure(FailureKind.UNREACHABLE, _host(request))) from error
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
        if self._engine is not None:
            await self._engine.aclose()

    def abandon(self) -> None:
        """Let go of what was opened here, on an event loop that has closed."""
        if self._engine is not None:
            self._engine.abandon()

    async def _send(self, request: UpstreamRequest) -> Answer:
        if self._transport is None and self._client is None:
            assert self._engine is not None, "no way at all"
            return await self._engine.send(request)
        outgoing = httpx.Request(
            request.method,
            _url(request.url),
            headers=list(request.headers),
            content=request.body,
            extensions=_TIMEOUTS,
        )
        if self._transport is not None:
            return HttpxAnswer(await self._transport.handle_async_request(outgoing))
        assert self._client is not None, "neither a client nor a transport"
        return HttpxAnswer(await self._client.send(outgoing, stream=True, follow_redirects=False))

    def _answer_closed(self) -> None:
        self._open_answers -= 1
        self._close_when_idle()

    def _close_when_idle(self) -> None:
        """Start to close our own connections; a request that comes meanwhile opens it anew."""
        if self.is_retired and self.is_idle and self._engine and self._engine.is_open:
            self._closing = asyncio.get_running_loop().create_task(self._engine.aclose())
            self._closing.add_done_callback(self._engine_closed)

    def _engine_closed(self, _: asyncio.Task[None]) -> None:
        self._closing = None
        self._close_when_idle()


@lru_cache(maxsize=64)
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


def _host(request: UpstreamRequest) -> str:
    return _url(request.url).host


def _is_tls(error: BaseException) -> bool:
    """Tell whether a caller's own client failed over TLS: httpx hides it in the chain of causes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
