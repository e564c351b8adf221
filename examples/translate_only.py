"""Translate a request and a stream without a server, a socket or an event loop.

Run: python examples/translate_only.py
"""

import json

from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import Target
from packyproxy.translate.effort import allowed_efforts
from packyproxy.translate.messages.protocol import MessagesProtocol
from packyproxy.translate.reasoning import scope_of

REQUEST = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 64_000,
    "system": "Be brief.",
    "thinking": {"type": "adaptive"},
    "messages": [{"role": "user", "content": "What is 6 x 7?"}],
}

UPSTREAM = b"""\
data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1"}}

data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"42"}

data: {"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":1}}}

"""


def main() -> None:
    """Print the upstream request, then the client's stream, then the non-stream answer."""
    model = "gpt-5.1-codex"
    target = Target(
        model=model, scope=scope_of("https://provider.example/v1", model), efforts=allowed_efforts(model)
    )
    messages = MessagesProtocol()
    request = messages.read(json.dumps(REQUEST).encode())
    translation = messages.to_responses(request, target)
    print("upstream request:", translation.body.decode(), sep="\n")

    writer = messages.writer(translation.stream_facts, answer_id="msg_example", request_id="req_example")
    transcoder = Transcoder(writer, writes_start=True)
    frames = transcoder.feed(UPSTREAM) + transcoder.finish()
    print("\nclient stream:", frames.decode(), sep="\n")
    print("non-stream answer:", messages.fold(frames).decode(), sep="\n")


if __name__ == "__main__":
    main()
