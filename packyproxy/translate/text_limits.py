"""Cut answer text as the client asked and the upstream does not: stop sequences and the token limit.

Implements wire-mapping 4.9 and 1.9, for every client protocol. What is cut does not depend on how the
upstream sliced its text. Without either limit there is no object at all, and text need not even be
unescaped.
"""

from math import ceil
from typing import Literal

from msgspec import Struct

__all__ = ["LocalStop", "TextLimiter", "likely_tokens", "text_limiter"]

_BYTES_PER_TOKEN = 5
"""Errs low on purpose: text has fewer bytes per token, so the cut may come late but never early."""

_LIKELY_BYTES_PER_TOKEN = 3.2


def likely_tokens(shown_bytes: int) -> int:
    """Estimate the tokens of an answer whose upstream told no usage (wire-mapping 4.10)."""
    return ceil(shown_bytes / _LIKELY_BYTES_PER_TOKEN)


class LocalStop(Struct, frozen=True):
    """Why we ended the answer ourselves."""

    reason: Literal["stop_sequence", "max_tokens"]
    sequence: str | None = None


def text_limiter(stop_sequences: tuple[str, ...], max_tokens: int | None) -> "TextLimiter | None":
    """Return a limiter, or None when nothing limits the text; empty sequences count for nothing."""
    sequences = tuple(filter(None, stop_sequences))
    if not sequences and max_tokens is None:
        return None
    return TextLimiter(sequences, max_tokens)


class TextLimiter:
    """Pass text through until a limit is met; ``stop`` then says which, and no more comes out."""

    def __init__(self, stop_sequences: tuple[str, ...], max_tokens: int | None) -> None:
        self.stop: LocalStop | None = None
        self.emitted_bytes = 0
        """UTF-8 bytes let through so far."""
        self._sequences = stop_sequences
        self._longest = max(map(len, stop_sequences), default=0)
        self._max_bytes = None if max_tokens is None else max_tokens * _BYTES_PER_TOKEN
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what of the text so far may be shown now."""
        if self.stop is not None:
            return ""
        text = self._held + text
        found = self._first_match(text)
        pending = self._first_pending(text)
        if found is not None and pending > found[0]:
            return self._end_at(text, found)
        self._held = text[pending:]
        return self._count(text[:pending])

    def end_block(self) -> str:
        """Return the text that was held back; nothing matches across blocks."""
        text, self._held = self._held, ""
        if self.stop is not None:
            return ""
        found = self._first_match(text)
        return self._count(text) if found is None else self._end_at(text, found)

    def _end_at(self, text: str, found: tuple[int, str]) -> str:
        self._held = ""
        shown = self._count(text[: found[0]])
        # The token limit is met earlier in the text when the text before the sequence already meets it.
        if self.stop is None:
            self.stop = LocalStop("stop_sequence", found[1])
        return shown

    def _first_match(self, text: str) -> tuple[int, str] | None:
        """Find the earliest sequence, of several at one place the longest."""
        found = [
            (start, -len(sequence), sequence)
            for sequence in self._sequences
            if (start := text.find(sequence)) >= 0
        ]
        if not found:
            return None
        start, _, sequence = min(found)
        return start, sequence

    def _first_pending(self, text: str) -> int:
        """Return where the earliest sequence could begin that more text may still complete."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            tail = text[start:]
            if any(len(sequence) > len(tail) and sequence.startswith(tail) for sequence in self._sequences):
                return start
        return len(text)

    def _count(self, text: str) -> str:
        """Cut the text at the token limit and count what is left."""
        size = len(text.encode())
        if self._max_bytes is None or self.emitted_bytes + size < self._max_bytes:
            self.emitted_bytes += size
            return text
        self.stop = LocalStop("max_tokens")
        self._held = ""
        shown = []
        for character in text:
            if self.emitted_bytes >= self._max_bytes:
                break
            shown.append(character)
            self.emitted_bytes += len(character.encode())
        return "".join(shown)
