"""Let clients in that show a key which is known here (wire-mapping 12.1), and that the host wants."""

from collections.abc import Mapping
from typing import Any, cast

from packyproxy.asgi.addresses import client_address
from packyproxy.asgi.call import Call
from packyproxy.errors import AccessDenied
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.snapshot import Snapshot

__all__ = ["bearer_token", "let_in"]


async def let_in(call: Call, runtime: Runtime, snapshot: Snapshot) -> str:
    """Return an id of the client key that a request shows, ``""`` where none is needed.

    Raises:
        AccessDenied: it shows no key of the snapshot's, or the host does not let it in; that is counted, and
            noted in the audit trail.
        Exception: ``authorize`` has failed, so nobody is let in.
    """
    shown = _shown_keys(call.headers)
    try:
        key_id = snapshot.client_keys.check(shown)
    except AccessDenied:
        runtime.recorder.denied("gateway")
        runtime.audit.auth_failed(client_address(call.scope), call.request_id, has_key=bool(shown))
        raise
    hooks = runtime.hooks
    if hooks.authorize is not None and not await hooks.lets_in(cast("dict[str, Any]", call.scope)):
        runtime.recorder.denied("gateway")
        runtime.audit.not_authorized(client_address(call.scope), call.request_id)
        raise AccessDenied(is_by_host=True)
    return key_id


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return what stands in ``Authorization: Bearer``, a character for each byte; ``""`` for nothing."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    # Bytes beyond ASCII are the key's: some of them are blanks where they are taken for Latin-1.
    return credentials.strip(" \t") if scheme.lower() == "bearer" else ""


def _shown_keys(headers: Mapping[str, str]) -> list[str]:
    """Return what stands in ``Authorization: Bearer`` and in ``x-api-key``; some clients send both."""
    return [key for key in (bearer_token(headers), headers.get("x-api-key", "")) if key]
