"""Requests of every client protocol, with a canary in whatever part of them can hold words of somebody.

The model's name is none of these parts: which models are asked for is a fact that logs and figures name.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from packyproxy.testing.privacy.canaries import canary_text
from packyproxy.translate.protocols import PROTOCOLS

__all__ = ["SURFACES", "Body", "Surface", "client_headers"]

Body = dict[str, Any]

_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_PDF: Final = b"%PDF-1.4\n1 0 obj\n<< /Title ("


class Surface(Struct, frozen=True, kw_only=True):
    """One route that models are asked through."""

    protocol: str
    """A name of ``translate.protocols.PROTOCOLS``."""
    request: Callable[[int], Body]
    """Makes a request full of the canaries of an owner."""
    mistakes: Mapping[str, Callable[[int], Body]]
    """Members to put over the request's, each of which is refused, by what is wrong with them."""
    can_stream: bool = True

    @property
    def path(self) -> str:
        """Where it is asked."""
        return PROTOCOLS[self.protocol]().path

    @property
    def counting_path(self) -> str | None:
        """Where its tokens are counted, if they are."""
        return PROTOCOLS[self.protocol]().counting_path


def client_headers(owner: int) -> dict[str, str]:
    """Return the headers of a client that says as much as clients do, its key left out."""
    return {
        "content-type": "application/json",
        "user-agent": f"claude-cli/{canary_text('client header', owner)}",
        "cookie": f"a={canary_text('cookie', owner)}",
        "x-claude-code-session-id": canary_text("session name", owner),
        "session_id": canary_text("session name", owner),
        "conversation_id": canary_text("session name", owner),
        "x-client-request-id": canary_text("client header", owner),
        "x-request-id": canary_text("client header", owner),
        "x-forwarded-for": canary_text("client header", owner),
        "referer": f"http://{canary_text('client header', owner)}.test/",
        "x-codex-turn-metadata": f'{{"cwd":"/{canary_text("client header", owner)}"}}',
    }


def _image(owner: int) -> str:
    return base64.b64encode(_PIXEL + canary_text("image", owner).encode()).decode()


def _pdf(owner: int) -> str:
    return base64.b64encode(_PDF + canary_text("document", owner).encode()).decode()


def _schema(owner: int) -> Body:
    word = canary_text("tool schema", owner)
    return {
        "type": "object",
        "title": word,
        "properties": {word: {"type": "string", "description": word, "enum": [word]}},
        "required": [word],
    }


def _arguments(owner: int) -> Body:
    return {"path": canary_text("tool arguments", owner)}


def _arguments_text(owner: int) -> str:
    return msgspec.json.encode(_arguments(owner)).decode()


def _messages(owner: int) -> Body:
    name, result = canary_text("tool name", owner), canary_text("tool result", owner)
    image = {"type": "base64", "media_type": "image/png", "data": _image(owner)}
    return {
        "model": "gpt-5",
        "max_tokens": 5000,
        "system": [{"type": "text", "text": canary_text("system text", owner)}],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "metadata": {"user_id": canary_text("metadata", owner)},
        "stop_sequences": [canary_text("stop sequence", owner)],
        canary_text("unknown field", owner): canary_text("unknown field", owner),
        "tools": [
            {
                "name": name,
                "description": canary_text("tool description", owner),
                "input_schema": _schema(owner),
            },
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "messages": [
            {"role": "user", "content": canary_text("user text", owner)},
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "thinking",
                        "thinking": canary_text("thinking", owner),
                        "signature": canary_text("thinking", owner),
                    },
                    {"type": "text", "text": canary_text("assistant text", owner)},
                    {"type": "tool_use", "id": "toolu_1", "name": name, "input": _arguments(owner)},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [
                            {"type": "text", "text": result},
                            {"type": "image", "source": image},
                        ],
                    },
                    {"type": "text", "text": canary_text("user text", owner)},
                    {"type": "image", "source": image},
                    {
                        "type": "document",
                        "title": canary_text("document", owner),
                        "source": {
                            "type": "base64",
                            "media_type": "application/pdf",
                            "data": _pdf(owner),
                        },
                    },
                ],
            },
        ],
    }


def _chat(owner: int) -> Body:
    name = canary_text("tool name", owner)
    call = {"name": name, "arguments": _arguments_text(owner)}
    return {
        "model": "gpt-5",
        "user": canary_text("metadata", owner),
        "metadata": {"a": canary_text("metadata", owner)},
        "stop": [canary_text("stop sequence", owner)],
        canary_text("unknown field", owner): canary_text("unknown field", owner),
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": name,
                    "description": canary_text("tool description", owner),
                    "parameters": _schema(owner),
                },
            }
        ],
        "messages": [
            {"role": "system", "content": canary_text("system text", owner)},
            {"role": "developer", "content": canary_text("developer text", owner)},
            {
                "role": "user",
                "name": canary_text("metadata", owner),
                "content": [
                    {"type": "text", "text": canary_text("user text", owner)},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_image(owner)}"}},
                    {
                        "type": "file",
                        "file": {
                            "filename": f"{canary_text('document', owner)}.pdf",
                            "file_data": f"data:application/pdf;base64,{_pdf(owner)}",
                        },
                    },
                ],
            },
            {
                "role": "assistant",
                "content": canary_text("assistant text", owner),
                "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": canary_text("tool result", owner)},
        ],
    }


