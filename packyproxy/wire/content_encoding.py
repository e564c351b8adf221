"""Undoes HTTP content-encodings without trusting their input (wire-mapping 0.4, 0.6).

gzip, deflate (with and without the zlib wrapper, as both are sent under that name), br and zstd, also several
in one header. Output comes in pieces of at most `PIECE_BYTES`, so that a few bytes cannot make gigabytes:
callers stop when they have had enough. The brotli and zstd libraries are imported when they are first needed.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Final, Protocol

__all__ = [
    "ENCODINGS",
    "PIECE_BYTES",
    "REQUEST_ENCODINGS",
    "CorruptBody",
    "DecompressionFailed",
    "Decompressor",
    "OversizedBody",
    "UnsupportedEncoding",
    "brotli_module",
    "decompress",
    "zstd_module",
]

PIECE_BYTES: Final = 64 * 1024
"""The most that one step puts out: what a socket read gives, so that pieces are like uncompressed ones."""

ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})
"""Everything that can be undone here: what an upstream may use."""

REQUEST_ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate", "zstd"})
"""What clients may send (wire-mapping 0.6)."""

_MAX_ENCODINGS: Final = 4
"""More layers than this is an attack: each multiplies the work of the next."""

_ZSTD_WINDOW_LOG_MAX: Final = 23
"""8 MiB, the window that every zstd decoder of HTTP content must support (RFC 9659)."""


class DecompressionFailed(Exception):
    """Base of what goes wrong here; the text never quotes content."""


class UnsupportedEncoding(DecompressionFailed):
    """The content-encoding is not one of those that are known here."""


class CorruptBody(DecompressionFailed):
    """The bytes are not what the content-encoding says, or end too early."""


class OversizedBody(DecompressionFailed):
    """The decompressed body is larger than the caller allows."""


class _Decoder(Protocol):
    """One encoding, fed in steps; a step without input asks for output that was held back."""

    @property
    def has_more(self) -> bool: ...

    @property
    def is_finished(self) -> bool: ...

    def step(self, data: bytes) -> bytes: ...


class Decompressor:
    """Decompress a body that arrives in chunks.

    Args:
        encoding: the value of the content-encoding header: names separated by commas, in the order they were
            applied. Empty or ``identity`` passes everything through.
        allowed: the encodings to accept.

    Raises:
        UnsupportedEncoding: an encoding is not allowed, or there are more than four.
    """

    def __init__(self, encoding: str, *, allowed: frozenset[str] = ENCODINGS) -> None:
        names = [
            name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")
        ]
        if len(names) > _MAX_ENCODINGS:
            problem = "too many content-encodings"
            raise UnsupportedEncoding(problem)
        decoders: list[_Decoder] = []
        for name in reversed(names):
            if name not in allowed:
                problem = "unsupported content-encoding"
                raise UnsupportedEncoding(problem)
            decoders.append(_DECODERS[name]())
        self._decoders = decoders

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the output for one chunk in pieces of at most `PIECE_BYTES`; identity yields the chunk.

        The iterator must be used up before the next chunk is fed, or everything dropped.

        Raises:
            CorruptBody: from the iterator, when the bytes are damaged.
        """
        if not self._decoders:
            if data:
                yield data
            return
        # What a decoder has not consumed is copied at each step, so it gets no more than a piece at a time.
        for at in range(0, len(data), PIECE_BYTES):
            yield from self._feed(data[at : at + PIECE_BYTES], 0)

    def finish(self) -> None:
        """Check that the body is complete; one without any byte is.

        Raises:
            CorruptBody: it ends too early.
        """
        if not all(decoder.is_finished for decoder in self._decoders):
            problem = "the compressed body ends too early"
            raise CorruptBody(problem)

    def _feed(self, data: bytes, level: int) -> Iterator[bytes]:
        if level == len(self._decoders):
            if data:
                yield data
            return
        decoder = self._decoders[level]
        while True:
            yield from self._feed(decoder.step(data), level + 1)
            if not decoder.has_more:
                return
            data = b""


def decompress(body: bytes, encoding: str, limit: int, *, allowed: frozenset[str] = ENCODINGS) -> bytes:
    """Decompress a whole body whose decompressed size may be ``limit`` bytes.

    Raises:
        UnsupportedEncoding: an encoding is not allowed.
        OversizedBody: the output exceeds ``limit``; no more than that was made.
        CorruptBody: the bytes are damaged or end too early.
    """
    decompressor = Decompressor(encoding, allowed=allowed)
    pieces: list[bytes] = []
    size = 0
    for piece in decompressor.feed(body):
        size += len(piece)
        if size > limit:
            problem = "the decompressed body is too large"
            raise OversizedBody(problem)
        pieces.append(piece)
    decompressor.finish()
    return b"".join(pieces)


