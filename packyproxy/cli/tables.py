"""What commands print: tables and lines for people, JSON for programs.

On a terminal a table fits its width and has colour, unless ``NO_COLOR`` is set. Elsewhere it is plain text in
aligned columns, one line per row however long, so that grep and awk can read it. Nothing of a text is taken
for markup.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import msgspec
from msgspec import Struct

__all__ = ["Cell", "Tone", "print_json", "print_line", "print_table", "waiting"]

Tone = Literal["plain", "strong", "good", "warning", "bad", "quiet"]
"""How a text is meant; only a terminal shows it."""

_STYLES: Final[dict[Tone, str]] = {
    "plain": "",
    "strong": "bold",
    "good": "green",
    "warning": "yellow",
    "bad": "red",
    "quiet": "dim",
}
_GAP: Final = 2


class Cell(Struct, frozen=True):
    """A text with its tone."""

    text: str
    tone: Tone = "plain"


def print_table(
    rows: Sequence[Sequence[str | Cell]], *, headings: Sequence[str] = (), indent: int = 0
) -> None:
    """Print rows of equal length in columns; without headings and rows nothing."""
    cells = [[Cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    if headings:
        cells.insert(0, [Cell(heading, "strong") for heading in headings])
    if not cells:
        return
    if sys.stdout.isatty():
        _print_fitted(cells, indent)
    else:
        print("\n".join(_aligned(cells, indent)))


def print_line(text: str = "", tone: Tone = "plain") -> None:
    """Print a line, or several, in one tone."""
    if text and sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        Console(highlight=False).print(Text(text, style=_STYLES[tone]), soft_wrap=True)
    else:
        print(text)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Say what is being waited for: on a terminal as long as it takes, elsewhere in one line."""
    if not sys.stdout.isatty():
        print(f"{text} ...", flush=True)
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(highlight=False).status(Text(text)):
        yield


def print_json(value: object) -> None:
    """Print a value as indented JSON; a :class:`~packyproxy.config.Secret` in it as its mask."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
    except UnicodeEncodeError:  # a path that is no UTF-8: JSON can only say it in escapes
        text = json.dumps(msgspec.to_builtins(value, enc_hook=str), indent=2)
    print(text)


def _aligned(rows: Sequence[Sequence[Cell]], indent: int) -> list[str]:
    widths = [max(len(cell.text) for cell in column) + _GAP for column in zip(*rows, strict=True)]
    return [
        (
            " " * indent
            + "".join(cell.text.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
        for row in rows
    ]


def _print_fitted(rows: Sequence[Sequence[Cell]], indent: int) -> None:
    """Print with rich: texts that do not fit go on below, in their column."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for index in range(len(rows[0])):
        # The first column names what the row is about: others give way, unless it would leave them no room.
        is_name = index == 0 and max(len(row[0].text) for row in rows) <= console.width // 2
        table.add_column(overflow="fold", no_wrap=is_name)
    for row in rows:
        table.add_row(*(Text(cell.text, style=_STYLES[cell.tone]) for cell in row))
    console.print(Padding.indent(table, indent))
