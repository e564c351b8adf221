"""Events of an upstream stream, as short as a test wants to write them."""

from typing import Any

__all__ = [
    "CALL",
    "CALLS",
    "TEXT",
    "TEXTS",
    "Event",
    "added",
    "args",
    "call",
    "completed",
    "custom_call",
    "done",
    "incomplete",
    "message",
    "message_done",
    "refusal",
    "text",
    "thought",
]

Event = dict[str, Any]


def added(index: int, item_type: str, **fields: Any) -> Event:
    """Write ``output_item.added``."""
    return {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {"type": item_type, **fields},
    }


def done(index: int, item_type: str, **fields: Any) -> Event:
    """Write ``output_item.done``."""
    return {"type": "response.output_item.done", "output_index": index, "item": {"type": item_type, **fields}}


def text(index: int, delta: str, part: int = 0) -> Event:
    """Write a text delta."""
    return {
        "type": "response.output_text.delta",
        "output_index": index,
        "content_index": part,
        "delta": delta,
    }


def args(index: int, delta: str) -> Event:
    """Write an arguments delta."""
    return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": delta}


def thought(index: int, delta: str, part: int = 0) -> Event:
    """Write a summary delta."""
    return {
        "type": "response.reasoning_summary_text.delta",
        "output_index": index,
        "summary_index": part,
        "delta": delta,
    }


def message_done(index: int, whole: str, **part: Any) -> Event:
    """Write the end of a message of one part."""
    return done(index, "message", content=[{"type": "output_text", "text": whole, **part}])


def message(index: int, whole: str) -> list[Event]:
    """Write a message in one delta."""
    return [added(index, "message"), text(index, whole), message_done(index, whole)]


def call(index: int, name: str, arguments: str) -> list[Event]:
    """Write a function call in one delta."""
    head = {"call_id": f"call_{index}", "name": name}
    return [
        added(index, "function_call", **head),
        args(index, arguments),
        done(index, "function_call", **head, arguments=arguments),
    ]


def completed(**response: Any) -> Event:
    """Write the end of the response."""
    return {"type": "response.completed", "response": {"status": "completed", **response}}


def incomplete(reason: str | None) -> Event:
    """Write an early end of the response."""
    details = {} if reason is None else {"reason": reason}
    return {"type": "response.incomplete", "response": {"incomplete_details": details}}


def custom_call(index: int, name: str, text: str) -> list[Event]:
    """Write a call of a custom tool in one delta."""
    head = {"call_id": f"call_{index}", "name": name}
    return [
        added(index, "custom_tool_call", **head),
        {"type": "response.custom_tool_call_input.delta", "output_index": index, "delta": text},
        done(index, "custom_tool_call", **head, input=text),
    ]


def refusal(index: int, whole: str) -> list[Event]:
    """Write a message that refuses, in one delta."""
    return [
        added(index, "message"),
        {"type": "response.refusal.delta", "output_index": index, "content_index": 0, "delta": whole},
        done(index, "message", content=[{"type": "refusal", "refusal": whole}]),
    ]


CALL: Event = {"type": "function_call", "call_id": "call_0", "name": "f", "arguments": '{"a":1}'}
TEXT: Event = {"type": "message", "id": "other", "content": [{"type": "output_text", "text": "Hello"}]}

CALLS: dict[str, list[Event]] = {
    "only the finished item": [done(0, "function_call", call_id="call_0", name="f", arguments='{"a":1}')],
    "no finished item": [added(0, "function_call", call_id="call_0", name="f"), args(0, '{"a":1}')],
    "deltas stop early": [
        added(0, "function_call", call_id="call_0", name="f"),
        args(0, '{"a"'),
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
        done(0, "function_call", call_id="call_0", name="f", arguments='{"a":1}'),
    ],
    "never announced": [
        args(0, '{"a":1}'),
        done(0, "function_call", call_id="call_0", name="f", arguments='{"a":1}'),
    ],
    "name comes with the arguments": [
        added(0, "function_call", call_id="call_0"),
        args(0, '{"a":'),
        {
            "type": "response.function_call_arguments.done",
            "output_index": 0,
            "arguments": '{"a":1}',
            "name": "f",
        },
    ],
    "arguments as an object": [done(0, "function_call", call_id="call_0", name="f", arguments={"a": 1})],
    "announced twice, done twice": [
        *call(0, "f", '{"a":1}')[:1],
        *call(0, "f", '{"a":1}'),
        *call(0, "f", '{"a":1}'),
    ],
    "only in the finished response": [],
}
"""Ways to spread one call of ``f`` over events, up to an end whose output holds it (``CALL``)."""

TEXTS: dict[str, list[Event]] = {
    "deltas only": [added(0, "message"), text(0, "Hel"), text(0, "lo")],
    "final text only": [
        added(0, "message"),
        {"type": "response.output_text.done", "output_index": 0, "text": "Hello"},
    ],
    "final part only": [
        added(0, "message"),
        {
            "type": "response.content_part.done",
            "output_index": 0,
            "part": {"type": "output_text", "text": "Hello"},
        },
    ],
    "final item only": [message_done(0, "Hello")],
    "missing tail": [added(0, "message"), text(0, "Hel"), message_done(0, "Hello")],
    "tail in the final text": [
        added(0, "message"),
        text(0, "Hel"),
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"},
        message_done(0, "Hello"),
    ],
    "empty deltas": [added(0, "message"), text(0, ""), text(0, "Hello"), text(0, "")],
    "late delta": [*message(0, "Hello"), text(0, "!!!")],
    "done twice": [*message(0, "Hello"), message_done(0, "Hello")],
    "keyed by id": [
        {"type": "response.output_item.added", "item": {"type": "message", "id": "m"}},
        {"type": "response.output_text.delta", "item_id": "m", "delta": "Hello"},
        {"type": "response.output_item.done", "item": {"type": "message", "id": "m"}},
    ],
    "keyed by nothing": [
        {"type": "response.output_text.delta", "delta": "Hel"},
        {"type": "response.output_text.delta", "delta": "lo"},
        {"type": "response.output_item.done", "item": {"type": "message"}},
    ],
    "id that changes": [
        added(0, "message", id="m1"),
        {"type": "response.output_text.delta", "output_index": 0, "item_id": "m2", "delta": "Hel"},
        {"type": "response.output_text.delta", "output_index": 0, "item_id": "m3", "delta": "lo"},
        done(0, "message", id="m4", content=[{"type": "output_text", "text": "Hello"}]),
    ],
    "only in the finished response": [],
}
"""Ways to spread the text ``Hello`` over events, up to an end whose output holds it (``TEXT``)."""
