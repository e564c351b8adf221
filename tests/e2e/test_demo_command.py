"""``packyproxy demo --once``, over real HTTP on loopback."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e


def test_one_answer_arrives_whole() -> None:
    """The raw events are printed up to ``message_stop``, and the command ends well and silently."""
    command = [sys.executable, "-c", "import sys; from packyproxy.cli.main import main; sys.exit(main())"]
    ran = subprocess.run(
        [*command, "demo", "--once", "--port", "0"], capture_output=True, text=True, timeout=60, check=False
    )
    events = [line.removeprefix("event: ") for line in ran.stdout.splitlines() if line.startswith("event: ")]
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ("message_start", "message_stop") == (events[0], events[-1])
    assert "Hello" in ran.stdout
