"""The page's examples: each is what the translation makes of its input."""

import json
import re
from typing import Any

import pytest

from packyproxy.config import ModelConfig, ProviderConfig
from packyproxy.registry.listing import list_models
from packyproxy.registry.registry import Registry
from packyproxy.translate.contract import Target
from packyproxy.translate.failures import failure_response
from packyproxy.translate.messages.request import read, to_responses
from packyproxy.translate.tool_names import map_tool_name
from packyproxy.wire.messages_events import MessageStart
from packyproxy.wire.responses import ResponsesRequest
from tests.wire_mapping.page import section, sections, spans
from tests.wire_mapping.trying import LEAST, Answering, asked, sent

SCOPE = "1f2e3d4c5b"
VISIBLE = {"thinking": {"type": "adaptive"}}


def block(number: str, at: int = 0) -> Any:
    """Return what a fence of a section says."""
    return json.loads(section(number).fences[at].text)


def lines(number: str, at: int = 0) -> list[Any]:
    """Return the documents of a fence that has one on each line."""
    return [json.loads(line) for line in section(number).fences[at].text.splitlines()]


def agrees(shown: Any, real: Any) -> bool:
    """Tell whether a value is as shown; ``…`` stands for any text, ``<model of the request>`` for its model."""
    if isinstance(shown, dict):
        return (
            isinstance(real, dict)
            and list(shown) == list(real)
            and all(agrees(shown[key], real[key]) for key in shown)
        )
    if isinstance(shown, list):
        return isinstance(real, list) and len(shown) == len(real) and all(map(agrees, shown, real))
    if isinstance(shown, str):
        pattern = re.escape(shown.replace("<model of the request>", "m")).replace("…", ".*")
        return isinstance(real, str) and re.fullmatch(pattern, real, re.DOTALL) is not None
    return type(shown) is type(real) and shown == real


