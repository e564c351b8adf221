"""The grammar of a Responses stream: frames that name their event, and nothing after the one that ends them."""

import json
from dataclasses import dataclass
from typing import Any

GOOD_ENDINGS = {"response.completed", "response.incomplete"}
FAILURES = {"response.failed", "error", "response.error"}


@dataclass(frozen=True)
class Frame:
    """One event as it was written."""

    data: bytes
    event: dict[str, Any]

    @property
    def type(self) -> str:
        """What the data calls the event."""
        kind = self.event["type"]
        assert isinstance(kind, str)
        return kind


def read(stream: bytes) -> list[Frame]:
    """Return the frames of a stream, each of exactly one ``event`` and one ``data`` line."""
    frames = []
    *texts, rest = stream.split(b"\n\n")
    assert rest == b""
    for text in texts:
        name, line = text.split(b"\n")
        assert line.startswith(b"data: ")
        frame = Frame(line.removeprefix(b"data: "), json.loads(line.removeprefix(b"data: ")))
        assert name == b"event: " + frame.type.encode()
        frames.append(frame)
    return frames


def walk(stream: bytes) -> str:
    """Check a stream against the grammar and return how it ends: ``open``, ``good`` or ``failed``."""
    state = "open"
    for frame in read(stream):
        assert state == "open", "nothing follows the end"
        if frame.type in GOOD_ENDINGS:
            assert isinstance(frame.event["response"]["output"], list)
            state = "good"
        elif frame.type in FAILURES:
            state = "failed"
    return state
