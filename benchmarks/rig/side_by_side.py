"""Proxy and pump in turns: what each unit of work costs, and how many times the pump that is.

A round is the pump and then each surface; the ratio is that to the mean of the pump before and after. Many
short rounds, and the median of their ratios, tell more on a busy machine than few long ones.
"""

from collections.abc import Sequence
from itertools import pairwise

from goals import Goal
from msgspec import Struct

from rig.cpu_cost import Cost, CpuCost
from rig.figures import Figure
from rig.targets import Bench, started_bench

__all__ = ["Comparison", "compared", "ratios"]


class Comparison(Struct, frozen=True, kw_only=True):
    """A workload, and what it may cost."""

    name: str
    """Of its figures, behind server and surface; may be empty."""
    cost: CpuCost
    unit: str
    rounds: int
    ratio_goal: Goal
    """Of the ratio to the pump."""
    cost_goal: Goal | None = None
    """Of the cost itself."""
    tells_reads: bool = False
    """Whether reads per unit of work are worth a figure."""


async def compared(
    comparisons: Sequence[Comparison], *, surfaces: Sequence[str], servers: Sequence[str]
) -> list[Figure]:
    """Make the comparisons on one server after the other."""
    figures = []
    for server in servers:
        async with started_bench(surfaces=surfaces, server=server) as bench:
            for comparison in comparisons:
                figures += await _compare(bench, comparison)
    return figures


async def _compare(bench: Bench, comparison: Comparison) -> list[Figure]:
    pump = [await comparison.cost(bench.upstream, bench.pump, bench.pump_process)]
    found: dict[str, list[Cost]] = {surface: [] for surface in bench.surfaces}
    for _ in range(comparison.rounds):
        for surface, target in bench.surfaces.items():
            found[surface].append(await comparison.cost(bench.upstream, target, bench.proxy_process))
        pump.append(await comparison.cost(bench.upstream, bench.pump, bench.pump_process))
    suffix = f".{comparison.name}" if comparison.name else ""
    figures = [_figure(f"{bench.server}.pump{suffix}", comparison.unit, _microseconds(pump))]
    for surface, costs in found.items():
        name, ours = f"{bench.server}.{surface}{suffix}", _microseconds(costs)
        figures.append(_figure(name, comparison.unit, ours, comparison.cost_goal))
        times = ratios(ours, _microseconds(pump))
        figures.append(_figure(f"{name}.ratio", "x", times, comparison.ratio_goal))
    costs = [*pump, *(cost for costs in found.values() for cost in costs)]
    if comparison.tells_reads:
        reads = [cost.reads for cost in costs]
        figures.append(_figure(f"{bench.server}{suffix}.reads_per_event", "reads", reads))
    load = [cost.load_share for cost in costs]
    figures.append(_figure(f"{bench.server}{suffix}.load_generator", "% core", load))
    return figures


def ratios(ours: Sequence[float], pump: Sequence[float]) -> list[float]:
    """Return how many times the pump before and after it each round was."""
    around = pairwise(pump)
    return [own / ((before + after) / 2) for own, (before, after) in zip(ours, around, strict=True)]


def _microseconds(costs: Sequence[Cost]) -> list[float]:
    return [cost.microseconds for cost in costs]


def _figure(name: str, unit: str, samples: Sequence[float], goal: Goal | None = None) -> Figure:
    return Figure(name=name, unit=unit, samples=tuple(samples), goal=goal)
