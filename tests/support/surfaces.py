"""The routes that models are asked through, each with the least that it takes."""

from typing import Any

import httpx
from msgspec import Struct

__all__ = ["CHAT", "MESSAGES", "RESPONSES", "SURFACES", "Surface"]


class Surface(Struct, frozen=True, kw_only=True):
    """One client-facing route; ``str`` is its name."""

    name: str
    path: str
    family: str
    hello: dict[str, Any]
    """The body of a request that any provider serves."""

    def __str__(self) -> str:
        return self.name

    async def ask(self, client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
        """Send a request and read its whole answer; ``fields`` are added to the body, or stand in its place."""
        return await client.post(self.path, json={**self.hello, **fields})


MESSAGES = Surface(
    name="messages",
    path="/v1/messages",
    family="anthropic",
    hello={
        "model": "claude-sonnet-4-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "hi"}],
    },
)
CHAT = Surface(
    name="chat",
    path="/v1/chat/completions",
    family="openai",
    hello={"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]},
)
RESPONSES = Surface(
    name="responses", path="/v1/responses", family="openai", hello={"model": "gpt-5", "input": "hi"}
)
SURFACES = (MESSAGES, CHAT, RESPONSES)
