"""Where a request comes from: this machine, or anywhere else.

What a proxy in front says of its client is a claim that anybody can make: its headers never make a request
local, they only show that it was passed on.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

from packyproxy.asgi.paths import Scope

__all__ = ["client_address", "is_local"]

_PASSED_ON: Final = (
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-forwarded-host",
    "x-forwarded-proto",
    "via",
)
"""What a proxy adds: a request with one of these may come from anywhere, whoever hands it over."""


def client_address(scope: Scope) -> str | None:
    """Return the IP address of the peer in its usual writing; None where the server names none.

    An IPv4 address that a dual-stack socket gives as IPv6 (``::ffff:127.0.0.1``) is given as IPv4.
    """
    address = _address(scope)
    return str(address) if address is not None else None


def is_local(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Tell whether a request was made on this machine: its peer is loopback, and no proxy passed it on.

    Args:
        scope: of the connection; one without an IP address (a Unix socket) is not known to be local.
        headers: of the request, names in lower case.
    """
    address = _address(scope)
    return address is not None and address.is_loopback and not any(name in headers for name in _PASSED_ON)


def _address(scope: Scope) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    client = scope.get("client")
    if not client:
        return None
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