def _input(owner: int) -> list[Body]:
    user = [
        {"type": "input_text", "text": canary_text("user text", owner)},
        {"type": "input_image", "image_url": f"data:image/png;base64,{_image(owner)}"},
        {
            "type": "input_file",
            "filename": f"{canary_text('document', owner)}.pdf",
            "file_data": f"data:application/pdf;base64,{_pdf(owner)}",
        },
    ]
    developer = [{"type": "input_text", "text": canary_text("developer text", owner)}]
    assistant = [{"type": "output_text", "text": canary_text("assistant text", owner)}]
    return [
        {"type": "message", "role": "developer", "content": developer},
        {"type": "message", "role": "user", "content": user},
        {"type": "message", "role": "assistant", "content": assistant},
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": canary_text("tool name", owner),
            "arguments": _arguments_text(owner),
        },
        {"type": "function_call_output", "call_id": "call_1", "output": canary_text("tool result", owner)},
    ]


def _responses(owner: int) -> Body:
    return {
        "model": "gpt-5",
        "instructions": canary_text("system text", owner),
        "prompt_cache_key": canary_text("session name", owner),
        "client_metadata": {"a": canary_text("metadata", owner)},
        "metadata": {"a": canary_text("metadata", owner)},
        "safety_identifier": canary_text("metadata", owner),
        "reasoning": {"effort": "low", "summary": "auto"},
        "tools": [
            {
                "type": "function",
                "name": canary_text("tool name", owner),
                "description": canary_text("tool description", owner),
                "strict": False,
                "parameters": _schema(owner),
            }
        ],
        "input": _input(owner),
    }


def _compact(owner: int) -> Body:
    return {
        "model": "gpt-5",
        "instructions": canary_text("system text", owner),
        "input": _input(owner),
    }


def _search(owner: int) -> Body:
    return {"model": "gpt-5", "query": canary_text("search query", owner)}


def _wrong(owner: int) -> str:
    return canary_text("wrong value", owner)


def _role(owner: int) -> Body:
    return {"messages": [{"role": _wrong(owner), "content": _wrong(owner)}]}


def _text(owner: int) -> Body:
    content = [{"type": "text", "text": {_wrong(owner): _wrong(owner)}}]
    return {"messages": [{"role": "user", "content": content}]}


_MESSAGES_MISTAKES: Final[Mapping[str, Callable[[int], Body]]] = {
    "a text for a list": lambda owner: {"messages": _wrong(owner)},
    "a role that is none": _role,
    "an object for a text": _text,
    "a tool's name that is too long": lambda owner: {
        "tools": [{"name": _wrong(owner) * 9, "input_schema": {}}]
    },
    "a choice of no tool": lambda owner: {"tool_choice": {"type": "tool", "name": _wrong(owner)}},
    "an effort that is none": lambda owner: {"output_config": {"effort": _wrong(owner)}},
    "a number that is none": lambda owner: {"max_tokens": _wrong(owner)},
    "a model nobody knows": lambda owner: {"model": f"packycode/{canary_text('unknown model', owner)} 4"},
}
_CHAT_MISTAKES: Final[Mapping[str, Callable[[int], Body]]] = {
    "a text for a list": lambda owner: {"messages": _wrong(owner)},
    "a role that is none": _role,
    "an object for a text": _text,
    "a tool's name that is too long": lambda owner: {
        "tools": [{"type": "function", "function": {"name": _wrong(owner) * 9}}]
    },
    "a choice of no tool": lambda owner: {
        "tool_choice": {"type": "function", "function": {"name": _wrong(owner)}}
    },
    "an effort that is none": lambda owner: {"reasoning_effort": _wrong(owner)},
    "a format that is none": lambda owner: {"response_format": {"type": _wrong(owner)}},
}
_RESPONSES_MISTAKES: Final[Mapping[str, Callable[[int], Body]]] = {
    "an object for a list": lambda owner: {"input": {_wrong(owner): _wrong(owner)}},
    "a text for an item": lambda owner: {"input": [_wrong(owner)]},
    "an effort that is none": lambda owner: {"reasoning": {"effort": _wrong(owner)}},
    "an answer that is not stored": lambda owner: {"previous_response_id": _wrong(owner)},
}
_COMPACT_MISTAKES: Final[Mapping[str, Callable[[int], Body]]] = {
    "an object for a list": lambda owner: {"input": {_wrong(owner): _wrong(owner)}},
    "an object for a model": lambda owner: {"model": {_wrong(owner): _wrong(owner)}},
}
_SEARCH_MISTAKES: Final[Mapping[str, Callable[[int], Body]]] = {
    "an object for a model": lambda owner: {"model": {_wrong(owner): _wrong(owner)}},
}

SURFACES: Final = (
    Surface(protocol="messages", request=_messages, mistakes=_MESSAGES_MISTAKES),
    Surface(protocol="chat", request=_chat, mistakes=_CHAT_MISTAKES),
    Surface(protocol="responses", request=_responses, mistakes=_RESPONSES_MISTAKES),
    Surface(protocol="compact", request=_compact, mistakes=_COMPACT_MISTAKES, can_stream=False),
    Surface(protocol="search", request=_search, mistakes=_SEARCH_MISTAKES, can_stream=False),
)
"""One per client protocol; a test checks that none is missing."""
