"""What an HTTP client reports becomes a failure of one kind, and refusals are read within limits."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest

from packyproxy.errors import FailureKind, UpstreamFailed
from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.upstream import Upstream, UpstreamResponse
from packyproxy.runtime.upstream.response import HttpxAnswer

REQUEST = UpstreamRequest(
    "https://upstream.test/v1/responses", (("content-type", "application/json"),), b"{}"
)


class Body(httpx.AsyncByteStream):
    """Pieces, then silence, an error or the end."""

    def __init__(self, pieces: Iterable[bytes], *, then: Exception | float | None = None) -> None:
        self.pieces = pieces
        self.then = then

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if isinstance(self.then, Exception):
            raise self.then
        if self.then is not None:
            await asyncio.sleep(self.then)


def failing(error: Exception) -> httpx.MockTransport:
    """Return a transport on which every request fails."""

    def handle(_: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(handle)


def tls_error() -> httpx.ConnectError:
    """Return a TLS failure as httpx tells it: in the chain of causes."""
    error = httpx.ConnectError("canary")
    error.__cause__ = OSError("canary")
    error.__cause__.__context__ = ssl.SSLCertVerificationError("canary")
    return error


ERRORS = {
    "refused": (httpx.ConnectError("canary"), FailureKind.UNREACHABLE),
    "certificate": (tls_error(), FailureKind.TLS),
    "slow to connect": (httpx.ConnectTimeout("canary"), FailureKind.CONNECT_TIMEOUT),
    "slow to answer": (httpx.ReadTimeout("canary"), FailureKind.HEADERS_TIMEOUT),
    "no free connection": (httpx.PoolTimeout("canary"), FailureKind.HEADERS_TIMEOUT),
    "closed without an answer": (httpx.RemoteProtocolError("canary"), FailureKind.UNREACHABLE),
    "reset while writing": (httpx.WriteError("canary"), FailureKind.UNREACHABLE),
    "proxy": (httpx.ProxyError("canary"), FailureKind.UNREACHABLE),
}


@pytest.mark.parametrize("way", ["transport", "client"])
@pytest.mark.parametrize(("error", "kind"), ERRORS.values(), ids=ERRORS.keys())
async def test_an_upstream_that_cannot_be_asked(error: Exception, kind: FailureKind, way: str) -> None:
    """Each exception of the client is one kind of failure, and none of its text is kept."""
    transport = failing(error)
    async with httpx.AsyncClient(transport=transport) as client:
        upstream = Upstream(transport=transport) if way == "transport" else Upstream(client=client)
        with pytest.raises(UpstreamFailed) as caught:
            await upstream.open(REQUEST)
    assert caught.value.failure.kind is kind
    assert "canary" not in caught.value.failure.message


async def test_a_clients_own_redirects_are_not_followed() -> None:
    """The provider's key would travel with them."""
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://elsewhere.test/"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), follow_redirects=True) as client:
        response = await Upstream(client=client).open(REQUEST)
        await response.aclose()
    assert (307, [REQUEST.url]) == (response.status, seen)


@pytest.mark.parametrize("limits", [httpx.Timeout(5.0), httpx.Timeout(0.1)], ids=["default", "short"])
async def test_a_clients_own_time_limits_do_not_count(limits: httpx.Timeout) -> None:
    """Else a model might think for five seconds at most, which is what httpx grants by default."""
    seen: list[dict[str, float | None]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), timeout=limits) as client:
        response = await Upstream(client=client).open(REQUEST)
        await response.aclose()
    assert [{"connect": 10.0, "read": None, "write": None, "pool": None}] == seen


async def test_a_connection_that_breaks_is_a_truncated_answer() -> None:
    """What came before is handed out first."""
    body = Body([b"a"], then=httpx.ReadError("canary"))
    response = UpstreamResponse(HttpxAnswer(httpx.Response(200, stream=body)), set(), lambda: None)
    first = await anext(response)
    with pytest.raises(UpstreamFailed) as caught:
        await anext(response)
    assert (b"a", FailureKind.TRUNCATED) == (first, caught.value.failure.kind)


REFUSALS = {
    "whole": (Body([b"a", b"b"]), b"ab", 0),
    "endless": (Body([b"x" * 100_000] * 5), b"x" * 256 * 1024, 0),
    "broken": (Body([b"a"], then=httpx.ReadError("canary")), b"a", 0),
    "silent": (Body([b"a"], then=1000), b"a", 10),
}


@pytest.mark.virtual_time
@pytest.mark.parametrize(("body", "expected", "seconds"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_is_read_within_limits(body: Body, expected: bytes, seconds: int) -> None:
    """Whatever becomes of a refusal's body, its status and what was read of it remain."""
    started = asyncio.get_running_loop().time()
    response = UpstreamResponse(HttpxAnswer(httpx.Response(429, stream=body)), set(), lambda: None)
    assert expected == await response.read_error_body()
    assert seconds == round(asyncio.get_running_loop().time() - started)
