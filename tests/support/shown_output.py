"""How what a document shows as the output of a command compares with what the command has printed."""

import json
import re

from tests.support.documented_calls import differences
from tests.support.stand_ins.world import UNCHECKED

__all__ = ["output_differences"]


def output_differences(language: str, shown: str, printed: str, errors: str) -> list[str]:
    """Return in what a printed text is not as shown.

    Of a ``text`` every line counts, however it is indented; ``…`` stands for anything, also for many lines. What
    went to stderr may be shown or not. ``json`` and ``http`` compare by members, as in the pages of the
    management API. What a program prints that was not run compares with everything.

    Args:
        language: of the block.
        shown: the block.
        printed: what went to stdout.
        errors: what went to stderr.
    """
    if UNCHECKED in printed:
        return []
    if language == "text":
        whole = (printed, printed + errors, errors + printed)
        return (
            [] if any(_is_like(text, shown) for text in whole) else [_what_differs(shown, printed + errors)]
        )
    if language == "http":
        head, _, shown = shown.partition("\n\n")
        printed_head, _, printed = printed.replace("\r", "").partition("\n\n")
        names = {line.partition(":")[0].lower() for line in printed_head.splitlines()}
        lines = head.splitlines()
        missing = [line for line in lines[1:] if line.partition(":")[0].lower() not in names]
        if missing or lines[0].split()[1] != printed_head.split()[1]:
            return [f"printed was:\n{printed_head}"]
    return differences(json.loads(shown), json.loads(printed)) if shown.strip() else []


def _what_differs(shown: str, printed: str) -> str:
    lines = printed.splitlines()
    alone = [line for line in shown.splitlines() if not any(_is_like(other, line) for other in lines)]
    missing = "".join(f"not printed: {line.strip()}\n" for line in alone if line.strip())
    return f"{missing or 'more or other lines than shown; '}printed was:\n{printed}"


def _is_like(printed: str, shown: str) -> bool:
    pieces = [re.escape(_without_layout(piece)) for piece in shown.split("…")]
    # A blank beside an ellipsis may be part of what it stands for.
    return re.fullmatch(r"(?s:\s*.*\s*)".join(pieces), _without_layout(printed)) is not None


def _without_layout(text: str) -> str:
    """Take runs of blanks as one, and lines without those at their ends; columns move with what is in them."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
