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

    Providers are identified by name (case does not count), models by id, anything else by itself.
    """
    places = {}
    counts: Counter[Hashable] = Counter()
    for index, entry in enumerate(stored):
        identity = _identity(entry)
        counts[identity] += 1
        places[identity, counts[identity]] = index
    counts.clear()
    pairs = []
    for entry in sent:
        identity = _identity(entry)
        counts[identity] += 1
        pairs.append(places.get((identity, counts[identity])))
    return pairs


def pair_with_enabled(sent: Sequence[object], stored: Sequence[object]) -> list[int | None]:
    """Pair each provider with the enabled one of its name, or else with the first of that name."""
    places: dict[str, int] = {}
    for index, entry in reversed(list(enumerate(stored))):
        if name := entry_name(entry):
            places[name] = index
    for index, entry in enumerate(stored):
        if isinstance(entry, Mapping) and plain_value(entry.get("enabled")) is True:
            places[entry_name(entry)] = index
    return [places.get(entry_name(entry)) for entry in sent]


def entry_name(entry: object) -> str:
    """Return the name of a provider as names are compared; ``""`` for none."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return name.casefold() if isinstance(name, str) else ""


def _identity(entry: object) -> Hashable:
    if isinstance(entry, Mapping):
        if "id" in entry:
            return _identity(entry["id"])
        return "entry", entry_name(entry)
    if isinstance(entry, Hashable):
        return type(entry), entry
    return type(entry)
