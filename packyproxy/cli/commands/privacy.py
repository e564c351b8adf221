"""``packyproxy doctor --privacy``: show that no content and no key gets out to where it does not belong.

It reads no configuration, asks nobody outside this process and uses no key but such as it has made up.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from packyproxy.app import PackyProxy
from packyproxy.cli.tables import Cell, print_json, print_line, print_table
from packyproxy.testing.privacy.proof import SCENARIOS, Look, Proof, prove

__all__ = ["privacy"]

_WHAT: Final = (
    "privacy proof: made-up secrets and texts go through the proxy on every path, "
    "and everything that it shows is searched for them"
)
_MOST_SHOWN: Final = 50


def privacy(*, as_json: bool) -> int:
    """Play every scenario and print what was looked at and what was found; 0 when nothing has leaked."""
    if as_json:
        proof = asyncio.run(prove(PackyProxy))
        print_json(proof)
    else:
        print_line(_WHAT)
        with _progress() as progress:
            proof = asyncio.run(prove(PackyProxy, progress=progress))
        _show(proof)
    return 0 if proof.ok else 1


@contextmanager
def _progress() -> Iterator[Callable[[int], None] | None]:
    """Count on a terminal what has been played."""
    if not sys.stdout.isatty():
        yield None
        return
    from rich.console import Console

    # The proof watches what is written to ``sys.stdout``, and puts its own in that place.
    with Console(highlight=False, file=sys.stdout).status("") as status:
        yield lambda done: status.update(f"{done} of {len(SCENARIOS)} scenarios")


def _show(proof: Proof) -> None:
    leaks: dict[str, list[str]] = {}
    for leak in proof.leaks:
        leaks.setdefault(leak.place, []).append(f"{leak.kind} ({leak.scenario or 'where cannot be told'})")
    print_table([_row(proof, look, len(leaks.get(look.place, ()))) for look in proof.looks], indent=2)
    for place, found in leaks.items():
        _show_list(f"found in {place}", found)
    _show_list("did not come out as told", [f"{each.scenario}: {each.reason}" for each in proof.failed])
    figures = f"{proof.scenarios} scenarios in {proof.seconds:.1f} s"
    if proof.ok:
        print_line(f"{figures}: nothing has leaked, and every planted leak was found", "good")
    else:
        print_line(f"{figures}: this is a bug of packyproxy, please report it with these lines", "bad")


def _row(proof: Proof, look: Look, leaks: int) -> tuple[Cell | str, ...]:
    if look.place in proof.blind:
        return Cell("failed", "bad"), look.place, "a planted leak was overlooked"
    if leaks:
        count = "1 leak" if leaks == 1 else f"{leaks} leaks"
        return Cell("failed", "bad"), look.place, f"{look.count:,} looked at, {count}"
    if look.note:
        return Cell("note", "warning"), look.place, look.note
    return Cell("ok", "good"), look.place, f"{look.count:,} looked at"


def _show_list(title: str, lines: list[str]) -> None:
    if lines:
        print_line(title, "strong")
        print_table([(line,) for line in lines[:_MOST_SHOWN]], indent=2)
        if len(lines) > _MOST_SHOWN:
            print_line(f"  and {len(lines) - _MOST_SHOWN} more")
