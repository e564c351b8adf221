"""Bring what somebody sent as JSON into the text of a configuration, as the fewest changes of single values.

A value that says what is in force already is not written: what comes from the environment or is a default
stays out of the file, and sending back what was shown changes nothing. Masks stand for the stored secrets.
Only what cannot be written is refused here: the text that comes out is validated by whoever writes it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from packyproxy.config.document import is_blank, shown_path
from packyproxy.config.entries import PROVIDERS, entry_name, pair_in_order, pair_with_enabled
from packyproxy.config.masking import SECRET_KEYS, Unmasking, with_secrets
from packyproxy.config.schema import Config, ProviderConfig
from packyproxy.config.validate import validate
from packyproxy.config.view import READ_ONLY_KEYS, config_document
from packyproxy.config.yaml_edit import REMOVE, Edit, edit_text
from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError, Problem

__all__ = ["config_text", "patch_value", "put_value"]

_Path = tuple[str | int, ...]

_ABSENT: Final = object()
_BLOCK: Final = ("packycode",)
_MODEL_MAP: Final = ("model-map",)
_FREE_MAPPINGS: Final = frozenset({"headers", "model-map"})
"""Mappings with keys of the operator's own; other sources give the whole of one, or nothing of it."""
_DEFAULTS: Final = config_document(
    Config(
        providers=(
            ProviderConfig(kind="packycode", name="packycode"),
            ProviderConfig(kind="tppc", name=""),
        )
    )
)
"""A file of nothing but defaults, with one provider of each kind."""

_DEEPEST: Final = 16
"""The deepest setting is on level 6; YAML is read to level 32."""
_MOST_VALUES: Final = 50_000
_MOST_CHARACTERS: Final = 500_000
"""A file of 128 KiB may have a thousand providers, and an answer shows some 40 values of each."""
_LONGEST_KEY: Final = 256
_LONGEST_ESCAPED_KEY: Final = 160
_MOST_REMOVED: Final = 16
"""Of the entries of one collection; each has to be found in what the one before leaves."""
_LARGEST_NUMBER: Final = 1e30
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def put_value(text: str, path: tuple[str, ...], value: object, *, in_force: Config) -> str:
    """Return the text with a block, a setting or everything (path ``()``) replaced by what was sent.

    A key that was not sent is removed, unless it says the default. Entries of lists keep their place with
    their comments up to the first that was moved or is new; providers are recognised by their names.

    Args:
        text: of the file.
        path: the keys that lead to the place.
        value: plain values of JSON.
        in_force: what the text means, completed by whatever completes it.

    Raises:
        ConfigError: the text is not readable YAML, a mask stands for no stored secret, or what was sent
            cannot be written.
    """
    return _merged(text, path, value, in_force, is_patch=False)


def patch_value(text: str, path: tuple[str, ...], value: object, *, in_force: Config) -> str:
    """Return the text with only those keys changed that were sent; arguments as of ``put_value``.

    Mappings are merged key by key, and ``tppc.providers`` by name: of several providers of one name the
    enabled one is meant, or else the first; one that is not there yet is added. Other lists are replaced.

    Raises:
        ConfigError: as ``put_value`` does; something is null; or a provider is sent without its name.
    """
    return _merged(text, path, value, in_force, is_patch=True)


def config_text(config: Config) -> str:
    """Return the text of a file that says what differs from the defaults.

    Raises:
        ConfigError: it holds what no file could.
    """
    known = config_document(Config())
    known["packycode"] = {name: item for name, item in _DEFAULTS["packycode"].items() if name != "enabled"}
    merging = _Merging(frozenset(), is_patch=False)
    merging.value((), config_document(config), _ABSENT, known)
    return edit_text("", merging.edits)


