"""Draw the state tables of the code into the documents.

Usage: ``python scripts/diagrams.py`` writes each diagram anew into the page that has its mark;
``--check`` only names the pages whose diagrams are not those of the code, and then exits with 1.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from packyproxy.providers import health
from packyproxy.translate.messages import blocks

__all__ = ["DIAGRAMS", "drawn"]

_State = TypeVar("_State", bound=StrEnum)
_Signal = TypeVar("_Signal", bound=StrEnum)

_DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_MARKED: Final = re.compile(r"(<!-- scripts/diagrams\.py: (\w+) -->\n\n```mermaid\n).*?(\n```)", re.DOTALL)


def _state_diagram(table: Mapping[tuple[_State, _Signal], _State], *, start: _State) -> str:
    """Draw a table: a line for each change of state, with the signals that make it."""
    changes: dict[tuple[_State, _State], list[str]] = {}
    for (before, signal), after in table.items():
        if before is not after:
            changes.setdefault((before, after), []).append(signal.value)
    return "\n".join(
        [
            "stateDiagram-v2",
            *(f'    state "{state.value}" as {_id(state)}' for state in type(start)),
            f"    [*] --> {_id(start)}",
            *(
                f"    {_id(before)} --> {_id(after)}: {', '.join(signals)}"
                for (before, after), signals in changes.items()
            ),
        ]
    )


def _id(state: StrEnum) -> str:
    return state.name.lower()


DIAGRAMS: Final[Mapping[str, str]] = {
    "breaker": _state_diagram(health.TABLE, start=health.Breaker.CLOSED),
    "blocks": _state_diagram(blocks.TABLE, start=blocks.BlockState.NONE),
}
"""By the name in the mark above its block."""


def drawn(page: str) -> str:
    """Return the text of a page with its diagrams as the code has them."""
    return _MARKED.sub(lambda found: f"{found[1]}{DIAGRAMS[found[2]]}{found[3]}", page)


def _main() -> int:
    parser = argparse.ArgumentParser(description="Draw the state tables of the code into the documents.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if something would change"
    )
    is_check = parser.parse_args().check
    is_stale = False
    for page in sorted(_DOCS.rglob("*.md")):
        before = page.read_text("utf-8")
        after = drawn(before)
        if after == before:
            continue
        is_stale = True
        if is_check:
            print(f"{page.name}: its diagrams are not those of the code; run scripts/diagrams.py")
        else:
            page.write_text(after, "utf-8")
            print(f"{page.name}: drawn anew")
    return 1 if is_check and is_stale else 0


if __name__ == "__main__":
    sys.exit(_main())
