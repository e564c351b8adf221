"""Law: folding the emitted stream gives the answer that the upstream's items mean."""

import json
from typing import Any

from hypothesis import assume, given

from packyproxy.translate.contract import StreamFacts
from tests.laws.strategies import ENDINGS, PROTOCOLS, Event, bodies, sse, transcode

MESSAGES = next(protocol for protocol in PROTOCOLS if protocol.name == "messages")
FACTS = StreamFacts(model="m", scope="0" * 10, original_names={}, thinking_is_visible=True)


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
