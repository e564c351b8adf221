"""Make the ids of one client request (wire-mapping 0.3)."""

import os
from hashlib import blake2b

__all__ = ["new_answer_id", "new_request_id", "session_hash"]

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGIT_OF_BYTE = bytes(_BASE62[value % 62] for value in range(256))
"""Eight digits come up a fifth more often than the others; 24 are still past guessing or repeating."""
_SESSION_SALT = os.urandom(blake2b.SALT_SIZE)
"""Without it a hash would confirm a guess: a session without a name is known by how it begins."""


_DIGITS = 24
_IDS_AT_ONCE = 64
_unused: list[str] = []
"""Random texts that nobody has had; asking the system for each by itself costs ten times as much."""
if hasattr(os, "register_at_fork"):  # a child would give out the same; Windows knows no forks
    os.register_at_fork(after_in_child=_unused.clear)


def _base62_24() -> str:
    try:
        return _unused.pop()
    except IndexError:
        digits = os.urandom(_DIGITS * _IDS_AT_ONCE).translate(_DIGIT_OF_BYTE).decode("ascii")
        texts = [digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)]
        _unused.extend(texts[1:])
        return texts[0]


def new_request_id() -> str:
    """Return ``req_`` and 24 base62 characters."""
    return "req_" + _base62_24()


def new_answer_id(prefix: str = "msg_") -> str:
    """Return the id of one answer: ``msg_`` and 24 base62 characters, none of them the upstream's."""
    return prefix + _base62_24()


def session_hash(session: str) -> str:
    """Return 16 digits that stand for a session for as long as this process lives."""
    return blake2b(session.encode(errors="replace"), digest_size=8, salt=_SESSION_SALT).hexdigest()