def events_of(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make the stream that brings these items, whole."""
    done = [
        {"type": "response.output_item.done", "output_index": at, "item": item}
        for at, item in enumerate(items)
    ]
    return [*done, {"type": "response.completed", "response": {"output": items}}]


def content_of(turn: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in item.items() if key != "citations"} for item in turn["content"]]


def test_request_skeleton_has_the_order_of_the_struct() -> None:
    """The keys stand in the order in which requests are written, and the rest of them is not in 1.1 by default."""
    shown = list(block("1.1"))
    assert shown == [name for name in ResponsesRequest.__struct_fields__ if name in shown]


def test_what_is_never_emitted() -> None:
    """The fields that 1.1 excludes cannot be written."""
    excluded = re.search(r"Never emitted: `([^`]+)`", section("1.1").prose)
    assert excluded
    assert set(excluded[1].split(", ")).isdisjoint(ResponsesRequest.__struct_fields__)


def test_items() -> None:
    """The items of 1.4 are what a short history becomes."""
    shown = lines("1.4")
    history = [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "hello"},
                {"type": "tool_use", "id": "toolu_01A", "name": "Read", "input": {"file_path": "/a"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01A", "content": "1\tx"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "", "signature": f"pp1.{SCOPE}.-.gAAAA…"},
                {"type": "text", "text": "."},
            ],
        },
    ]
    body, _ = sent("messages", asked(messages=history))
    assert shown == body["input"][: len(shown)]


def test_worked_request() -> None:
    """The request of 1.10 gives the bytes that follow it, but for the cache key and the line breaks."""
    asks, gives = section("1.10").fences
    target = Target(
        model="gpt-5.1-codex", scope=SCOPE, efforts=("low", "medium", "high"), prompt_cache_key="…"
    )
    body = to_responses(read(asks.text.encode()), target).body.decode()
    assert gives.text.replace("\n ", "").strip() == body


@pytest.mark.parametrize("turn", [0, 1])
def test_reasoning_there(turn: int) -> None:
    """The output items of 2.7 become the content that follows them."""
    answer = Answering("messages", asked(**VISIBLE)).whole(*events_of(block("2.7", 2 * turn)))
    assert block("2.7", 2 * turn + 1) == content_of(answer)


@pytest.mark.parametrize("turn", [0, 1])
def test_reasoning_and_back(turn: int) -> None:
    """Sent back to where it came from, the content becomes the reasoning items that it came from."""
    history = [*LEAST["messages"]["messages"], {"role": "assistant", "content": block("2.7", 2 * turn + 1)}]
    body, _ = sent("messages", asked(messages=history))
    wanted = [item["encrypted_content"] for item in block("2.7", 2 * turn) if item["type"] == "reasoning"]
    assert wanted == [item["encrypted_content"] for item in body["input"] if item["type"] == "reasoning"]


def test_name_vector() -> None:
    """The test vector of 3.1 is right, and so are the lengths it names."""
    vector = re.search(
        r"Test vector: `([^`]+)` \((\d+) characters\) becomes `([^`]+)` \((\d+)\)", section("3.1").prose
    )
    assert vector
    assert (vector[3], int(vector[2]), int(vector[4])) == (
        map_tool_name(vector[1]),
        len(vector[1]),
        len(vector[3]),
    )


@pytest.mark.parametrize("name", ["x" * 64, "a.b", "é" * 55, "é" * 56, "m" * 30 + "." + "n" * 90])
def test_name_rule(name: str) -> None:
    """The rule of 3.1, done with the numbers that it names, gives what the code gives."""
    rule = section("3.1").fences[0].text
    digits = int(re.findall(r"first (\d+) hex digits", rule)[0])
    longest = int(re.findall(r"len\(s\) <= (\d+)", rule)[0])
    head, tail = (int(side) for side in re.findall(r"s\[:(\d+)\] \+ \"_\" \+ s\[-(\d+):\]", rule)[0])
    fits = re.search(r"name matches (\S+)", rule)
    assert fits
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    mark = map_tool_name(f"{name[:1]}.{name[1:]}")[-digits:] and map_tool_name(name)[-digits:]
    wanted = f"{safe}_{mark}" if len(safe) <= longest else f"{safe[:head]}_{safe[-tail:]}_{mark}"
    assert (name if re.fullmatch(fits[1], name) else wanted) == map_tool_name(name)


def test_message_start() -> None:
    """An answer begins with the frame of 4.3, with the numbers of its own estimate, and one ping."""
    answer = Answering("messages")
    frames = [
        json.loads(line[6:])
        for line in answer.writer.start().decode().splitlines()
        if line.startswith("data: ")
    ]
    shown = block("4.3")
    shown["message"]["usage"]["input_tokens"] = frames[0]["message"]["usage"]["input_tokens"]
    assert (True, [{"type": "ping"}], "message_start") == (
        agrees(shown, frames[0]),
        frames[1:],
        MessageStart.__struct_config__.tag,
    )


def usage_example() -> dict[str, Any]:
    found = re.search(
        r"Example: `(.+?)` gives the sample in 4\.8; (\d+) \+ (\d+) = (\d+)", section("4.10").prose
    )
    assert found
    assert int(found[2]) + int(found[3]) == int(found[4])
    counts: dict[str, Any] = json.loads(found[1])
    return counts


def test_usage() -> None:
    """The usage of 4.10 gives the last event of 4.8."""
    call = {"type": "function_call", "call_id": "call_1", "name": "ls", "arguments": "{}"}
    written = Answering("messages").take(
        {"type": "response.completed", "response": {"output": [call], "usage": usage_example()}}
    )
    last = [json.loads(line[6:]) for line in written.splitlines() if line.startswith("data: ")][-2]
    assert block("4.8") == last


def told(written: str) -> list[str]:
    """Write frames as 4.11 does."""
    found = []
    for line in written.splitlines():
        if not line.startswith("data: "):
            continue
        event = json.loads(line[6:])
        index = f" {event['index']} " if "index" in event else " "
        what = ""
        if event["type"] == "content_block_start":
            what = json.dumps(event["content_block"], separators=(",", ":"))
        elif event["type"] == "message_delta":
            what = json.dumps(event["delta"], separators=(",", ":"))
        elif "delta" in event:
            kind = event["delta"].pop("type")
            what = f"{kind} {json.dumps(next(iter(event['delta'].values())))}"
        found.append(f"{event['type']}{index}{what}".strip())
    return found


def test_worked_stream() -> None:
    """The events of 4.11 give the frames that follow them, in that order."""
    answer = Answering("messages", asked(**VISIBLE))
    written = answer.writer.start().decode() + answer.take(*lines("4.11"))
    shown = [
        " ".join(re.sub(r" +← .*", "", line).split()) for line in section("4.11").fences[1].text.splitlines()
    ]
    assert shown == told(written)


def test_signature_is_held() -> None:
    """The signature of 4.11 comes with the event that opens the next block, and not before."""
    answer = Answering("messages", asked(**VISIBLE))
    pieces = [answer.take(event) for event in lines("4.11")]
    assert [at for at, piece in enumerate(pieces) if "signature_delta" in piece] == [4]


def test_whole_chat_answer() -> None:
    """An answer of the usage of 4.10 has the form of 6.3, key by key."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    answer = Answering("chat").whole(
        {"type": "response.created", "response": {"created_at": 1700000000}},
        {"type": "response.completed", "response": {"output": [said], "usage": usage_example()}},
    )
    assert agrees(block("6.3"), answer)


