"""Which conversation a request belongs to, and the key its upstream prompt cache goes by (wire-mapping 0.3).

The raw session value never leaves the proxy: what the upstream gets is a UUIDv5 of it.
"""

from collections.abc import Callable, Mapping
from hashlib import sha1, sha256

__all__ = ["prompt_cache_key", "session_key"]

# Fixed for good: another value would empty every upstream cache.
_NAMESPACE = bytes.fromhex("5d1f3c0a7b0e5c1e9a550c9f6a2f4b7d")

_SURE_HEADER = "x-claude-code-session-id"
_OTHER_HEADERS = ("session_id", "session-id", "conversation_id", "thread-id")


def session_key(
    headers: Mapping[str, str],
    body_hint: str | None,
    *,
    key_id: str,
    model: str,
    opening: Callable[[], bytes],
    cache_key_hint: str | None = None,
) -> str:
    """Choose the session key of a request, by the order of wire-mapping 0.3.

    Args:
        headers: the client's; names in lower case, or a mapping that ignores case.
        body_hint: a session id found in the body.
        key_id: names the client key, never the key itself.
        model: the upstream's model id.
        opening: gives the instructions and the first user text; called only when nothing else names the
            session.
        cache_key_hint: a ``prompt_cache_key`` that the client sent.
    """
    named = headers.get(_SURE_HEADER) or body_hint
    if named:
        return named
    for name in _OTHER_HEADERS:
        if value := headers.get(name):
            return value
    if cache_key_hint:
        return cache_key_hint
    return sha256(b"\0".join((key_id.encode(), model.encode(), opening()))).hexdigest()


def prompt_cache_key(session: str, model: str) -> str:
    """Derive the upstream's ``prompt_cache_key``, a UUIDv5 (RFC 9562, 5.5).

    Sub-agents of one session share it, and with it the cached prefix.
    """
    digits = sha1(_NAMESPACE + f"{session}\0{model}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