def _merged(text: str, path: tuple[str, ...], value: object, in_force: Config, *, is_patch: bool) -> str:
    _check(path, value)
    document = read_text(text)
    if document.problems:
        raise ConfigError(document.problems)
    root = document.root if isinstance(document.root, Mapping) else {}
    stored = _at(with_secrets(root), path)
    known = _at({"packycode": _DEFAULTS["packycode"], **config_document(in_force)}, path)
    is_secret = not SECRET_KEYS.isdisjoint(path)
    unmasking = Unmasking(pair_with_enabled if is_patch else pair_in_order)
    sent = unmasking.value(path, with_secrets(_writable(path, value), is_secret=is_secret), (known, stored))
    _, wrong = validate(document, source="")
    merging = _Merging(frozenset(problem.field for problem in wrong), is_patch=is_patch)
    merging.value(path, sent, stored, known)
    if problems := (*unmasking.problems, *merging.problems):
        raise ConfigError(problems)
    return edit_text(text, merging.edits) if merging.edits else text


def _check(path: _Path, value: object) -> None:
    """Refuse what no file could hold, before any work is done for it."""
    if not path and not isinstance(value, Mapping):
        raise _refused(path, "wrong_type", "is not a mapping", "send an object with the keys of config.yaml")
    if value is None:
        raise _refused(path, "null", "null is not allowed", "send a value")
    characters = 0
    for count, (place, item) in enumerate(_walk(path, value), 1):
        characters += len(item) if isinstance(item, str) else 0
        if len(place) > _DEEPEST or count > _MOST_VALUES or characters > _MOST_CHARACTERS:
            raise _refused(path, "too_complex", "is more than a configuration can hold", "send settings only")
        if isinstance(item, str) and _SURROGATE.search(item):
            raise _refused(place, "invalid", "holds half a character", "send text as UTF-8")
        if isinstance(item, int | float) and not (math.isfinite(item) and abs(item) < _LARGEST_NUMBER):
            raise _refused(place, "out_of_range", "out of range", "send a number that a setting may have")
        if isinstance(item, Mapping) and any(map(_is_unfit, item)):
            raise _refused(place, "unknown_key", "has a key that no setting has", "send settings only")


def _walk(path: _Path, value: object) -> Iterator[tuple[_Path, object]]:
    """Yield every value with its path."""
    stack = [(path, value)]
    while stack:
        place, item = stack.pop()
        yield place, item
        if isinstance(item, Mapping):
            stack += [((*place, name), inner) for name, inner in item.items()]
        elif isinstance(item, list):
            stack += [((*place, index), inner) for index, inner in enumerate(item)]


def _is_unfit(key: str) -> bool:
    """Tell whether YAML could not have a key, which has to stand on one line of 1024 characters."""
    longest = _LONGEST_KEY if key.isprintable() else _LONGEST_ESCAPED_KEY
    return len(key) > longest or bool(_SURROGATE.search(key))


def _writable(path: _Path, value: object) -> object:
    """Return what was sent without the keys that only answers have."""
    if path == _BLOCK and isinstance(value, Mapping):
        return {name: item for name, item in value.items() if name not in READ_ONLY_KEYS}
    if not path and isinstance(value, Mapping):
        return {name: _writable((name,), item) for name, item in value.items()}
    return value


