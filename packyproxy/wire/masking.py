"""Mask what nobody may read in an upstream's words (wire-mapping 8.1).

That is the secrets of the provider, which an upstream may quote, and whatever looks like a credential: bearer
tokens and ``sk-...`` keys.
"""

import re
from collections.abc import Mapping, Sequence
from typing import cast

__all__ = ["mask_bytes", "mask_text", "mask_values"]

_MASK = "***"
_CUT = "..."
"""Where texts end that somebody has cut."""
_SHORTEST_SECRET = 4
"""Anything shorter is found in every text and protects nothing."""
_KEY_LIKE = re.compile(r"\bsk-[A-Za-z0-9_*.\-]{4,}")
_BEARER = re.compile(
    r"\b(bearer\s+)(?!(?:tokens?|auth|authentication|authorization|headers?|schemes?)\b)[^\s\"',;]+",
    re.IGNORECASE,
)
# The same in JSON text, where ``\n`` before a word is a letter to ``\b``, and a backslash escapes a quote.
_KEY_LIKE_BYTES = re.compile(rb"(?:\b|(?<=\\[bfnrt]))sk-[A-Za-z0-9_*.\-]{4,}")
_BEARER_BYTES = re.compile(
    rb"((?:\b|(?<=\\[bfnrt]))bearer(?:\s|\\[nrt])+)"
    rb"(?!(?:tokens?|auth|authentication|authorization|headers?|schemes?)\b)[^\s\"',;\\]+",
    re.IGNORECASE,
)
_ESCAPES = (b"\\u", b"\\/")
"""What JSON may write for a character that needs no escape."""


def mask_text(text: str, secrets: Sequence[str] = ()) -> str:
    """Return a text with ``secrets``, and what looks like one, masked."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = _without_beginning(text.replace(secret, _MASK), secret)
    return _KEY_LIKE.sub(_MASK, _BEARER.sub(rf"\g<1>{_MASK}", text))


def mask_values(value: object, secrets: Sequence[str] = ()) -> object:
    """Return decoded JSON with every text in it masked, names of members too, and mended to be Unicode.

    Raises:
        RecursionError: it is nested too deeply.
    """
    if isinstance(value, str):
        return mask_text(value, secrets).encode(errors="replace").decode()
    if isinstance(value, list):
        return [mask_values(item, secrets) for item in cast("list[object]", value)]
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value).items()
        return {mask_values(name, secrets): mask_values(item, secrets) for name, item in members}
    return value


def mask_bytes(text: bytes, secrets: Sequence[str] = ()) -> bytes:
    """Return JSON text of any size masked, however its characters are escaped."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret.encode(), _MASK.encode())
            text = text.replace(secret.replace("\\", "\\\\").replace('"', '\\"').encode(), _MASK.encode())
            if any(escape in text for escape in _ESCAPES):
                text = re.sub(_in_any_writing(secret), _MASK.encode(), text)
    return _KEY_LIKE_BYTES.sub(_MASK.encode(), _BEARER_BYTES.sub(rb"\g<1>***", text))


def _in_any_writing(secret: str) -> bytes:
    """Return the pattern of a text as JSON may write it: each character as it is, or escaped."""
    return b"".join(b"(?:\\\\?%b|%b)" % (re.escape(char.encode()), _code_units(char)) for char in secret)


def _code_units(char: str) -> bytes:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return b"".join(rb"\\u(?i:%b)" % units[start : start + 4].encode() for start in range(0, len(units), 4))


def _without_beginning(text: str, secret: str) -> str:
    """Mask the part of a secret that is left where a text was cut before the secret was known."""
    if text.endswith(_CUT):
        shown = text.removesuffix(_CUT)
        for length in range(len(secret) - 1, _SHORTEST_SECRET - 1, -1):
            if shown.endswith(secret[:length]):
                return shown[:-length] + _MASK + _CUT
    return text
