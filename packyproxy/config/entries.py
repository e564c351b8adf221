"""Match the entries of a list that was sent with those of the list that it stands for."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from packyproxy.config.document import plain_value

__all__ = ["PROVIDERS", "Pairing", "entry_name", "pair_in_order", "pair_with_enabled"]

PROVIDERS = ("tppc", "providers")
"""The path of the one list whose entries have names."""

Pairing = Callable[[Sequence[object], Sequence[object]], list[int | None]]
"""From entries that were sent, and those that are stored: the index of each one's counterpart."""


def pair_in_order(sent: Sequence[object], stored: Sequence[object]) -> list[int | None]:
    """Pair entries that are identified alike, the first with the first and so on.

    Providers are identified by name, first as it is spelt and then in any case, models by id, and anything
    else by itself.
    """
    pairs: list[int | None] = [None] * len(sent)
    for identify in (_identity, _folded):
        free: dict[Hashable, list[int]] = {}
        for index in sorted(set(range(len(stored))).difference(pairs), reverse=True):
            free.setdefault(identify(stored[index]), []).append(index)
        for place, entry in enumerate(sent):
            if pairs[place] is None and (indexes := free.get(identify(entry))):
                pairs[place] = indexes.pop()
    return pairs


def pair_with_enabled(sent: Sequence[object], stored: Sequence[object]) -> list[int | None]:
    """Pair each provider with the enabled one of its name, or else with the first of that name.

    A name that is sent more than once is paired in order.
    """
    places: dict[str, int] = {}
    for index, entry in enumerate(stored):
        is_enabled = isinstance(entry, Mapping) and plain_value(entry.get("enabled")) is True
        name = entry_name(entry)
        if name and (is_enabled or name not in places):
            places[name] = index
    counts = Counter(map(entry_name, sent))
    in_order = pair_in_order(sent, stored)
    return [
        places.get(entry_name(entry)) if counts[entry_name(entry)] == 1 else index
        for entry, index in zip(sent, in_order, strict=True)
    ]


def entry_name(entry: object) -> str:
    """Return the name of a provider as names are compared; ``""`` for none."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return name.casefold() if isinstance(name, str) else ""


def _folded(entry: object) -> Hashable:
    is_named = isinstance(entry, Mapping) and "id" not in entry
    return ("entry", entry_name(entry)) if is_named else _identity(entry)


def _identity(entry: object) -> Hashable:
    if isinstance(entry, Mapping):
        return _identity(entry["id"]) if "id" in entry else ("entry", _identity(entry.get("name")))
    if isinstance(entry, Hashable):
        return type(entry), entry
    return type(entry)
