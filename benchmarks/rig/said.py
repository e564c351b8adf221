"""What an answer says, whatever protocol it is in: its text, its reasoning, and what it calls tools with.

Benchmarks look at it once, before they measure somebody who might be quick because he drops things.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from rig.targets import Target
from rig.upstream_server import UpstreamServer, Whole
from rig.workloads import mixed_answer

__all__ = ["Said", "losses", "said_in"]

_DEADLINE_SECONDS = 30.0


class Said(Struct, frozen=True):
    """The content of one answer, its pieces put together."""

    text: str
    reasoning: str
    arguments: str
    """Of all tool calls, one after the other."""


async def losses(upstream: UpstreamServer, target: Target) -> list[str]:
    """Let a target translate a mixed answer; return what of its content is not the upstream's any more."""
    upstream.set_plan(Whole(mixed_answer()))
    async with asyncio.timeout(_DEADLINE_SECONDS):
        answer = await _body(target)
    expected, actual = said_in(b"".join(mixed_answer())), said_in(answer)
    lost = [name for name in Said.__struct_fields__ if getattr(expected, name) != getattr(actual, name)]
    return lost if target.ending in answer[-512:] else [*lost, "the end"]


def said_in(events: bytes) -> Said:
    """Read the events of an answer of any surface."""
    text, reasoning, arguments = [], [], []
    for event in _data(events):
        kind, delta = event.get("type"), event.get("delta")
        if kind == "content_block_delta":
            text.append(delta.get("text", ""))
            reasoning.append(delta.get("thinking", ""))
            arguments.append(delta.get("partial_json", ""))
        elif kind == "response.output_text.delta":
            text.append(delta)
        elif kind == "response.reasoning_summary_text.delta":
            reasoning.append(delta)
        elif kind == "response.function_call_arguments.delta":
            arguments.append(delta)
        for choice in event.get("choices", ()):
            piece = choice["delta"]
            text.append(piece.get("content") or "")
            reasoning.append(piece.get("reasoning_content") or "")
            arguments += [call["function"].get("arguments") or "" for call in piece.get("tool_calls") or ()]
    return Said(*map("".join, (text, reasoning, arguments)))


def _data(events: bytes) -> Iterator[dict[str, Any]]:
    for line in events.splitlines():
        if line.startswith(b"data: {"):
            yield json.loads(line.removeprefix(b"data: "))


async def _body(target: Target) -> bytes:
    """Ask a target once; return the body of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port, limit=2**24)
    writer.write(target.request())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not a 200: {head!r}")
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    writer.close()
    return b"".join(pieces)
