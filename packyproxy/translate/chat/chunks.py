"""The bytes of Chat chunks (wire-mapping 6.4).

Chunks of the per-event path are byte templates around JSON string literals that come from the upstream as
they are. Every chunk begins with the same id, time and model; the role goes out before the first content.
"""

import msgspec

from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.wire.chat_events import Annotation, FinishReason, Usage

__all__ = ["DONE", "KEEP_ALIVE", "ChunkWriter", "Framing", "error"]

Framing = tuple[bytes, bytes]
"""What stands before and after the literal in a chunk that adds one text."""

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"

_encode = msgspec.json.Encoder().encode


def error(body: bytes) -> bytes:
    """Write an error body as a frame; line breaks between its tokens would break it and are taken out."""
    return b"data: " + msgspec.json.format(body, indent=-1) + b"\n\n"


class ChunkWriter:
    """Return the chunks of one answer; text comes in as JSON string literals.

    Args:
        facts: what the request says about its answer.
        answer_id: the same in every chunk.
    """

    def __init__(self, facts: ChatFacts, answer_id: str) -> None:
        self.has_started = False
        """Whether the role was returned, which precedes everything else."""
        self.created: int | None = None
        """Unix seconds; what is known of it when the answer starts is told in every chunk."""
        self._facts = facts
        self._answer_id = answer_id
        self._tells_usage = facts.includes_usage or facts.is_folded
        self._head = b""
        self._opening = b""
        self._rest = b',"usage":null}\n\n' if facts.includes_usage else b"}\n\n"
        self._ending = b'},"logprobs":null,"finish_reason":null}]' + self._rest

    def start(self, *, has_text: bool = True) -> bytes:
        """Write the chunk with the role, once; the content of an answer that begins with a call is null."""
        if self.has_started:
            return b""
        self.has_started = True
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
            % (
                _encode(self._answer_id),
                self.created or 0,
                _encode(self._facts.model),
            )
        )
        self._opening = self._head + b'{"index":0,"delta":{'
        return self._chunk(b'"role":"assistant","content":' + (b'""' if has_text else b"null"))

    @property
    def content(self) -> Framing:
        """The framing of answer text."""
        return self._framing(b'"content":')

    @property
    def refusal(self) -> Framing:
        """The framing of a refusal."""
        return self._framing(b'"refusal":')

    @property
    def reasoning(self) -> Framing:
        """The framing of reasoning."""
        return self._framing(b'"reasoning_content":')

    def arguments(self, index: int) -> Framing:
        """Return the framing of the arguments of a call."""
        return self._framing(b'"tool_calls":[{"index":%d,"function":{"arguments":' % index, b"}}]")

    def custom_input(self, index: int) -> Framing:
        """Return the framing of the input of a custom tool, which no chunk on the wire shows as such."""
        return self._framing(b'"tool_calls":[{"index":%d,"custom":{"input":' % index, b"}}]")

    @property
    def function_arguments(self) -> Framing:
        """The framing of the arguments of the one call of the older protocol."""
        return self._framing(b'"function_call":{"arguments":', b"}")

    def text(self, framing: Framing, literal: bytes) -> bytes:
        """Write a chunk that adds one text."""
        return framing[0] + literal + framing[1]

    def open_call(self, index: int, call_id: str, name: str, *, is_custom: bool) -> bytes:
        """Write the beginning of a call."""
        start = self.start(has_text=False)
        form = (
            b'"type":"custom","custom":{"name":%b,"input":""}'
            if is_custom
            else b'"type":"function","function":{"name":%b,"arguments":""}'
        )
        head = b'"tool_calls":[{"index":%d,"id":%b,' % (index, _encode(call_id))
        return start + self._chunk(head + form % _encode(name) + b"}]")

    def open_function(self, name: str) -> bytes:
        """Write the beginning of the one call of the older protocol."""
        start = self.start(has_text=False)
        return start + self._chunk(b'"function_call":{"name":%b,"arguments":""}' % _encode(name))

    def end(
        self, reason: FinishReason, annotations: list[Annotation], usage: Usage, service_tier: str
    ) -> bytes:
        """Write the end of the answer: what marks its text, why it ended, what it cost."""
        out = [self.start()]
        if annotations:
            out.append(self._chunk(b'"annotations":' + _encode(annotations)))
        out.append(
            self._opening + b'},"logprobs":null,"finish_reason":' + _encode(reason) + b"}]" + self._rest
        )
        if self._tells_usage:
            tier = b',"service_tier":' + _encode(service_tier) if self._facts.is_folded else b""
            out.append(self._head + b'],"usage":' + _encode(usage) + tier + b"}\n\n")
        out.append(DONE)
        return b"".join(out)

    def _framing(self, before: bytes, after: bytes = b"") -> Framing:
        assert self.has_started, "the role precedes everything else"
        return self._opening + before, after + self._ending

    def _chunk(self, delta: bytes) -> bytes:
        return self._opening + delta + self._ending
