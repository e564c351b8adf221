"""The grammar of a Chat stream as a table: (state, what a chunk holds) -> state."""

import json
from typing import Any

TABLE = {
    ("begin", "role"): "open",
    ("open", "content"): "open",
    ("open", "reasoning_content"): "open",
    ("open", "refusal"): "open",
    ("open", "tool_calls"): "open",
    ("open", "function_call"): "open",
    ("open", "annotations"): "marked",
    ("open", "finish"): "finished",
    ("marked", "finish"): "finished",
    ("finished", "usage"): "told",
    ("finished", "done"): "over",
    ("told", "done"): "over",
}

ALWAYS = {"object": "chat.completion.chunk", "id": "chatcmpl-1"}


def read(stream: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a stream without its end, each of exactly one ``data`` line."""
    frames = stream.split(b"\n\n")
    assert b"" == frames.pop()
    datas = [frame.removeprefix(b"data: ") for frame in frames]
    assert frames == [b"data: " + data for data in datas]
    return [json.loads(data) for data in datas if data != b"[DONE]"]


def walk(stream: bytes, *, tells_usage: bool) -> str:
    """Check a stream against the grammar and return the state it ends in."""
    state = "begin"
    calls: list[str] = []
    told: list[Any] = []
    for chunk in read(stream):
        assert ALWAYS == {name: chunk[name] for name in ALWAYS}
        assert told in ([], [chunk["created"], chunk["model"]])
        told = [chunk["created"], chunk["model"]]
        kind = _kind(chunk)
        state = TABLE[state, kind]
        if kind != "usage":
            assert chunk.get("usage", "absent") == (None if tells_usage else "absent")
        if kind == "tool_calls":
            _check_call(chunk["choices"][0]["delta"]["tool_calls"], calls)
    if stream.endswith(b"data: [DONE]\n\n"):
        assert state == ("told" if tells_usage else "finished")
        state = TABLE[state, "done"]
    return state


def _kind(chunk: dict[str, Any]) -> str:
    if not chunk["choices"]:
        return "usage"
    [choice] = chunk["choices"]
    assert (0, None) == (choice["index"], choice["logprobs"])
    delta = choice["delta"]
    if choice["finish_reason"] is not None:
        assert delta == {}
        return "finish"
    if "role" in delta:
        assert delta in ({"role": "assistant", "content": text} for text in ("", None))
        return "role"
    [(kind, value)] = delta.items()
    assert value
    return str(kind)


def _check_call(deltas: list[dict[str, Any]], calls: list[str]) -> None:
    """Check one delta of a call; ``calls`` are the ids of those that have begun."""
    [delta] = deltas
    kind = "custom" if "custom" in delta else "function"
    text = "input" if kind == "custom" else "arguments"
    if delta["index"] == len(calls):
        assert delta["id"] not in calls
        assert {"index", "id", "type", kind} == set(delta)
        assert (kind, {"name", text}, "") == (delta["type"], set(delta[kind]), delta[kind][text])
        calls.append(delta["id"])
    else:
        assert delta["index"] == len(calls) - 1
        assert ({"index", kind}, {text}) == (set(delta), set(delta[kind]))
        assert delta[kind][text] != ""
