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


def test_observing_stops_and_begins_again() -> None:
    """What the benchmark of observability calls off records nothing of a streamed answer, and on records it."""
    _run(
        "import asyncio, httpx, tempfile\n"
        "from pathlib import Path\n"
        "from observed_serve import Switch\n"
        "from packyproxy.app import PackyProxy\n"
        "from packyproxy.testing import FakeUpstream, StreamingASGITransport\n"
        "block = {'enabled': True, 'base-url': 'http://u.test/v1', 'credentials': {'openai-api-key': 'sk'}}\n"
        "hello = {'model': 'gpt-5', 'stream': True, 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "proxy = PackyProxy({'packycode': block}, transport=StreamingASGITransport(FakeUpstream('Hello.')))\n"
        "transport = StreamingASGITransport(proxy)\n"
        "async def ask():\n"
        "    async with httpx.AsyncClient(transport=transport, base_url='http://p.test') as client:\n"
        "        answer = await client.post('/v1/chat/completions', json=hello)\n"
        "    assert answer.text.endswith('data: [DONE]\\n\\n'), answer.text\n"
        "    recorder = proxy.runtime.recorder\n"
        "    return recorder.figures().requests, len(recorder.tps())\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    switch = Switch(Path(folder) / 'observing')\n"
        "    switch.turn_off()\n"
        "    assert asyncio.run(ask()) == (0, 0)\n"
        "    switch.turn_on()\n"
        "    assert asyncio.run(ask()) == (1, 1)\n"
    )


def test_growth_is_the_slope_of_a_line() -> None:
    """The soak run tells bytes per request: what grows by two per request has a slope of two."""
    _run("from soak import slope; assert slope([0, 10, 20], [7, 27, 47]) == 2.0")


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
