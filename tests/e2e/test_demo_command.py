"""``packyproxy demo --once``, over real HTTP on loopback."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


COMMAND = (sys.executable, "-m", "packyproxy", "demo", "--once", "--port", "0")


def run_demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_settings_of_a_file_are_tried(tmp_path: Path) -> None:
    """Its client key is shown, its provider is not asked."""
    file = tmp_path / "config.yaml"
    file.write_text("api-keys: [sk-client-0123456789]\n", "utf-8")
    ran = run_demo("--config", file)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert "event: message_stop" in ran.stdout
    assert "sk-client" not in ran.stdout


def test_one_answer_arrives_whole() -> None:
    """The raw events are printed up to ``message_stop``, and the command ends well and silently."""
    ran = run_demo()
    events = [line.removeprefix("event: ") for line in ran.stdout.splitlines() if line.startswith("event: ")]
    assert (0, "") == (ran.returncode, ran.stderr)
    assert ("message_start", "message_stop") == (events[0], events[-1])
    assert "Hello" in ran.stdout


def test_a_reader_that_has_enough_ends_it_silently() -> None:
    """``packyproxy demo --once | head -1`` leaves nothing on stderr."""
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        assert demo.stdout.readline().startswith("POST ")
        demo.stdout.close()
        said = demo.stderr.read()
        assert (1, "") == (demo.wait(timeout=60), said)
