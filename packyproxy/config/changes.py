"""What differs between two configurations, key by key, in words that may be logged.

Driven by the fields of the structs, so that a new key is covered without being listed here; only where the
struct is shaped otherwise than the file does :data:`_KEYS` say the key. Entries of lists and mappings are
matched by what identifies them: providers by kind and name, models by id, other structs by their first field.
A :class:`Change` holds texts alone: secrets are masked, and of headers only the names are shown.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import fields, replace

from packyproxy.config.document import join_path
from packyproxy.config.schema import Config, Defaults, ProviderConfig
from packyproxy.config.secret import MASK, Secret

__all__ = ["Change", "changes"]

_KEYS: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    Defaults: {"effort": "model-reasoning-effort"},
    ProviderConfig: {
        "capabilities": "profile",
        "compact": "profile.compact",
        "reasoning_scope": "profile.reasoning-scope",
        "buffer_tools": "compat.buffer-tools",
        "chat_reasoning": "compat.chat-reasoning",
    },
}
_PACKYCODE_KEY: Final = "credentials.openai-api-key"
_NOT_SETTINGS: Final[Mapping[type[Struct], frozenset[str]]] = {
    Config: frozenset({"source"}),
    ProviderConfig: frozenset({"kind", "name", "sources"}),
}
"""Where a value came from, and what providers are matched by."""

_LISTS: Final[Mapping[str, str]] = {"providers": "tppc.providers"}

_NEED_RESTART: Final = frozenset({"host", "port"})


class Change(Struct, frozen=True, kw_only=True):
    """One key that differs; ``str`` is its line in the log: ``packycode.enabled: true -> false``."""

    field: str
    """Path with the names of list entries: ``tppc.providers[b].base-url``, ``model-map[claude-*]``."""
    old: str | None
    """As it may be shown; None when the entry is new."""
    new: str | None
    """As it may be shown; None when the entry is gone; ``""`` for one that is more than a single value."""
    needs_restart: bool = False
    """Whether a running server keeps the old value."""

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.field}: added" + (f" ({self.new})" if self.new else "")
        if self.new is None:
            return f"{self.field}: removed" + (f" ({self.old})" if self.old else "")
        hidden = " (changed)" if self.old == self.new else ""
        return f"{self.field}: {self.old} -> {self.new}{hidden}"


def changes(old: Config, new: Config, *, served: Config | None = None) -> tuple[Change, ...]:
    """Return what differs, in the order of the schema; empty when both mean the same.

    Where the values came from is no difference.

    Args:
        old: what was in force.
        new: what is.
        served: what a running server began with, ``old`` by default; to go back to that needs no restart.
    """
    return tuple(
        replace(change, needs_restart=False)
        if change.needs_restart and served and getattr(served, change.field) == getattr(new, change.field)
        else change
        for change in _between_structs("", old, new)
    )


def _between(path: str, old: object, new: object) -> Iterator[Change]:
    """Yield the changes of one value, of any type that a setting may have."""
    if old == new:
        return
    if isinstance(old, Struct) and isinstance(new, Struct):
        yield from _between_structs(path, old, new)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _between_entries(path, _hidden(path, old), _hidden(path, new))
    elif isinstance(old, tuple | frozenset) and isinstance(new, tuple | frozenset):
        yield from _between_entries(path, _entries(path, old), _entries(path, new))
    else:
        yield Change(field=path, old=_text(old), new=_text(new), needs_restart=path in _NEED_RESTART)


def _between_structs(path: str, old: Struct, new: Struct) -> Iterator[Change]:
    skipped = _NOT_SETTINGS.get(type(old), frozenset())
    for field in fields(old):
        if field.name not in skipped:
            child = join_path(path, _key(old, field.name))
            yield from _between(child, getattr(old, field.name), getattr(new, field.name))


def _key(owner: Struct, attribute: str) -> str:
    if isinstance(owner, ProviderConfig) and owner.kind == "packycode" and attribute == "api_key":
        return _PACKYCODE_KEY
    return _KEYS.get(type(owner), {}).get(attribute, attribute.replace("_", "-"))


class _Entry(Struct, frozen=True):
    """One entry of a list or mapping."""

    label: str
    """What identifies it, as it may be shown."""
    path: str
    value: object = None
    """Compared when both sides have the entry; None when it is no more than its label."""

    @property
    def shown(self) -> str:
        """The value of an entry that was added or removed, if it is a single one and no secret."""
        return _text(self.value) if isinstance(self.value, str) else ""


_Entries = Mapping[object, _Entry]
"""By identity, in their order."""


def _between_entries(path: str, old: _Entries, new: _Entries) -> Iterator[Change]:
    for identity, entry in old.items():
        if identity in new:
            yield from _between(entry.path, entry.value, new[identity].value)
        else:
            yield Change(field=entry.path, old=entry.shown, new=None)
    for identity, entry in new.items():
        if identity not in old:
            yield Change(field=entry.path, old=None, new=entry.shown)
    before = [entry.label for identity, entry in old.items() if identity in new]
    after = [entry.label for identity, entry in new.items() if identity in old]
    if before != after:
        yield Change(field=_LISTS.get(path, path), old=_listed(before), new=_listed(after))


def _entries(path: str, items: Iterable[object]) -> _Entries:
    """Identify the items of a list; of several alike, the first belongs to the first, and so on."""
    entries: dict[object, _Entry] = {}
    for item in sorted(items, key=str) if isinstance(items, frozenset) else items:
        identity, label, value = _identify(item)
        number = 1
        while (identity, number) in entries:
            number += 1
        label = label if label and number == 1 else f"{label}#{number}"
        is_block = isinstance(item, ProviderConfig) and item.kind == "packycode"
        where = label if is_block else f"{_LISTS.get(path, path)}[{label}]"
        entries[identity, number] = _Entry(label, where, value)
    return entries


def _hidden(path: str, mapping: Mapping[object, object]) -> _Entries:
    """Identify the values of a mapping, which has no order; each may be a key."""
    return {
        name: _Entry(_text(name), f"{path}[{_text(name)}]", Secret(str(mapping[name])))
        for name in sorted(mapping, key=str)
    }


def _identify(item: object) -> tuple[object, str, object]:
    """Return what identifies an item among its list, how that may be shown, and what else there is to it."""
    match item:
        case ProviderConfig():
            return (item.kind, item.name), item.name, item
        case Struct():
            name = getattr(item, item.__struct_fields__[0])
            return name, _text(name), item
        case (glob, model):
            return glob, _text(glob), model
        case _:
            return item, _text(item), None


def _text(value: object) -> str:
    """Return a single value or a list of them as it may be shown."""
    match value:
        case None:
            return "unset"
        case bool():
            return "true" if value else "false"
        case str() if value and value.isprintable():
            return value
        case str():
            return json.dumps(value)
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case Secret():
            return str(value)
        case tuple() | frozenset():
            return _listed(entry.label for entry in _entries("", value).values())
        case _:
            return MASK


def _listed(labels: Iterable[str]) -> str:
    return f"[{', '.join(labels)}]"
