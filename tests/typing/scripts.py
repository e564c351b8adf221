"""What the scripts of the test harness are to a type checker, and which of them it refuses."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Sequence
from typing import Any, assert_type

import httpx

from packyproxy import PackyProxy
from packyproxy.testing import (
    Answer,
    Call,
    Cassette,
    CassetteError,
    Citation,
    Compaction,
    FakeUpstream,
    Framing,
    Item,
    Message,
    OutputItem,
    Reasoning,
    RecordedExchange,
    Script,
    ScriptExhausted,
    Search,
    Stream,
    Tape,
    Turn,
    Usage,
    rate_limits_event,
)

SOURCE = "https://news.example/fox"

items: list[OutputItem] = [
    Reasoning(["Thinking."], is_encrypted=False),
    Search("fox", sources=[SOURCE], action="open_page"),
    Message("A fox.", citations=[Citation(SOURCE, "News", "fox")], phase="commentary"),
    Call("look_up", {"name": "fox"}, id="call_1", namespace="zoo"),
    Call("patch", "*** Begin", kind="custom"),
    Compaction(),
    Item({"type": "image_generation_call", "result": ""}),
]
turn = Turn(
    ["A fox", "jumps."],
    reasoning=[],
    usage=Usage(input_tokens=7, output_tokens=3, cached_tokens=5),
    notices=[rate_limits_event(limit_reached=True)],
    framing=Framing(line_end="\r\n", cut_every=1, content_encoding="zstd"),
    headers={"x-request-id": "r"},
)
assert_type(turn.items(), tuple[OutputItem, ...])
assert_type(Turn(output=items).output, Sequence[OutputItem])

answers: list[Answer] = [
    "Hello.",
    turn,
    Stream(b"data: [DONE]\n\n"),
    Stream([b"data: ", b"{}"], 200, is_cut=True),
]
scripts: list[Script] = ["Hello.", turn, answers, lambda request: request.last_text]
FakeUpstream(turn, framing=Framing(events_per_write=3))

Turn(1)  # type: ignore[arg-type]
Turn(calls=Call("look_up"))  # type: ignore[arg-type]
Turn(calls=[Call("look_up", kind="tool")])  # type: ignore[arg-type]
Turn(output=["Hello."])  # type: ignore[list-item]
Search("fox", status="open")  # type: ignore[arg-type]
Usage(7, 3)  # type: ignore[call-arg]
Framing(line_end="\n\r")  # type: ignore[arg-type]
Stream("data: [DONE]")  # type: ignore[arg-type]
turn.text = "Changed"  # type: ignore[misc]


def play(cassette: Cassette) -> None:
    """A cassette is a script like any other."""
    assert_type(cassette.exchanges, Sequence[RecordedExchange])
    assert_type(cassette.exchanges[0].body, bytes)
    assert_type(cassette.exchanges[0].as_answer(), Answer)
    try:
        FakeUpstream(cassette.script()).check_script()
    except (CassetteError, ScriptExhausted) as error:
        assert_type(error, CassetteError | ScriptExhausted)


def record(proxy: PackyProxy) -> None:
    """A tape stands around transports."""
    with Tape("cassette.jsonl", replaces=True) as tape:
        assert_type(tape, Tape)
        proxy.runtime.transport_wrappers.append(tape.wrap)
        httpx.AsyncClient(transport=tape.wrap(httpx.AsyncHTTPTransport()))


def look(call: Call) -> Any:
    """A call shows its arguments as the wire has them."""
    assert_type(call.arguments_text, str)
    return call.arguments
