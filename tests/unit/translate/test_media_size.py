"""Images and documents in tokens, from their first bytes (wire-mapping 9)."""

import struct
from base64 import b64encode

import pytest
from msgspec import Raw

from packyproxy.translate.media_size import file_tokens, image_size, image_tokens

_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_APP0 = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_SOF = b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", 600, 800)


def _png(width: int, height: int) -> bytes:
    return _PNG + struct.pack(">II", width, height) + b"\x08\x06\x00\x00\x00"


def _webp(kind: bytes, rest: bytes) -> bytes:
    return b"RIFF\x00\x00\x00\x00WEBP" + kind + rest


def _url(data: bytes, kind: str = "image/png") -> Raw:
    return Raw(b'"data:' + kind.encode() + b";base64," + b64encode(data) + b'"')


@pytest.mark.parametrize(
    ("data", "size"),
    [
        pytest.param(_png(800, 600), (800, 600), id="png"),
        pytest.param(b"GIF89a" + struct.pack("<HH", 800, 600), (800, 600), id="gif"),
        pytest.param(b"\xff\xd8" + _APP0 + _SOF, (800, 600), id="jpeg"),
        pytest.param(b"\xff\xd8\xff" + _APP0 + b"\xff\xd0" + _SOF, (800, 600), id="jpeg-fill-and-restart"),
        pytest.param(
            _webp(b"VP8X", b"\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\x1f\x03\x00" + b"\x57\x02\x00"),
            (800, 600),
            id="vp8x",
        ),
        pytest.param(
            _webp(b"VP8L", b"\x00\x00\x00\x00\x2f" + struct.pack("<I", 799 | 599 << 14)),
            (800, 600),
            id="vp8l",
        ),
        pytest.param(
            _webp(b"VP8 ", b"\x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 800, 600)),
            (800, 600),
            id="vp8",
        ),
        pytest.param(_PNG + b"\x00", None, id="png-cut"),
        pytest.param(b"\xff\xd8" + _APP0, None, id="jpeg-cut"),
        pytest.param(b"\xff\xd8\x00\x00", None, id="jpeg-broken"),
        pytest.param(b"\xff\xd8" + b"\xff\xe1\x00\x00" * 9, None, id="jpeg-zero-length"),
        pytest.param(_png(0, 600), None, id="no-width"),
        pytest.param(b"<svg/>", None, id="other"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_image_size(data: bytes, size: tuple[int, int] | None) -> None:
    """The four formats tell their size in their headers; anything else has none."""
    assert size == image_size(data)


@pytest.mark.parametrize(
    ("literal", "tokens"),
    [
        pytest.param(_url(_png(800, 600)), 570, id="patches"),
        pytest.param(_url(_png(33, 32)), 3, id="rounded-up"),
        pytest.param(_url(_png(9000, 9000)), 12_000, id="capped"),
        pytest.param(
            Raw(bytes(_url(_png(800, 600) + b"\xff" * 9)).replace(b"/", b"\\/")), 570, id="escaped-slashes"
        ),
        pytest.param(
            _url(b"\xff\xd8" + b"\xff\xe1\xff\xff" + bytes(65_533) + _SOF), 1500, id="beyond-64-kib"
        ),
        pytest.param(_url(b"BM"), 1500, id="unknown-format"),
        pytest.param(Raw(b'"data:image/png;base64,A==="'), 1500, id="no-base64"),
        pytest.param(Raw(b'"https://h.example/a.png"'), 1500, id="url"),
    ],
)
def test_image_tokens(literal: Raw, tokens: int) -> None:
    """An image costs 1.2 tokens per patch of 32 by 32 pixels; an unknown one 1500."""
    assert tokens == image_tokens(literal)


@pytest.mark.parametrize(
    ("literal", "tokens"),
    [
        pytest.param(
            _url(b"%PDF /Type /Pages /Type /Page\n /Type/Page>", "application/pdf"), 3000, id="two-pages"
        ),
        pytest.param(_url(b"/Type /Page " * 700, "application/pdf"), 900_000, id="capped"),
        pytest.param(_url(b"%PDF", "application/pdf"), 1500, id="no-page-found"),
        pytest.param(_url(b"x" * 60_000, "application/pdf"), 3000, id="by-size"),
        pytest.param(Raw(b'"data:application/pdf;base64,A==="'), 1500, id="no-base64"),
        pytest.param(Raw(b'"file text"'), 3000, id="no-data-url"),
    ],
)
def test_file_tokens(literal: Raw, tokens: int) -> None:
    """A document costs 1500 tokens a page, or a token per 20 bytes where no page is found."""
    assert tokens == file_tokens(literal)
