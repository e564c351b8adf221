"""Read what an upstream says it serves: the body of its own ``GET /models``.

Relays answer in the shape of OpenAI (``{"data":[{"id"}]}``), of the Codex back end
(``{"models":[{"slug"}]}``) or with a bare list. Any other body, and any entry that could not be asked for,
counts as nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from packyproxy.registry.names import is_sendable

__all__ = ["read_model_list"]

_T = TypeVar("_T")

_MOST_IDS: Final = 1000
"""Each is kept in memory and listed to clients; the upstream decides how many it sends."""
_LONGEST_ID: Final = 128
_LIST_KEYS: Final = ("data", "models")
_ID_KEYS: Final = ("id", "slug")


def read_model_list(body: bytes) -> tuple[str, ...]:
    """Return the ids in a model list, sorted, each once whatever its case; nothing from any other body."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    unique: dict[str, str] = {}
    for model_id in sorted(_ids(value)):
        unique.setdefault(model_id.lower(), model_id)
    return tuple(unique.values())[:_MOST_IDS]


def _ids(value: object) -> Iterator[str]:
    items = value if isinstance(value, list) else _member(value, _LIST_KEYS, list)
    for item in items or ():
        model_id = item if isinstance(item, str) else _member(item, _ID_KEYS, str)
        if model_id is not None and len(model_id) <= _LONGEST_ID and is_sendable(model_id):
            yield model_id


def _member(value: object, keys: tuple[str, ...], kind: type[_T]) -> _T | None:
    """Return the first of these members of an object that is of this kind."""
    if not isinstance(value, Mapping):
        return None
    members = (value.get(key) for key in keys)
    return next((member for member in members if isinstance(member, kind)), None)
