"""Make the ids of one client request (wire-mapping 0.3)."""

import secrets

__all__ = ["new_answer_id", "new_request_id"]

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SPACE = 62**24


def _base62_24() -> str:
    number = secrets.randbelow(_SPACE)
    digits = []
    for _ in range(24):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(digits)


def new_request_id() -> str:
    """Return ``req_`` and 24 base62 characters."""
    return "req_" + _base62_24()


def new_answer_id(prefix: str = "msg_") -> str:
    """Return the id of one answer: ``msg_`` and 24 base62 characters, never derived from the upstream's id."""
    return prefix + _base62_24()
