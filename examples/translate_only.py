"""Translate a request and its answer without a server, a socket or an event loop.

Run: python examples/translate_only.py
In real use UPSTREAM is what a provider streams back for the translated request, in whatever pieces it comes.
"""

import json

from packyproxy.transcode import Transcoder
from packyproxy.translate import MessagesProtocol, Target  # or ChatProtocol, ResponsesProtocol

REQUEST = {
    "model": "claude-sonnet-5",
    "max_tokens": 64_000,
    "system": "Be brief.",
    "thinking": {"type": "adaptive"},
    "messages": [{"role": "user", "content": "What is 6 x 7?"}],
}

UPSTREAM = [
    b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}\n\n',
    b'data: {"type":"response.output_text.delta","output_index":0,"de',
    b'lta":"42"}\n\ndata: {"type":"response.completed","response":{}}\n\n',
]


def main() -> None:
    """Print the upstream request, then the client's stream, then the same as one JSON document."""
    messages = MessagesProtocol()
    request = messages.read(json.dumps(REQUEST).encode())
    translation = messages.to_responses(request, Target.for_model("gpt-5.1-codex"))
    print("upstream request:", translation.body.decode(), sep="\n")

    writer = messages.writer(translation.stream_facts, answer_id="msg_example", request_id="req_example")
    transcoder = Transcoder(writer, writes_start=True)
    frames = b"".join(transcoder.feed(chunk) for chunk in UPSTREAM) + transcoder.finish()
    assert transcoder.failure is None, "what the upstream did wrong; a stream that breaks off shows here"
    print("\nclient stream:", frames.decode(), sep="\n")
    print("as one document:", messages.fold(frames).decode(), sep="\n")


if __name__ == "__main__":
    main()