def test_chunk() -> None:
    """Each chunk of a Chat stream has the form of 6.4."""
    shown = next(span for span in re.findall(r"`(\{.+?\})` with the same", section("6.4").prose))
    written = Answering("chat").take(
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"},
    )
    form = json.loads(re.sub(r"\b([TMD])(?=[,}])", r'"\1"', shown.replace("` `", "")))
    assert [list(form), list(form["choices"][0])] == [
        keys
        for chunk in [json.loads(written.splitlines()[0][6:])]
        for keys in (list(chunk), list(chunk["choices"][0]))
    ]


def test_failure_of_ours() -> None:
    """An answer that breaks off is told by the event of 7.3."""
    answer = Answering("responses")
    begun = {"id": "resp_1", "object": "response", "created_at": 1700000000, "model": "gpt-5.1-codex"}
    answer.take(
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {"type": "response.output_text.delta", "sequence_number": 1, "output_index": 0, "delta": "Hi"},
    )
    answer.writer.upstream_ended(said_done=False)
    assert answer.writer.failure is not None
    error = failure_response(answer.writer.failure, "openai", request_id="req_1", now=0)
    frame = answer.writer.fail(error.status, error.body).decode()
    assert agrees(block("7.3"), json.loads(frame.splitlines()[1][6:]))


def test_search_blocks() -> None:
    """A search and a citation have the forms of 4.6, and are shown in its order."""
    rules = " ".join(section("4.6").items)
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    link = {
        "type": "url_citation",
        "url": "https://x.example/a",
        "title": "T",
        "start_index": 0,
        "end_index": 2,
    }
    part = {"type": "output_text", "text": "Hi", "annotations": [link]}
    answer = Answering("messages").whole(
        *events_of([search, {"type": "message", "role": "assistant", "content": [part]}])
    )
    call, result, text = answer["content"]
    forms = [
        json.loads(re.sub(r":([QUT])([,}])", r':"…"\2', span))
        for span in spans(rules)
        if span.startswith('{"type"')
    ]
    wanted = {form["type"]: list(form) for form in forms}
    cited = re.search(r'"citation":(\{.+?"encrypted_index":""\})', section("4.6").prose)
    assert cited
    assert (
        wanted["server_tool_use"],
        wanted["web_search_result"],
        re.findall(r'"(\w+)":', cited[1]),
    ) == (list(call), list(result["content"][0]), list(text["citations"][0]))


def test_token_count_example() -> None:
    """The request that 9 counts has as many tokens."""
    found = re.search(r"Example: `(.+?)` counts ([\d +]+), `(.+?)`", section("9").prose)
    assert found
    counted = to_responses(
        read(found[1].encode(), counting=True), Target(model="m", scope="", efforts=())
    ).tokens
    assert ({"input_tokens": counted}, counted) == (
        json.loads(found[3]),
        sum(map(int, found[2].split("+"))),
    )


def test_model_lists() -> None:
    """The lists of 10.2 and 10.3 have the form in which models are listed."""
    models = (ModelConfig(id="gpt-5.1-codex", aliases=("claude-sonnet-4-5",)),)
    registry = Registry.build([ProviderConfig(kind="packycode", name="p", enabled=True, models=models)])
    openai = json.loads(next(span for span in spans(section("10.2").prose) if span.startswith("{")))
    listed = json.loads(list_models(registry, "openai", {}))
    paged = json.loads(list_models(registry, "anthropic", {"limit": "1"}))
    assert (openai, block("10.3")) == ({**listed, "data": listed["data"][:1]}, paged)


def test_every_block_is_checked() -> None:
    """No block of the page stands outside these tests."""
    checked = {
        "1.1": 1, "1.4": 1, "1.10": 2, "2.7": 4, "3.1": 1, "4.3": 1, "4.8": 1, "4.11": 2, "6.3": 1, "7.3": 1, "8.1": 1, "10.3": 1,
    }  # fmt: skip
    assert checked == {number: len(each.fences) for number, each in sections().items() if each.fences}
