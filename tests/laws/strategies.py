"""Upstream streams as hypothesis makes them, and the protocols that the laws hold for.

A *plausible* stream has items with their events, interleaved, with some missing, repeated or cut differently; a
*hostile* one is any sequence of event-shaped objects; and then there are arbitrary bytes.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from packyproxy.transcode import Transcoder
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.fold import fold as fold_chat
from packyproxy.translate.chat.stream import ChatWriter
from packyproxy.translate.contract import StreamFacts, StreamWriter
from packyproxy.translate.messages.facts import MessagesFacts
from packyproxy.translate.messages.fold import fold as fold_messages
from packyproxy.translate.messages.stream import MessagesWriter
from packyproxy.translate.responses.facts import ResponsesFacts
from packyproxy.translate.responses.fold import fold as fold_responses
from packyproxy.translate.responses.stream import ResponsesWriter

Event = dict[str, Any]


@dataclass(frozen=True)
class ProtocolUnderTest:
    """What the laws need of a client protocol."""

    name: str
    writer: Callable[[StreamFacts], StreamWriter]
    fold: Callable[[bytes], bytes]


class AnyFacts(StreamFacts, frozen=True, kw_only=True):
    """Facts for any protocol: each takes those that it knows."""

    thinking_has_text: bool
    blocked_domains: tuple[str, ...]
    buffered_tools: frozenset[str]
    echoes_context_management: bool
    uses_functions: bool
    includes_usage: bool
    is_folded: bool


_Facts = TypeVar("_Facts", bound=StreamFacts)


def known_to(cls: type[_Facts], facts: StreamFacts) -> _Facts:
    """Return the facts that a protocol knows; of those that were not drawn, the defaults."""
    known = {field.name for field in msgspec.structs.fields(cls)}
    return cls(**{name: fact for name, fact in msgspec.structs.asdict(facts).items() if name in known})


PROTOCOLS = [
    ProtocolUnderTest(
        "messages",
        lambda facts: MessagesWriter(known_to(MessagesFacts, facts), answer_id="msg_1", request_id="req_1"),
        fold_messages,
    ),
    ProtocolUnderTest(
        "chat",
        lambda facts: ChatWriter(known_to(ChatFacts, facts), answer_id="chatcmpl-1", request_id="req_1"),
        fold_chat,
    ),
    ProtocolUnderTest(
        "responses",
        lambda facts: ResponsesWriter(
            known_to(ResponsesFacts, facts), answer_id="resp_1", request_id="req_1"
        ),
        fold_responses,
    ),
]


@dataclass(frozen=True)
class Outcome:
    """A stream's whole output and the transcoder that made it."""

    body: bytes
    transcoder: Transcoder


def transcode(
    protocol: ProtocolUnderTest, chunks: list[bytes], facts: StreamFacts, **options: Any
) -> Outcome:
    """Feed all chunks and the end."""
    transcoder = Transcoder(protocol.writer(facts), **{"writes_start": True, **options})
    return Outcome(b"".join([*map(transcoder.feed, chunks), transcoder.finish()]), transcoder)


def sse(events: list[Event], *, newline: str = "\n", named: bool = True) -> bytes:
    """Write events as an upstream stream; lone surrogates go out as escapes, as relays send them."""
    frames = []
    for event in events:
        if named:
            frames.append(
                f"event: {event.get('type')}{newline}".replace("\n", newline[-1:]).replace("\r\r", "\r")
            )
        frames.append(f"data: {json.dumps(event)}{newline}{newline}")
    return "".join(frames).encode(errors="replace")


facts = st.builds(
    AnyFacts,
    model=st.just("claude-x"),
    scope=st.just("1f2e3d4c5b"),
    original_names=st.just({"short": "the.long.name"}),
    thinking_is_visible=st.booleans(),
    thinking_has_text=st.booleans(),
    stop_sequences=st.sampled_from([(), (), ("END",), ("a", "ab")]),
    max_text_tokens=st.sampled_from([None, None, 1, 3]),
    blocked_domains=st.sampled_from([(), ("one.example",)]),
    buffered_tools=st.sampled_from([frozenset(), frozenset({"Read"})]),
    echoes_context_management=st.booleans(),
    input_tokens_estimate=st.integers(0, 100),
    uses_functions=st.booleans(),
    includes_usage=st.booleans(),
    is_folded=st.booleans(),
)
texts = st.text(st.sampled_from('ab E😀é\n"\\ND'), max_size=12)


