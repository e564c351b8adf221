"""How fast is the pure translation, without any I/O?

Streams: recorded upstream answers through ``Transcoder``, once event by event as live providers write, once
in one piece as after a stall. Requests: recorded Claude Code bodies, decoded, translated and encoded. One
core, no event loop.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from figures import Figure

from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import StreamFacts, Target
from packyproxy.translate.messages.protocol import MessagesProtocol
from packyproxy.translate.reasoning import scope_of

__all__ = ["measure"]

_CORPUS = Path(__file__).parent.parent / "tests" / "corpus"
_MODEL = "gpt-5"
_BATCH_SECONDS = 0.01
"""How long a sample repeats its work: far above the clock's resolution, below a scheduler's turn."""


async def measure(*, quick: bool) -> list[Figure]:
    """Measure every recorded stream and request."""
    samples = 5 if quick else 25
    streams = {path.stem: path.read_bytes() for path in sorted((_CORPUS / "upstream").glob("*.sse"))}
    requests = {path.stem: _body(path) for path in sorted((_CORPUS / "messages").glob("cc-*.json"))}
    requests = {name: body for name, body in requests.items() if "count-tokens" not in name}
    figures = [_events_per_second(streams, samples)]
    for name, stream in streams.items():
        frames = _frames(stream)
        figures.append(_event_figure(f"{name}.each", frames, len(frames), samples))
        figures.append(_event_figure(f"{name}.at_once", [stream], len(frames), samples))
    target = Target(
        model=_MODEL, scope=scope_of("benchmark", _MODEL), efforts=("minimal", "low", "medium", "high")
    )
    for name, body in requests.items():
        times = _microseconds(partial(_translate, body, target), samples)
        figures.append(Figure(name=f"{name}.{len(body) // 1000}_kB", unit="us/req", samples=times))
    return figures


def _events_per_second(streams: dict[str, bytes], samples: int) -> Figure:
    """Return the rate over all recorded streams, fed event by event."""
    cut = [_frames(stream) for stream in streams.values()]
    events = sum(map(len, cut))

    def transcode_all() -> None:
        for frames in cut:
            _transcode(frames)

    rates = tuple(events / (microseconds / 1e6) for microseconds in _microseconds(transcode_all, samples))
    return Figure(name="all_streams.each", unit="events/s", samples=rates)


def _event_figure(name: str, pieces: list[bytes], events: int, samples: int) -> Figure:
    times = _microseconds(lambda: _transcode(pieces), samples)
    return Figure(name=name, unit="us/event", samples=tuple(microseconds / events for microseconds in times))


def _translate(body: bytes, target: Target) -> None:
    messages = MessagesProtocol()  # a fresh one: it would remember the tools
    messages.to_responses(messages.read(body), target)


def _transcode(pieces: list[bytes]) -> None:
    facts = StreamFacts(
        model="claude-opus-4-8",
        scope=scope_of("benchmark", _MODEL),
        original_names={},
        thinking_is_visible=True,
    )
    writer = MessagesProtocol().writer(facts, answer_id="msg_" + "0" * 24, request_id="req_" + "0" * 24)
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


def _body(path: Path) -> bytes:
    """Return the request body of a capture, which is kept as JSON or as its text."""
    body = json.loads(path.read_bytes())["body"]
    return body.encode() if isinstance(body, str) else msgspec.json.encode(body)
