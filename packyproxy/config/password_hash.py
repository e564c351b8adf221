"""Keep a password so that whoever reads the configuration cannot use it: scrypt, and a salt for each.

``scrypt$16384$8$1$SALT$HASH``: cost, block size, parallelism (RFC 7914), then salt and hash in base64. One
check takes some 50 ms and 16 MiB, so callers do it in a thread.
"""

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Final

from msgspec import Struct

from packyproxy.config.rules import Complaint, check_key

__all__ = ["SALT_BYTES", "check_management_key", "hash_password", "is_hash", "matches"]

SALT_BYTES: Final = 16
"""RFC 7914 wants a salt; NIST SP 800-132 says 128 bits."""

_SCHEME: Final = "scrypt"
_COST: Final = 2**14
_BLOCK_SIZE: Final = 8
_PARALLELISM: Final = 1
_HASH_BYTES: Final = 32
_MOST_MEMORY: Final = 64 * 1024 * 1024
"""A hash that was made elsewhere may be harder than ours, but may not take the machine down."""
_MOST_PARALLELISM: Final = 16


class _Hash(Struct, frozen=True, kw_only=True):
    cost: int
    block_size: int
    parallelism: int
    salt: bytes
    digest: bytes


def hash_password(password: str, salt: bytes) -> str:
    """Return what is kept of a password.

    Args:
        password: of any length.
        salt: :data:`SALT_BYTES` random ones, never used before.
    """
    digest = _scrypt(
        password.encode(),
        _Hash(
            cost=_COST, block_size=_BLOCK_SIZE, parallelism=_PARALLELISM, salt=salt, digest=bytes(_HASH_BYTES)
        ),
    )
    parts = (_SCHEME, _COST, _BLOCK_SIZE, _PARALLELISM, b64encode(salt).decode(), b64encode(digest).decode())
    return "$".join(map(str, parts))


def is_hash(text: str) -> bool:
    """Tell whether a configured key is a hash, and not the key itself."""
    return _read(text) is not None


def matches(password: bytes, stored: str) -> bool:
    """Tell whether a password is the one that a hash was made of, in the same time for any password.

    Args:
        password: as it travelled; it need not be UTF-8.
        stored: what :func:`is_hash` says yes to; anything else matches nothing.
    """
    known = _read(stored)
    return known is not None and hmac.compare_digest(_scrypt(password, known), known.digest)


def check_management_key(value: str) -> Complaint | None:
    """Judge a management key, plain or hashed."""
    if value.startswith(f"{_SCHEME}$") and not is_hash(value):
        return (
            "begins like a hash, and is none that can be checked",
            "write the key in plain text: it is hashed when the proxy starts",
        )
    return check_key(value)


def _scrypt(password: bytes, known: _Hash) -> bytes:
    return hashlib.scrypt(
        password,
        salt=known.salt,
        n=known.cost,
        r=known.block_size,
        p=known.parallelism,
        maxmem=2 * _MOST_MEMORY,
        dklen=len(known.digest),
    )


def _read(text: str) -> _Hash | None:
    """Return the parts of a hash; None when it is no hash that could be checked."""
    scheme, *rest = text.split("$")
    if scheme != _SCHEME or len(rest) != 5:
        return None
    *costs, salt_text, digest_text = rest
    if not all(cost.isascii() and cost.isdigit() and len(cost) < 10 for cost in costs):
        return None
    cost, block_size, parallelism = map(int, costs)
    try:
        salt, digest = b64decode(salt_text, validate=True), b64decode(digest_text, validate=True)
    except (binascii.Error, ValueError):
        return None
    is_sound = (
        cost > 1
        and cost & (cost - 1) == 0
        and block_size >= 1
        and 1 <= parallelism <= _MOST_PARALLELISM
        and 128 * block_size * (cost + parallelism) <= _MOST_MEMORY
        and salt
        and 16 <= len(digest) <= 64
    )
    if not is_sound:
        return None
    return _Hash(cost=cost, block_size=block_size, parallelism=parallelism, salt=salt, digest=digest)
