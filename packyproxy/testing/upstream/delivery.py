"""Plans how one answer travels: status, headers and writes, with the faults of a `BrokenStream` worked in."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from packyproxy.testing.upstream.events import AnswerWriter, Event
from packyproxy.testing.upstream.faults import BrokenStream
from packyproxy.testing.upstream.framing import DONE, frame, writes
from packyproxy.testing.upstream.script import Framing, Turn

__all__ = ["Delivery", "deliver", "deliver_document"]

_CODEX_HEADERS = {
    "x-codex-plan-type": "plus",
    "x-codex-primary-used-percent": "12",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-after-seconds": "7200",
}

_encode = msgspec.json.Encoder().encode


class Delivery(Struct, frozen=True):
    """An answer ready to be sent."""

    status: int
    headers: Mapping[str, str]
    writes: Iterator[bytes | None]
    """One element per write; None is a pause until the test releases it."""
    is_cut: bool = False
    """Whether the connection is dropped after the last write."""


def deliver(
    answer: str | Turn | BrokenStream,
    writer: AnswerWriter,
    request: Mapping[str, Any],
    framing: Framing,
    *,
    mode: Literal["codex", "platform"],
) -> Delivery:
    """Write a turn, whole or broken, for one request; ``framing`` holds unless the turn has its own."""
    fault = answer if isinstance(answer, BrokenStream) else None
    turn = fault.turn if fault else Turn(answer) if isinstance(answer, str) else answer
    assert isinstance(turn, Turn)
    framing = turn.framing or framing
    parts = _break(writer.turn(turn), fault, writer)
    is_json = framing.is_json or not request.get("stream", False)
    if is_json:
        frames = [[_whole(parts[-1][-1])] if parts[-1] else []]
        framing = Framing(content_encoding=framing.content_encoding, content_type="application/json")
    else:
        frames = [[frame(event, framing) for event in part] for part in parts]
    pieces = writes(frames, framing)
    if fault is not None and fault.after_bytes is not None:
        pieces = _first_bytes(pieces, fault.after_bytes)
    is_cut = fault is not None and fault.how == "cut"
    return Delivery(200, _headers(turn, framing, mode), pieces, is_cut=is_cut)


def deliver_document(
    answer: str | Turn | BrokenStream, document: Mapping[str, Any], *, mode: Literal["codex", "platform"]
) -> Delivery:
    """Write one JSON document, whole or broken; of faults it can be cut off or stalled.

    Raises:
        TypeError: the fault is one that only a stream can have.
    """
    fault = answer if isinstance(answer, BrokenStream) else None
    turn = fault.turn if fault else answer if isinstance(answer, Turn) else Turn()
    body = _encode(document)
    pieces: list[bytes | None] = [body]
    match fault.how if fault else None:
        case None:
            pass
        case "stall":
            pieces = [None, body]
        case "cut":
            assert fault is not None
            pieces = [body[: fault.after_bytes or 0]]
        case how:
            problem = f"a fault of the kind {how!r} needs a stream"
            raise TypeError(problem)
    headers = _headers(turn, Framing(content_type="application/json"), mode)
    is_cut = fault is not None and fault.how == "cut"
    return Delivery(200, headers, (piece for piece in pieces if piece != b""), is_cut=is_cut)


def _break(events: list[Event], fault: BrokenStream | None, writer: AnswerWriter) -> list[list[Event | str]]:
    """Cut the events where the fault strikes and add what it sends; two parts have a pause between them."""
    whole: list[Event | str] = list(events)
    if fault is None or fault.after_bytes is not None:
        return [whole]
    at = len(events) - 1 if fault.after_events is None else fault.after_events
    kept = whole[:at]
    match fault.how:
        case "stall":
            return [kept, whole[at:]]
        case "failed":
            return [[*kept, writer.failed(fault.error, len(kept))]]
        case "error":
            return [[*kept, {"type": "error", "sequence_number": len(kept), **fault.error}]]
        case "nested_error":
            return [[*kept, {"type": "error", "sequence_number": len(kept), "error": dict(fault.error)}]]
        case "done":
            return [[*kept, DONE]]
        case "cut" | "end":
            return [kept]


def _whole(last: Event | str) -> bytes:
    """Return the JSON body that stands for a stream: the response of its last event."""
    if isinstance(last, str):
        return b"{}"
    return _encode(last.get("response", last))


def _first_bytes(pieces: Iterator[bytes | None], limit: int) -> Iterator[bytes | None]:
    for piece in pieces:
        if piece is None or not limit:
            return
        yield piece[:limit]
        limit -= min(limit, len(piece))


def _headers(turn: Turn, framing: Framing, mode: str) -> dict[str, str]:
    headers = {"cache-control": "no-cache", "x-request-id": "0f7c6f2e-6f3b-4a57-9d0e-5d2a7c1b9e44"}
    if framing.content_type is not None:
        headers["content-type"] = framing.content_type
    if framing.content_encoding is not None:
        headers["content-encoding"] = framing.content_encoding
    if mode == "codex":
        headers |= _CODEX_HEADERS
    return {name: value for name, value in (headers | dict(turn.headers)).items() if value}
