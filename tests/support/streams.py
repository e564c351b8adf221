"""Reading an answer while it is being made."""

from collections.abc import AsyncIterator

__all__ = ["read_until"]


async def read_until(pieces: AsyncIterator[str], words: str) -> None:
    """Read on until some words have arrived since this call; fails where the stream ends without them."""
    text = ""
    while words not in text:
        text += await anext(pieces)
