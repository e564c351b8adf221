"""What a fake upstream was asked, and what became of its answer."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = ["Fate", "ReceivedRequest"]

Fate = Literal["open", "completed", "disconnected", "cut"]
"""Still being answered; answered to the end; left by the client before that; broken off by a fault."""


class ReceivedRequest:
    """One recorded request. It lives in memory only, and its ``repr`` shows no content."""

    def __init__(self, *, method: str, path: str, query: str, headers: Mapping[str, str], raw: bytes) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        """Names in lower case; repeated headers are joined with ``", "``."""
        self.raw = raw
        """The body as sent, before any content-encoding was undone."""
        self.body: dict[str, Any] = {}
        """The decoded JSON object; empty when it is none."""
        self.status: int | None = None
        """The status answered."""
        self.error: Mapping[str, Any] | None = None
        """The body of a refusal, when the request was not acceptable to the real API."""
        self.fate: Fate = "open"
        self._ended = asyncio.Event()
        self._stalled = asyncio.Event()
        self._released = asyncio.Event()

    def __repr__(self) -> str:
        return f"ReceivedRequest({self.method} {self.path}, status={self.status}, fate={self.fate!r})"

    @property
    def wants_document(self) -> bool:
        """Whether one JSON document is the answer: that of ``/responses/compact`` and ``/alpha/search``."""
        return not self.path.endswith("/responses")

    @property
    def input(self) -> list[dict[str, Any]]:
        """The input items; empty when there are none."""
        items = self.body.get("input")
        return items if isinstance(items, list) else []

    @property
    def model(self) -> str:
        """The model asked for, or an empty string."""
        return str(self.body.get("model", ""))

    @property
    def last_text(self) -> str:
        """The text of the last input item that has any: what an echo repeats."""
        for item in reversed(self.input):
            content = item.get("content", item.get("output"))
            if isinstance(content, str):
                return content
            if isinstance(content, list):
                texts = [part["text"] for part in content if isinstance(part, dict) and "text" in part]
                if texts:
                    return "\n".join(texts)
        return ""

    def release(self) -> None:
        """Let a stalled answer go on; also in advance."""
        self._released.set()

    async def stalled(self) -> None:
        """Wait until the answer stalls (`Fault.stall`)."""
        await self._stalled.wait()

    async def ended(self) -> Fate:
        """Wait until the answer has ended in any way, and return how."""
        await self._ended.wait()
        return self.fate

    async def wait_for_release(self) -> None:
        """Stall: called by the upstream."""
        self._stalled.set()
        await self._released.wait()

    def end(self, fate: Fate) -> None:
        """Record the end: called by the upstream; only the first call counts."""
        if self.fate == "open":
            self.fate = fate
            self._ended.set()

    def decode(self, data: bytes) -> bool:
        """Read the body from its JSON; False when it is no JSON object."""
        try:
            self.body = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True
