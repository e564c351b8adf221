"""Bytes to SSE frames (wire-mapping 0.4; WHATWG HTML, "Parsing an event stream").

Lines end at CRLF, LF or CR only and are split on bytes, so U+2028 or U+0085 inside JSON is data. Only the
data of a frame is kept: every event we read repeats its type there, and some upstreams send no ``event:``
line at all.

Line ends are made LF first, byte by byte of state, so that everything behind that step knows one form; a
chunk without a CR, the usual case, passes it untouched.
"""

import re

from packyproxy.errors import Failure, FailureKind, UpstreamFailed

__all__ = ["BOM", "MAX_FRAME_BYTES", "FrameDecoder"]

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""More than a whole response with echoed instructions and several images' worth of text."""

BOM = b"\xef\xbb\xbf"

_BLANK = b"\n\n"
_CR = 0x0D  # ``in`` looks for a number far faster than for bytes

# Nearly every upstream writes nothing but such frames, and one search takes them apart at a quarter of the
# cost of going through their lines. Anything else ends it: all that is left is then one match, whose data is
# empty. It is possessive, so that other bytes are given up at once.
_usual_datas = re.compile(rb"(?:event: .*+\n)?+data: (.++)\n\n|(?s:.++)").findall


class FrameDecoder:
    """Cut a byte stream into the data of its SSE frames; feed it any slicing of the stream.

    Data is always valid UTF-8: other bytes become U+FFFD. Frames without data (comments, ids) yield nothing.
    """

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._pieces: list[bytes] = []
        """The unfinished frame, joined only when it ends: a large one arrives in many chunks."""
        self._size = 0
        self._is_at_start = True
        self._ended_with_cr = False
        self._is_overlong = False

    @property
    def is_between_frames(self) -> bool:
        """Whether the next frame begins with the next byte, whatever was fed so far."""
        return not (self._pieces or self._is_at_start or self._ended_with_cr or self._is_overlong)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of each frame that ``chunk`` completes.

        Raises:
            UpstreamFailed: one frame exceeds the limit. Frames that were complete before it are returned
                first; the raise then comes from the next call.
        """
        frames = self.cut(chunk)
        return self.read(frames) if frames else []

    def cut(self, chunk: bytes) -> bytes:
        """Return the frames that ``chunk`` completes, with LF for every line end; ``read`` takes them apart.

        Raises:
            UpstreamFailed: as ``feed``.
        """
        if self._is_overlong:
            raise _overlong()
        if self._ended_with_cr or _CR in chunk:
            chunk = self._with_lf(chunk)
        if self._is_at_start:
            chunk = self._without_bom(chunk)
        if not chunk:
            return b""
        end = chunk.rfind(_BLANK)
        if end < 0 and not (chunk[0] == 10 and self._size and self._pieces[-1][-1] == 10):
            self._pieces.append(chunk)
            self._size += len(chunk)
            return self._within_limit(b"")
        if self._pieces:
            self._pieces.append(chunk)
            chunk = b"".join(self._pieces)
            end = chunk.rfind(_BLANK)
        end += len(_BLANK)
        self._size = len(chunk) - end
        if not self._size:
            self._pieces = []
            return chunk
        self._pieces = [chunk[end:]]
        return self._within_limit(chunk[:end])

    def read(self, frames: bytes) -> list[bytes]:
        """Return the data of each of some frames that ``cut`` returned.

        Raises:
            UpstreamFailed: as ``feed``.
        """
        if len(frames) <= self._max_frame_bytes:
            datas: list[bytes] = _usual_datas(frames)
            if not datas or datas[-1]:
                return datas if frames.isascii() else [_valid(data) for data in datas]
        datas = self._datas(frames.split(_BLANK))
        if self._is_overlong and not datas:
            raise _overlong()
        return datas

    def finish(self) -> list[bytes]:
        """Return the frame that the end of the stream leaves without its blank line, if it has data.

        The SSE standard drops such a frame, but some relays end their last one so; half of one is no JSON.

        Raises:
            UpstreamFailed: as ``feed``.
        """
        if self._is_overlong:
            raise _overlong()
        rest = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return self.read(rest)

    def _with_lf(self, chunk: bytes) -> bytes:
        if self._ended_with_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._ended_with_cr = False
        if chunk:
            self._ended_with_cr = chunk[-1:] == b"\r"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_bom(self, chunk: bytes) -> bytes:
        head = b"".join(self._pieces) + chunk
        self._pieces, self._size = [], 0
        if len(head) < len(BOM) and BOM.startswith(head):
            self._pieces, self._size = [head], len(head)
            return b""
        self._is_at_start = False
        return head.removeprefix(BOM)

    def _datas(self, blocks: list[bytes]) -> list[bytes]:
        datas: list[bytes] = []
        for block in blocks:
            if len(block) > self._max_frame_bytes:
                self._is_overlong = True
                break
            data = _data_of(block)
            if data:
                datas.append(_valid(data))
        return datas

    def _within_limit(self, frames: bytes) -> bytes:
        # The last byte may be the first half of the blank line, which is not part of the frame.
        if self._size > self._max_frame_bytes + 1:
            self._is_overlong = True
            if not frames:
                raise _overlong()
        return frames


def _data_of(block: bytes) -> bytes:
    """Join the ``data`` lines of one frame with LF; ``b""`` when it has none."""
    values = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            values.append(value.removeprefix(b" "))
    return b"\n".join(values)


def _valid(data: bytes) -> bytes:
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="replace").encode()
    return data


def _overlong() -> UpstreamFailed:
    return UpstreamFailed(
        Failure(kind=FailureKind.BAD_STREAM, message="the upstream sent an event that is too large")
    )
