"""What a benchmark found: figures with all their samples, printed as a table and kept as JSON."""

import math
import statistics
from collections.abc import Sequence

from goals import Goal
from msgspec import Struct

__all__ = ["Figure", "percentile", "print_table", "short"]


class Figure(Struct, frozen=True, kw_only=True):
    """One number with its samples, in the order in which they were taken."""

    name: str
    unit: str
    samples: tuple[float, ...]
    goal: Goal | None = None
    """None when nothing was promised."""
    is_detail: bool = False
    """Kept, but not printed: there are too many of them for a table of figures."""

    @property
    def median(self) -> float:
        """The number to quote."""
        return statistics.median(self.samples)

    @property
    def is_met(self) -> bool:
        """Whether the goal, if there is one, holds for the median."""
        return self.goal is None or self.median <= self.goal.limit


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of the samples does not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def print_table(question: str, figures: Sequence[Figure]) -> None:
    """Print one line per figure: median, smallest, largest, unit, goal."""
    print(f"\n{question}")
    print(f"  {'figure':<44}{'median':>11}{'min':>11}{'max':>11}  {'unit':<9}goal")
    for figure in figures:
        if figure.is_detail:
            continue
        numbers = "".join(
            f"{short(number):>11}" for number in (figure.median, min(figure.samples), max(figure.samples))
        )
        goal = ""
        if figure.goal is not None:
            goal = f"<= {short(figure.goal.limit)} {'ok' if figure.is_met else 'MISSED'}"
        print(f"  {figure.name:<44}{numbers}  {figure.unit:<9}{goal}".rstrip())


def short(number: float) -> str:
    """Return a number in three digits, or whole."""
    if number == int(number) and abs(number) < 1e6:
        return str(int(number))
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}"