def cut(text: str, places: list[int]) -> list[str]:
    """Cut a text at some places, in UTF-16 units as a relay in another language would."""
    units = [chr(a | b << 8) for a, b in zip(*[iter(text.encode("utf-16-le"))] * 2, strict=True)]
    bounds = sorted({min(place, len(units)) for place in places} | {0, len(units)})
    return ["".join(units[a:b]) for a, b in itertools.pairwise(bounds)]


places = st.lists(st.integers(0, 14), max_size=4)


@st.composite
def message_events(draw: st.DrawFn, index: int) -> list[Event]:
    """Draw a message item with one or two parts."""
    item: Event = {"type": "message", "id": f"msg_{index}", "content": []}
    events: list[Event] = [{"type": "response.output_item.added", "output_index": index, "item": dict(item)}]
    for part in range(draw(st.integers(0, 2))):
        is_refusal = draw(st.integers(0, 9)) == 0
        name, kind = ("refusal", "refusal") if is_refusal else ("output_text", "text")
        whole = draw(texts)
        where = {"output_index": index, "item_id": item["id"], "content_index": part}
        events += [
            {"type": f"response.{name}.delta", "delta": piece, **where} for piece in cut(whole, draw(places))
        ]
        events.append({"type": f"response.{name}.done", kind: whole, **where})
        urls = draw(st.lists(st.sampled_from(["https://one.example/a", "https://two.example/b"]), max_size=2))
        links = [
            {"type": "url_citation", "url": url, "start_index": 0, "end_index": 1, "title": "T"}
            for url in urls
        ]
        item["content"] = [*item["content"], {"type": name, kind: whole, "annotations": links}]
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": item}]


@st.composite
def call_events(draw: st.DrawFn, index: int) -> list[Event]:
    """Draw a call of a function, or of a custom tool."""
    name = draw(st.sampled_from(["ls", "short", "Read"]))
    is_custom = draw(st.integers(0, 3)) == 0
    kind, text = ("custom_tool_call", "input") if is_custom else ("function_call", "arguments")
    event = "response.custom_tool_call_input" if is_custom else "response.function_call_arguments"
    arguments = st.dictionaries(st.sampled_from(["pages", "p"]), texts, max_size=2).map(json.dumps)
    whole = draw(texts if is_custom else arguments)
    item = {
        "type": kind,
        "id": f"fc_{index}",
        "call_id": draw(st.sampled_from(["c", f"c{index}"])),
        "name": name,
    }
    where = {"output_index": index, "item_id": item["id"]}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        *({"type": f"{event}.delta", "delta": piece, **where} for piece in cut(whole, draw(places))),
        {"type": f"{event}.done", text: whole, **where},
        {"type": "response.output_item.done", "output_index": index, "item": {**item, text: whole}},
    ]


@st.composite
def reasoning_events(draw: st.DrawFn, index: int) -> list[Event]:
    """Draw a reasoning item."""
    item: Event = {"type": "reasoning", "id": f"rs_{index}", "summary": []}
    events: list[Event] = [{"type": "response.output_item.added", "output_index": index, "item": dict(item)}]
    for part in range(draw(st.integers(0, 2))):
        whole = draw(texts)
        where = {"output_index": index, "item_id": item["id"], "summary_index": part}
        events += [
            {"type": "response.reasoning_summary_text.delta", "delta": piece, **where}
            for piece in cut(whole, draw(places))
        ]
        item["summary"] = [*item["summary"], {"type": "summary_text", "text": whole}]
    if draw(st.booleans()):
        item["encrypted_content"] = f"gAAAA{index}"
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": item}]


