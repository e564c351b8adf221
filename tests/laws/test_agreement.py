"""Law: folding the emitted stream gives the answer that the upstream's items mean."""

import json
from typing import Any

from hypothesis import assume, given

from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.contract import StreamFacts
from tests.laws.strategies import ENDINGS, PROTOCOLS, Event, bodies, sse, transcode

MESSAGES = next(protocol for protocol in PROTOCOLS if protocol.name == "messages")
CHAT = next(protocol for protocol in PROTOCOLS if protocol.name == "chat")
FACTS = StreamFacts(model="m", scope="0" * 10, original_names={}, thinking_is_visible=True)
CHAT_NAMES = {"short": "the.long.name"}
CHAT_FACTS = ChatFacts(model="m", scope="0" * 10, original_names=CHAT_NAMES, is_folded=True)


def fold(chunk: bytes) -> Any:
    """Return the folded answer of one upstream body."""
    return json.loads(MESSAGES.fold(transcode(MESSAGES, [chunk], FACTS).body))


@given(events=bodies(disturbed=False))
def test_stream_and_whole_json_agree(events: list[Event]) -> None:
    """A response that comes as a stream and one that comes as one JSON object give the same blocks.

    Not for items that were announced out of order: blocks come in order of appearance, and so do the searches and the
    texts that cite them.
    """
    announced = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    assume(announced == sorted(announced))
    output = sorted(
        (event for event in events if event["type"] == "response.output_item.done"),
        key=lambda e: e["output_index"],
    )
    response = {"status": "completed", "output": [event["item"] for event in output]}
    streamed = fold(sse([*events, ENDINGS[0]]))["content"]
    whole = fold(json.dumps(response).encode())["content"]
    assert streamed == whole


@given(events=bodies(disturbed=False))
def test_text_is_complete(events: list[Event]) -> None:
    """No text of the upstream's finished messages is lost or repeated."""
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    expected = sorted(
        whole
        for item in items
        if item["type"] == "message"
        and (whole := "".join(part.get("text", part.get("refusal", "")) for part in item["content"]))
    )
    content = fold(sse([*events, ENDINGS[0]]))["content"]
    shown = [block["text"] for block in content if block["type"] == "text"]
    assert expected == sorted(text for text in shown if not text.startswith("[generated image"))


def fold_chat(chunk: bytes) -> Any:
    """Return the choice of the folded answer of one upstream body."""
    return json.loads(CHAT.fold(transcode(CHAT, [chunk], CHAT_FACTS).body))["choices"][0]


@given(events=bodies(disturbed=False))
def test_chat_stream_and_whole_json_agree(events: list[Event]) -> None:
    """A response that comes as a stream and one that comes as one JSON object give the same Chat answer.

    Not for items that were announced out of order: texts and calls come in order of appearance.
    """
    announced = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    assume(announced == sorted(announced))
    output = sorted(
        (event for event in events if event["type"] == "response.output_item.done"),
        key=lambda e: e["output_index"],
    )
    response = {"status": "completed", "output": [event["item"] for event in output]}
    assert fold_chat(sse([*events, ENDINGS[0]])) == fold_chat(json.dumps(response).encode())


def _text_of(item: Event, part_type: str, key: str) -> str:
    if item["type"] == "image_generation_call":
        return "[generated image omitted: png]" if key == "text" else ""
    if item["type"] != "message":
        return ""
    return "".join(part[key] for part in item["content"] if part["type"] == part_type)


@given(events=bodies(disturbed=False))
def test_chat_answer_is_complete(events: list[Event]) -> None:
    """Nothing of the upstream's finished items is lost, repeated or out of order."""
    announced = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    by_index = {
        event["output_index"]: event["item"] for event in events if event["type"].endswith("item.done")
    }
    items = [by_index[index] for index in announced]
    message = fold_chat(sse([*events, ENDINGS[0]]))["message"]
    assert "\n\n".join(filter(None, (_text_of(item, "output_text", "text") for item in items))) == (
        message["content"] or ""
    )
    thoughts = [part["text"] for item in items if item["type"] == "reasoning" for part in item["summary"]]
    assert "\n\n".join(filter(None, thoughts)) == message.get("reasoning_content", "")
    calls = [item for item in items if "call_id" in item]
    assert [
        (CHAT_NAMES.get(call["name"], call["name"]), call.get("arguments", call.get("input")))
        for call in calls
    ] == [tuple(call[call["type"]].values()) for call in message.get("tool_calls", ())]
    refusals = [_text_of(item, "refusal", "refusal") for item in items]
    assert len("".join(refusals)) == len(message["refusal"] or "")
