"""Use a wheel as those who install it will: in empty environments, with each extra, by pipx and by uvx.

    python scripts/try_wheel.py dist/packyproxy-*.whl

Reads the README of the tree for the test that it shows; everything else that runs comes out of the wheel.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import venv
from collections.abc import Sequence
from pathlib import Path

__all__: list[str] = []

_README = Path(__file__).parent.parent / "README.md"
_SECONDS = 300
_CONFIGURATION = """\
metrics: true
packycode:
  enabled: true
  base-url: "https://provider.example.com/v1"
  credentials: {openai-api-key: "sk-0123456789abcdef"}
"""
_WHERE = "import packyproxy, sys; print(packyproxy.__file__.startswith(sys.prefix))"
_ONE_SPAN = """\
import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, StreamingASGITransport, ThreadedASGITransport

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
block = {"enabled": True, "base-url": "https://provider.example.com/v1"}
block["credentials"] = {"openai-api-key": "sk-0123456789abcdef"}
proxy = PackyProxy({"packycode": block}, transport=StreamingASGITransport(FakeUpstream("Hello.")))
question = {"model": "gpt-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
with httpx.Client(transport=ThreadedASGITransport(proxy), base_url="http://proxy") as client:
    print(client.post("/v1/messages", json=question).status_code)
print([span.name for span in spans.get_finished_spans()])
"""


class _Environment:
    """A virtual environment with nothing in it but what is installed here, and a folder to work in."""

    def __init__(self, folder: Path, *requirements: str) -> None:
        self._folder = folder
        self._bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True)
        self.install(*requirements)

    def install(self, *requirements: str) -> None:
        """Install what is asked for, from wherever pip is set up to take it."""
        self.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of its programs, which must succeed, and return what it prints."""
        return _run([str(self._bin / program), *arguments], self._folder)

    def write(self, name: str, text: str) -> None:
        """Put a file into the folder, for its owner alone."""
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")

    def serve(self) -> tuple[str, int]:
        """Serve; return the name of the event loop in the banner, and the status of ``GET /metrics``."""
        self.write("config.yaml", _CONFIGURATION)
        command = [str(self._bin / "packyproxy"), "serve", "--port", "0"]
        with subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as serving:
            assert serving.stdout is not None
            banner = ""
            for line in serving.stdout:
                banner += line
                if line.startswith("the Codex CLI"):
                    break
            url = _found(r"listens on (\S+)", banner)
            status = _status(f"{url}/metrics")
            serving.terminate()
            serving.communicate(timeout=_SECONDS)
        return _found(r"^ +loop +(\w+)", banner), status


def _run(command: Sequence[str], folder: Path) -> str:
    variables = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}exit code {done.returncode}")
    return done.stdout


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"no {pattern!r} in:\n{text}")
    return found[1]


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def _expect(expected: object, found: object, what: str) -> None:
    if expected != found:
        raise SystemExit(f"{what}: expected {expected!r}, found {found!r}")
    print(f"ok  {what}", file=sys.stderr)


def _try_alone(wheel: Path, folder: Path) -> None:
    alone = _Environment(folder, str(wheel))
    _expect("True\n", alone.run("python", "-c", _WHERE), "the package comes out of the wheel")
    _expect("No broken requirements found.\n", alone.run("python", "-m", "pip", "check"), "pip check")
    version = wheel.name.split("-")[1]
    _expect(f"packyproxy {version}\n", alone.run("packyproxy", "--version"), "packyproxy --version")
    answer = alone.run("packyproxy", "demo", "--once")
    _expect("message_stop", _found(r"^event: (message_stop)$", answer), "packyproxy demo --once")
    alone.run("packyproxy", "init")
    _expect(True, (folder / "config.yaml").exists(), "packyproxy init")
    _expect(("asyncio", 501), alone.serve(), "packyproxy serve, without extras")

    blocks = re.findall(r"^```python\n(.*?)^```$", _README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    [shown] = [block for block in blocks if "def test_" in block]
    alone.write("test_shown.py", shown)
    alone.install("pytest", "anthropic")
    printed = alone.run("python", "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    _expect("1 passed", _found(r"^(\d+ passed) in ", printed), "the README's test, by the pytest plugin")


def _try_extras(wheel: Path, folder: Path) -> None:
    extras = _Environment(folder, f"{wheel}[fast,metrics,opentelemetry]", "opentelemetry-sdk")
    _expect(("uvloop", 200), extras.serve(), "packyproxy serve, with the extras fast and metrics")
    _expect("200\n['chat gpt-5']\n", extras.run("python", "-c", _ONE_SPAN), "the extra opentelemetry")


def _try_runners(wheel: Path, folder: Path) -> None:
    runners = _Environment(folder, "pipx", "uv")
    os.environ |= {"PIPX_HOME": str(folder / "pipx"), "UV_TOOL_DIR": str(folder / "uv")}
    for program, words in (("pipx", ["run", "--spec"]), ("uvx", ["--from"])):
        answer = runners.run(program, *words, str(wheel), "packyproxy", "demo", "--once")
        _expect("message_stop", _found(r"^event: (message_stop)$", answer), f"{program} {' '.join(words)}")


def _main() -> None:
    parser = argparse.ArgumentParser(description="Use a wheel as those who install it will.")
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel.resolve(strict=True)
    with tempfile.TemporaryDirectory(prefix="packyproxy-wheel-") as name:
        for trial in (_try_alone, _try_extras, _try_runners):
            folder = Path(name) / trial.__name__
            folder.mkdir()
            trial(wheel, folder)


if __name__ == "__main__":
    _main()
