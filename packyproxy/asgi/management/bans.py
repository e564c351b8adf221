"""Ban an address that has shown wrong keys too often; kept where workers share their state.

Five failures in a row ban it for half an hour, whatever it shows then; a success before that starts the count
anew. So whoever tries keys at random has ten tries an hour from each address.
"""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import msgspec
from msgspec import Struct

from packyproxy.asgi.addresses import client_address
from packyproxy.asgi.paths import Scope
from packyproxy.store.contract import Store

__all__ = ["Bans", "banned_name"]

_MOST_FAILURES: Final = 5
_BAN_SECONDS: Final = 1800.0
_MOST_CLASHES: Final = 16
"""Failures that came between reading an address's count and writing it; then this one is not counted."""
_IPV6_NETWORK_BITS: Final = 64


class _Failures(Struct, frozen=True, array_like=True):
    count: int
    """In a row."""
    banned_until: float = 0.0
    """Unix seconds."""


_NONE: Final = _Failures(0)
_DECODER: Final = msgspec.json.Decoder(_Failures)
_ENCODER: Final = msgspec.json.Encoder()


class Bans:
    """The failures of addresses.

    Args:
        store: where they are kept; one that forgets is lenient.
        now: the clock, in Unix seconds.
    """

    def __init__(self, store: Store, *, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    async def seconds_left(self, address: str) -> float:
        """Return how long an address is still banned; 0 if it is not."""
        _, failures = await self._read(_key(address))
        return max(0.0, failures.banned_until - self._now())

    async def fail(self, address: str) -> bool:
        """Count a failure; tell whether the address is banned from now on."""
        key = _key(address)
        for _ in range(_MOST_CLASHES):
            seen, failures = await self._read(key)
            now = self._now()
            if failures.banned_until > now:
                return False  # by another request, which told
            count = (0 if failures.banned_until else failures.count) + 1
            is_banned = count >= _MOST_FAILURES
            after = _Failures(count, now + _BAN_SECONDS if is_banned else 0.0)
            if await self._store.replace(
                key, _ENCODER.encode(after), instead_of=seen, expires_in_seconds=_BAN_SECONDS
            ):
                return is_banned
        return False

    async def forgive(self, address: str) -> float:
        """Forget the failures before a success, unless a ban has begun meanwhile; return its seconds left."""
        key = _key(address)
        for _ in range(_MOST_CLASHES):
            seen, failures = await self._read(key)
            left = failures.banned_until - self._now()
            if left > 0:
                return left
            if seen is None:
                break
            if await self._store.replace(key, None, instead_of=seen, expires_in_seconds=0):
                break
        return 0.0

    async def _read(self, key: str) -> tuple[bytes | None, _Failures]:
        value = (await self._store.read([key]))[0]
        return value, _NONE if value is None else _DECODER.decode(value)


def banned_name(scope: Scope, *, is_local: bool) -> str:
    """Return what is banned for the failures of a request.

    It is the peer's address, and all of the network that an IPv6 host chooses its addresses from. Who comes
    through a proxy of this machine may claim any address: they all share one name, which is not that of
    this machine's own programs.
    """
    text = client_address(scope)
    if text is None:
        return "unknown"
    address = ip_address(text)
    if address.is_loopback and not is_local:
        return f"{text} (through a proxy)"
    if isinstance(address, IPv6Address) and address.is_global:
        return str(ip_network((address.packed, _IPV6_NETWORK_BITS), strict=False))
    return text


def _key(address: str) -> str:
    return f"management-failures:{address}"
