"""The bytes of Responses frames (wire-mapping 0.4.1, 7.3)."""

__all__ = ["KEEP_ALIVE", "data_of", "frame"]

KEEP_ALIVE = b": keep-alive\n\n"

_DATA = b"\ndata: "
_END = b"\n\n"


def frame(name: bytes, data: bytes) -> bytes:
    """Write one frame; a line break between the tokens of ``data`` becomes a space."""
    if b"\n" in data:
        data = data.replace(b"\n", b" ")
    return b"event: %b\ndata: %b\n\n" % (name, data)


def data_of(written: bytes) -> bytes:
    """Return the data of the last frame in ``written``, which ends with it."""
    return written[written.rindex(_DATA) + len(_DATA) : -len(_END)]
