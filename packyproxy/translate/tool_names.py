"""Tool names and ids, there and back (wire-mapping 3).

A mapped name is a function of the name alone, so that history stays valid when the tool list changes. Ids are
unchanged where they fit; the same function on both sides keeps a call and its output paired without state.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final

__all__ = [
    "MAX_NAME_CHARS",
    "ToolNames",
    "call_id_to_upstream",
    "map_tool_name",
    "repeated_id",
    "server_tool_use_id",
    "tool_use_id",
]

MAX_NAME_CHARS: Final = 128
"""The longest name a Messages client may give a tool."""

_DIGITS = range(8, 61, 4)
"""How many digits of its hash mark a mapped name: 8, and more only after a collision."""

_IS_FIT = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_replace_bad = re.compile(r"[^A-Za-z0-9_-]").sub


def _sha256_hex(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def map_tool_name(name: str) -> str:
    """Write a tool name the way Responses takes it: at most 64 of ``[A-Za-z0-9_-]``."""
    if _IS_FIT(name):
        return name
    return _shorten(name, _DIGITS[0])


def _shorten(name: str, digits: int) -> str:
    """Make a name fit: as much of both its ends as there is room for, and so many digits of its hash."""
    safe = _replace_bad("_", name)
    digest = _sha256_hex(name)[:digits]
    if len(safe) < 64 - digits:
        return f"{safe}_{digest}"
    side = (62 - digits) // 2
    return f"{safe[:side]}_{safe[-side:]}_{digest}"


class ToolNames:
    """The tool names of one request: the client's to the upstream's, and the way back.

    All names of the request must be given at once, because a literal name that equals the mapping of another
    one changes that other's mapping.
    """

    def __init__(self, names: Iterable[str]) -> None:
        all_names = dict.fromkeys(names)
        self._mapped: dict[str, str] = {}
        originals: dict[str, str] = {}
        self.originals: Mapping[str, str] = MappingProxyType(originals)
        """Mapped name -> the client's own, for the names that had to change."""
        taken = {name for name in all_names if _IS_FIT(name)}
        for name in all_names:
            if name in taken:
                continue
            candidates = (_shorten(name, digits) for digits in _DIGITS)
            mapped = next((free for free in candidates if free not in taken), map_tool_name(name))
            self._mapped[name] = mapped
            originals[mapped] = name
            taken.add(mapped)

    def to_upstream(self, name: str) -> str:
        """Return the upstream's name of a tool of this request."""
        return self._mapped.get(name, name)


def call_id_to_upstream(tool_use_id: str) -> str:
    """Write a client's tool call id as an upstream ``call_id``; unchanged if it fits."""
    if _IS_FIT(tool_use_id):
        return tool_use_id
    safe = _replace_bad("_", tool_use_id)
    return safe if 0 < len(safe) <= 64 else f"{safe[:47]}_{_sha256_hex(tool_use_id)[:16]}"


def tool_use_id(call_id: str | None, *, item_id: str | None, message_id: str, output_index: int) -> str:
    """Write an upstream ``call_id`` as the id of a ``tool_use`` block.

    Args:
        call_id: the upstream's; unchanged if it fits, hashed if not.
        item_id: stands in for a missing or empty ``call_id`` if it fits.
        message_id: our id of the answer; the last resort is made from it and the index.
        output_index: the item's place in the upstream's output.
    """
    if call_id:
        return call_id if _IS_FIT(call_id) else f"call_{_sha256_hex(call_id)[:24]}"
    if item_id and _IS_FIT(item_id):
        return item_id
    return f"call_{_sha256_hex(f'{message_id}{output_index}')[:24]}"


def repeated_id(wanted: str, used: Iterable[str]) -> str:
    """Make an id unique among those used in one answer: the second use gets ``_2``, the third ``_3``."""
    taken = set(used)
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}_{number}" in taken:
        number += 1
    return f"{wanted}_{number}"


def server_tool_use_id(item_id: str) -> str:
    """Write an upstream search item's id as the id of a ``server_tool_use`` block."""
    return "srvtoolu_" + _replace_bad("_", item_id.removeprefix("ws_"))[:50]
