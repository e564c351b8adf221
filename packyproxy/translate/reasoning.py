"""Signatures that carry encrypted reasoning to the client and back (wire-mapping 2.2-2.4).

``pp1.<scope>.<id>.<enc>``, plain text. The scope says which provider and model can decrypt the content, so
that a failover drops what the next provider cannot read. There is no MAC: a client can only hurt its own
request.
"""

import re
from functools import lru_cache
from hashlib import sha256

from msgspec import Struct

__all__ = ["Signature", "can_carry", "read_signature", "scope_of", "write_signature"]

_VERSION = "pp1"
_NONE = "-"
_IS_ITEM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_MAX_SCOPES = 256
_MAX_ENCRYPTED_CHARS = 1024 * 1024  # keeps the next request within the body limit


class Signature(Struct, frozen=True):
    """A signature that packyproxy wrote, taken apart."""

    scope: str
    item_id: str | None
    encrypted: str | None

    def __repr__(self) -> str:
        return f"Signature(scope={self.scope!r})"


@lru_cache(_MAX_SCOPES)
def scope_of(reasoning_scope: str, model: str) -> str:
    """Name what can decrypt: the first 10 hex digits of SHA-256 over the provider's scope text and the model.

    Args:
        reasoning_scope: the provider's setting; by default its normalised base URL.
        model: the upstream's model id.
    """
    return sha256(f"{reasoning_scope}\0{model}".encode()).hexdigest()[:10]


def can_carry(encrypted: str | None) -> bool:
    """Tell whether a signature takes an ``encrypted_content`` along: there is some, of at most 1 MiB."""
    return bool(encrypted) and len(encrypted or "") <= _MAX_ENCRYPTED_CHARS


def write_signature(scope: str, item_id: str, encrypted: str | None) -> str:
    """Write the signature of a reasoning item; content that it cannot carry is left out."""
    known_id = item_id if _IS_ITEM_ID(item_id) else _NONE
    return f"{_VERSION}.{scope}.{known_id}.{encrypted if can_carry(encrypted) else _NONE}"


def read_signature(text: str) -> Signature | None:
    """Read a signature that ``write_signature`` wrote; None for anybody else's, whatever it looks like."""
    parts = text.split(".", 3)
    if len(parts) != 4 or parts[0] != _VERSION:
        return None
    _, scope, item_id, encrypted = parts
    return Signature(
        scope=scope,
        item_id=item_id if item_id != _NONE and _IS_ITEM_ID(item_id) else None,
        encrypted=encrypted if encrypted and encrypted != _NONE else None,
    )
