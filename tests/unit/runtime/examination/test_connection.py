"""The way to a provider, on loopback: what each step says when it goes well and when it does not."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from packyproxy.runtime.examination.connection import Step, trace_connection

CERTIFICATE = Path(__file__).parents[3] / "corpus" / "tls" / "localhost.pem"


@asynccontextmanager
async def server(context: ssl.SSLContext | None = None, says: bytes = b"") -> AsyncIterator[int]:
    """Listen on loopback; says something to whoever connects, and closes."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.fixture
def tls() -> ssl.SSLContext:
    """Return what a server for ``localhost`` needs, with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.fixture
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine trust the certificate."""
    context = ssl.create_default_context(cafile=CERTIFICATE)
    monkeypatch.setattr(ssl, "create_default_context", lambda: context)


def problems(steps: tuple[Step, ...]) -> list[tuple[str, str | None]]:
    return [(step.name, step.problem) for step in steps]


async def test_a_way_without_tls() -> None:
    """Two steps, and an address needs no look-up."""
    async with server() as port:
        dns, tcp = await trace_connection(f"http://127.0.0.1:{port}/v1")
    assert Step(name="dns") == dns
    assert tcp.problem is None
    assert tcp.seconds is not None


async def test_names_are_looked_up() -> None:
    """How long that took is told."""
    async with server() as port:
        dns, _ = await trace_connection(f"http://localhost:{port}/v1")
    assert dns.seconds is not None


@pytest.mark.usefixtures("_trusted")
async def test_a_way_with_tls(tls: ssl.SSLContext) -> None:
    """The third step is the handshake."""
    async with server(tls) as port:
        steps = await trace_connection(f"https://localhost:{port}/v1")
    assert [("dns", None), ("tcp", None), ("tls", None)] == problems(steps)
    assert None not in [step.seconds for step in steps]


async def test_a_certificate_that_nobody_trusts(tls: ssl.SSLContext) -> None:
    """The problem is told in words."""
    async with server(tls) as port:
        steps = await trace_connection(f"https://localhost:{port}/v1")
    assert ("tls", "the certificate is self-signed") == problems(steps)[-1]


@pytest.mark.usefixtures("_trusted")
async def test_a_certificate_for_another_host(tls: ssl.SSLContext) -> None:
    """An address is not a name."""
    async with server(tls) as port:
        steps = await trace_connection(f"https://127.0.0.1:{port}/v1")
    assert ("tls", "the certificate is for another address") == problems(steps)[-1]


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "the port does not speak TLS",
            id="plain HTTP",
        ),
        pytest.param(b"", "the connection was closed during the handshake", id="nothing"),
    ],
)
async def test_a_port_without_tls(says: bytes, problem: str) -> None:
    """The usual mistake has its own words."""
    async with server(says=says) as port:
        steps = await trace_connection(f"https://127.0.0.1:{port}/v1")
    assert ("tls", problem) == problems(steps)[-1]


async def test_a_tls_version_that_is_too_old() -> None:
    """Anything else that breaks a handshake is named as such."""
    alert = b"\x15\x03\x01\x00\x02\x02\x46"  # fatal, protocol_version
    async with server(says=alert) as port:
        steps = await trace_connection(f"https://127.0.0.1:{port}/v1")
    assert ("tls", "the handshake failed") == problems(steps)[-1]


async def test_nobody_listens() -> None:
    """What follows is not tried."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    steps = await trace_connection(f"https://127.0.0.1:{port}/v1")
    assert [("dns", None), ("tcp", f"the connection was refused (127.0.0.1 port {port})")] == problems(steps)


async def test_any_other_reason_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network says so itself."""

    async def fail(*_: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", fail)
    steps = await trace_connection("http://127.0.0.1:9/v1")
    assert ("tcp", "network is unreachable (127.0.0.1 port 9)") == problems(steps)[-1]


async def test_a_name_that_is_not_known() -> None:
    """Nothing else is tried then."""
    steps = await trace_connection("https://no-such-host.invalid/v1")
    assert [("dns", "the name no-such-host.invalid is not known")] == problems(steps)


async def test_with_a_proxy_it_is_the_way_there() -> None:
    """The provider itself may not even be known by name here; the proxy's password is not shown."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy_url = f"http://user:password@127.0.0.1:{port}"
    steps = await trace_connection("https://no-such-host.invalid/v1", proxy_url)
    assert [("dns", None), ("tcp", f"the connection was refused (127.0.0.1 port {port})")] == problems(steps)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param("getaddrinfo", ("dns", "no answer about localhost in 10 s"), id="look-up"),
        pytest.param("sock_connect", ("tcp", "no connection in 10 s (localhost port 443)"), id="connection"),
    ],
)
async def test_silence_ends_a_step(
    function: str, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds are enough for each."""

    async def silent(*_: object, **__: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(asyncio.get_running_loop(), function, silent)
    assert expected == problems(await trace_connection("https://localhost/v1"))[-1]


async def test_a_server_that_never_shakes_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake has its own limit."""
    monkeypatch.setattr("packyproxy.runtime.examination.connection._STEP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        steps = await trace_connection(f"https://127.0.0.1:{deaf.getsockname()[1]}/v1")
    assert ("tls", "no handshake in 0 s") == problems(steps)[-1]


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host may have an address that leads nowhere from here, such as one of IPv6."""
    async with server() as port:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

        async def two(*_: object, **__: object) -> object:
            return found

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
        _, tcp = await trace_connection(f"http://localhost:{port}/v1")
    assert tcp.problem is None
