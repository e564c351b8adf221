"""The non-stream answer: the fold of the very chunks a streaming client would get (wire-mapping 5.1, 6.3)."""

import msgspec
from msgspec import UNSET

from packyproxy.wire.chat_events import (
    Annotation,
    CallDelta,
    Choice,
    Chunk,
    ChunkChoice,
    Completion,
    CompletionMessage,
    CustomCall,
    FinishReason,
    FunctionCall,
    ToolCall,
    Usage,
    decode_chunk,
)

__all__ = ["fold"]

_DATA = b"data: "
_DONE = b"data: [DONE]"
_encode = msgspec.json.Encoder().encode


def fold(frames: bytes) -> bytes:
    """Fold a whole, successful stream into the JSON of its completion.

    Args:
        frames: what a ``ChatWriter`` returned, up to ``[DONE]``. What only a writer for ``fold`` tells
            (``ChatFacts.is_folded``) is there if it was told. A stream that ended in an error has no
            completion: its caller answers with the error instead.
    """
    answer = _Answer()
    chunk: Chunk | None = None
    usage: Usage | None = None
    for frame in frames.split(b"\n\n"):
        if not frame.startswith(_DATA) or frame == _DONE:
            continue
        chunk = decode_chunk(frame[len(_DATA) :])
        usage = chunk.usage or usage
        for choice in chunk.choices:
            answer.add(choice)
    assert chunk is not None, "a whole stream has chunks"
    return _encode(
        Completion(
            id=chunk.id,
            created=chunk.created,
            model=chunk.model,
            choices=[answer.choice()],
            usage=usage,
            service_tier=chunk.service_tier or "default",
        )
    )


class _Answer:
    """What the deltas of one choice add up to."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._annotations: list[Annotation] = []
        self._calls: list[CallDelta] = []
        """The first delta of each call."""
        self._arguments: list[list[str]] = []
        self._function: FunctionCall | None = None
        self._function_arguments: list[str] = []
        self._finish_reason: FinishReason | None = None

    def add(self, choice: ChunkChoice) -> None:
        """Take one chunk."""
        self._finish_reason = choice.finish_reason or self._finish_reason
        delta = choice.delta
        if delta.content:
            self._content.append(delta.content)
        elif delta.reasoning_content:
            self._reasoning.append(delta.reasoning_content)
        elif delta.refusal:
            self._refusal.append(delta.refusal)
        elif delta.tool_calls:
            self._add_call(delta.tool_calls[0])
        elif delta.function_call:
            self._function = self._function or delta.function_call
            self._function_arguments.append(delta.function_call.arguments)
        elif delta.annotations:
            self._annotations = delta.annotations

    def choice(self) -> Choice:
        """Return the choice; the content is null only beside something else that says the answer."""
        content = "".join(self._content)
        has_other = bool(self._calls or self._function or self._refusal)
        message = CompletionMessage(
            content=content if content or not has_other else None,
            reasoning_content="".join(self._reasoning) or UNSET,
            refusal="".join(self._refusal) or None,
            annotations=self._annotations,
            tool_calls=list(map(_call, self._calls, self._arguments)) or UNSET,
        )
        if self._function is not None:
            message.function_call = FunctionCall(
                name=self._function.name, arguments="".join(self._function_arguments)
            )
        return Choice(message=message, finish_reason=self._finish_reason)

    def _add_call(self, delta: CallDelta) -> None:
        if delta.index == len(self._calls):
            self._calls.append(delta)
            self._arguments.append([])
        text = delta.custom.input if delta.custom else _function(delta).arguments
        self._arguments[delta.index].append(text)


def _function(delta: CallDelta) -> FunctionCall:
    assert delta.function is not UNSET, "a call is of a custom tool or of a function"
    return delta.function


def _call(first: CallDelta, arguments: list[str]) -> ToolCall:
    assert first.id is not UNSET, "a call begins with its id"
    text = "".join(arguments)
    if first.custom:
        return ToolCall(id=first.id, type="custom", custom=CustomCall(name=first.custom.name, input=text))
    name = _function(first).name
    return ToolCall(id=first.id, type="function", function=FunctionCall(name=name, arguments=text))
