"""Tools that a Messages server once ran, retold as text (wire-mapping 1.5).

The upstream cannot have run them, so their calls and results become what the assistant said. Nothing encoded,
such as encrypted content or base64 payloads, is told.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from msgspec import Raw, UnsetType, json

from packyproxy.wire import json_text
from packyproxy.wire.messages import Block, ServerCall, ServerResult, WebSearchToolResultBlock

__all__ = ["ServerTranscripts"]

_MAX_RESULT_CHARS = 8000
_MAX_LINKS = 20
_TEXT_KEYS = frozenset(
    {"content", "error_code", "error_message", "lines", "source", "stderr", "stdout", "text", "title", "url"}
)
_WEB_SEARCH = "web_search"

_ANYTHING = json.Decoder()


class ServerTranscripts:
    """Retells the server tools of one message; a web search is told once, where its result stands."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks

    @cached_property
    def _calls(self) -> dict[bytes, ServerCall]:
        calls = (block for block in self._blocks if isinstance(block, ServerCall))
        return {bytes(call.id): call for call in calls if not isinstance(call.id, UnsetType)}

    @cached_property
    def _answered(self) -> frozenset[bytes]:
        results = (block for block in self._blocks if isinstance(block, ServerResult))
        ids = (result.tool_use_id for result in results)
        return frozenset(bytes(call_id) for call_id in ids if not isinstance(call_id, UnsetType))

    def call(self, block: ServerCall) -> Raw | None:
        """Tell a call; None for a web search whose result follows and tells both."""
        if block.name != _WEB_SEARCH:
            given = "{}" if isinstance(block.input, UnsetType) else json_text.compact(block.input)
            return json_text.quote(f"[{block.name} call] {given}")
        if not isinstance(block.id, UnsetType) and bytes(block.id) in self._answered:
            return None
        return json_text.quote(_search_title(block))

    def result(self, block: ServerResult) -> Raw:
        """Tell a result."""
        call = None if isinstance(block.tool_use_id, UnsetType) else self._calls.get(bytes(block.tool_use_id))
        content = None if isinstance(block.content, UnsetType) else _ANYTHING.decode(block.content)
        if isinstance(block, WebSearchToolResultBlock):
            return json_text.quote(_tell_search(call, content))
        name = call.name if call else str(type(block).__struct_config__.tag).removesuffix("_tool_result")
        text = "\n".join(text for text in _texts(content) if text)[:_MAX_RESULT_CHARS]
        return json_text.quote(f"[{name} result]\n{text}")


def _search_title(call: ServerCall | None) -> str:
    given = _ANYTHING.decode(call.input) if call and not isinstance(call.input, UnsetType) else None
    query = given.get("query") if isinstance(given, dict) else None
    return f'[web search: "{query if isinstance(query, str) else ""}"]'


def _tell_search(call: ServerCall | None, content: Any) -> str:
    if isinstance(content, dict):
        code = content.get("error_code")
        return f"[web search failed: {code if isinstance(code, str) else 'unavailable'}]"
    links = [hit for hit in content if isinstance(hit, dict)] if isinstance(content, list) else []
    lines = [f"- {hit.get('title') or ''} — {hit.get('url') or ''}" for hit in links[:_MAX_LINKS]]
    return "\n".join((_search_title(call), *lines))


def _texts(content: Any) -> Iterator[str]:
    """Yield the readable texts of a result, in order."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for entry in content:
            yield from _texts(entry)
    elif isinstance(content, dict):
        is_text_source = content.get("type") == "text"
        for key, value in content.items():
            if key in _TEXT_KEYS or (key == "data" and is_text_source):
                yield from _texts(value)
