"""The structs of Chat chunks: what they read is what the protocol writes."""

import msgspec
import pytest

from packyproxy.wire.chat_events import (
    CallDelta,
    Chunk,
    ChunkChoice,
    CustomCall,
    Delta,
    FunctionCall,
    PromptTokensDetails,
    ToolCall,
    decode_chunk,
)

HEAD = b'{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":['


def chunk(delta: bytes) -> bytes:
    """Write a chunk around a delta."""
    return HEAD + b'{"index":0,"delta":' + delta + b',"logprobs":null,"finish_reason":null}]}'


DELTAS = {
    "role": (b'{"role":"assistant","content":null}', Delta(role="assistant", content=None)),
    "text": (b'{"content":"a"}', Delta(content="a")),
    "refusal": (b'{"refusal":"a"}', Delta(refusal="a")),
    "reasoning": (b'{"reasoning_content":"a"}', Delta(reasoning_content="a")),
    "call": (
        b'{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}',
        Delta(tool_calls=[CallDelta(index=0, id="c", type="function", function=FunctionCall(name="f"))]),
    ),
    "arguments": (
        b'{"tool_calls":[{"index":1,"function":{"arguments":"a"}}]}',
        Delta(tool_calls=[CallDelta(index=1, function=FunctionCall(arguments="a"))]),
    ),
    "input": (
        b'{"tool_calls":[{"index":1,"custom":{"input":"a"}}]}',
        Delta(tool_calls=[CallDelta(index=1, custom=CustomCall(input="a"))]),
    ),
    "nothing": (b"{}", Delta()),
}


@pytest.mark.parametrize(("data", "delta"), DELTAS.values(), ids=DELTAS.keys())
def test_delta(data: bytes, delta: Delta) -> None:
    """Each kind of delta is read as it is written, and the other way round."""
    read = decode_chunk(chunk(data))
    assert Chunk(id="chatcmpl-1", created=1, model="m", choices=[ChunkChoice(delta=delta)]) == read
    assert chunk(data) == msgspec.json.encode(read)


def test_chunk_without_a_choice() -> None:
    """The usage comes alone; a null one is told from none at all."""
    assert decode_chunk(HEAD + b'],"usage":null}').usage is None
    assert decode_chunk(HEAD + b"]}").usage is msgspec.UNSET


def test_foreign_object() -> None:
    """What is no chunk is refused: only our own streams are read."""
    with pytest.raises(msgspec.DecodeError):
        decode_chunk(b'{"object":"error"}')


def test_absent_members_are_not_written() -> None:
    """A key is there only when there is something to say."""
    call = ToolCall(id="c", type="function", function=FunctionCall(name="f", arguments="{}"))
    assert b'{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}' == msgspec.json.encode(
        call
    )
    assert b'{"cached_tokens":0}' == msgspec.json.encode(PromptTokensDetails())
