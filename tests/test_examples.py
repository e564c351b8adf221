"""Every example runs, offline, and prints what it promises."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PROMISES = {
    "translate_only.py": '"content":[{"type":"text","text":"42"}]',
    "starlette_mount.py": "Hello from below /llm",
    "openai_sdk.py": "leave it at home",
}


def test_every_example_is_run() -> None:
    """No example is forgotten here."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == PROMISES.keys()


@pytest.mark.parametrize("name", PROMISES)
def test_an_example_runs(name: str) -> None:
    """It ends well and prints its result."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=60, check=False
    )
    assert ("", 0) == (done.stderr, done.returncode)
    assert PROMISES[name] in done.stdout
