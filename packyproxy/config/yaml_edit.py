"""Change single values in the text of a configuration; every other character stays as it is.

Values are replaced where they stand, so comments, order, quotes, line ends and alignment survive by
construction. New keys go to the end of their mapping. Afterwards the result is read again: it must say what
was asked for and nothing else, or the edit is refused.
"""

import re
from bisect import bisect, bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import yaml
from msgspec import Struct

from packyproxy.config.document import Plain, shown_path
from packyproxy.config.secret import Secret
from packyproxy.config.yaml_file import read_text
from packyproxy.config.yaml_page import Page, Splice, is_empty, is_flow, is_inline, spliced
from packyproxy.config.yaml_values import Quotes, block_lines, entry_lines, inline, is_block
from packyproxy.errors import ConfigError, Problem

__all__ = ["REMOVE", "Edit", "edit_text"]

REMOVE: Final = object()
"""As the value of an edit: take the key or list item away; where there is none, nothing is to be done."""

_Path = tuple[str | int, ...]

_STEP: Final = 2
_ALIGNED_COMMENT: Final = re.compile(r" {2,}(?=#)")
_QUOTES: Final[Mapping[str | None, Quotes]] = {'"': "double", "'": "single", None: "bare"}
_TOO_MUCH: Final = frozenset({"too_large", "too_complex"})
_TEXT: Final = "tag:yaml.org,2002:str"


class Edit(Struct, frozen=True):
    """One value to set or remove; its ``repr`` shows the path alone."""

    path: tuple[str | int, ...]
    """Keys and list indexes: ``("tppc", "providers", 0, "enabled")``; an index may be one past the end."""
    value: object
    """A value of JSON, a :class:`Secret`, or ``REMOVE``. A collection replaces what was there as a whole."""

    def __repr__(self) -> str:
        return f"Edit({shown_path(self.path)})"