def zstd_module() -> ModuleType:
    """Return the standard library's zstd module, or its backport before Python 3.14."""
    if sys.version_info >= (3, 14):  # pragma: no cover - one of the two per Python version
        from compression import zstd  # noqa: PLC0415 - lazy on purpose, see the module's docstring
    else:  # pragma: no cover - likewise
        from backports import zstd  # noqa: PLC0415 - as above
    module: ModuleType = zstd
    return module


def brotli_module() -> ModuleType:
    """Return the brotli library of this Python implementation."""
    if sys.implementation.name == "cpython":  # pragma: no cover - one of the two per implementation
        import brotli  # noqa: PLC0415 - as above
    else:  # pragma: no cover - likewise
        import brotlicffi as brotli  # noqa: PLC0415 - as above
    module: ModuleType = brotli
    return module


class _Gzip:
    """Members one after the other, as ``gzip`` allows; also the base of deflate, which has one."""

    _window_bits = 31
    _is_single = False

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(self._window_bits)
        self._held = b""
        self._is_full = False
        self._was_fed = False

    @property
    def has_more(self) -> bool:
        return bool(self._held) or self._is_full

    @property
    def is_finished(self) -> bool:
        return not self._was_fed or (self._inflate.eof and not self._held)

    def step(self, data: bytes) -> bytes:
        data = self._held + data
        if self._inflate.eof and data:
            if self._is_single:
                raise CorruptBody(_DAMAGED)
            self._inflate = zlib.decompressobj(self._window_bits)
        self._was_fed = self._was_fed or bool(data)
        try:
            output = self._inflate.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            raise CorruptBody(_DAMAGED) from error
        self._held = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        self._is_full = len(output) == PIECE_BYTES
        return output


class _ZlibDeflate(_Gzip):
    _window_bits = 15
    _is_single = True


class _RawDeflate(_Gzip):
    _window_bits = -15
    _is_single = True


class _Deflate:
    """Tells by two bytes the zlib wrapper, which the RFC asks for, from the raw form that some send."""

    def __init__(self) -> None:
        self._start = b""
        self._decoder: _Gzip | None = None

    @property
    def has_more(self) -> bool:
        return self._decoder is not None and self._decoder.has_more

    @property
    def is_finished(self) -> bool:
        return not self._start if self._decoder is None else self._decoder.is_finished

    def step(self, data: bytes) -> bytes:
        if self._decoder is None:
            data = self._start = self._start + data
            if len(data) < 2:
                return b""
            is_zlib = data[0] & 0x8F == 0x08 and int.from_bytes(data[:2], "big") % 31 == 0
            self._decoder = _ZlibDeflate() if is_zlib else _RawDeflate()
        return self._decoder.step(data)


class _Brotli:
    def __init__(self) -> None:
        library = brotli_module()
        self._decoder = library.Decompressor()
        self._error: type[Exception] = library.error
        self._gave_output = False
        self._was_fed = False

    @property
    def has_more(self) -> bool:
        # can_accept_more_data() says yes while output is still held (measured, brotli 1.2.1): ask until none
        # comes.
        return self._gave_output and not self._decoder.is_finished()

    @property
    def is_finished(self) -> bool:
        return not self._was_fed or self._decoder.is_finished()

    def step(self, data: bytes) -> bytes:
        self._was_fed = self._was_fed or bool(data)
        try:
            # The library ends a piece at the first of its own blocks (32 KiB, then larger) that passes the
            # limit.
            output: bytes = self._decoder.process(data, output_buffer_limit=PIECE_BYTES // 4)
        except self._error as error:
            raise CorruptBody(_DAMAGED) from error
        self._gave_output = bool(output)
        return output


class _Zstd:
    """Frames one after the other, as RFC 8878 allows."""

    def __init__(self) -> None:
        library = zstd_module()
        self._error: type[Exception] = library.ZstdError
        parameter = library.DecompressionParameter.window_log_max
        self._make = partial(library.ZstdDecompressor, options={parameter: _ZSTD_WINDOW_LOG_MAX})
        self._decoder = self._make()
        self._held = b""
        self._was_fed = False

    @property
    def has_more(self) -> bool:
        return bool(self._held) or not (self._decoder.eof or self._decoder.needs_input)

    @property
    def is_finished(self) -> bool:
        return not self._was_fed or (self._decoder.eof and not self._held)

    def step(self, data: bytes) -> bytes:
        data, self._held = self._held + data, b""
        if self._decoder.eof:
            self._decoder = self._make()
        self._was_fed = self._was_fed or bool(data)
        try:
            output: bytes = self._decoder.decompress(data, PIECE_BYTES)
        except self._error as error:
            raise CorruptBody(_DAMAGED) from error
        if self._decoder.eof:
            self._held = self._decoder.unused_data
        return output


_DAMAGED: Final = "the compressed body is damaged"

_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
