"""Where things stand in the text of a YAML file: lines, nodes, and the comments that belong to them.

Positions are indexes into the text. The text is not normalised: line ends and a byte order mark stay.
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

import yaml

__all__ = ["Entry", "Page", "Splice", "is_empty", "is_flow", "is_inline", "spliced"]

Entry: TypeAlias = yaml.Node | tuple[yaml.Node, yaml.Node]
"""An item of a list, or a key and its value."""

Splice: TypeAlias = tuple[int, int, str]
"""Start, end, and the text that goes between them."""

_ALIAS: Final = "alias"
_NULL: Final = "tag:yaml.org,2002:null"
_COMMENT_LINE: Final = re.compile(r"([ \t]*)(#?)")


class _Loader(yaml.SafeLoader):
    """Composes nodes where they stand: an alias is a scalar of its own, not the node it stands for."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        event = self.get_event()  # type: ignore[no-untyped-call] # the stubs say nothing of it
        return yaml.ScalarNode(_ALIAS, event.anchor, event.start_mark, event.end_mark)


class Page:
    """A text that YAML can read, and the node at its root (None when it says nothing)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.root: yaml.Node | None = yaml.compose(text, _Loader)

    def line_start(self, position: int) -> int:
        """Return where the line of a position begins."""
        return self.text.rfind("\n", 0, position) + 1 or int(self.text.startswith("\ufeff"))

    def line_end(self, position: int) -> int:
        """Return where the line of a position ends, before its line break."""
        end = self.text.find("\n", position)
        if end < 0:
            return len(self.text)
        return end - 1 if end > position and self.text[end - 1] == "\r" else end

    def next_line(self, position: int) -> int:
        """Return where the line after that of a position begins."""
        end = self.text.find("\n", position)
        return len(self.text) if end < 0 else end + 1

    def is_first_on_line(self, position: int) -> bool:
        """Tell whether only spaces stand before a position."""
        return not self.text[self.line_start(position) : position].strip(" ")

    def end(self, node: yaml.Node) -> int:
        """Return where the last character of a node is passed.

        The parser's own mark for a block collection is the next thing in the file, beyond comments.
        """
        if isinstance(node, yaml.MappingNode | yaml.SequenceNode) and not is_inline(node):
            return self.end_of_entry(node.value[-1])
        start, end = node.start_mark.index, node.end_mark.index
        return start + len(self.text[start:end].rstrip())

    def start_of_entry(self, entry: Entry) -> int:
        """Return where an item of a list, or a key of a mapping, begins."""
        return (entry[0] if isinstance(entry, tuple) else entry).start_mark.index

    def end_of_entry(self, entry: Entry) -> int:
        """Return where an item of a list, or the value of a key, is passed."""
        return self.end(entry[1] if isinstance(entry, tuple) else entry)

    def dash(self, position: int, column: int) -> int:
        """Return where the dash of a list item stands, given where the item and the dashes of its list do."""
        line = self.line_start(position)
        while line > 1 and (
            self.text[line : line + column].strip(" -") or not self.text.startswith("-", line + column)
        ):
            line = self.line_start(line - 1)
        return line + column

    def gap(self, position: int) -> str:
        """Return what must precede a value: a space behind a colon or dash."""
        return " " if self.text[position - 1 : position] in {":", "-"} else ""

    def joined(self, lines: Iterable[str], column: int) -> str:
        """Return lines as one text; those after the first are indented."""
        return (self.newline + " " * column).join(lines)

    def colon(self, key: yaml.Node) -> int:
        """Return where the colon after a key stands; a key written as ``? key`` may have none."""
        colon = self.text.find(":", key.end_mark.index)
        return colon if colon >= 0 else len(self.text)

    def past_comments(self, position: int, column: int) -> int:
        """Return the end of a line, or of the last comment line below it that is indented to ``column``.

        Nothing but comments and blank lines lies between.
        """
        found = self.line_end(position)
        start = self.next_line(position)
        while start < len(self.text):
            end = self.line_end(start)
            space, mark = _COMMENT_LINE.match(self.text, start).groups()  # type: ignore[union-attr] # matches ""
            is_blank = not self.text[start:end].strip()
            if not is_blank and (not mark or len(space) < column):
                break
            if not is_blank:
                found = end
            start = self.next_line(start)
        return found

    def without_lines(self, start: int, end: int) -> str:
        """Return the text without the lines from that of ``start`` to that of ``end``.

        Blank lines on both sides become those of one.
        """
        first, rest = self.whole_lines(start, end)
        return self.text[:first] + self.text[rest:]

    def whole_lines(self, start: int, end: int) -> tuple[int, int]:
        """Return the span that ``without_lines`` leaves out."""
        first, rest = self.line_start(start), self.next_line(end)
        above = self.text[self.line_start(first - 1) : first] if first else ""
        while not above.strip() and rest < len(self.text):
            if self.text[rest : self.line_end(rest)].strip():
                break
            rest = self.next_line(rest)
        return first, rest


def is_flow(node: yaml.Node | None) -> bool:
    """Tell whether a node is a collection in brackets."""
    return isinstance(node, yaml.MappingNode | yaml.SequenceNode) and bool(node.flow_style)


def is_inline(node: yaml.Node) -> bool:
    """Tell whether a node is a scalar or in brackets: no collection that goes by indentation."""
    return (
        not isinstance(node, yaml.MappingNode | yaml.SequenceNode) or bool(node.flow_style) or not node.value
    )


def is_empty(node: yaml.Node | None) -> bool:
    """Tell whether a node says nothing: null, or a collection without entries."""
    if node is None:
        return True
    return not node.value if isinstance(node, yaml.MappingNode | yaml.SequenceNode) else node.tag == _NULL


def spliced(text: str, *splices: Splice) -> str:
    """Return a text with spans replaced that do not overlap; insertions at one place keep their order."""
    parts: list[str] = []
    done = 0
    for start, end, new in sorted(splices, key=_span):
        parts += (text[done:start], new)
        done = end
    return "".join((*parts, text[done:]))


def _span(splice: Splice) -> tuple[int, int]:
    return splice[:2]
