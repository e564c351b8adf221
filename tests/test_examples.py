"""Every example runs, offline, and prints what it promises."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PROMISES = {
    "any_asgi_middleware.py": '"type":"text_delta","text":"Hello "',
    "fastapi_mount.py": "the host's own page\nHello from below /llm\n",
    "hypercorn_standalone.py": "Hello over HTTP\n",
    "litestar_mount.py": "the host's own page\nHello from below /llm\n",
    "openai_sdk.py": "leave it at home",
    "starlette_components.py": "not authorized by this server\nHello from the gateway\n",
    "translate_only.py": '"content":[{"type":"text","text":"42"}]',
}
MOST_LINES = 60


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python where every warning is an error."""
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_every_example_is_run() -> None:
    """No example is forgotten here."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == PROMISES.keys()


@pytest.mark.parametrize("name", PROMISES)
def test_an_example_runs(name: str) -> None:
    """It ends well, without a warning, and prints its result."""
    done = run(EXAMPLES / name)
    assert (0, False) == (done.returncode, "Traceback" in done.stderr), done.stderr
    assert PROMISES[name] in done.stdout


def test_the_harness_runs() -> None:
    """The example of a test suite passes by the plugin alone, under pytest without its asynchronous plugins."""
    folder = EXAMPLES / "pytest_harness"
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error", folder)
    assert (0, True) == (done.returncode, "3 passed" in done.stdout), done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    """Each teaches one thing."""
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES
