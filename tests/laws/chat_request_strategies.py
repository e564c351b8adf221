"""Chat requests as hypothesis makes them: what a client could send, its histories cut, merged and resent."""

from typing import Any

from hypothesis import strategies as st

from tests.laws.request_strategies import Body, blocks, ids, json_values, names, words

texts = blocks("text", {"text": words}, prompt_cache_breakpoint={"mode": "explicit"})
images = blocks(
    "image_url",
    {
        "image_url": st.fixed_dictionaries(
            {
                "url": st.sampled_from(
                    ["https://a.example/i.png", "data:image/png;base64,QUJD", "data:image/png;base64,"]
                )
            },
            optional={"detail": st.sampled_from([None, "auto", "low", "high", "original"])},
        )
    },
)
files = blocks(
    "file",
    {
        "file": st.fixed_dictionaries(
            {"file_data": st.sampled_from(["", "QUJD", "data:application/pdf;base64,QQ=="])},
            optional={"filename": words | st.none(), "file_id": st.none()},
        )
    },
)
refusals = blocks("refusal", {"refusal": words})

_arguments = st.sampled_from(["", "{}", '{"a": 1.10}', "not JSON"])
calls = st.one_of(
    blocks(
        "function", {"id": ids, "function": st.fixed_dictionaries({"name": names, "arguments": _arguments})}
    ),
    blocks("custom", {"id": ids, "custom": st.fixed_dictionaries({"name": names, "input": words})}),
    blocks("hologram", {"id": ids}),
)
_function_calls = st.fixed_dictionaries({"name": names, "arguments": _arguments})


def _message(role: str, content: st.SearchStrategy[Any], **optional: Any) -> st.SearchStrategy[Body]:
    return st.fixed_dictionaries(
        {"role": st.just(role), "content": content}, optional={"name": words, **optional}
    )


system_messages = st.sampled_from(["system", "developer"]).flatmap(
    lambda role: _message(role, words | st.lists(texts, max_size=2))
)
user_messages = _message("user", words | st.lists(texts | images | files, max_size=3))
assistant_messages = _message(
    "assistant",
    st.none() | words | st.lists(texts | refusals | blocks("brand_new", {"x": json_values}), max_size=3),
    refusal=words | st.none(),
    tool_calls=st.lists(calls, max_size=3) | st.none(),
    function_call=_function_calls | st.none(),
    reasoning_content=json_values,
    audio=json_values,
)
_results = st.none() | words | st.lists(texts | images | files, max_size=3)
tool_messages = st.builds(
    lambda call_id, content: {"role": "tool", "tool_call_id": call_id, "content": content}, ids, _results
)
function_messages = st.builds(
    lambda name, content: {"role": "function", "name": name, "content": content}, names, st.none() | words
)
messages = st.one_of(
    user_messages, user_messages, assistant_messages, assistant_messages, tool_messages, tool_messages,
    function_messages, system_messages,
)  # fmt: skip


@st.composite
def tool_turns(draw: st.DrawFn) -> list[Body]:
    """Draw an assistant's calls, and answers to most of them in any order."""
    called = draw(st.lists(calls, min_size=1, max_size=3))
    answered = draw(st.lists(st.sampled_from([call["id"] for call in called]), max_size=3))
    answers = [{"role": "tool", "tool_call_id": call_id, "content": draw(_results)} for call_id in answered]
    return [{"role": "assistant", "content": draw(st.none() | words), "tool_calls": called}, *answers]


histories = st.lists(tool_turns() | st.lists(messages, min_size=1, max_size=1), min_size=1, max_size=5).map(
    lambda groups: [message for group in groups for message in group]
)

_schemas = st.sampled_from(
    [
        None,
        {},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"$schema": "x", "anyOf": [{"properties": {"a": {"type": "array"}}, "required": ["a"]}]},
    ]
)
_strict = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
_functions = st.one_of(
    st.fixed_dictionaries(
        {"name": names},
        optional={
            "description": words | st.none(),
            "parameters": _schemas,
            "strict": st.sampled_from([None, False]),
        },
    ),
    st.fixed_dictionaries({"name": names, "parameters": st.just(_strict), "strict": st.booleans()}),
)
_customs = st.fixed_dictionaries(
    {"name": names},
    optional={
        "description": words,
        "format": st.sampled_from(
            [{"type": "text"}, {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}, None]
        ),
    },
)


def _tool_name(tool: Body) -> str:
    named: Body = tool.get("function") or tool.get("custom") or {"name": tool["type"]}
    return str(named["name"])


_tools = st.lists(
    blocks("function", {"function": _functions})
    | blocks("custom", {"custom": _customs})
    | st.sampled_from(
        [{"type": "web_search_preview", "search_context_size": "low"}, {"type": "file_search"}]
    ),
    max_size=4,
    unique_by=_tool_name,
)


def _choices(tools: list[Body]) -> list[Any]:
    """List the choices among tools that a client could make."""
    if not tools:
        return [None, "auto", "none"]
    named = [
        {"type": tool["type"], tool["type"]: {"name": _tool_name(tool)}}
        if tool["type"] in {"function", "custom"}
        else {"type": tool["type"]}
        for tool in tools
    ]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}}
    return [None, "auto", "none", "required", *named, allowed]


OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({}, optional={"include_usage": st.booleans()}),
    "max_tokens": st.integers(0, 64_000) | st.none(),
    "max_completion_tokens": st.integers(0, 64_000) | st.none(),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "high", "max", None]),
    "verbosity": st.sampled_from(["low", "high", None]),
    "response_format": st.sampled_from(
        [
            None,
            {"type": "text"},
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": _strict, "strict": True}},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": _strict, "description": "d"}},
        ]
    ),
    "parallel_tool_calls": st.booleans() | st.none(),
    "web_search_options": st.sampled_from(
        [
            {},
            {
                "search_context_size": "high",
                "user_location": {"type": "approximate", "approximate": {"city": "X"}},
            },
        ]
    ),
    "stop": words | st.lists(words, max_size=4),
    "n": st.sampled_from([1, None]),
    "modalities": st.just(["text"]),
    "service_tier": st.sampled_from(["auto", "priority", "flex"]),
    "temperature": st.sampled_from([0, 0.5, 1]),
    "top_p": st.sampled_from([0.5, 1]),
    "seed": st.just(5),
    "logprobs": st.booleans(),
    "prompt_cache_key": words,
    "user": json_values,
    "metadata": json_values,
    "store": st.booleans(),
}


@st.composite
def plausible_requests(draw: st.DrawFn) -> Body:
    """Draw a request that a client could send."""
    body: Body = {"model": "gpt-x", "messages": draw(histories)}
    if draw(st.booleans()):
        body["tools"] = draw(_tools)
        body["tool_choice"] = draw(st.sampled_from(_choices(body["tools"])))
    elif draw(st.booleans()):
        body["functions"] = draw(
            st.lists(_functions, max_size=3, unique_by=lambda function: function["name"])
        )
        body["function_call"] = draw(
            st.sampled_from(
                [None, "auto", "none", *({"name": function["name"]} for function in body["functions"])]
            )
        )
    for key, strategy in OPTIONAL.items():
        if draw(st.booleans()):
            body[key] = draw(strategy)
    return body
