"""Responses requests as hypothesis makes them, and what no protocol knows of."""

from typing import Any

from hypothesis import strategies as st

from tests.laws.request_strategies import VAULT, Body, json_values, objects, shape, words


def _ids(prefix: str) -> st.SearchStrategy[Any]:
    return st.sampled_from([f"{prefix}_1", f"{prefix}_{'x' * 90}", "other_1", "", None])


_marks = {"mode": "explicit"}
texts = shape({"type": "input_text", "text": words}, prompt_cache_breakpoint=_marks)
images = shape(
    {"type": "input_image", "image_url": "https://a.example/i.png", "detail": "low"},
    prompt_cache_breakpoint=_marks,
)
said = shape({"type": "output_text", "text": words}, annotations=st.just([]), logprobs=st.just([]))
shown = words | st.lists(texts | images, min_size=1, max_size=2)

messages = shape(
    {"role": st.sampled_from(["user", "developer", "system"]), "content": shown},
    type="message",
    id=_ids("msg"),
)
answers = shape(
    {"type": "message", "role": "assistant", "content": words | st.lists(said, min_size=1, max_size=2)},
    id=_ids("msg"),
    status="completed",
    phase=st.sampled_from(["commentary", "final_answer"]),
)


@st.composite
def calls(draw: st.DrawFn) -> list[Body]:
    """Draw reasoning, perhaps, a call and its output."""
    number = draw(st.integers(0, 10_000_000))
    kind, what = draw(st.sampled_from([("function_call", "arguments"), ("custom_tool_call", "input")]))
    call: Body = {"type": kind, "call_id": "", "name": "ls", what: "{}"}
    output: Body = {"type": f"{kind}_output", "call_id": "", "output": draw(shown)}
    if draw(st.booleans()):
        call["id"] = draw(_ids("fc" if kind == "function_call" else "ctc"))
    if draw(st.booleans()):
        output["id"] = draw(_ids("fc" if kind == "function_call" else "ctco"))
    reasoning = {
        "type": "reasoning",
        "id": f"rs_{number}",
        "summary": [],
        "encrypted_content": VAULT.seal(f"rs_{number}"),
    }
    return [*([reasoning] if draw(st.booleans()) else []), call, output]


def _joined(runs: list[list[Body]]) -> list[Body]:
    """Put runs of items together; each call gets an id of its own."""
    return [
        {**item, "call_id": f"call_{number}"} if "call_id" in item else item
        for number, run in enumerate(runs)
        for item in run
    ]


histories = st.lists((messages | answers).map(lambda item: [item]) | calls(), max_size=4).map(_joined)

_TOOLS: list[Body] = [
    {"type": "function", "name": "ls", "parameters": {"type": "object", "properties": {}}, "strict": False},
    {"type": "web_search"},
    {"type": "web_search_preview", "search_context_size": "low"},
    {"type": "custom", "name": "patch"},
]
tools = st.lists(st.sampled_from(_TOOLS), max_size=3, unique_by=lambda tool: str(tool.get("name", "search")))


def plausible_requests() -> st.SearchStrategy[Body]:
    """Draw bodies that clients send, in any mixture; a choice of tools comes with some."""
    return _mixtures().filter(lambda body: "tool_choice" not in body or bool(body.get("tools")))


def _mixtures() -> st.SearchStrategy[Body]:
    return shape(
        {"model": "m", "input": words | histories},
        instructions=words | st.none(),
        tools=tools,
        tool_choice=st.sampled_from(["auto", "none"]),
        parallel_tool_calls=st.booleans(),
        reasoning=shape(
            {}, effort=st.sampled_from(["none", "low", "max"]), summary="auto", generate_summary="concise"
        ),
        text=shape({}, verbosity="low", format={"type": "text"}),
        include=st.lists(
            st.sampled_from(
                [
                    "reasoning.encrypted_content",
                    "message.output_text.logprobs",
                    "web_search_call.action.sources",
                ]
            ),
            max_size=2,
            unique=True,
        ),
        store=st.booleans(),
        stream=st.booleans(),
        max_output_tokens=st.integers(16, 1000),
        temperature=st.sampled_from([0, 0.5, 1]),
        top_p=st.sampled_from([0.5, 1.0]),
        top_logprobs=st.integers(0, 3),
        service_tier=st.sampled_from(["auto", "fast", "priority", "flex"]),
        prompt_cache_key=st.sampled_from(["theirs", ""]),
        client_metadata=st.just({"k": "v"}),
        truncation=st.sampled_from(["auto", "disabled"]),
        metadata=st.just({"k": "v"}),
        user="u",
        previous_response_id=None,
    )


unknown_fields = st.dictionaries(words.map(lambda word: f"x_{word}"), json_values, max_size=3)
unknown_items = objects.map(lambda fields: {**fields, "type": "x_new"})