@st.composite
def other_events(draw: st.DrawFn, index: int) -> list[Event]:
    """Draw a search, an image, or an item nobody knows."""
    action = {
        "type": draw(st.sampled_from(["search", "open_page"])),
        "query": "q",
        "sources": [{"url": "https://one.example/a"}],
    }
    item = {
        "type": draw(st.sampled_from(["web_search_call", "image_generation_call", "brand_new"])),
        "action": action,
    }
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {"type": item["type"]}},
        {"type": "response.output_item.done", "output_index": index, "item": {**item, "id": f"ws_{index}"}},
    ]


ENDINGS: list[Event] = [
    {
        "type": "response.completed",
        "response": {"status": "completed", "usage": {"input_tokens": 9, "output_tokens": 3}},
    },
    {"type": "response.completed", "response": {}},
    {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}},
]


@st.composite
def bodies(draw: st.DrawFn, *, disturbed: bool = True) -> list[Event]:
    """Draw the events of a plausible answer without its end."""
    kinds = [message_events, message_events, call_events, reasoning_events, other_events]
    items = [draw(draw(st.sampled_from(kinds))(index)) for index in range(draw(st.integers(0, 4)))]
    events: list[Event] = [{"type": "response.created", "response": {"id": "r"}}]
    while any(items):
        # Mostly in order, sometimes the next item barges in.
        ready = [item for item in items if item]
        source = ready[0] if draw(st.integers(0, 3)) else draw(st.sampled_from(ready))
        events.append(source.pop(0))
    if disturbed:
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.integers(0, len(events) - 1))
            if draw(st.booleans()):
                events.insert(place, draw(st.sampled_from([*events, {"type": "response.brand_new"}])))
            elif len(events) > 1:
                del events[place]
    return events


@st.composite
def plausible(draw: st.DrawFn, *, disturbed: bool = True) -> list[Event]:
    """Draw a whole answer with its end."""
    return [*draw(bodies(disturbed=disturbed)), draw(st.sampled_from(ENDINGS))]


_TYPES = st.sampled_from(
    [
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_text.annotation.added",
        "response.content_part.done",
        "response.refusal.delta",
        "response.refusal.done",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_text.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.completed",
        "response.failed",
        "error",
        "response.brand_new",
    ]
)
_ODD = st.sampled_from(
    [None, 0, 1, 1.5, -1, 2**80, True, "", "x", "\ud83d", "\ude00", [], ["x"], {}, {"type": "x"}]
)
_ITEMS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["message", "reasoning", "function_call", "custom_tool_call", "web_search_call", "x", None]
        )
    },
    optional={
        "id": _ODD,
        "call_id": _ODD,
        "name": _ODD,
        "arguments": _ODD,
        "input": _ODD,
        "content": _ODD
        | st.lists(
            st.fixed_dictionaries({"type": st.just("output_text"), "text": _ODD, "annotations": _ODD}),
            max_size=2,
        ),
        "summary": _ODD,
        "encrypted_content": _ODD,
        "action": _ODD | st.fixed_dictionaries({"type": st.just("search"), "query": _ODD, "sources": _ODD}),
    },
)
_EVENTS = st.fixed_dictionaries(
    {"type": _TYPES},
    optional={
        "output_index": st.integers(0, 2) | _ODD,
        "item_id": st.sampled_from(["a", "b"]) | _ODD,
        "content_index": st.integers(0, 1) | _ODD,
        "summary_index": st.integers(0, 1) | _ODD,
        "delta": texts | _ODD,
        "text": texts | _ODD,
        "arguments": texts | _ODD,
        "part": _ODD | st.fixed_dictionaries({"type": st.just("output_text"), "text": texts}),
        "annotation": _ODD
        | st.fixed_dictionaries({"type": st.just("url_citation"), "url": _ODD, "start_index": _ODD}),
        "item": _ITEMS | _ODD,
        "response": _ODD
        | st.fixed_dictionaries(
            {"output": st.lists(_ITEMS, max_size=2) | _ODD, "usage": _ODD, "status": _ODD}
        ),
        "error": _ODD,
    },
)
hostile = st.lists(_EVENTS, max_size=12)


@st.composite
def cuts(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """Cut a stream anywhere."""
    bounds = sorted({0, len(stream), *draw(st.lists(st.integers(0, len(stream)), max_size=8))})
    return [stream[a:b] for a, b in itertools.pairwise(bounds)]
