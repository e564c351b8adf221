"""Chat Completions, whole and streamed, are what the openai SDK's types and its accumulator take."""

from collections.abc import Callable
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from packyproxy.testing import Answer, Fault, Framing, Stream, Turn
from tests.support.openai_types import DONE, Frame, read_chunk, read_completion, read_frames
from tests.support.scripted_answers import ANSWERS, RECORDED, TURNS

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("weather", "clock")
] + [{"type": "custom", "custom": {"name": "shell"}}, {"type": "web_search"}]
ASKED: dict[str, Any] = {
    "model": "gpt-5-low",
    "messages": [{"role": "user", "content": "hi"}],
    "tools": TOOLS,
}

each_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)


async def frames_of(it: Any, **fields: Any) -> list[Frame]:
    response = await it.post("/chat/completions", {**ASKED, "stream": True, **fields})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return read_frames(response.content)


async def chunks_of(it: Any, **fields: Any) -> list[Any]:
    *frames, done = await frames_of(it, **fields)
    assert done == Frame(None, DONE)
    return [read_chunk(frame.data) for frame in frames]


def deltas_of(chunks: list[Any]) -> list[Any]:
    return [choice.delta for chunk in chunks for choice in chunk.choices]


@each_answer
async def test_a_stream_is_data_frames_and_an_end(stage: Callable[..., Any], answer: Answer) -> None:
    """Every frame is one data line without an event line; ``[DONE]`` is the last, and only there."""
    frames = await frames_of(stage(answer))
    assert {None} == {frame.event for frame in frames}
    assert [len(frames) - 1] == [number for number, frame in enumerate(frames) if frame.data == DONE]


