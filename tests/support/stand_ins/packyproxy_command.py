"""``packyproxy`` itself: what ends by itself runs as it is; what serves on is ended, and what asks for a person is done."""

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.support.stand_ins.clients import QUESTION, ask
from tests.support.stand_ins.world import become, not_run, world

__all__ = ["packyproxy"]

_START_SECONDS = 20.0
_USUAL_PORT = 8317
_LOOPBACK = (None, "127.0.0.1", "localhost")
_WITH_ANOTHER_USUAL_PORT = """
import sys
from msgspec.structs import replace
from packyproxy.config import validate
validate._DEFAULT = replace(validate._DEFAULT, port=int(sys.argv.pop(1)))
from packyproxy.cli.main import main
raise SystemExit(main())
"""
"""Runs a command for which 8317 is another port: that one is the machine's, and somebody may use it."""


def packyproxy(_: str, words: Sequence[str]) -> int:
    """Run a command line, once the real parser has taken it."""
    from packyproxy.cli.parser import read_arguments

    read = read_arguments(list(words))
    if read.command == "init":
        return _init(words)
    is_serving = read.command == "serve" or (read.command == "demo" and not read.once)
    if is_serving or (read.command == "record" and not read.child and not read.show):
        return _serve(words) if getattr(read, "host", None) in _LOOPBACK else not_run()
    if read.command == "doctor" and read.privacy:
        return not_run()  # tests of its own run it; it takes some fifteen seconds
    if read.command == "doctor":
        # Nobody listens at the usual port until the reader has typed ``serve``.
        port = world().port if _mark_of_serving().exists() else world().free_port
        become(world().python, "-c", _WITH_ANOTHER_USUAL_PORT, str(port), *words)
    return become(world().packyproxy, *words)


def _mark_of_serving() -> Path:
    return Path(world().programs) / "has-served"


def _init(words: Sequence[str]) -> int:
    """Write what ``init`` writes in a folder without one, and put address and key in, as its reader would."""
    file = Path("config.yaml")
    is_prepared = file.exists() and file.read_text("utf-8") == world().config
    if is_prepared:
        file.unlink()
    code = subprocess.run([world().packyproxy, *words], check=False).returncode
    if is_prepared and not file.exists():
        file.write_text(world().config, "utf-8")
    elif file.exists():
        text = file.read_text("utf-8")
        for documented, real in world().names:
            text = text.replace(documented, real)
        file.write_text(
            text.replace('openai-api-key: "" ', f'openai-api-key: "{world().provider_key}" '), "utf-8"
        )
    return code


def _serve(words: Sequence[str]) -> int:
    """Let it serve until it answers, then stop it as a person would, by Ctrl-C."""
    command, *options = words
    if command == "serve":
        _mark_of_serving().touch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    asked = options[options.index("--port") + 1] if "--port" in options else _USUAL_PORT
    started = [world().packyproxy, *words, "--port", str(port)]
    serving = subprocess.Popen(started, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    last_words = "Ctrl-C" if command == "demo" else " listens on "
    output = ""
    try:
        for line in serving.stdout:
            output += line
            if last_words in line:
                _use(f"http://127.0.0.1:{port}", is_recording=command == "record")
                serving.send_signal(signal.SIGINT)
        code = serving.wait(_START_SECONDS)
    finally:
        serving.kill()
    sys.stdout.write(output.replace(f":{port}", f":{asked}"))
    return code


def _use(url: str, *, is_recording: bool) -> None:
    """Wait until a server answers; one that records gets something to record."""
    if is_recording:
        ask("packyproxy record", f"{url}/v1/messages", "any-value", QUESTION)
    else:
        urllib.request.urlopen(f"{url}/healthz", timeout=_START_SECONDS).close()
