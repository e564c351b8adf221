"""What figures say of the goals: one line per goal, the worst of them last."""

import math
from collections.abc import Iterable, Mapping, Sequence

from goals import Goal
from msgspec import Struct

from rig.figures import Figure, short

__all__ = ["Verdict", "print_summary", "print_verdicts", "verdicts_of"]


class Verdict(Struct, frozen=True):
    """Whether a goal is met, as a line that says so."""

    is_met: bool
    line: str


def verdicts_of(figures: Iterable[Figure]) -> tuple[Verdict, ...]:
    """Judge each goal by the figure that strains it most; the worst goal comes last."""
    worst: dict[Goal, Figure] = {}
    for figure in figures:
        goal = figure.goal
        if goal is not None and (goal not in worst or _strain(figure) > _strain(worst[goal])):
            worst[goal] = figure
    return tuple(_verdict(figure) for figure in sorted(worst.values(), key=_strain))


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print the lines under the table of their question."""
    if verdicts:
        print()
    for verdict in verdicts:
        print(f"  {verdict.line}")


def print_summary(verdicts: Mapping[str, Sequence[Verdict]]) -> None:
    """Print the verdicts of several questions, and how many goals are met."""
    lines = [(question, verdict) for question, found in verdicts.items() for verdict in found]
    print(f"\n{sum(verdict.is_met for _, verdict in lines)} of {len(lines)} goals met")
    for question, verdict in lines:
        print(f"  {'' if verdict.line.startswith(question) else question:<22}{verdict.line}")


def _strain(figure: Figure) -> float:
    """Return the median in units of the limit; infinite for anything where there must be nothing."""
    assert figure.goal is not None, "only figures with a goal are judged"
    if figure.goal.limit:
        return figure.median / figure.goal.limit
    return math.inf if figure.median > 0 else 0.0


def _verdict(figure: Figure) -> Verdict:
    goal = figure.goal
    assert goal is not None, "only figures with a goal are judged"
    judgement = "met" if figure.is_met else "missed"
    found, limit = f"{figure.median:.4g}", short(goal.limit)
    line = f"{goal.name} {judgement}: {found}{goal.unit} at worst ({figure.name}), at most {limit}"
    return Verdict(is_met=figure.is_met, line=line)
