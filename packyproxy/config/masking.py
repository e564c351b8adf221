"""Secrets as their masks, and back: what was shown masked and is sent again means the secret that is stored.

A mask is only ever taken for a secret of its own place: of the provider of the same name, of the header of
the same name; for a client's key, of any key in that list.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from packyproxy.config.document import Plain, join_path, shown_path
from packyproxy.config.entries import PROVIDERS, Pairing, pair_in_order
from packyproxy.config.secret import MASK, Secret
from packyproxy.config.validate import validate
from packyproxy.config.yaml_edit import Edit, edit_text
from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError, Problem

__all__ = ["SECRET_KEYS", "Unmasking", "masked_text", "restore_masks", "with_secrets"]

SECRET_KEYS: Final = frozenset(
    {"api-key", "api-keys", "headers", "openai-api-key", "proxy-url", "secret-key"}
)
"""Keys whose value is secret, or every value below them."""

_Path = tuple[str | int, ...]

_CLIENT_KEYS: Final = ("api-keys",)
_SEND_IT: Final = "send the secret itself"
_SHOWN_MASK: Final = re.compile(re.escape(MASK) + r"(?:.{4})?", re.DOTALL)
_SAFE_PROBLEMS: Final = frozenset({"missing", "duplicate_name"})
"""What is wrong there is not the value."""
_LOOKS_LIKE_A_KEY: Final = re.compile(r"\bsk-[A-Za-z0-9_-]{4,}")
"""Old keys often stay in comments."""
_UNMISTAKABLE: Final = 8
"""So many characters of a secret mean the secret also where they stand in a comment or behind an anchor."""


def masked_text(text: str) -> str:
    """Return a text in which keys, proxy URLs and the values of headers are their masks, wherever they stand.

    Where a file is wrong, a key may stand in another's place, so what is complained of is masked too.

    Raises:
        ConfigError: the text is no readable YAML of keys and values, or a mask cannot be put in place
            (anchors and aliases).
    """
    document = read_text(text)
    _, problems = validate(document, source="")
    if document.problems or not isinstance(document.root, Mapping | None):
        raise ConfigError(problems)
    suspect = frozenset(problem.field for problem in problems if problem.code not in _SAFE_PROBLEMS)
    secrets = tuple(_secrets(document.root, (), suspect, is_secret=False))
    text = edit_text(text, (Edit(path, str(secret)) for path, secret in secrets))
    for _, secret in secrets:
        if len(secret.reveal()) >= _UNMISTAKABLE:
            text = text.replace(secret.reveal(), str(secret))
    for key in _unfit_keys(document.root, (), suspect):
        text = text.replace(key, join_path("", key))
    return _LOOKS_LIKE_A_KEY.sub(MASK, text)


def restore_masks(text: str, stored_text: str) -> str:
    """Return a text in which masks are the secrets that the stored text has in their places.

    A line that stands there as ``masked_text`` shows it is the stored one again, so what is sent back
    unchanged comes out as it was, comments and quotes included. A stored text that cannot be read has no
    secrets.

    Raises:
        ConfigError: the text is not readable YAML, or has masks of secrets that are not stored.
    """
    try:
        stored = with_secrets(_root(stored_text))
        shown = masked_text(stored_text)
    except ConfigError:
        stored, shown = None, stored_text
    if text == shown:
        return stored_text
    unmasking = Unmasking(pair_in_order)
    wanted = unmasking.value((), with_secrets(_root(text)), (stored,))
    if unmasking.problems:
        raise ConfigError(tuple(unmasking.problems))
    text = _with_stored_lines(text, shown, stored_text, wanted)
    found = dict(_secrets(_root(text), (), frozenset(), is_secret=False))
    return edit_text(
        text, (Edit(path, secret) for path, secret in unmasking.restored if found.get(path) != secret)
    )


def with_secrets(value: object, *, is_secret: bool = False) -> object:
    """Return what a file says as plain values, in which the texts at secret places are :class:`Secret`."""
    match value:
        case Mapping():
            return {
                name: with_secrets(item, is_secret=is_secret or name in SECRET_KEYS)
                for name, item in value.items()
            }
        case Plain():
            return value.value
        case str():
            return Secret(value) if is_secret and value else value
        case Sequence():
            return [with_secrets(item, is_secret=is_secret) for item in value]
        case _:
            return value


class Unmasking:
    """Puts secrets in place of their masks, and collects what cannot be.

    Args:
        pairing: which stored provider is meant by one that was sent.
    """

    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        self.problems: list[Problem] = []
        self.restored: list[tuple[tuple[str | int, ...], Secret]] = []
        """Every mask that was replaced: its path, and by what."""

    def value(self, path: tuple[str | int, ...], sent: object, stored: tuple[object, ...]) -> object:
        """Return what was sent, with the stored secrets for masks.

        Args:
            path: of the value, from the root of the file.
            sent: plain values as ``with_secrets`` gives them.
            stored: the values that stand at this path; of several that a mask fits, the first is taken.
        """
        if isinstance(sent, Mapping):
            fold = path[-1:] == ("headers",)
            return {
                name: self.value(
                    (*path, name), item, tuple(_member(value, name, fold=fold) for value in stored)
                )
                for name, item in sent.items()
            }
        if isinstance(sent, list) and path == _CLIENT_KEYS:
            return self._client_keys(sent, stored)
        if isinstance(sent, list):
            return self._items(path, sent, stored)
        if isinstance(sent, Secret) and _SHOWN_MASK.fullmatch(sent.reveal()):
            return self._secret(path, sent, [value for value in stored if isinstance(value, Secret)])
        return sent

    def _items(self, path: _Path, sent: list[object], stored: tuple[object, ...]) -> list[object]:
        lists = [value if isinstance(value, list) else [] for value in stored]
        if path == PROVIDERS:
            pairs = [self._pairing(sent, values) for values in lists]
        else:
            places = range(len(sent))
            pairs = [[place if place < len(values) else None for place in places] for values in lists]
        return [
            self.value(
                (*path, place), item, tuple(_item(*pair, place) for pair in zip(lists, pairs, strict=True))
            )
            for place, item in enumerate(sent)
        ]

    def _client_keys(self, sent: list[object], stored: tuple[object, ...]) -> list[object]:
        """Put the keys of clients in place of their masks; a key may have moved."""
        by_mask: dict[str, list[Secret]] = {}
        for values in stored:
            for key in values if isinstance(values, list) else ():
                alike = by_mask.setdefault(str(key), [])
                if isinstance(key, Secret) and (values is stored[0] or key not in alike):
                    alike.append(key)
        masks = [item.reveal() if isinstance(item, Secret) else "" for item in sent]
        counts, seen = Counter(masks), Counter[str]()
        found: list[object] = []
        for place, item in enumerate(sent):
            path = (*_CLIENT_KEYS, place)
            candidates = by_mask.get(masks[place], [])
            if not isinstance(item, Secret) or not _SHOWN_MASK.fullmatch(masks[place]):
                found.append(item)
            elif len(set(candidates)) == 1:
                found.append(self._secret(path, item, candidates))
            elif len(candidates) > counts[masks[place]]:
                self._problem(path, "is the mask of more than one stored secret")
            else:
                number = seen[masks[place]]
                seen[masks[place]] += 1
                found.append(self._secret(path, item, candidates[number : number + 1]))
        return found

    def _secret(self, path: _Path, sent: Secret, candidates: Sequence[Secret]) -> Secret:
        for candidate in candidates:
            if str(candidate) == sent.reveal():
                self.restored.append((path, candidate))
                return candidate
        self._problem(path, "is a mask, and no stored secret has it")
        return sent

    def _problem(self, path: _Path, message: str) -> None:
        self.problems.append(Problem(field=shown_path(path), code="masked", message=message, fix=_SEND_IT))


def _root(text: str) -> object:
    document = read_text(text)
    if document.problems:
        raise ConfigError(document.problems)
    return document.root


def _member(value: object, name: object, *, fold: bool) -> object:
    """Return what a mapping has under a name; with ``fold`` in any case."""
    if not isinstance(value, Mapping):
        return None
    if fold and name not in value and isinstance(name, str):
        return next((item for key, item in value.items() if str(key).lower() == name.lower()), None)
    return value.get(name)


def _item(values: list[object], pairs: list[int | None], place: int) -> object:
    index = pairs[place]
    return None if index is None else values[index]


def _with_stored_lines(text: str, shown: str, stored_text: str, wanted: object) -> str:
    """Put stored lines in place of those that stand in a text exactly once as they are shown.

    This brings back what masks do not tell: comments, quotes and alignment. If the text would come to say
    something else than ``wanted``, apart from secrets, it stays as it is.
    """
    lines, masked = stored_text.splitlines(keepends=True), shown.splitlines(keepends=True)
    if len(lines) != len(masked):
        return text
    own = text.splitlines(keepends=True)
    count_here, count_there = Counter(own), Counter(masked)
    stored = {
        line_shown: line
        for line_shown, line in zip(masked, lines, strict=True)
        if count_here[line_shown] == count_there[line_shown] == 1
    }
    restored = "".join(stored.get(line, line) for line in own)
    root = read_text(restored)
    is_same = not root.problems and _hidden(with_secrets(root.root)) == _hidden(wanted)
    return restored if is_same else text


def _hidden(value: object) -> object:
    """Return plain values without their secrets."""
    match value:
        case Mapping():
            return {name: _hidden(item) for name, item in value.items()}
        case list():
            return [_hidden(item) for item in value]
        case Secret():
            return None
        case _:
            return type(value), value


def _secrets(
    value: object, path: _Path, suspect: frozenset[str], *, is_secret: bool
) -> Iterator[tuple[_Path, Secret]]:
    """Yield every secret with its path; so is everything at or below a suspect path."""
    is_secret = is_secret or shown_path(path) in suspect
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets(item, (*path, name), suspect, is_secret=is_secret or name in SECRET_KEYS)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from _secrets(item, (*path, index), suspect, is_secret=is_secret)
    elif is_secret and value:
        yield path, Secret(value.text if isinstance(value, Plain) else str(value))


def _unfit_keys(value: object, path: _Path, suspect: frozenset[str]) -> Iterator[str]:
    """Yield the suspect keys that hold a value too: a blank is missing behind their colon, or the like."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if join_path("", name) != name and shown_path((*path, name)) in suspect:
                yield name
            yield from _unfit_keys(item, (*path, name), suspect)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unfit_keys(item, (*path, index), suspect)
