"""How fast is the pure translation, without any I/O?

Streams: recorded upstream answers through ``Transcoder``, once event by event as live providers write, once
in one piece as after a stall; the pump does nothing at all here, so there is no ratio. Requests: recorded
bodies of clients, decoded, translated and encoded. One core, no event loop.
"""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
from rig.figures import Figure
from rig.workloads import SURFACES

from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import AttemptFacts, StreamFacts, Target
from packyproxy.translate.protocols import PROTOCOLS
from packyproxy.translate.reasoning import scope_of

__all__ = ["measure"]

_CORPUS = Path(__file__).parent.parent / "tests" / "corpus"
_TARGET = Target(
    model="gpt-5", scope=scope_of("benchmark", "gpt-5"), efforts=("minimal", "low", "medium", "high")
)
_BATCH_SECONDS = 0.01
"""How long a sample repeats its work: far above the clock's resolution, below a scheduler's turn."""

_QUESTIONS = {
    "messages": {
        "model": "claude-opus-4-8",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "stream": True,
    },
    "chat": {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "stream": True},
    "responses": {"model": "gpt-5", "input": "hi", "stream": True},
}
"""A request by surface, whose answer shows everything that a recorded stream holds."""


async def measure(*, quick: bool, surfaces: Sequence[str] = tuple(SURFACES)) -> list[Figure]:
    """Measure every recorded stream and request."""
    samples = 5 if quick else 25
    streams = {path.stem: path.read_bytes() for path in sorted((_CORPUS / "upstream").glob("*.sse"))}
    figures = []
    for surface in surfaces:
        figures.append(_events_per_second(surface, streams, samples))
        facts = _facts(surface)
        for name, stream in streams.items():
            frames = _frames(stream)
            for how, pieces in (("each", frames), ("at_once", [stream])):
                times = _microseconds(partial(_transcode, surface, facts, pieces), samples)
                per_event = tuple(microseconds / len(frames) for microseconds in times)
                figures.append(Figure(name=f"{surface}.{name}.{how}", unit="us/event", samples=per_event))
        for name, body in _bodies(surface):
            times = _microseconds(partial(_translate, surface, body), samples)
            figure = f"{surface}.{name}.{len(body) // 1000}_kB"
            figures.append(Figure(name=figure, unit="us/req", samples=times))
    return figures


def _events_per_second(surface: str, streams: dict[str, bytes], samples: int) -> Figure:
    """Return the rate over all recorded streams, fed event by event."""
    cut, facts = [_frames(stream) for stream in streams.values()], _facts(surface)
    events = sum(map(len, cut))

    def transcode_all() -> None:
        for frames in cut:
            _transcode(surface, facts, frames)

    rates = tuple(events / (microseconds / 1e6) for microseconds in _microseconds(transcode_all, samples))
    return Figure(name=f"{surface}.all_streams.each", unit="events/s", samples=rates)


def _facts(surface: str) -> StreamFacts:
    return _translate(surface, msgspec.json.encode(_QUESTIONS[surface]))


def _translate(surface: str, body: bytes) -> StreamFacts:
    protocol = PROTOCOLS[surface]()  # a fresh one: it would remember the tools
    return protocol.to_responses(protocol.read(body), _TARGET, AttemptFacts()).stream_facts


def _transcode(surface: str, facts: StreamFacts, pieces: list[bytes]) -> None:
    protocol = PROTOCOLS[surface]()
    writer = protocol.writer(facts, answer_id=protocol.answer_prefix + "0" * 24, request_id="req_" + "0" * 24)
    transcoder = Transcoder(writer)
    for piece in pieces:
        transcoder.feed(piece)
    transcoder.finish()


def _microseconds(work: Callable[[], object], samples: int) -> tuple[float, ...]:
    """Return how long one piece of work takes, several times."""
    began = time.perf_counter()
    work()
    repeats = max(1, int(_BATCH_SECONDS / (time.perf_counter() - began)))
    times = []
    for _ in range(samples):
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        times.append((time.perf_counter() - began) / repeats * 1e6)
    return tuple(times)


def _frames(stream: bytes) -> list[bytes]:
    """Cut a stream after every blank line, whatever its line ends are."""
    blank = b"\r\n\r\n" if b"\r\n\r\n" in stream else b"\n\n"
    return [frame + blank for frame in stream.split(blank) if frame]


def _bodies(surface: str) -> list[tuple[str, bytes]]:
    """Return the names and bodies of a surface's recorded requests; a body is kept as JSON or as its text."""
    found = []
    for path in sorted((_CORPUS / surface).glob("*.json")):
        body = json.loads(path.read_bytes())["body"]
        if "count-tokens" not in path.stem:
            found.append((path.stem, body.encode() if isinstance(body, str) else msgspec.json.encode(body)))
    return found
