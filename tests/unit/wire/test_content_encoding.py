"""Decompression gives back what was compressed, whatever the cutting, and never more than it is allowed to."""

import gzip
import subprocess
import sys
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.wire.content_encoding import (
    PIECE_BYTES,
    REQUEST_ENCODINGS,
    CorruptBody,
    Decompressor,
    OversizedBody,
    UnsupportedEncoding,
    decompress,
    zstd_module,
)

_ZSTD = zstd_module()
_TEXT = b'{"model":"gpt-5","input":"gr\xc3\xbc\xc3\x9fe"} ' * 4000


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


_COMPRESSORS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": _ZSTD.compress,
}
_CASES = [pytest.param(name, compress(_TEXT), id=name) for name, compress in _COMPRESSORS.items()]
_CASES.append(pytest.param("deflate", _raw_deflate(_TEXT), id="raw-deflate"))


@pytest.mark.parametrize(("encoding", "body"), _CASES)
def test_a_compressed_body_is_restored(encoding: str, body: bytes) -> None:
    """Each encoding is undone."""
    assert _TEXT == decompress(body, encoding, len(_TEXT))


@pytest.mark.parametrize(("encoding", "body"), _CASES)
@given(data=st.data())
def test_the_cutting_of_the_input_does_not_matter(encoding: str, body: bytes, data: st.DataObject) -> None:
    """Input in chunks of any size gives the same output."""
    size = data.draw(st.integers(1, len(body)))
    decompressor = Decompressor(encoding)
    pieces = [piece for at in range(0, len(body), size) for piece in decompressor.feed(body[at : at + size])]
    decompressor.finish()
    assert _TEXT == b"".join(pieces)


@pytest.mark.parametrize(("encoding", "body"), _CASES)
def test_a_truncated_body_is_corrupt(encoding: str, body: bytes) -> None:
    """A body that ends too early is not taken for a whole one."""
    with pytest.raises(CorruptBody, match="too early"):
        decompress(body[:-1], encoding, len(_TEXT))


@pytest.mark.parametrize("encoding", list(_COMPRESSORS))
def test_bytes_of_something_else_are_corrupt(encoding: str) -> None:
    """Bytes that no compressor wrote are refused."""
    with pytest.raises(CorruptBody, match="damaged"):
        decompress(b"\xff" * 64, encoding, 1000)


@pytest.mark.parametrize(("encoding", "body"), _CASES)
def test_garbage_after_the_end_is_corrupt(encoding: str, body: bytes) -> None:
    """A body may not be followed by other bytes."""
    with pytest.raises(CorruptBody, match="damaged"):
        decompress(body + b"\x01\x02garbage", encoding, len(_TEXT))


@pytest.mark.parametrize(("encoding", "body"), _CASES)
def test_output_over_the_limit_is_refused(encoding: str, body: bytes) -> None:
    """One byte over the limit is too much."""
    with pytest.raises(OversizedBody):
        decompress(body, encoding, len(_TEXT) - 1)


@pytest.mark.parametrize("encoding", list(_COMPRESSORS))
def test_a_bomb_unfolds_in_small_pieces(encoding: str) -> None:
    """A few bytes that stand for many megabytes never give more than one piece at a time."""
    bomb = _COMPRESSORS[encoding](bytes(16 * PIECE_BYTES))
    sizes = [len(piece) for piece in Decompressor(encoding).feed(bomb)]
    assert (True, 16 * PIECE_BYTES) == (max(sizes) <= PIECE_BYTES, sum(sizes))


def test_several_encodings_are_undone_from_the_last() -> None:
    """The header lists encodings in the order in which they were applied."""
    body = brotli.compress(gzip.compress(_TEXT))
    assert _TEXT == decompress(body, "gzip, identity, BR", len(_TEXT))


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_concatenated_members_are_one_body(encoding: str) -> None:
    """gzip members and zstd frames may follow one another."""
    compress = _COMPRESSORS[encoding]
    assert b"onetwo" == decompress(compress(b"one") + compress(b"two"), encoding, 6)


@pytest.mark.parametrize("encoding", ["compress", "gzip, snappy", "gzip;q=1", ", ".join(["gzip"] * 5)])
def test_other_encodings_are_unsupported(encoding: str) -> None:
    """Unknown names and absurd stacks are refused before any byte is read."""
    with pytest.raises(UnsupportedEncoding):
        Decompressor(encoding)


def test_encodings_outside_the_allowed_ones_are_unsupported() -> None:
    """What upstreams may use and clients may not is refused for clients."""
    with pytest.raises(UnsupportedEncoding):
        decompress(brotli.compress(b"x"), "br", 10, allowed=REQUEST_ENCODINGS)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity , "])
def test_identity_passes_chunks_through(encoding: str) -> None:
    """Without an encoding the very same chunk comes out, in one piece."""
    chunk = b"x" * (3 * PIECE_BYTES)
    decompressor = Decompressor(encoding)
    assert ([chunk], []) == (list(decompressor.feed(chunk)), list(decompressor.feed(b"")))


@pytest.mark.parametrize("encoding", list(_COMPRESSORS))
def test_a_body_without_bytes_is_complete(encoding: str) -> None:
    """An answer without a body may carry the header all the same."""
    assert b"" == decompress(b"", encoding, 0)


def test_a_zstd_window_over_eight_mebibytes_is_refused() -> None:
    """A frame may not make the decoder reserve more memory than HTTP allows."""
    options = {_ZSTD.CompressionParameter.window_log: 27}
    compressor = _ZSTD.ZstdCompressor(options=options)
    body = compressor.compress(b"x") + compressor.flush()
    with pytest.raises(CorruptBody):
        decompress(body, "zstd", 100)


def test_a_flushed_prefix_is_readable_at_once() -> None:
    """What a streaming server flushed comes out before the body ends."""
    compressor = zlib.compressobj(wbits=31)
    start = compressor.compress(b"data: 1\n\n") + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert [b"data: 1\n\n"] == list(Decompressor("gzip").feed(start))


def test_importing_the_module_loads_no_codec() -> None:
    """brotli and zstd cost nothing until a body uses them."""
    program = (
        "import sys, packyproxy.wire.content_encoding\n"
        "print([name for name in ('brotli', 'backports.zstd', 'compression.zstd') if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "[]" == output.strip()
