"""Sessions of a coding agent, as long as a benchmark wants them: requests that grow as an agent's do.

Headers, options and the shape of the tools are those of ``workloads``. What grows is the history: turns of a
remark, a tool call and its result, which is a listing with the line breaks, quotes, backslashes and
characters beyond ASCII that code is full of, since these are what a translation may have to look at.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, cycle, islice
from types import MappingProxyType
from typing import Any

from msgspec import Struct, structs

from rig.workloads import SURFACES

__all__ = ["request_of_size", "session_requests"]

_RESULT_CHARACTERS = (800, 2_400, 10_000)
"""Most results are short, some are not: a turn has about 5 KB."""
_TURN_BYTES = 400
"""Of a turn, beside the result of its tool call."""
_LEAST_FRAME_BYTES = 6_000
_SESSION_FRAME_BYTES = 40_000
_LINES = (
    "def first_match(lines: Iterable[str], pattern: str) -> str | None:",
    '    """Return the first line that matches; None when none does."""',
    '    matches = re.compile(rf"^\\s*{pattern}\\b").match',
    "    for line in lines:",
    "        if matches(line):  # e.g. \"import x\" → 'x'",
    '            return line.strip("\\r\\n\\t ")',
    "    return None",
    "",
    'LABELS = {"größe": "size", "naïve": "plain", "日本語": "Japanese", "path": "C:\\\\src\\\\main.py"}',
    "\tassert first_match(['import os'], 'import') == 'import os', \"café\"",
)


class _Turn(Struct, frozen=True):
    number: int
    remark: str
    arguments: dict[str, Any]
    result: str


def request_of_size(surface: str, body_bytes: int) -> bytes:
    """Return a request of a surface whose body has about so many bytes, nearly all of them history."""
    frame = _Frame(surface, _LEAST_FRAME_BYTES)
    return frame.request(_turns_of(body_bytes - frame.size))


def session_requests(surface: str, turns: int) -> Iterator[bytes]:
    """Yield what a client sends at each turn of a session: all turns before it, of 5 KB each, come along.

    The system prompt and the tools have 40 KB.
    """
    frame, history = _Frame(surface, _SESSION_FRAME_BYTES), list(islice(_turns(), turns - 1))
    for number in range(turns):
        yield frame.request(history[:number])


class _Frame:
    """The usual request of a surface, with a system prompt and tools of some size, and room for a history."""

    def __init__(self, surface: str, frame_bytes: int) -> None:
        self._head, _, content = SURFACES[surface].request().partition(b"\r\n\r\n")
        self._shape = _SHAPES[surface]
        self._body: dict[str, Any] = json.loads(content)
        self._set_texts(_listing(1, frame_bytes // 2), frame_bytes // 2)
        history = self._body[self._shape.field]
        opening = self._shape.opening_messages
        self._opening, self._ending = history[:opening], history[-2:]
        self.size = len(self.request(()).partition(b"\r\n\r\n")[2])

    def request(self, turns: Iterable[_Turn]) -> bytes:
        """Return the HTTP request with these turns before its question."""
        pairs = [message for turn in turns for message in self._shape.messages(turn)]
        body = _encoded({**self._body, self._shape.field: [*self._opening, *pairs, *self._ending]})
        head = re.sub(rb"(?i)(content-length: *)\d+", rb"\g<1>%d" % len(body), self._head)
        return head + b"\r\n\r\n" + body

    def _set_texts(self, system: str, tool_bytes: int) -> None:
        body = self._body
        if "system" in body:
            body["system"][0]["text"] = system
        elif "instructions" in body:
            body["instructions"] = system
        else:
            body["messages"][0]["content"] = system
        tools = [tool.get("function", tool) for tool in body["tools"]]
        for tool in tools:
            tool["description"] = ""
        characters = max(1, (tool_bytes - len(_encoded(tools))) // len(tools))
        for tool in tools:
            tool["description"] = _listing(1, characters)


def _turns() -> Iterator[_Turn]:
    for number, characters in zip(count(1), cycle(_RESULT_CHARACTERS), strict=False):
        yield _Turn(
            number,
            f"Test {number} still fails in the \"reader\". I'll look at where that's made.",
            {"file_path": f"/home/user/project/src/module_{number}.py", "offset": 10 * number, "limit": 200},
            _listing(number, characters),
        )


def _turns_of(history_bytes: int) -> Iterator[_Turn]:
    """Yield turns of about so many bytes together, the last one cut to fit."""
    left = history_bytes
    for turn in _turns():
        size = len(_encoded(turn.result))
        if size + _TURN_BYTES >= left:
            kept = max(1, len(turn.result) * (left - _TURN_BYTES) // size)
            yield structs.replace(turn, result=turn.result[:kept])
            return
        yield turn
        left -= size + _TURN_BYTES


def _listing(first_line: int, characters: int) -> str:
    """Return so many characters of numbered code."""
    pieces: list[str] = []
    left = characters
    for number, line in zip(count(first_line), cycle(_LINES), strict=False):
        piece = f"{number:>6}→{line}\n"[:left]
        pieces.append(piece)
        left -= len(piece)
        if not left:
            break
    return "".join(pieces)


def _messages_of(turn: _Turn) -> list[dict[str, Any]]:
    call_id = f"toolu_01{turn.number:022}"
    call = {"type": "tool_use", "id": call_id, "name": "Tool0", "input": turn.arguments}
    result = {"type": "tool_result", "tool_use_id": call_id, "content": turn.result}
    return [
        {"role": "assistant", "content": [{"type": "text", "text": turn.remark}, call]},
        {"role": "user", "content": [result]},
    ]


def _chat_messages_of(turn: _Turn) -> list[dict[str, Any]]:
    call_id = f"call_{turn.number:024}"
    function = {"name": "Tool0", "arguments": json.dumps(turn.arguments)}
    call = {"id": call_id, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": turn.remark, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": turn.result},
    ]


def _items_of(turn: _Turn) -> list[dict[str, Any]]:
    call_id = f"call_{turn.number:024}"
    arguments = json.dumps(turn.arguments)
    remark = {"type": "output_text", "text": turn.remark}
    return [
        {"type": "message", "role": "assistant", "content": [remark]},
        {"type": "function_call", "call_id": call_id, "name": "Tool0", "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": turn.result},
    ]


class _Shape(Struct, frozen=True):
    """How a surface writes a history."""

    field: str
    opening_messages: int
    messages: Callable[[_Turn], list[dict[str, Any]]]


_SHAPES: Mapping[str, _Shape] = MappingProxyType(
    {
        "messages": _Shape("messages", 1, _messages_of),
        "chat": _Shape("messages", 2, _chat_messages_of),
        "responses": _Shape("input", 1, _items_of),
    }
)


def _encoded(value: object) -> bytes:
    """Return JSON as JavaScript writes it, with characters beyond ASCII as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
