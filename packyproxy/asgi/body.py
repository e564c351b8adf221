"""Read a request body under a limit, decompressed (wire-mapping 0.6)."""

from collections.abc import Mapping

from starlette.types import Receive

from packyproxy.errors import ClientLeft, InvalidRequest
from packyproxy.wire.content_encoding import (
    REQUEST_ENCODINGS,
    CorruptBody,
    OversizedBody,
    UnsupportedEncoding,
    decompress,
)

__all__ = ["read_body"]


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the whole body, decompressed; ``limit`` bounds it in bytes before and after.

    Raises:
        InvalidRequest: 413 when it is too large, 415 for an unknown encoding, 400 when it does not
            decompress.
        ClientLeft: the connection ended first.
    """
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    message = await receive()
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeft("the request was not finished")
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            break
        message = await receive()
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    encoding = headers.get("content-encoding", "")
    return body if not encoding else _decompress(body, encoding, limit)


def _too_large(limit: int) -> InvalidRequest:
    return InvalidRequest(
        f"the request body is larger than {limit} bytes: raise max-body-bytes in config.yaml or send less",
        status=413,
        code="request_too_large",
    )


def _decompress(body: bytes, encoding: str, limit: int) -> bytes:
    try:
        return decompress(body, encoding, limit, allowed=REQUEST_ENCODINGS)
    except OversizedBody as error:
        raise _too_large(limit) from error
    except UnsupportedEncoding as error:
        accepted = "content-encoding must be identity, gzip, deflate or zstd"
        raise InvalidRequest(accepted, status=415, code="unsupported_media_type") from error
    except CorruptBody as error:
        raise InvalidRequest("the request body does not decompress as its content-encoding says") from error