@each_answer
async def test_every_chunk_has_its_fields(stage: Callable[..., Any], answer: Answer) -> None:
    """Every chunk is valid as the SDK types it, and all are of one answer with one choice."""
    chunks = await chunks_of(stage(answer))
    assert len({(chunk.id, chunk.object, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert ("gpt-5-low", True) == (chunks[0].model, chunks[0].id.startswith("chatcmpl-"))
    assert {0} == {choice.index for chunk in chunks for choice in chunk.choices}
    assert {1} == {len(chunk.choices) for chunk in chunks}
    assert all(
        {"index", "delta", "logprobs", "finish_reason"} == chunk.choices[0].model_fields_set
        for chunk in chunks
    )


@each_answer
async def test_the_role_is_said_once_at_the_beginning(stage: Callable[..., Any], answer: Answer) -> None:
    """The first chunk says who speaks, and no other does."""
    roles = [delta.role for delta in deltas_of(await chunks_of(stage(answer)))]
    assert ["assistant"] + [None] * (len(roles) - 1) == roles


@each_answer
async def test_the_end_is_told_once_at_the_end(stage: Callable[..., Any], answer: Answer) -> None:
    """The last chunk with a choice gives the reason of the end with an empty delta, and no other gives one."""
    choices = [chunk.choices[0] for chunk in await chunks_of(stage(answer))]
    reasons = [choice.finish_reason for choice in choices]
    assert [None] * (len(reasons) - 1) == reasons[:-1]
    assert reasons[-1] is not None
    assert choices[-1].delta.to_dict() == {}


@each_answer
async def test_usage_is_the_last_chunk_when_it_is_asked_for(
    stage: Callable[..., Any], answer: Answer
) -> None:
    """With ``include_usage`` every chunk has the key, null until the last one, which has no choices."""
    *others, last = await chunks_of(stage(answer), stream_options={"include_usage": True})
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in others)
    assert [] == last.choices
    usage = last.usage
    assert usage.prompt_tokens + usage.completion_tokens == usage.total_tokens
    assert (int, int) == (
        type(usage.prompt_tokens_details.cached_tokens),
        type(usage.completion_tokens_details.reasoning_tokens),
    )


@each_answer
async def test_usage_is_silent_otherwise(stage: Callable[..., Any], answer: Answer) -> None:
    """Without ``include_usage`` no chunk has the key."""
    chunks = await chunks_of(stage(answer))
    assert [] == [chunk for chunk in chunks if "usage" in chunk.model_fields_set]


@each_answer
async def test_calls_are_opened_before_they_are_filled(stage: Callable[..., Any], answer: Answer) -> None:
    """The first chunk of a call has the next index, its id, type and name; arguments are added to the newest only."""
    seen: list[str] = []
    for delta in deltas_of(await chunks_of(stage(answer))):
        for call in delta.tool_calls or []:
            if call.index == len(seen):
                assert ("function", "") == (call.type, call.function.arguments)
                assert call.function.name
                seen.append(call.id)
            else:
                assert call.index == len(seen) - 1
                assert {"index", "function"} == call.model_fields_set
                assert {"arguments"} == call.function.model_fields_set
    assert len(set(seen)) == len(seen)


LEGACY: dict[str, Any] = {"functions": [{"name": "weather"}, {"name": "clock"}], "tools": None}


@pytest.mark.parametrize("name", ["call", "call-without-arguments", "parallel-calls", "mixed-calls"])
async def test_an_older_client_gets_one_function_call(stage: Callable[..., Any], name: str) -> None:
    """Asked with ``functions``, the first call alone is told: its name once, then its arguments; never ``tool_calls``."""
    it = stage([TURNS[name]] * 2)
    chunks = await chunks_of(it, **LEGACY)
    calls = [delta.function_call for delta in deltas_of(chunks) if delta.function_call]
    assert [calls[0].name] + [None] * (len(calls) - 1) == [call.name for call in calls]
    assert all(delta.tool_calls is None for delta in deltas_of(chunks))
    response = await it.post("/chat/completions", {**ASKED, **LEGACY})
    [whole] = read_completion(response.content).choices
    told = whole.message.function_call
    assert told is not None
    assert (told.name, told.arguments) == (calls[0].name, "".join(call.arguments or "" for call in calls))
    assert ("function_call", "function_call") == (whole.finish_reason, chunks[-1].choices[0].finish_reason)


@each_answer
async def test_a_whole_answer_has_its_fields(stage: Callable[..., Any], answer: Answer) -> None:
    """The whole answer is valid as the SDK types it, with one choice and the usage."""
    response = await stage(answer).post("/chat/completions", ASKED)
    assert response.headers["content-type"] == "application/json"
    whole = read_completion(response.content)
    [choice] = whole.choices
    assert {"id", "object", "created", "model", "choices", "usage"} <= whole.model_fields_set
    assert {"index", "message", "logprobs", "finish_reason"} == choice.model_fields_set
    assert {"role", "content", "refusal"} <= choice.message.model_fields_set
    assert ("gpt-5-low", True) == (whole.model, whole.id.startswith("chatcmpl-"))
    assert whole.usage is not None
    assert whole.usage.prompt_tokens + whole.usage.completion_tokens == whole.usage.total_tokens


@each_answer
async def test_the_sdk_accumulates_what_a_whole_answer_is(stage: Callable[..., Any], answer: Answer) -> None:
    """What the SDK makes of the chunks is what it gets without ``stream``: text, refusal, reasoning, calls, end."""
    it = stage([answer, answer])
    state: Any = ChatCompletionStreamState()
    for chunk in await chunks_of(it):
        state.handle_chunk(chunk)
    [streamed] = state.current_completion_snapshot.choices
    [whole] = read_completion((await it.post("/chat/completions", ASKED)).content).choices
    assert whole.finish_reason == streamed.finish_reason
    assert (whole.message.content or "") == (streamed.message.content or "")
    assert whole.message.refusal == streamed.message.refusal
    told = [getattr(choice.message, "reasoning_content", None) for choice in (whole, streamed)]
    assert told[0] == told[1]
    assert calls_of(whole.message) == calls_of(streamed.message)


def calls_of(message: Any) -> list[tuple[str, str]]:
    """Return names and arguments; a call of a custom tool is streamed as one of a function."""
    return [
        (call.function.name, call.function.arguments)
        if call.type == "function"
        else (call.custom.name, call.custom.input)
        for call in message.tool_calls or []
    ]


@pytest.mark.parametrize("name", TURNS)
async def test_an_upstream_that_answers_json_is_streamed(stage: Callable[..., Any], name: str) -> None:
    """One JSON document becomes valid chunks that add up to the same text."""
    turn = TURNS[name]
    as_json = Turn(output=turn.items(), incomplete=turn.incomplete, framing=Framing(is_json=True))
    it = stage([as_json, turn])
    texts = ["".join(delta.content or "" for delta in deltas_of(await chunks_of(it))) for _ in range(2)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("fault", ["cut", "end", "failed", "error_event"])
async def test_a_broken_answer_ends_with_an_error(stage: Callable[..., Any], fault: str) -> None:
    """After content a failure is one last frame with an ``error`` object, and no ``[DONE]``."""
    it = stage(getattr(Fault, fault)(turn=Turn("Half an answer"), after_events=7))
    *frames, last = await frames_of(it)
    assert [None] == list({read_chunk(frame.data).choices[0].finish_reason for frame in frames})
    assert last.data.startswith(b'{"error":{')


@pytest.mark.parametrize("name", ["recorded-no-completed", "recorded-error-event"])
async def test_a_recorded_answer_that_breaks_ends_with_an_error(stage: Callable[..., Any], name: str) -> None:
    """The recorded streams that break off, or say that they failed, do not end as if they were whole."""
    *_, last = await frames_of(stage(RECORDED[name]))
    assert last.data.startswith(b'{"error":{')


async def test_an_end_without_a_terminal_event_is_an_end(stage: Callable[..., Any]) -> None:
    """An upstream that says ``[DONE]`` in place of ``response.completed`` has ended; usage is estimated."""
    body = RECORDED["recorded-text"].body
    assert isinstance(body, bytes)
    cut = body[: body.index(b"event: response.completed")]
    *chunks, last = await chunks_of(
        stage(Stream(cut + b"data: [DONE]\n\n")), stream_options={"include_usage": True}
    )
    assert ("stop", True) == (chunks[-1].choices[0].finish_reason, last.usage.completion_tokens > 0)
