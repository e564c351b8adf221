"""What a fake upstream was asked, and what became of its answer."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from packyproxy.testing.moment import Moment

__all__ = ["Fate", "ReceivedRequest"]

Fate = Literal["open", "completed", "disconnected", "cut"]
"""Still being answered; answered to the end; left by the client before that; broken off by a fault."""


class ReceivedRequest:
    """One recorded request. It lives in memory only, and its ``repr`` shows no content.

    What it shows is of the Responses API, whatever the client of a proxy in between has spoken.
    """

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
        self._ended: Moment[Fate] = Moment()
        self._stalled: Moment[None] = Moment()
        self._released: Moment[None] = Moment()

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
    def instructions(self) -> str:
        """The system prompt, or an empty string."""
        return str(self.body.get("instructions") or "")

    @property
    def texts(self) -> list[str]:
        """The text of each input item that has any, in order: messages, and what tools returned.

        An item of several parts is one text, its parts on lines of their own.
        """
        whole = self.body.get("input")
        if isinstance(whole, str):
            return [whole]
        return [text for item in self.input if (text := _text_of(item)) is not None]

    @property
    def last_text(self) -> str:
        """The last of the texts, or an empty string: what an echo repeats."""
        return next(reversed(self.texts), "")

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that the model is offered; empty when there are none."""
        tools = self.body.get("tools")
        return tools if isinstance(tools, list) else []

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools, in order; of those that have none, their types."""
        return [str(tool.get("name") or tool.get("type", "")) for tool in self.tools]

    @property
    def tool_outputs(self) -> dict[str, str]:
        """What tools returned, as text, by the ids of the calls."""
        return {
            str(item.get("call_id", "")): _text_of(item) or ""
            for item in self.input
            if str(item.get("type", "")).endswith("_call_output")
        }

    @property
    def effort(self) -> str | None:
        """The reasoning effort asked for; None where none is."""
        reasoning = self.body.get("reasoning")
        return reasoning.get("effort") if isinstance(reasoning, dict) else None

    def release(self) -> None:
        """Let a stalled answer go on; also in advance."""
        self._released.happen(None)

    def stalled(self) -> Moment[None]:
        """Return the moment when the answer stalls (`Fault.stall`), to be waited for."""
        return self._stalled

    def ended(self) -> Moment[Fate]:
        """Return the moment when the answer has ended in any way; waiting for it says how."""
        return self._ended

    async def wait_for_release(self) -> None:
        """Stall: called by the upstream."""
        self._stalled.happen(None)
        await self._released

    def end(self, fate: Fate) -> None:
        """Record the end: called by the upstream; only the first call counts."""
        if self.fate == "open":
            self.fate = fate
            self._ended.happen(fate)

    def decode(self, data: bytes) -> bool:
        """Read the body from its JSON; False when it is no JSON object."""
        try:
            self.body = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True


def _text_of(item: Mapping[str, Any]) -> str | None:
    content = item.get("content", item.get("output"))
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part["text"] for part in content if isinstance(part, dict) and "text" in part]
    return "\n".join(texts) if texts else None
