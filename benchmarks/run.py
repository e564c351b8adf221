"""Run the benchmarks: all, or those named. Prints a table and writes JSON to benchmarks/results/.

Usage: python benchmarks/run.py [OPTION]... [QUESTION]...

A question is a module of that name with ``measure``. It is told what was chosen on the command line as far as
its parameters ask for it: ``surfaces``, ``servers``, ``peers``.
"""

import argparse
import importlib
import inspect
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from rig import event_loop
from rig.figures import Figure, print_table
from rig.processes import DEFAULT_SERVERS, SERVERS
from rig.verdicts import Verdict, print_summary, print_verdicts, verdicts_of
from rig.workloads import SURFACES

__all__ = ["QUESTIONS", "Run"]

QUESTIONS = (
    "small_requests",
    "single_events",
    "bursts",
    "mixed_answers",
    "body_growth",
    "growth",
    "stalled_reader",
    "open_streams",
    "abort",
    "added_latency",
    "event_delay",
    "throughput",
    "observability",
    "failover",
    "reload_under_load",
    "soak",
    "cold_start",
    "transcode_throughput",
    "servers",
    "peers",
)

_HERE = Path(__file__).parent
_LIBRARIES = (
    *("aiohttp", "granian", "httptools", "httpx", "hypercorn"),
    *("msgspec", "starlette", "uvicorn", "uvloop"),
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of some benchmarks, with what it ran on."""

    started_at: str
    commit: str
    is_quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    figures: dict[str, tuple[Figure, ...]]
    """By question."""
    verdicts: dict[str, tuple[Verdict, ...]]
    """By question."""


def main(argv: Sequence[str]) -> None:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.questions) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    chosen = {
        "surfaces": arguments.surface,
        "servers": arguments.server,
        "peers": dict(peer.split("=", 1) for peer in arguments.peer),
    }
    started_at, load = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), _load()
    figures: dict[str, tuple[Figure, ...]] = {}
    verdicts: dict[str, tuple[Verdict, ...]] = {}
    for question in arguments.questions or QUESTIONS:
        began = time.perf_counter()
        figures[question] = _ask(question, {"quick": arguments.quick, **chosen})
        verdicts[question] = verdicts_of(figures[question])
        print_table(f"{question} ({time.perf_counter() - began:.0f} s)", figures[question])
        print_verdicts(verdicts[question])
    run = Run(
        started_at=started_at,
        commit=_commit(),
        is_quick=arguments.quick,
        machine={**_machine(), "load_before": load, "load_after": _load()},
        versions=_versions(),
        figures=figures,
        verdicts=verdicts,
    )
    output = arguments.output or _HERE / "results" / f"{started_at}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    print(f"\nwritten to {os.path.relpath(output)}")
    if len(figures) > 1:
        print_summary(verdicts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"of {', '.join(QUESTIONS)}; default: all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds: all questions in about six minutes"
    )
    parser.add_argument(
        "--surface",
        action="append",
        choices=tuple(SURFACES),
        help="a client protocol; may be repeated; default: those that the question is asked of",
    )
    parser.add_argument(
        "--server",
        action="append",
        choices=SERVERS,
        help=f"may be repeated; default: {' and '.join(DEFAULT_SERVERS)}",
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="another proxy to measure beside, and where it is installed",
    )
    parser.add_argument(
        "--output", type=Path, help="where the JSON goes; default: benchmarks/results/<time>.json"
    )
    return parser


def _ask(question: str, chosen: Mapping[str, object]) -> tuple[Figure, ...]:
    """Ask a question, with as much of what was chosen as it takes."""
    measure = importlib.import_module(question).measure
    taken = {name: chosen[name] for name in inspect.signature(measure).parameters if chosen.get(name)}
    return tuple(event_loop.run(measure(**{"quick": False, **taken})))


def _machine() -> dict[str, str]:
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")
    ]
    return {
        "system": platform.platform(),
        "cpu": models[0] if models else platform.processor(),
        "cores": str(os.cpu_count()),
    }


def _load() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "packyproxy": version("packyproxy")}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            versions[library] = "absent"
    return versions


def _commit() -> str:
    """Return the commit, with a plus when the tree differs from it."""
    git = ["git", "-C", str(_HERE)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        changes = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")


if __name__ == "__main__":
    main(sys.argv[1:])
