"""Run the benchmarks: all, or those named. Prints a table and writes JSON to benchmarks/results/.

Usage: python benchmarks/run.py [--quick] [--surface NAME]... [--output FILE] [QUESTION ...]
"""

import argparse
import importlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import event_loop
import msgspec
from figures import Figure, print_table
from workloads import SURFACES

__all__ = ["QUESTIONS", "Run"]

QUESTIONS = (
    "relay_cost",
    "body_growth",
    "observability",
    "added_latency",
    "failover",
    "abort",
    "open_streams",
    "reload_under_load",
    "soak",
    "cold_start",
    "transcode_throughput",
)

_BY_SURFACE = frozenset({"body_growth", "observability", "relay_cost", "transcode_throughput"})
"""Those that are asked of each surface."""

_HERE = Path(__file__).parent
_LIBRARIES = ("aiohttp", "httpx", "hypercorn", "msgspec", "starlette", "uvloop")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of some benchmarks, with what it ran on."""

    started_at: str
    commit: str
    is_quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    figures: dict[str, tuple[Figure, ...]]
    """By question."""


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"of {', '.join(QUESTIONS)}; default: all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer samples: all questions in under three minutes"
    )
    parser.add_argument(
        "--surface",
        action="append",
        choices=tuple(SURFACES),
        help=f"for {' and '.join(sorted(_BY_SURFACE))}; may be repeated; default: all",
    )
    parser.add_argument(
        "--output", type=Path, help="where the JSON goes; default: benchmarks/results/<time>.json"
    )
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.questions) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    started_at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    found: dict[str, tuple[Figure, ...]] = {}
    for question in arguments.questions or QUESTIONS:
        began = time.perf_counter()
        choice = {"surfaces": arguments.surface} if arguments.surface and question in _BY_SURFACE else {}
        measuring = importlib.import_module(question).measure(quick=arguments.quick, **choice)
        found[question] = tuple(event_loop.run(measuring))
        print_table(f"{question} ({time.perf_counter() - began:.0f} s)", found[question])
    output = arguments.output or _HERE / "results" / f"{started_at}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    run = Run(
        started_at=started_at,
        commit=_commit(),
        is_quick=arguments.quick,
        machine=_machine(),
        versions=_versions(),
        figures=found,
    )
    output.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    print(f"\nwritten to {os.path.relpath(output)}")


def _machine() -> dict[str, str]:
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [
        line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")
    ]
    return {
        "system": platform.platform(),
        "cpu": models[0] if models else platform.processor(),
        "cores": str(os.cpu_count()),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


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
