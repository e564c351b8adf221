"""The benchmarks keep up with the program they measure."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_every_question_can_be_asked() -> None:
    """Each benchmark finds what it measures: none is forgotten when a name changes."""
    asked = "import importlib, run; [importlib.import_module(question).measure for question in run.QUESTIONS]"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("", 0) == (done.stderr, done.returncode)
