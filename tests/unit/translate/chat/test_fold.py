"""Folding a stream of chunks into the non-stream completion."""

import json
from typing import Any

import pytest

from packyproxy.translate.chat.chunks import KEEP_ALIVE, ChunkWriter
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.fold import fold
from packyproxy.wire.chat_events import (
    Annotation,
    CompletionTokensDetails,
    FinishReason,
    PromptTokensDetails,
    UrlCitation,
    Usage,
)

USAGE = Usage(
    prompt_tokens=1234,
    completion_tokens=57,
    total_tokens=1291,
    prompt_tokens_details=PromptTokensDetails(cached_tokens=1024),
    completion_tokens_details=CompletionTokensDetails(reasoning_tokens=32),
)


def chunks(**facts: Any) -> ChunkWriter:
    """Return a fresh writer of chunks for ``fold``."""
    known: dict[str, Any] = {"model": "gpt-x", "scope": "s", "original_names": {}, "is_folded": True}
    writer = ChunkWriter(ChatFacts(**(known | facts)), "chatcmpl-1")
    writer.created = 1700000000
    return writer


def end(
    writer: ChunkWriter, reason: FinishReason = "stop", annotations: list[Annotation] | None = None
) -> bytes:
    """Write the end of an answer."""
    return writer.end(reason, annotations or [], USAGE, "default")


def test_whole_completion() -> None:
    """A completion has exactly the protocol's keys, in their order."""
    writer = chunks()
    stream = writer.start() + writer.text(writer.content, b'"Hi"') + end(writer)
    expected = (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-x","choices":[{'
        b'"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"annotations":[]},'
        b'"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1234,"completion_tokens":57,'
        b'"total_tokens":1291,"prompt_tokens_details":{"cached_tokens":1024},"completion_tokens_details":'
        b'{"reasoning_tokens":32}},"service_tier":"default","system_fingerprint":null}'
    )
    assert expected == fold(stream)


def test_stream_without_usage() -> None:
    """The stream of a client that did not ask for the usage has none to tell."""
    writer = chunks(is_folded=False)
    answer = json.loads(fold(writer.start() + end(writer)))
    assert (None, "default") == (answer["usage"], answer["service_tier"])


def test_comments_are_no_chunks() -> None:
    """A comment between the chunks changes nothing."""
    writer = chunks()
    start = writer.start()
    assert fold(start + end(writer)) == fold(KEEP_ALIVE + start + KEEP_ALIVE + end(writer))


CONTENTS: dict[str, tuple[list[str], str | None]] = {
    "text": (["content"], "x"),
    "nothing": ([], ""),
    "reasoning": (["reasoning"], ""),
    "refusal": (["refusal"], None),
    "refusal and text": (["refusal", "content"], "x"),
    "call": (["call"], None),
    "custom call": (["custom"], None),
    "older call": (["function"], None),
    "call and text": (["call", "content"], "x"),
}


@pytest.mark.parametrize(("kinds", "expected"), CONTENTS.values(), ids=CONTENTS.keys())
def test_content(kinds: list[str], expected: str | None) -> None:
    """It is null only beside something else that says the answer."""
    writer = chunks()
    parts = {
        "content": lambda: writer.text(writer.content, b'"x"'),
        "refusal": lambda: writer.text(writer.refusal, b'"x"'),
        "reasoning": lambda: writer.text(writer.reasoning, b'"x"'),
        "call": lambda: writer.open_call(0, "c", "f", is_custom=False),
        "custom": lambda: writer.open_call(0, "c", "f", is_custom=True),
        "function": lambda: writer.open_function("f"),
    }
    stream = writer.start() + b"".join(parts[kind]() for kind in kinds) + end(writer)
    assert expected == json.loads(fold(stream))["choices"][0]["message"]["content"]


def test_everything_at_once() -> None:
    """Texts are joined in order, and each call gets its own arguments."""
    writer = chunks()
    text = writer.text
    stream = [
        writer.open_call(0, "a", "f", is_custom=False),
        writer.open_call(1, "b", "g", is_custom=True),
        text(writer.reasoning, b'"th"'),
        text(writer.custom_input(1), b'"in"'),
        text(writer.arguments(0), b'"{\\"p\\":"'),
        text(writer.content, b'"con"'),
        text(writer.custom_input(1), b'"put"'),
        text(writer.arguments(0), b'"1}"'),
        text(writer.reasoning, b'"ought"'),
        text(writer.content, b'"tent"'),
        text(writer.refusal, b'"re"'),
        text(writer.refusal, b'"fusal"'),
        end(
            writer,
            "tool_calls",
            [Annotation(url_citation=UrlCitation(start_index=0, end_index=3, title="T", url="u"))],
        ),
    ]
    assert {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "content",
            "reasoning_content": "thought",
            "refusal": "refusal",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"start_index": 0, "end_index": 3, "title": "T", "url": "u"},
                }
            ],
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"p":1}'}},
                {"id": "b", "type": "custom", "custom": {"name": "g", "input": "input"}},
            ],
        },
        "logprobs": None,
        "finish_reason": "tool_calls",
    } == json.loads(fold(b"".join(stream)))["choices"][0]


def test_older_function_call() -> None:
    """Its arguments are joined."""
    writer = chunks()
    stream = writer.open_function("f")
    stream += b"".join([writer.text(writer.function_arguments, piece) for piece in (b'"{"', b'"}"')])
    stream += end(writer, "function_call")
    message = json.loads(fold(stream))["choices"][0]["message"]
    assert {"name": "f", "arguments": "{}"} == message["function_call"]
    assert "tool_calls" not in message
