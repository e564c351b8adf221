"""Words that mean nothing and stand nowhere by themselves: where one is found, something has leaked.

A canary says of what kind it is and whose, so that a leak can be named without being quoted. It holds its
marker twice, for a text may be cut; it is found in any case of letters, in base64 and in hexadecimal digits.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

__all__ = ["KINDS", "Canary", "Category", "canary_text", "careless_text", "find_canaries", "stage_owner"]

Category = Literal["content", "secret"]
"""What clients, models and providers say; what grants access."""

_CONTENT: Final = (
    "system text",
    "developer text",
    "user text",
    "assistant text",
    "thinking",
    "tool name",
    "tool description",
    "tool schema",
    "tool arguments",
    "tool result",
    "image",
    "document",
    "metadata",
    "stop sequence",
    "session name",
    "cookie",
    "client header",
    "unknown field",
    "wrong value",
    "unknown model",
    "client version",
    "output text",
    "output reasoning",
    "output tool arguments",
    "output refusal",
    "citation",
    "search query",
    "upstream error",
    "upstream error code",
    "upstream header",
    "exception text",
)
_SECRETS: Final = (
    "client key",
    "wrong client key",
    "provider key",
    "provider header",
    "proxy password",
    "management key",
    "wrong management key",
    "MANAGEMENT_PASSWORD",
    "secret in a wrong place",
)

KINDS: Final[Mapping[str, Category]] = MappingProxyType(
    {**dict.fromkeys(_CONTENT, "content"), **dict.fromkeys(_SECRETS, "secret")}
)
"""Every kind of canary."""

_NAMES: Final = tuple(KINDS)
_MARKER: Final = "zq7canaryx9k"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PATTERN: Final = re.compile(rf"{_MARKER}(?:([0-9a-z]{{2}})([0-9a-z]{{2}}))?")
_HEX_MARKER: Final = _MARKER.encode().hex()
_HEX_DIGITS: Final = re.compile("[0-9a-f]+")
_BASE64_MARKERS: Final = tuple(
    # What base64 makes of the marker when 0, 1 or 2 bytes stand before it in its group of three, without the
    # letters that depend on its neighbours.
    base64.b64encode(b"\0" * before + _MARKER.encode()).decode().rstrip("=")[2 * before : -2]
    for before in range(3)
)
_BASE64_RUN: Final = re.compile(r"[A-Za-z0-9+/]{16,}")


class Canary(Struct, frozen=True, order=True):
    """One that was found."""

    kind: str
    """One of :data:`KINDS`, or ``part of a canary``."""
    owner: int
    """As it was given to :func:`canary_text`; -1 where only a part was found."""

    @property
    def category(self) -> Category:
        """What it stands for; a part counts as a secret, for nothing excuses it."""
        return KINDS.get(self.kind, "secret")


def canary_text(kind: str, owner: int) -> str:
    """Return the canary of a kind: 32 lower-case letters and digits; ``owner`` is below 1,296."""
    code = _MARKER + _write(_NAMES.index(kind)) + _write(owner)
    return code + code


def careless_text(owner: int) -> str:
    """Return what an exception should not have quoted."""
    kinds = ("exception text", "user text", "provider key", "provider header", "proxy password")
    return " ".join(canary_text(kind, owner) for kind in kinds)


def stage_owner(owner: int) -> int:
    """Return the first of the two owners of a stage, whose secrets both are served with: an even number."""
    return owner - owner % 2


def find_canaries(text: str | bytes) -> frozenset[Canary]:
    """Return every canary in a text, or in what it looks like once decoded."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    lowered = text.lower()
    found = set(_plain(lowered)) if _MARKER in lowered else set()
    if _HEX_MARKER in lowered:
        for decoded in _from_hex(lowered):
            found.update(_plain(decoded))
    standard = text.replace("-", "+").replace("_", "/")
    if any(marker in standard for marker in _BASE64_MARKERS):
        for decoded in _from_base64(standard):
            found.update(_plain(decoded))
    return frozenset(found)


def _plain(lowered: str) -> Iterator[Canary]:
    whole, parts = set(), 0
    for match in _PATTERN.finditer(lowered):
        kind, owner = match.groups()
        if kind is not None and int(kind, 36) < len(_NAMES):
            whole.add(Canary(_NAMES[int(kind, 36)], int(owner, 36)))
        else:
            parts += 1
    yield from whole
    if parts and not whole:
        yield Canary("part of a canary", -1)


def _from_base64(text: str) -> Iterator[str]:
    for run in _BASE64_RUN.findall(text):
        for start in range(4):  # what stands before it may be no base64, though it looks so
            part = run[start : start + (len(run) - start) // 4 * 4]
            yield base64.b64decode(part).decode("latin-1").lower()


def _from_hex(lowered: str) -> Iterator[str]:
    start = lowered.find(_HEX_MARKER)
    while start >= 0:
        digits = _HEX_DIGITS.match(lowered, start)
        assert digits is not None
        yield bytes.fromhex(digits[0][: len(digits[0]) // 2 * 2]).decode("latin-1").lower()
        start = lowered.find(_HEX_MARKER, digits.end())


def _write(number: int) -> str:
    return _DIGITS[number // 36] + _DIGITS[number % 36]
