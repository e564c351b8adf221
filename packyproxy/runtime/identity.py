"""Make the ids of one client request (wire-mapping 0.3)."""

from os import urandom

__all__ = ["new_answer_id", "new_request_id"]

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGIT_OF_BYTE = bytes(_BASE62[value % 62] for value in range(256))
"""Eight digits come up a fifth more often than the others; 24 are still past guessing or repeating."""


def _base62_24() -> str:
    return urandom(24).translate(_DIGIT_OF_BYTE).decode("ascii")


def new_request_id() -> str:
    """Return ``req_`` and 24 base62 characters."""
    return "req_" + _base62_24()


def new_answer_id(prefix: str = "msg_") -> str:
    """Return the id of one answer: ``msg_`` and 24 base62 characters, none of them the upstream's."""
    return prefix + _base62_24()
