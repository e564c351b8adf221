"""Tell where the CPU goes, in the pump and in the proxy, by layer and by function.

Usage: python benchmarks/cpu_profile.py [WORKLOAD ...] [--surface NAME] [--server NAME] [--seconds N]
       [--functions N] [--py-spy PATH]

Workloads: small, ev1, m50, mix (as in the questions of that name) and body, a request of 1 MB. Microseconds
are those that the process needs without a profiler, divided as the samples are. A profiler that stops the
process for each sample would change what it sees, so py-spy reads it while it runs; some stacks are torn, and
a share below one percent means little.
"""

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from msgspec import structs
from rig import event_loop
from rig.conversations import request_of_size
from rig.cpu_cost import ClosedLoop, CpuCost, OpenStreams
from rig.processes import DEFAULT_SERVERS, ServerProcess
from rig.profile_layers import Profile, read_profile
from rig.targets import Bench, Target, started_bench
from rig.workloads import SURFACES, mixed_answer, small_answer

__all__ = ["main"]

_SAMPLES_PER_SECOND = 500
_ROUNDS = 7
_BODY_BYTES = 1_000_000
_LEAST_SHARE = 0.005
_MIXED = mixed_answer()
_WORKLOADS: Mapping[str, tuple[CpuCost, str]] = {
    "small": (ClosedLoop(answer=small_answer(), requests=200), "request"),
    "ev1": (OpenStreams(streams=100, seconds=0.05), "event"),
    "m50": (OpenStreams(streams=10, seconds=0.01, events=50), "event"),
    "mix": (ClosedLoop(answer=_MIXED, requests=40, units_per_request=len(_MIXED)), "event"),
    "body": (ClosedLoop(answer=small_answer(), requests=10, connections=1), "request"),
}
_INSTALL = "py-spy is not on PATH: pip install py-spy into any environment, and say where with --py-spy"


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks/cpu_profile.py", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(_WORKLOADS)}")
    parser.add_argument("--surface", choices=tuple(SURFACES), default="messages")
    parser.add_argument("--server", choices=DEFAULT_SERVERS, default=DEFAULT_SERVERS[0])
    parser.add_argument("--seconds", type=int, default=8, help="how long each recording takes")
    parser.add_argument("--functions", type=int, default=25, help="how many of them are listed")
    parser.add_argument("--py-spy", default="py-spy", help="where it is; default: on PATH")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.workloads) - set(_WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(_WORKLOADS)}")
    program = shutil.which(arguments.py_spy)
    if program is None:
        sys.exit(_INSTALL)
    for workload in arguments.workloads or _WORKLOADS:
        event_loop.run(_profile(workload, program, arguments))


async def _profile(workload: str, program: str, arguments: argparse.Namespace) -> None:
    surface: str = arguments.surface
    async with started_bench(surfaces=(surface,), server=arguments.server) as bench:
        pairs = _pairs(bench, workload, surface)
        found: dict[str, list[float]] = {target.name: [] for target, _ in pairs}
        cost, unit = _WORKLOADS[workload]
        for _ in range(_ROUNDS):
            for target, process in pairs:
                found[target.name].append((await cost(bench.upstream, target, process)).microseconds)
        spent = [statistics.median(costs) for costs in found.values()]
        profiles = [
            await _recorded(bench, cost, target, process, program, arguments.seconds)
            for target, process in pairs
        ]
    print(f"\n{workload}, {surface} on {arguments.server}: CPU in us per {unit}, the pump's and the proxy's")
    print(f"  {'pump':>8}{'proxy':>9}{'more':>9}")
    print(f"  {spent[0]:>8.1f}{spent[1]:>9.1f}{spent[1] - spent[0]:>9.1f}  in all")
    _print_shares("by layer", spent, [profile.layers for profile in profiles], 30)
    _print_shares("by function, without what it calls", spent, [p.own for p in profiles], arguments.functions)
    _print_shares("by function, with what it calls", spent, [p.whole for p in profiles], arguments.functions)


def _pairs(bench: Bench, workload: str, surface: str) -> list[tuple[Target, ServerProcess]]:
    pump, proxy = bench.pump, bench.surfaces[surface]
    if workload == "body":
        request = request_of_size(surface, _BODY_BYTES)
        pump, proxy = (structs.replace(target, request=lambda **_: request) for target in (pump, proxy))
    return [(pump, bench.pump_process), (proxy, bench.proxy_process)]


async def _recorded(
    bench: Bench, cost: CpuCost, target: Target, process: ServerProcess, program: str, seconds: int
) -> Profile:
    """Keep a server busy while it is being recorded."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as file:
        command = [program, "record", "--nonblocking", "--rate", str(_SAMPLES_PER_SECOND), "--format", "raw"]
        command += ["--duration", str(seconds), "--output", file.name, "--pid", str(process.pid)]
        spy = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        telling = asyncio.ensure_future(spy.communicate())
        while not telling.done():
            await cost(bench.upstream, target, process)
        _, complaint = await telling
        if spy.returncode:
            sys.exit(f"py-spy ended with {spy.returncode}: {complaint.decode(errors='replace').strip()}")
        return read_profile(file.read().decode().splitlines())


def _print_shares(
    title: str, spent: Sequence[float], shares: Sequence[Mapping[str, float]], most: int
) -> None:
    rows = {
        name: [found.get(name, 0.0) * us for found, us in zip(shares, spent, strict=True)]
        for name in set().union(*shares)
    }
    print(f"  {title}")
    heaviest = sorted(rows.items(), key=lambda row: max(row[1]), reverse=True)
    for name, (pump, proxy) in heaviest[:most]:
        if max(pump / spent[0], proxy / spent[1]) >= _LEAST_SHARE:
            print(f"  {pump:>8.1f}{proxy:>9.1f}{proxy - pump:>+9.1f}  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
