"""What images and documents cost in tokens, from their first bytes (wire-mapping 9).

Media arrive as ``data:`` URLs or plain URLs, kept as JSON string literals. Nothing is validated: what cannot
be read counts as the table's "unknown".
"""

import re
import struct
from binascii import Error as Base64Error
from binascii import a2b_base64
from itertools import islice
from struct import unpack_from

from msgspec import Raw

__all__ = ["URL_FILE_TOKENS", "file_tokens", "image_size", "image_tokens"]

_UNKNOWN_IMAGE_TOKENS = 1500
_MAX_PATCHES = 10_000
_PATCH_PIXELS = 32
_HEADER_BASE64_BYTES = 64 * 1024
_TOKENS_PER_PAGE = 1500
_MAX_PAGES = 600
_BYTES_PER_TOKEN = 20
URL_FILE_TOKENS = 3000
"""A document that the upstream fetches itself."""

_PAGE = re.compile(rb"/Type\s*/Page[^s]")
_DATA = re.compile(rb'"data:[^,"]{0,200};base64,', re.IGNORECASE)


def image_tokens(image_url: Raw) -> int:
    """Estimate an image given by ``data:`` URL; one elsewhere, or of unknown format, counts 1500."""
    data = _base64_of(image_url, _HEADER_BASE64_BYTES)
    size = image_size(data) if data is not None else None
    if size is None:
        return _UNKNOWN_IMAGE_TOKENS
    width, height = size
    patches = min(-(-width // _PATCH_PIXELS) * -(-height // _PATCH_PIXELS), _MAX_PATCHES)
    return -(-patches * 6 // 5)


def file_tokens(file_data: Raw) -> int:
    """Estimate a document given by ``data:`` URL, by the pages of a PDF or else by its size."""
    data = _base64_of(file_data, None)
    if data is None:
        return URL_FILE_TOKENS
    pages = sum(1 for _ in islice(_PAGE.finditer(data), _MAX_PAGES))
    return pages * _TOKENS_PER_PAGE or max(_TOKENS_PER_PAGE, len(data) // _BYTES_PER_TOKEN)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Read width and height in pixels from the first bytes of a PNG, JPEG, GIF or WebP; None for others."""
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            size = unpack_from(">II", data, 16)
        elif data[:6] in {b"GIF87a", b"GIF89a"}:
            size = unpack_from("<HH", data, 6)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            size = _webp_size(data)
        elif data[:2] == b"\xff\xd8":
            size = _jpeg_size(data)
        else:
            return None
    except struct.error:
        return None
    width, height = size
    return (width, height) if width and height else None


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        # Two 24-bit numbers, each one less than the size.
        low_width, high_width, low_height, high_height = unpack_from("<HBHB", data, 24)
        return (low_width | high_width << 16) + 1, (low_height | high_height << 16) + 1
    if kind == b"VP8L":
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header; ``struct.error`` at the end of the bytes."""
    at = 2
    while True:
        marker, code = unpack_from(">BB", data, at)
        if marker != 0xFF:
            return 0, 0
        if code == 0xFF:  # fill byte
            at += 1
        elif code == 0x01 or 0xD0 <= code <= 0xD8:  # markers without a segment
            at += 2
        elif 0xC0 <= code <= 0xCF and code not in {0xC4, 0xC8, 0xCC}:
            height, width = unpack_from(">HH", data, at + 5)
            return width, height
        else:
            (length,) = unpack_from(">H", data, at + 2)
            at += 2 + max(length, 2)


def _base64_of(literal: Raw, limit: int | None) -> bytes | None:
    """Decode the content of a ``data:`` URL, at most ``limit`` characters of it; None for any other URL."""
    view = memoryview(literal)
    start = _DATA.match(view)
    if start is None:
        return None
    end = len(view) - 1
    if limit is not None:
        end = min(end, start.end() + limit)
    text = bytes(view[start.end() : end])
    if b"\\" in text:
        text = text.replace(b"\\/", b"/")  # a slash may be escaped in JSON, and base64 is full of them
    try:
        return a2b_base64(text[: len(text) // 4 * 4])
    except Base64Error:
        return b""
