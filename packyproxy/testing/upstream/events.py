"""Writes the events of the Responses API for a scripted turn, as the real API writes them.

Order, keys and key order follow recorded streams: ``created``, ``in_progress``, then per output item
``added``, its parts and deltas, ``done``, and the terminal event with the whole response. Ids, obfuscation
and text pieces are deterministic, so that one script always gives the same stream.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, zip_longest
from typing import Any, assert_never

from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.script import (
    Call,
    Compaction,
    Item,
    Message,
    OutputItem,
    Reasoning,
    Search,
    Turn,
    Usage,
)

__all__ = ["AnswerWriter", "Event", "Ids", "rate_limits_event"]

Event = dict[str, Any]

_REASONING_TOKENS_PER_ITEM = 64
_BYTES_PER_TOKEN = 4


class Ids:
    """Makes ids like the API's, each once: a prefix and 48 hexadecimal digits; equal seeds, equal ids."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._numbers = count()

    def next(self, prefix: str, digits: int = 48) -> str:
        """Return a fresh id such as ``msg_0f3a...``."""
        name = f"{self._seed}\0{next(self._numbers)}\0{prefix}"
        return f"{prefix}_{hashlib.blake2b(name.encode(), digest_size=24).hexdigest()[:digits]}"


class AnswerWriter:
    """Writes one response.

    Args:
        request: the decoded request body, parts of which the response echoes.
        request_bytes: its size, from which input tokens are counted when a turn sets no usage.
        ids: where ids come from.
        vault: issues ``encrypted_content``.
        created_at: Unix seconds.
    """

    def __init__(
        self,
        request: Mapping[str, Any],
        *,
        request_bytes: int,
        ids: Ids,
        vault: ReasoningVault,
        created_at: int,
    ) -> None:
        self._request = request
        self._request_bytes = request_bytes
        self._ids = ids
        self._vault = vault
        self._created_at = created_at
        self._id = ids.next("resp")
        include = request.get("include") or ()
        self._shows_encrypted = "reasoning.encrypted_content" in include
        self._shows_sources = "web_search_call.action.sources" in include
        reasoning = request.get("reasoning") or {}
        self._shows_summary = (reasoning.get("summary") or "none") != "none"

    def turn(self, turn: Turn) -> list[Event]:
        """Return every event of a turn, numbered, the terminal one last."""
        events = self.handshake()
        events += [dict(notice) for notice in turn.notices]
        output: list[Event] = []
        runs: list[list[Event]] = []
        items = turn.items()
        for index, item in enumerate(items):
            has_call_after = any(isinstance(later, Call) for later in items[index + 1 :])
            is_cut = turn.incomplete is not None and index == len(items) - 1
            runs.append(
                list(self._item(item, turn, index, output, has_call_after=has_call_after, is_cut=is_cut))
            )
        if turn.detail != "response":
            events += _in_order(runs, items, interleaves=turn.interleaves)
        usage = turn.usage or self._rough_usage(output)
        terminal = "completed" if turn.incomplete is None else "incomplete"
        response = self.response(
            terminal,
            output=output if turn.has_final_output or turn.detail == "response" else [],
            usage=usage if turn.has_usage else None,
            incomplete=turn.incomplete,
        )
        events.append({"type": f"response.{terminal}", "response": response})
        return _numbered(events)

    def handshake(self) -> list[Event]:
        """Return ``response.created`` and ``response.in_progress``, not numbered."""
        response = self.response("in_progress")
        return [
            {"type": "response.created", "response": response},
            {"type": "response.in_progress", "response": response},
        ]

    def failed(self, error: Mapping[str, Any], sequence_number: int) -> Event:
        """Return a ``response.failed`` event with an error object (``code``, ``message``)."""
        return {
            "type": "response.failed",
            "sequence_number": sequence_number,
            "response": self.response("failed", error=error),
        }

    def compacted(self, usage: Usage | None = None) -> Event:
        """Return what ``/responses/compact`` answers: the user's messages, then the history in one item."""
        given = self._request.get("input")
        messages = [
            {"type": "message", "id": self._ids.next("msg"), "status": "completed", **item, **_parts(item)}
            for item in (given if isinstance(given, list) else ())
            if item.get("type", "message") == "message" and item.get("role") == "user"
        ]
        output = [*messages, self._compaction()[2]]
        return {
            "id": self._id,
            "object": "response.compaction",
            "created_at": self._created_at,
            "output": output,
            "usage": _usage(usage or self._rough_usage(output)),
        }

    def response(
        self,
        status: str,
        *,
        output: Sequence[Event] = (),
        usage: Usage | None = None,
        error: Mapping[str, Any] | None = None,
        incomplete: str | None = None,
    ) -> Event:
        """Return the response object in a given state."""
        request = self._request
        is_over = status != "in_progress"
        requested_reasoning = request.get("reasoning") or {}
        text = request.get("text") or {}
        tier = request.get("service_tier")
        response: Event = {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "background": False,
            "completed_at": self._created_at if status == "completed" else None,
            "error": error,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "instructions": request.get("instructions"),
            "max_output_tokens": request.get("max_output_tokens"),
            "max_tool_calls": None,
            "model": request.get("model"),
            "output": output,
            "parallel_tool_calls": request.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "prompt_cache_key": request.get("prompt_cache_key"),
            "reasoning": {
                "effort": requested_reasoning.get("effort", "medium"),
                "summary": requested_reasoning.get("summary"),
            },
            "safety_identifier": None,
            "service_tier": (tier or "default") if is_over else (tier or "auto"),
            "store": bool(request.get("store", True)),
            "temperature": request.get("temperature", 1.0),
            "text": {
                "format": text.get("format", {"type": "text"}),
                "verbosity": text.get("verbosity", "medium"),
            },
            "tool_choice": request.get("tool_choice", "auto"),
            "tools": request.get("tools", []),
            "top_logprobs": 0,
            "top_p": request.get("top_p", 1.0),
            "truncation": "disabled",
            "usage": _usage(usage) if usage is not None else None,
            "user": None,
            "metadata": request.get("metadata") or {},
        }
        if usage is not None and usage.web_search_requests is not None:
            response["tool_usage"] = {"web_search": {"num_requests": usage.web_search_requests}}
        return response

    def _item(
        self,
        item: OutputItem,
        turn: Turn,
        index: int,
        output: list[Event],
        *,
        has_call_after: bool,
        is_cut: bool,
    ) -> Iterator[Event]:
        """Yield the events of one item and add its finished form to ``output``."""
        match item:
            case Reasoning():
                opened, details, finished = self._reasoning(item, turn, index)
            case Search():
                opened, details, finished = self._search(item, index)
            case Message():
                opened, details, finished = self._message(item, turn, index, has_call_after=has_call_after)
            case Call():
                opened, details, finished = self._call(item, turn, index)
            case Compaction():
                opened, details, finished = self._compaction()
            case Item():
                opened, details, finished = self._other(item)
            case _:
                assert_never(item)
        if is_cut and "status" in finished:
            finished["status"] = "incomplete"
        output.append(finished)
        yield {"type": "response.output_item.added", "output_index": index, "item": opened}
        if turn.detail in ("delta", "part"):
            yield from details
        yield {"type": "response.output_item.done", "output_index": index, "item": finished}

    def _reasoning(self, item: Reasoning, turn: Turn, index: int) -> tuple[Event, list[Event], Event]:
        item_id = self._ids.next("rs")
        parts = list(item.summary) if self._shows_summary or turn.shows_summary_unasked else []
        opened: Event = {"id": item_id, "type": "reasoning", "summary": []}
        finished: Event = {
            "id": item_id,
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": part} for part in parts],
        }
        if item.text:
            finished["content"] = [{"type": "reasoning_text", "text": item.text}]
        if self._shows_encrypted and item.is_encrypted:
            opened["encrypted_content"] = self._vault.seal_early(item_id)
            finished["encrypted_content"] = self._vault.seal(item_id)
        events: list[Event] = []
        if item.text:
            place = {"item_id": item_id, "output_index": index, "content_index": 0}
            events += _deltas("response.reasoning_text.delta", place, item.text, turn)
            events.append({"type": "response.reasoning_text.done", **place, "text": item.text})
        for number, text in enumerate(parts):
            place = {"item_id": item_id, "output_index": index, "summary_index": number}
            part = "response.reasoning_summary_part"
            events.append({"type": f"{part}.added", **place, "part": {"type": "summary_text", "text": ""}})
            events += _deltas("response.reasoning_summary_text.delta", place, text, turn)
            events.append({"type": "response.reasoning_summary_text.done", **place, "text": text})
            events.append({"type": f"{part}.done", **place, "part": {"type": "summary_text", "text": text}})
        return opened, events, finished

    def _search(self, item: Search, index: int) -> tuple[Event, list[Event], Event]:
        item_id = self._ids.next("ws")
        if item.action == "search":
            action: Event = {"type": "search", "query": item.query, "queries": [item.query]}
            if self._shows_sources:
                action["sources"] = [{"type": "url", "url": url} for url in item.sources]
        else:
            action = {"type": "open_page", "url": item.query}
        opened = {
            "id": item_id,
            "type": "web_search_call",
            "status": "in_progress",
            "action": {"type": item.action},
        }
        finished = {"id": item_id, "type": "web_search_call", "status": item.status, "action": action}
        states = ("in_progress", "searching", *(("completed",) if item.status == "completed" else ()))
        events: list[Event] = [
            {"type": f"response.web_search_call.{state}", "output_index": index, "item_id": item_id}
            for state in states
        ]
        return opened, events, finished

    def _message(
        self, item: Message, turn: Turn, index: int, *, has_call_after: bool
    ) -> tuple[Event, list[Event], Event]:
        item_id = self._ids.next("msg")
        phase = item.phase or ("commentary" if has_call_after else None)
        opened: Event = {
            "id": item_id,
            "type": "message",
            "status": "in_progress",
            "content": [],
            "role": "assistant",
        }
        if phase:
            opened["phase"] = phase
        place = {"item_id": item_id, "output_index": index, "content_index": 0}
        part: Event
        if item.refusal:
            part = {"type": "refusal", "refusal": item.refusal}
            empty: Event = {"type": "refusal", "refusal": ""}
            events = _deltas("response.refusal.delta", place, item.refusal, turn)
            events.append({"type": "response.refusal.done", **place, "refusal": item.refusal})
        else:
            annotations = _annotations(item)
            part = {"type": "output_text", "annotations": annotations, "logprobs": [], "text": item.text}
            empty = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
            events = _deltas("response.output_text.delta", place, item.text, turn, {"logprobs": []})
            for number, annotation in enumerate(annotations):
                event = {"type": "response.output_text.annotation.added", **place}
                events.append({**event, "annotation_index": number, "annotation": annotation})
            events.append({"type": "response.output_text.done", **place, "text": item.text, "logprobs": []})
        events.insert(0, {"type": "response.content_part.added", **place, "part": empty})
        events.append({"type": "response.content_part.done", **place, "part": part})
        return opened, events, {**opened, "status": "completed", "content": [part]}

    def _call(self, item: Call, turn: Turn, index: int) -> tuple[Event, list[Event], Event]:
        is_function = item.kind == "function"
        item_id = self._ids.next("fc" if is_function else "ctc")
        call_id = item.id or self._ids.next("call", digits=24)
        field = "arguments" if is_function else "input"
        opened: Event = {
            "id": item_id,
            "type": "function_call" if is_function else "custom_tool_call",
            "status": "in_progress",
            field: "",
            "call_id": call_id,
            "name": item.name,
        }
        if item.namespace is not None:
            opened["namespace"] = item.namespace
        text = item.arguments_text
        kind = "response.function_call_arguments" if is_function else "response.custom_tool_call_input"
        place = {"item_id": item_id, "output_index": index}
        events = _deltas(f"{kind}.delta", place, text, turn)
        events.append({"type": f"{kind}.done", **place, field: text})
        return opened, events, {**opened, "status": "completed", field: text}

    def _compaction(self) -> tuple[Event, list[Event], Event]:
        item_id = self._ids.next("cmp")
        item: Event = {"id": item_id, "type": "compaction"}
        return (
            {**item, "encrypted_content": self._vault.seal_early(item_id)},
            [],
            {**item, "encrypted_content": self._vault.seal(item_id)},
        )

    def _other(self, item: Item) -> tuple[Event, list[Event], Event]:
        finished: Event = {"id": self._ids.next("item"), **item.fields}
        opened = {**finished, "status": "in_progress"} if "status" in finished else finished
        return opened, [], finished

    def _rough_usage(self, output: Sequence[Event]) -> Usage:
        reasoning = _REASONING_TOKENS_PER_ITEM * sum(item["type"] == "reasoning" for item in output)
        visible = 0
        for item in output:
            visible += len(item.get("arguments") or item.get("input") or "")
            visible += sum(
                len(part.get("text") or part.get("refusal") or "")
                for part in item.get("content", ())
                if part["type"] != "reasoning_text"
            )
        return Usage(
            input_tokens=max(1, self._request_bytes // _BYTES_PER_TOKEN),
            output_tokens=reasoning + -(-visible // _BYTES_PER_TOKEN),
            reasoning_tokens=reasoning,
        )


def rate_limits_event(*, limit_reached: bool = False, used_percent: float = 12.0) -> Event:
    """Return the ``codex.rate_limits`` notice that relays mix into a stream; it never ends one."""
    window = {"used_percent": used_percent, "window_minutes": 300, "reset_after_seconds": 7200}
    return {
        "type": "codex.rate_limits",
        "plan_type": "plus",
        "rate_limits": {
            "allowed": not limit_reached,
            "limit_reached": limit_reached,
            "primary": window,
            "secondary": None,
        },
    }


def _parts(message: Mapping[str, Any]) -> Event:
    """Return the content of a user's message as parts, the form in which the API gives it back."""
    content = message.get("content")
    return {"content": [{"type": "input_text", "text": content}] if isinstance(content, str) else content}


def _usage(usage: Usage) -> Event:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _annotations(item: Message) -> list[Event]:
    annotations: list[Event] = []
    for citation in item.citations:
        start = max(0, item.text.find(citation.text))
        end = start + len(citation.text) if citation.text else len(item.text)
        annotations.append(
            {
                "type": "url_citation",
                "start_index": start,
                "end_index": end,
                "title": citation.title,
                "url": citation.url,
            }
        )
    return annotations


def _deltas(kind: str, place: Event, text: str, turn: Turn, extra: Event | None = None) -> list[Event]:
    if turn.detail != "delta":
        return []
    size = turn.delta_characters
    return [
        {
            "type": kind,
            **place,
            "delta": text[at : at + size],
            **(extra or {}),
            "obfuscation": _obfuscation(kind, at),
        }
        for at in range(0, len(text), size)
    ]


def _obfuscation(kind: str, at: int) -> str:
    """Return padding of 4 to 16 characters, as the API adds to hide the length of deltas."""
    digest = hashlib.blake2b(f"{kind}{at}".encode(), digest_size=8).hexdigest()
    return digest[: 4 + int(digest[-1], 16) % 13]


def _in_order(runs: list[list[Event]], items: Sequence[OutputItem], *, interleaves: bool) -> list[Event]:
    if not interleaves:
        return [event for run in runs for event in run]
    calls = [run for run, item in zip(runs, items, strict=True) if isinstance(item, Call)]
    before = [
        event for run, item in zip(runs, items, strict=True) if not isinstance(item, Call) for event in run
    ]
    mixed = [event for row in zip_longest(*(run[:-1] for run in calls)) for event in row if event is not None]
    return before + mixed + [run[-1] for run in calls]


def _numbered(events: list[Event]) -> list[Event]:
    numbers = count()
    return [
        # Notices of a relay are not the API's own events and carry no number.
        event
        if "sequence_number" in event or not event["type"].startswith(("response.", "error"))
        else {"type": event["type"], "sequence_number": next(numbers), **event}
        for event in events
    ]
