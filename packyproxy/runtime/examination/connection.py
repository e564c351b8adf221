"""The way to a provider, step by step: name, connection, TLS; timed, and each failure in words.

For ``doctor`` only. It opens a connection of its own: the pool of ``runtime.upstream`` does all of this
behind one call.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

__all__ = ["Step", "trace_connection"]

_STEP_SECONDS = 10.0
_DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})
_MOST_ADDRESSES = 4
_Address: TypeAlias = tuple[int, tuple[str | int | bytes, ...]]
"""Family and socket address."""

_NAME_REMEDY = "correct the host in base-url; if it is right, check the network and its name server"
_TRUST = (
    "if it is an authority of your own, or of your company's network, set SSL_CERT_FILE to a file that holds "
    "its certificate; if this machine trusts nobody, to the one that python -m certifi names"
)
_HOST_OF_CERTIFICATE = "correct the host in base-url: the certificate has to be for it"
_CERTIFICATE_PROBLEMS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        9: ("the certificate is not valid yet", "set the clock of this machine"),
        10: (
            "the certificate has expired",
            "check the clock of this machine; if it is right, tell the provider",
        ),
        18: ("the certificate is self-signed", _TRUST),
        19: ("the certificate comes from an authority that this machine does not trust", _TRUST),
        20: ("the certificate comes from an authority that this machine does not trust", _TRUST),
        21: ("the certificate comes without those between it and its authority", _TRUST),
        62: ("the certificate is for another host", _HOST_OF_CERTIFICATE),
        64: ("the certificate is for another address", _HOST_OF_CERTIFICATE),
    }
)
"""What is wrong and what to do, by OpenSSL's verification code (x509_vfy.h)."""
_NO_TLS_SPOKEN = (
    "the port does not speak TLS",
    "if the provider has no TLS there, begin base-url with http://; else correct its port",
)
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


class Step(Struct, frozen=True, kw_only=True):
    """One thing that was tried."""

    name: Literal["dns", "tcp", "tls"]
    problem: str | None = None
    """What went wrong, in words; None when nothing did."""
    remedy: str = ""
    """What to do about it, where more is known than of every failure of this step."""
    seconds: float | None = None
    """How long it took, where it went well."""


async def trace_connection(base_url: str, proxy_url: str | None = None) -> tuple[Step, ...]:
    """Go the way to a base URL as far as it leads; what follows a failed step is not tried.

    With a proxy it is the way to the proxy: what lies behind it shows only in an answer.
    """
    parts = urlsplit(proxy_url or base_url)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 443)
    dns, addresses = await _resolve(host, port)
    if not addresses:
        return (dns,)
    tcp, connection = await _connect(addresses, f"{host} port {port}")
    if connection is None:
        return dns, tcp
    if parts.scheme != "https":
        connection.close()
        return dns, tcp
    return dns, tcp, await _shake_hands(connection, host)


async def _resolve(host: str, port: int) -> tuple[Step, Sequence[_Address]]:
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return Step(name="dns", problem=f"no answer about {host} in {_STEP_SECONDS:.0f} s"), ()
    except (OSError, UnicodeError):
        return Step(name="dns", problem=f"the name {host} is not known", remedy=_NAME_REMEDY), ()
    seconds = None if _is_address(host) else loop.time() - started
    addresses = [(int(family), address) for family, _, _, _, address in found[:_MOST_ADDRESSES]]
    return Step(name="dns", seconds=seconds), addresses


async def _connect(addresses: Sequence[_Address], place: str) -> tuple[Step, socket.socket | None]:
    """Connect to the first address that lets us; the step's problem is that of the last one."""
    loop = asyncio.get_running_loop()
    problem = ""
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        started = loop.time()
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                await loop.sock_connect(connection, address)
        except TimeoutError:
            problem = f"no connection in {_STEP_SECONDS:.0f} s"
        except OSError as error:
            problem = "the connection was refused" if error.errno == errno.ECONNREFUSED else _reason(error)
        else:
            return Step(name="tcp", seconds=loop.time() - started), connection
        connection.close()
    return Step(name="tcp", problem=f"{problem} ({place})"), None


async def _shake_hands(connection: socket.socket, host: str) -> Step:
    loop = asyncio.get_running_loop()
    context = await asyncio.to_thread(ssl.create_default_context)
    started = loop.time()
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            transport, _ = await loop.create_connection(
                asyncio.Protocol, sock=connection, ssl=context, server_hostname=host
            )
    except TimeoutError:
        problem, remedy = f"no handshake in {_STEP_SECONDS:.0f} s", ""
    except ssl.SSLCertVerificationError as error:
        problem, remedy = _CERTIFICATE_PROBLEMS.get(error.verify_code, ("the certificate is not valid", ""))
    except ssl.SSLError as error:
        problem, remedy = _NO_TLS_SPOKEN if error.reason in _NO_TLS else ("the handshake failed", "")
    except OSError:
        problem, remedy = "the connection was closed during the handshake", ""
    else:
        transport.abort()
        return Step(name="tls", seconds=loop.time() - started)
    connection.close()
    return Step(name="tls", problem=problem, remedy=remedy)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
