"""Brings events onto the wire: SSE frames in every legal spelling, cut into writes, encoded as asked.

Nothing here may change what a correct client understands.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from packyproxy.testing.upstream.events import Event
from packyproxy.testing.upstream.script import Framing

__all__ = ["DONE", "frame", "writes"]

DONE = "[DONE]"
"""The data that closes streams of the older API, and of some relays."""

_BOM = b"\xef\xbb\xbf"

_encode = msgspec.json.Encoder().encode


class _Compressor(Protocol):
    def write(self, data: bytes, /) -> bytes: ...
    def finish(self) -> bytes: ...


def frame(event: Event | str, framing: Framing) -> bytes:
    """Write one event as a frame; a string is written as bare data, as in ``data: [DONE]``."""
    lines: list[bytes] = [b": keep-alive"] if framing.has_comments else []
    if isinstance(event, str):
        lines.append(b"data: " + event.encode())
    else:
        if framing.has_event_lines:
            lines.append(b"event: " + event["type"].encode())
        lines.append(b"data: " + _encode(event))
    end = framing.line_end.encode()
    return end.join(lines) + end + end


def writes(parts: Sequence[Sequence[bytes]], framing: Framing) -> Iterator[bytes | None]:
    """Group or cut frames into the writes a client sees, with None between parts, where the upstream pauses.

    With a content-encoding each write is flushed, so that what was written can be decoded.
    """
    compressor = _COMPRESSORS[framing.content_encoding]() if framing.content_encoding else None
    for number, frames in enumerate(parts):
        if number:
            yield None
        elif framing.has_bom:
            yield compressor.write(_BOM) if compressor else _BOM
        for piece in _pieces(frames, framing):
            yield compressor.write(piece) if compressor else piece
    if compressor:
        yield compressor.finish()


def _pieces(frames: Sequence[bytes], framing: Framing) -> Iterator[bytes]:
    if framing.cut_every is None:
        size = framing.events_per_write
        yield from (b"".join(frames[at : at + size]) for at in range(0, len(frames), size))
    else:
        whole, size = b"".join(frames), framing.cut_every
        yield from (whole[at : at + size] for at in range(0, len(whole), size))


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._compressor = zlib.compressobj(wbits=window_bits)

    def write(self, data: bytes, /) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _Brotli:
    def __init__(self) -> None:
        from packyproxy.wire.content_encoding import brotli_module  # noqa: PLC0415 - only this encoding pays for it

        self._compressor = brotli_module().Compressor()

    def write(self, data: bytes, /) -> bytes:
        return bytes(self._compressor.process(data) + self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class _Zstd:
    def __init__(self) -> None:
        from packyproxy.wire.content_encoding import zstd_module  # noqa: PLC0415 - as above

        self._compressor = zstd_module().ZstdCompressor()

    def write(self, data: bytes, /) -> bytes:
        return bytes(self._compressor.compress(data, self._compressor.FLUSH_BLOCK))

    def finish(self) -> bytes:
        return bytes(self._compressor.flush(self._compressor.FLUSH_FRAME))


_COMPRESSORS: dict[str, Callable[[], _Compressor]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "br": _Brotli,
    "zstd": _Zstd,
}