def _at(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        value = _member(value, name)
    return value


class _Merging:
    """Collects the edits that make a text say what was sent.

    Three values stand side by side at each path: the one that was ``sent``, the one that is ``stored`` in the
    text, and the one ``known`` to be in force; the last two may be absent.
    """

    def __init__(self, wrong: frozenset[str], *, is_patch: bool) -> None:
        self._wrong = wrong
        self._is_patch = is_patch
        self.edits: list[Edit] = []
        self.problems: list[Problem] = []

    def value(self, path: _Path, sent: object, stored: object, known: object) -> None:
        """Change one value, and what is in it."""
        if isinstance(sent, Mapping) and path[-1:] and path[-1] in _FREE_MAPPINGS:
            self._free_mapping(path, sent, stored, known)
        elif isinstance(sent, Mapping) and isinstance(stored, Mapping) and stored:
            self._members(path, sent, stored, known)
        elif isinstance(sent, Mapping):
            new = self._new(path, sent, known)
            is_unknown = not (sent or isinstance(known, Mapping))
            if new or is_unknown or not _is_nothing(stored):
                self.edits.append(Edit(path, new))
        elif self._is_said(path, sent, stored, known):
            pass
        elif self._is_patch and sent is None:
            self._null(path)
        elif isinstance(sent, list):
            self._items(path, sent, stored, known)
        else:
            self.edits.append(Edit(path, sent))

    def _is_said(self, path: _Path, sent: object, stored: object, known: object) -> bool:
        """Tell whether a value is what the text says, or what is in force in spite of it.

        Where the text is wrong, a default may be taken for what is in force.
        """
        if _is_same(sent, stored):
            return True
        return _is_same(sent, known) and (_is_nothing(stored) or not self._is_wrong(path))

    def _is_wrong(self, path: _Path) -> bool:
        shown = shown_path(path)
        return any(field == shown or field.startswith((f"{shown}.", f"{shown}[")) for field in self._wrong)

    def _null(self, path: _Path) -> None:
        self._problem(path, "null", "null is not allowed", "PUT removes keys by leaving them out")

    def _problem(self, path: _Path, code: str, message: str, fix: str) -> None:
        self.problems.append(Problem(field=shown_path(path), code=code, message=message, fix=fix))

    def _members(
        self, path: _Path, sent: Mapping[str, object], stored: Mapping[str, object], known: object
    ) -> None:
        for name, item in sent.items():
            self.value((*path, name), item, _member(stored, name), _member(known, name))
        if not self._is_patch:
            for name in stored:
                if name not in sent:
                    self._reset((*path, name), stored[name])

    def _reset(self, path: _Path, stored: object) -> None:
        """Let a key that was not sent mean its default; the ``packycode`` block, as a whole, has none."""
        default = _default(path)
        if isinstance(stored, Mapping) and path[-1] in _FREE_MAPPINGS:
            self.edits.append(Edit(path, {}))
        elif isinstance(stored, Mapping) and isinstance(default, Mapping) and path != _BLOCK:
            for name, item in stored.items():
                self._reset((*path, name), item)
        elif default is _ABSENT or not (is_blank(stored) or _is_same(stored, default)):
            self.edits.append(Edit(path, REMOVE))

    def _new(self, path: _Path, sent: Mapping[str, object], known: object) -> dict[str, object]:
        """Return what is to be written of a mapping that the text does not have."""
        new: dict[str, object] = {}
        for name, item in sent.items():
            place, known_item = (*path, name), _member(known, name)
            if _is_same(item, known_item):
                continue
            if isinstance(item, Mapping) and name not in _FREE_MAPPINGS:
                inner = self._new(place, item, known_item)
                if inner or not (item or isinstance(known_item, Mapping)):
                    new[name] = inner
            elif self._is_patch and item is None:
                self._null(place)
            elif place == PROVIDERS and isinstance(item, list):
                new[name] = [self._new_item(place, entry) for entry in item]
            else:
                new[name] = item
        return new

    def _new_item(self, path: _Path, sent: object) -> object:
        """Return what is to be written of a new entry of a list."""
        if path == PROVIDERS and isinstance(sent, Mapping):
            return self._new(path, sent, _default((*path, 0)))
        return sent

    def _free_mapping(self, path: _Path, sent: Mapping[str, object], stored: object, known: object) -> None:
        if self._is_patch:
            for name in [name for name, item in sent.items() if item is None]:
                self._null((*path, name))
            base = known if _is_nothing(stored) else stored
            sent = _overlaid(base if isinstance(base, Mapping) else {}, sent)
        if self._is_said(path, sent, stored, known) and _has_order(path, sent, (stored, known)):
            return
        if isinstance(stored, Mapping) and stored:
            left = [name for name in stored if name in sent]
            order = [*left, *(name for name in sent if name not in left)]
            is_kept = len(stored) - len(left) <= _MOST_REMOVED
            if is_kept and (path != _MODEL_MAP or order == list(sent)):
                changed = [name for name, item in sent.items() if not _is_same(item, _member(stored, name))]
                self.edits += [Edit((*path, name), sent[name]) for name in changed]
                self.edits += [Edit((*path, name), REMOVE) for name in stored if name not in sent]
                return
        self.edits.append(Edit(path, sent))

    def _items(self, path: _Path, sent: list[object], stored: object, known: object) -> None:
        entries = stored if isinstance(stored, list) else []
        known_entries = known if isinstance(known, list) else []
        if self._is_patch and path == PROVIDERS:
            self._named(sent, entries, known_entries)
            return
        kept = _kept(pair_in_order(sent, entries))
        pairs = pair_in_order(sent, known_entries)
        gone = sorted(set(range(len(entries))) - set(kept), reverse=True)
        if not kept or len(gone) > _MOST_REMOVED:
            self.edits.append(Edit(path, [self._new_item(path, item) for item in sent]))
            return
        for place, index in enumerate(kept):
            self.value((*path, index), sent[place], entries[index], _partner(known_entries, pairs[place]))
        self.edits += [Edit((*path, index), REMOVE) for index in gone]
        self._append(path, len(kept), sent[len(kept) :])

    def _append(self, path: _Path, count: int, items: Sequence[object]) -> None:
        for index, item in enumerate(items, count):
            self.edits.append(Edit((*path, index), self._new_item(path, item)))

    def _named(self, sent: list[object], entries: list[object], known_entries: list[object]) -> None:
        """Merge providers by name."""
        pairs, known_pairs = (pair_with_enabled(sent, values) for values in (entries, known_entries))
        names: set[str] = set()
        new = []
        for place, entry in enumerate(sent):
            index, name = pairs[place], entry_name(entry)
            if not isinstance(entry, Mapping):
                self._problem(
                    (*PROVIDERS, place), "wrong_type", "is not a mapping", "send an object per provider"
                )
            elif is_blank(name):
                self._problem(
                    (*PROVIDERS, place, "name"), "missing", "is missing", "name the provider you mean"
                )
            elif index is None and name in names:
                fix = "send each provider once"
                self._problem((*PROVIDERS, place, "name"), "duplicate_name", "the same name as another", fix)
            elif index is None:
                new.append(entry)
            else:
                settings = {key: item for key, item in entry.items() if key != "name"}
                self.value(
                    (*PROVIDERS, index), settings, entries[index], _partner(known_entries, known_pairs[place])
                )
            names.add(name)
        self._append(PROVIDERS, len(entries), new)


def _default(path: _Path) -> object:
    """Return the default of a setting; of one in a provider, that of any provider."""
    value: object = _DEFAULTS
    for key in path:
        value = _member(value, key) if isinstance(key, str) else _first(value)
    return value


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else _ABSENT


def _partner(entries: Sequence[object], index: int | None) -> object:
    return _ABSENT if index is None else entries[index]


def _kept(pairs: Sequence[int | None]) -> list[int]:
    """Return the stored entries that stay: as many of the first ones sent as stand in this order."""
    kept: list[int] = []
    for index in pairs:
        if index is None or (kept and index <= kept[-1]):
            break
        kept.append(index)
    return kept


def _overlaid(known: Mapping[str, object], sent: Mapping[str, object]) -> dict[str, object]:
    """Return the known members with those that were sent; headers are known in any case of letters."""
    names = {name.lower(): name for name in known}
    return {**known, **{names.get(name.lower(), name): item for name, item in sent.items()}}


def _has_order(path: _Path, sent: Mapping[str, object], others: tuple[object, object]) -> bool:
    """Tell whether the order of keys is right, where it means something."""
    return path != _MODEL_MAP or any(
        isinstance(other, Mapping) and list(sent) == list(other) for other in others
    )


def _member(value: object, name: str) -> object:
    return value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT


def _is_nothing(stored: object) -> bool:
    """Tell whether a text says nothing at a place."""
    return stored is _ABSENT or is_blank(stored) or stored in ([], {})


def _is_same(one: object, other: object) -> bool:
    """Tell whether plain values mean the same: true is not 1, and the order of keys does not count."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(item, other[name]) for name, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return one == other


def _refused(path: _Path, code: str, message: str, fix: str) -> ConfigError:
    return ConfigError((Problem(field=shown_path(path), code=code, message=message, fix=fix),))
