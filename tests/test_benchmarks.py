"""The benchmarks keep up with the program they measure."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_every_question_can_be_asked() -> None:
    """Each benchmark finds what it measures: none is forgotten when a name changes."""
    _run("import importlib, run; [importlib.import_module(question).measure for question in run.QUESTIONS]")


def test_every_surface_is_asked_in_its_own_words() -> None:
    """What the benchmarks post to each surface is a request of that protocol, for a streamed answer."""
    _run(
        "from packyproxy.translate.protocols import PROTOCOLS\n"
        "from workloads import SURFACES\n"
        "for surface in SURFACES.values():\n"
        "    head, _, body = surface.request().partition(b'\\r\\n\\r\\n')\n"
        "    protocol = PROTOCOLS[surface.name]()\n"
        "    assert head.startswith(b'POST ' + protocol.path.encode())\n"
        "    assert protocol.read(body).is_stream and 25_000 < len(body) < 35_000\n"
    )


def _run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("", 0) == (done.stderr, done.returncode)
