"""Compare two runs figure by figure: medians, their ratio, and whether the samples lie apart.

Usage: python benchmarks/compare.py A.json B.json

The ratio is B / A. "apart" means that no sample of one run lies within the range of the other; anything
else may be noise. Runs on different machines, or at different times of a busy one, compare by their ratios
only.
"""

import sys
from pathlib import Path

import msgspec
from rig.figures import Figure
from run import Run


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/compare.py A.json B.json")
    runs = [msgspec.json.decode(Path(path).read_bytes(), type=Run) for path in sys.argv[1:]]
    for letter, run in zip("AB", runs, strict=True):
        length = ", quick" if run.is_quick else ""
        print(f"{letter}: commit {run.commit}, {run.started_at}{length}, {run.machine['cpu']}")
    for setting in ("machine", "versions"):
        one, two = (getattr(run, setting) for run in runs)
        for name in sorted(one.keys() | two.keys()):
            if one.get(name) != two.get(name) and not name.startswith("load"):
                print(f"   {setting}.{name} differs: {one.get(name)} / {two.get(name)}")
    print(f"\n{'figure':<58}{'A':>10}{'B':>10}{'B/A':>8}  {'A min..max':<22}{'B min..max':<22}")
    for question, figures in runs[0].figures.items():
        others = {figure.name: figure for figure in runs[1].figures.get(question, ())}
        for figure in figures:
            if figure.name in others:
                print(_line(question, figure, others[figure.name]))


def _line(question: str, one: Figure, two: Figure) -> str:
    ratio = f"{two.median / one.median:.2f}" if one.median else "-"
    ranges = [f"{min(figure.samples):.4g}..{max(figure.samples):.4g}" for figure in (one, two)]
    is_apart = max(one.samples) < min(two.samples) or max(two.samples) < min(one.samples)
    remark = "apart" if is_apart and min(len(one.samples), len(two.samples)) > 1 else ""
    name = f"{question} {one.name} {one.unit}"
    line = (
        f"{name:<58}{one.median:>10.4g}{two.median:>10.4g}{ratio:>8}  {ranges[0]:<22}{ranges[1]:<22}{remark}"
    )
    return line.rstrip()


if __name__ == "__main__":
    main()
