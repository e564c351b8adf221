"""Does everything grow in proportion, or does something grow faster?

The CPU time of the process, and its memory, are measured along what can become large, and an exponent is
fitted to each (``power_law.py``): 1 is in proportion, 2 would be quadratic.

- request_size: CPU per request by KB of body, 10 KB to 2 MB
- answer_length: CPU per request by events of its answer, 20 to 20,000
- streams: CPU by streams that are open together, 1 to 1,000, each with one event per second
- stream_memory: resident memory by open streams
- session_bytes, session_turns: CPU per request over 200 turns of one session, by the bytes of the request and
  by its turn. Each turn sends all before it again, so the sum over a session is quadratic by the protocol;
  what must stay in proportion is a turn to its own bytes.

Under each row of points stands how far they are from the law that was fitted to them, ``fixed + factor *
size ** exponent``; points are medians of the rounds. The figures are exponents of each round by itself. With
--quick there is one round, of the first surface on the first server.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from goals import GROWTH_EXPONENT
from msgspec import Struct
from rig.figures import Figure, short
from rig.growth_axes import Points, answer_lengths, open_streams, request_sizes, session_turns
from rig.power_law import fit_power_law
from rig.processes import DEFAULT_SERVERS
from rig.targets import started_bench
from rig.workloads import SURFACES

__all__ = ["measure"]


class _Axis(Struct, frozen=True):
    size: str
    """What is counted."""
    cost: str
    unit: str


_AXES: Mapping[str, _Axis] = {
    "request_size": _Axis("KB of body", "CPU per request", "us"),
    "answer_length": _Axis("events of the answer", "CPU per request", "us"),
    "streams": _Axis("open streams", "CPU per second, one event each", "us"),
    "stream_memory": _Axis("open streams", "resident memory", "MB"),
    "session_bytes": _Axis("KB of body", "CPU per request of a session", "us"),
    "session_turns": _Axis("turn of the session", "CPU per request of a session", "us"),
}


class _Growth:
    """The points found on one server: by axis and target, those of each round."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._rounds: defaultdict[tuple[str, str], list[Points]] = defaultdict(list)

    async def measure(self, surface: str, *, has_pump: bool, samples: int) -> None:
        """Take one surface along every axis, in processes that have done nothing yet, and maybe the pump."""
        async with started_bench(surfaces=(surface,), server=self._server) as bench:
            pairs = [(bench.surfaces[surface], bench.proxy_process)]
            if has_pump:
                pairs.insert(0, (bench.pump, bench.pump_process))
            for target, process in pairs:
                costs, memory = await open_streams(bench.upstream, target, process, samples=samples)
                self._add("streams", target.name, costs)
                self._add("stream_memory", target.name, memory)
                asked = bench.upstream, target, process
                self._add("answer_length", target.name, await answer_lengths(*asked))
                self._add("request_size", target.name, await request_sizes(*asked, surface))
                by_bytes, by_turn = await session_turns(*asked, surface)
                self._add("session_bytes", target.name, by_bytes)
                self._add("session_turns", target.name, by_turn)

    def figures(self) -> Iterable[Figure]:
        """Yield an exponent of each round for every axis and target, and all points."""
        for (axis, target), rounds in self._ordered():
            laws = [fit_power_law(*_sizes_and_costs(points)) for points in rounds]
            yield Figure(
                name=f"{self._server}.{target}.{axis}",
                unit="exponent",
                samples=tuple(law.exponent for law in laws),
                goal=None if target == "pump" else GROWTH_EXPONENT,
            )
        for (axis, target), rounds in self._ordered():
            for points in zip(*rounds, strict=True):
                yield Figure(
                    name=f"{self._server}.{target}.{axis}.{points[0][0]:g}",
                    unit=_AXES[axis].unit,
                    samples=tuple(cost for _, cost in points),
                    is_detail=True,
                )

    def print_points(self) -> None:
        """Print a table per axis: medians of the rounds, and how far they are from their law, in percent."""
        for axis, form in _AXES.items():
            for number, ((_, target), rounds) in enumerate(self._ordered(axis)):
                sizes, costs = _sizes_and_costs(_medians(rounds))
                if not number:
                    print(f"\n{axis} on {self._server}: {form.cost} in {form.unit}, by {form.size}")
                    print(_row("", map(short, sizes), " exponent   fixed    factor"))
                law = fit_power_law(sizes, costs)
                found = f"{law.exponent:>9.2f}{short(law.fixed):>8}{short(law.factor):>10}"
                print(_row(target, map(short, costs), found))
                off = (
                    f"{100 * (cost / law.at(size) - 1):+.0f}%"
                    for size, cost in zip(sizes, costs, strict=True)
                )
                print(_row("", off, ""))

    def _ordered(self, axis: str | None = None) -> list[tuple[tuple[str, str], list[Points]]]:
        axes = list(_AXES)
        found = [(key, rounds) for key, rounds in self._rounds.items() if axis in (None, key[0])]
        return sorted(found, key=lambda entry: axes.index(entry[0][0]))

    def _add(self, axis: str, target: str, points: Points) -> None:
        self._rounds[axis, target].append(points)


async def measure(
    *,
    quick: bool,
    surfaces: Sequence[str] = tuple(SURFACES),
    servers: Sequence[str] = DEFAULT_SERVERS,
) -> list[Figure]:
    """Measure the axes in rounds, print their points, and return the exponents."""
    figures: list[Figure] = []
    if quick:
        surfaces, servers = surfaces[:1], servers[:1]
    for server in servers:
        growth = _Growth(server)
        for _ in range(1 if quick else 2):
            for number, surface in enumerate(surfaces):
                await growth.measure(surface, has_pump=number == 0, samples=9 if quick else 25)
        growth.print_points()
        figures += growth.figures()
    return figures


def _sizes_and_costs(points: Points) -> tuple[list[float], list[float]]:
    return [size for size, _ in points], [cost for _, cost in points]


def _medians(rounds: Sequence[Points]) -> Points:
    return [
        (points[0][0], statistics.median(cost for _, cost in points)) for points in zip(*rounds, strict=True)
    ]


def _row(name: str, cells: Iterable[str], end: str) -> str:
    return f"  {name:<10}{''.join(f'{cell:>8}' for cell in cells)}{end}".rstrip()