def edit_text(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with the edits made, one after the other; collections on the way are created.

    Raises:
        ConfigError: the text is not readable YAML, a path leads through something else than a collection,
            or a value cannot be changed alone (anchors and aliases), or the text would be too large.
    """
    edits = tuple(edits)
    edited = _exactly_edited(text, edits)
    if edited is None:
        fix = "write anchors and aliases (& and *) out, or edit by hand"
        raise _refused(_culprit(text, edits), "cannot be changed alone", fix)
    return edited


def _exactly_edited(text: str, edits: Sequence[Edit]) -> str | None:
    """Return the text with the edits made; None if it would say anything else than they do."""
    wanted = _values(text)
    try:
        batch = _Batch(text)
        for edit in edits:
            if not batch.take(edit):
                batch = _Batch(batch.text())
                batch.take(edit)
            wanted = _with(wanted, edit.path, edit.value)
    except yaml.YAMLError:
        return None
    edited = batch.text()
    return None if _is_other(edited, wanted) else edited


def _culprit(text: str, edits: Sequence[Edit]) -> _Path:
    """Return the path of the first edit that is not made exactly; there is one."""
    lengths = range(1, len(edits))
    first = bisect_left(lengths, True, key=lambda length: _exactly_edited(text, edits[:length]) is None)
    return edits[first].path


def _values(text: str) -> object:
    """Read a text into plain values that are equal only if their types are; empty collections are None."""
    document = read_text(text)
    if document.problems:
        raise ConfigError(document.problems)
    return _plain(document.root)


def _is_other(text: str, wanted: object) -> bool:
    try:
        return _values(text) != wanted
    except ConfigError as error:
        if any(problem.code in _TOO_MUCH for problem in error.problems):
            raise
        return True


def _plain(value: object) -> object:
    match value:
        case Mapping():
            return {name: _plain(item) for name, item in value.items()} or None
        case Plain():
            return _plain(value.value)
        case Secret():
            return value.reveal()
        case None | str():
            return value
        case Sequence():
            return [_plain(item) for item in value] or None
        case _:
            return type(value), value


def _with(old: Any, path: _Path, value: object) -> object:
    """Return plain values with one edit made."""
    if not path:
        return _plain(value)
    key, rest = path[0], path[1:]
    if isinstance(key, str):
        mapping = dict(old or {})
        if value is REMOVE and not rest:
            mapping.pop(key, None)
        elif value is not REMOVE or key in mapping:
            mapping[key] = _with(mapping.get(key), rest, value)
        return mapping or None
    items = list(old or [])
    if value is REMOVE and not rest:
        del items[key : key + 1]
    elif key < len(items):
        items[key] = _with(items[key], rest, value)
    elif value is not REMOVE:
        items.append(_with(None, rest, value))
    return items or None


class _Place(Struct, frozen=True):
    """A node, and how the way from the root leads to it."""

    node: yaml.Node | None
    path: _Path = ()
    up: "_Place | None" = None
    key: yaml.Node | None = None
    """In a mapping: the node of its key."""
    is_in_flow: bool = False
    """Whether it stands in brackets, where new lines have no place."""


class _Change(Struct, frozen=True):
    """How one edit is made on a page."""

    splices: list[Splice]
    path: _Path
    """What is replaced or added; other changes are made on the same page only beside it."""
    collection: _Path | None = None
    """What something is added to, if it has other entries."""


class _Batch:
    """Edits that are made on one page, since none of them depends on what another one changes."""

    def __init__(self, text: str) -> None:
        self._page = Page(text)
        self._splices: list[Splice] = []
        self._spans: list[tuple[int, int]] = []
        self._changed: set[_Path] = set()
        self._around: set[_Path] = set()
        self._added: Counter[_Path] = Counter()
        self._ends: dict[int, _Path] = {}

    def take(self, edit: Edit) -> bool:
        """Add an edit, unless it has to be made on the page that the others lead to."""
        if edit.path in self._around or not self._changed.isdisjoint(_prefixes(edit.path)):
            return False
        change = _change(self._page, edit, self._added)
        if change.path in self._around or not all(self._is_free(splice, change) for splice in change.splices):
            return False
        for start, end, _ in change.splices:
            insort(self._spans, (start, end))
            if change.collection is not None:
                self._ends[start] = change.collection
                self._added[change.collection] += 1
        self._splices += change.splices
        self._changed.add(change.path)
        self._around.update(_prefixes(change.path))
        return True

    def text(self) -> str:
        """Return the text with all of them made."""
        return spliced(self._page.text, *self._splices)

    def _is_free(self, splice: Splice, change: _Change) -> bool:
        """Tell whether a span can be replaced beside the others; additions to one collection queue up."""
        start, end, _ = splice
        place = bisect(self._spans, (start, end))
        before, after = self._spans[place - 1 : place], self._spans[place : place + 1]
        if before == [(start, end)]:
            return change.collection is not None and self._ends.get(start) == change.collection
        return all(other[1] <= start for other in before) and all(end <= other[0] for other in after)


def _prefixes(path: _Path) -> list[_Path]:
    return [path[:length] for length in range(len(path) + 1)]


def _change(page: Page, edit: Edit, added: Mapping[_Path, int]) -> _Change:
    """Return how an edit is made; without splices if there is nothing to remove.

    Args:
        page: what it is made on.
        edit: what is wanted.
        added: how many entries other edits add to a collection.
    """
    place = _Place(page.root)
    for depth, key in enumerate(edit.path):
        found = _child(place, key, added)
        if found is None and edit.value is REMOVE:
            return _Change([], edit.path)
        if found is None and is_empty(place.node):
            value = _nested(place.path, edit.path[depth:], edit.value)
            return _Change(_replaced(page, place, value), place.path)
        if found is None:
            path = (*place.path, key)
            value = _nested(path, edit.path[depth + 1 :], edit.value)
            return _Change(_inserted(page, place, key, value), path, place.path)
        place = found
    if edit.value is REMOVE:
        # The entries around it may have to be written anew, and items behind it have other indexes.
        return _Change(_removed(page, place), edit.path[:-1])
    return _Change(_replaced(page, place, edit.value), edit.path)


def _child(place: _Place, key: str | int, added: Mapping[_Path, int]) -> _Place | None:
    """Return the place of a key or index; None when there is none, but could be."""
    node, path = place.node, (*place.path, key)
    kind, wanted = (yaml.MappingNode, "a mapping") if isinstance(key, str) else (yaml.SequenceNode, "a list")
    is_root_list = place.up is None and isinstance(key, int)
    if is_root_list or not (isinstance(node, kind) or is_empty(node)):
        raise _refused(place.path, f"is not {wanted}", "mend it by hand first")
    entries = node.value if isinstance(node, kind) else []
    is_in_flow = place.is_in_flow or is_flow(node)
    if isinstance(key, int):
        _check_index(path, key, len(entries) + added.get(place.path, 0))
        return _Place(entries[key], path, place, None, is_in_flow) if key < len(entries) else None
    for key_node, value in entries:
        if key_node.value == key:
            return _Place(value, path, place, key_node, is_in_flow)
    return None


def _nested(outer: _Path, inner: _Path, value: object) -> object:
    """Return a value within the collections that the inner end of its path asks for."""
    for depth, key in reversed(list(enumerate(inner, 1))):
        if isinstance(key, int):
            _check_index((*outer, *inner[:depth]), key, 0)
        value = {key: value} if isinstance(key, str) else [value]
    return value


def _check_index(path: _Path, index: int, count: int) -> None:
    if not 0 <= index <= count:
        raise _refused(
            path, f"the list has {count} item{'s' * (count != 1)}", "name one of them, or the next"
        )


def _replaced(page: Page, place: _Place, value: object) -> list[Splice]:
    node = place.node
    if node is None or (place.up is None and not page.end(node)):
        return [_with_lines(page, len(page.text), _lines(value), 0)]
    if not is_block(value) or place.is_in_flow:
        return _written_inline(page, place, inline(value, _quotes(node)))
    start, end, column = node.start_mark.index, page.end(node), node.start_mark.column
    if place.key is None:
        gap = page.gap(start)
        return [(start, end, gap + page.joined(_lines(value), column + len(gap)))]
    outer = place.key.start_mark.column
    if is_inline(node):
        # What stood behind the colon goes, a comment there stays, and the lines follow below.
        below = _with_lines(page, page.line_end(end), _lines(value), outer + _STEP)
        return [*_aligned(page, page.colon(place.key) + 1, end, ""), below]
    column = column if column > outer else outer + _STEP
    return [(page.line_start(start), end, " " * column + page.joined(_lines(value), column))]


def _written_inline(page: Page, place: _Place, written: str) -> list[Splice]:
    """Put a value on one line in place of a node."""
    assert place.node is not None
    start, end = place.node.start_mark.index, page.end(place.node)
    if is_inline(place.node):
        return _aligned(page, start, end, page.gap(start) + written)
    if place.key is None:
        return [(start, end, written)]
    behind = page.colon(place.key) + 1
    below = page.line_end(behind)
    return [*_aligned(page, behind, behind, f" {written}"), (below, end, "")]


def _aligned(page: Page, start: int, end: int, new: str) -> list[Splice]:
    """Return how to replace a span so that a comment behind it stays in its column, if there is room."""
    comment = _ALIGNED_COMMENT.match(page.text, end)
    if comment is None or "\n" in page.text[start:end]:
        return [(start, end, new)]
    room = comment.end() - start - len(new)
    return [(start, comment.end(), new + " " * max(1, room))]


def _inserted(page: Page, place: _Place, key: str | int, value: object) -> list[Splice]:
    """Add an entry at the end of a collection that has others."""
    node = place.node
    assert isinstance(node, yaml.MappingNode | yaml.SequenceNode)
    if is_flow(node) or place.is_in_flow:
        entry = inline({key: value})[1:-1] if isinstance(key, str) else inline(value, _quotes(node))
        end = page.end_of_entry(node.value[-1])
        return [(end, end, f", {entry}")]
    if isinstance(node, yaml.MappingNode):
        lines, column = entry_lines(str(key), value), node.value[0][0].start_mark.column
    else:
        lines, column = block_lines([value]), node.start_mark.column
    at = page.past_comments(page.end(node), column)
    if place.up is None and is_block(value):
        lines = ["", *lines]
    return [_with_lines(page, at, lines, column)]


def _with_lines(page: Page, at: int, lines: Sequence[str], column: int) -> Splice:
    """Insert lines below the line that ends at a position, or at an empty last line."""
    new = page.joined(lines, column)
    if page.line_start(at) == at:
        return at, at, new + page.newline
    indent = " " * column if lines[0] else ""
    return at, at, page.newline + indent + new


def _removed(page: Page, place: _Place) -> list[Splice]:
    holder = place.up and place.up.node
    assert isinstance(holder, yaml.MappingNode | yaml.SequenceNode)
    assert place.up is not None
    assert place.node is not None
    first = place.key or place.node
    starts = [page.start_of_entry(entry) for entry in holder.value]
    index = starts.index(first.start_mark.index)
    end = page.end(place.node)
    if len(starts) == 1 and (place.up.up is not None or is_flow(holder)):
        return _written_inline(page, place.up, "{}" if place.key else "[]")
    if place.is_in_flow:
        last = page.end_of_entry(holder.value[index - 1])
        cut = (starts[index], starts[index + 1]) if index + 1 < len(starts) else (last, end)
        return [(*cut, "")]
    column = holder.start_mark.column if place.key is None else first.start_mark.column
    begins = [page.dash(start, column) for start in starts] if place.key is None else starts
    begin = begins[index]
    if page.is_first_on_line(begin):
        return [(*page.whole_lines(begin, page.past_comments(end, column + 1)), "")]
    # The first of several entries stands behind a dash, which stays, as do comments on lines of their own.
    following = next(iter(begins[index + 1 :]), page.line_end(end))
    has_comments = page.text[page.line_end(end) : following].strip()
    return [(begin, page.line_end(end) if has_comments else following, "")]


def _lines(value: object) -> list[str]:
    assert is_block(value), "only collections lead on from a place that is empty"
    return block_lines(value)


def _quotes(node: yaml.Node) -> Quotes:
    """Return how a text in place of a node, or among the items of a list, is written."""
    if isinstance(node, yaml.SequenceNode) and node.value:
        node = node.value[0]
    return (
        _QUOTES.get(node.style, "double")
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode)
        else "double"
    )


def _refused(path: _Path, message: str, fix: str) -> ConfigError:
    return ConfigError((Problem(field=shown_path(path), code="cannot_edit", message=message, fix=fix),))
