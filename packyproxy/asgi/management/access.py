"""Who may use the management API: those who show its key, from this machine unless others are let in.

Every failure costs the same: no key, a wrong one, one in the wrong place. A client key never opens this API.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

from packyproxy.asgi.access import bearer_token
from packyproxy.asgi.addresses import client_address, is_local
from packyproxy.asgi.call import Call
from packyproxy.asgi.management.bans import Bans, banned_name
from packyproxy.asgi.management.refusals import Refusal
from packyproxy.runtime.runtime import Runtime

__all__ = ["Access"]

_FOREIGN_PAGE: Final = "cross-site"
"""What browsers say of a request by a page of another site (https://www.w3.org/TR/fetch-metadata/, read
2026-11-21). Without a key it is no guess, and any page that is looked at here could lock this machine out."""
_CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="packyproxy management"')


class Access:
    """The door of the management API."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._bans = Bans(runtime.store, now=runtime.now)

    def is_on(self) -> bool:
        """Tell whether there is a key at all; without one there is no management API."""
        return self._runtime.management_key.is_set

    async def check(self, call: Call) -> None:
        """Let a request pass, or not.

        Raises:
            Refusal: ``forbidden``, ``banned`` or ``unauthorized``, in this order.
        """
        local = is_local(call.scope, call.headers)
        if not local and not self._runtime.snapshot.config.remote_management.allow_remote:
            raise Refusal(
                "forbidden", "remote-management.allow-remote is off: this API answers on its own machine only"
            )
        address = banned_name(call.scope, is_local=local)
        if seconds := await self._bans.seconds_left(address):
            raise _banned(seconds)
        keys = _shown(call.headers)
        if not any(map(self._runtime.management_key.is_proven, keys)):
            await self._prove(call, keys, address)
        if seconds := await self._bans.forgive(address):
            raise _banned(seconds)

    async def _prove(self, call: Call, keys: Sequence[bytes], address: str) -> None:
        """Look at keys one request at a time: of many that come at once, those behind a ban cost nothing."""
        key = self._runtime.management_key
        async with key.turn():
            if seconds := await self._bans.seconds_left(address):
                raise _banned(seconds)
            for shown in keys:
                if await key.is_shown_by(shown):
                    return
            is_counted = bool(keys) or call.headers.get("sec-fetch-site") != _FOREIGN_PAGE
            is_banned = is_counted and await self._bans.fail(address)
        self._note(call, is_banned=is_banned)
        raise Refusal(
            "unauthorized",
            "no management key, or a wrong one: send it as Authorization: Bearer or X-Management-Key",
            headers=[_CHALLENGE],
        )

    def _note(self, call: Call, *, is_banned: bool) -> None:
        peer = client_address(call.scope)
        self._runtime.recorder.denied("management")
        self._runtime.audit.management_refused(peer)
        if is_banned:
            self._runtime.audit.management_refused(peer, is_banned=True)


def _shown(headers: Mapping[str, str]) -> list[bytes]:
    """Return the keys that a request shows, as their bytes; one may be for a host that stands before us."""
    shown = (headers.get("x-management-key"), bearer_token(headers))
    return [key.encode("latin-1") for key in shown if key]


def _banned(seconds: float) -> Refusal:
    minutes = ceil(seconds / 60)
    return Refusal(
        "banned",
        f"too many wrong keys from this address: try again in {minutes} min",
        headers=[(b"retry-after", b"%d" % ceil(seconds))],
    )
