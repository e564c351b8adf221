"""Messages requests that a client could send, as hypothesis makes them."""

from hypothesis import strategies as st

from tests.laws.request_strategies import SCOPE, VAULT, Body, blocks, ids, json_values, names, objects, words

_base64 = st.sampled_from(["", "QUJD", "QQ=="])
_citations = {"enabled": True}

texts = blocks("text", {"text": words}, cache_control={"type": "ephemeral"}, citations=None)
images = blocks(
    "image",
    {
        "source": st.one_of(
            blocks("base64", {"media_type": "image/png", "data": _base64}),
            blocks("url", {"url": "https://a.example/i.png"}),
        )
    },
)
documents = blocks(
    "document",
    {
        "source": st.one_of(
            blocks("base64", {"media_type": "application/pdf", "data": _base64}),
            blocks("url", {"url": "https://a.example/d.pdf"}),
            blocks("text", {"media_type": "text/plain", "data": words}),
            blocks("content", {"content": st.lists(texts | images, max_size=2) | words}),
        )
    },
    title=words | st.none(),
    context=words | st.none(),
    citations=_citations,
)
search_results = blocks(
    "search_result", {"source": words, "title": words, "content": st.lists(texts, max_size=2)}
)
tool_results = blocks(
    "tool_result",
    {"tool_use_id": ids},
    content=st.one_of(
        st.none(),
        words,
        st.lists(
            texts
            | images
            | documents
            | search_results
            | blocks("tool_reference", {"tool_name": names})
            | blocks("browser_state", {"state": json_values}),
            max_size=3,
        ),
    ),
    is_error=st.booleans() | st.none(),
)

_readable = [f"pp1.{SCOPE}.{shown}.{VAULT.seal('rs_1')}" for shown in ("rs_1", "-")]
_unreadable = [
    "",
    "EqQBCkYI",
    "gAAAA",
    "pp1.",
    "pp1.x",
    f"pp1.{SCOPE}.rs_1.-",
    f"pp1.0000000000.-.{VAULT.seal('rs_1')}",
]
_signatures = st.sampled_from(_readable) | st.sampled_from(_unreadable)
thoughts = blocks("thinking", {"thinking": words}, signature=_signatures) | blocks(
    "redacted_thinking", {"data": _signatures}
)
tool_uses = blocks("tool_use", {"id": ids, "name": names}, input=objects | st.none(), caller=None)
server_blocks = st.one_of(
    blocks(
        "server_tool_use",
        {"id": ids, "name": st.sampled_from(["web_search", "code_execution"])},
        input=objects,
    ),
    blocks("web_search_tool_result", {"tool_use_id": ids}, content=json_values),
    blocks("code_execution_tool_result", {"tool_use_id": ids}, content=json_values),
    blocks(
        "tool_search_tool_result",
        {"tool_use_id": ids},
        content=st.fixed_dictionaries(
            {"tool_references": st.lists(st.fixed_dictionaries({"tool_name": names}))}
        )
        | json_values,
    ),
)
mcp_blocks = st.one_of(
    blocks("mcp_tool_use", {"id": ids, "name": names}, input=objects),
    blocks("mcp_tool_result", {"tool_use_id": ids}, content=json_values),
    blocks("mcp_tool_listing", {}),
)
compactions = blocks("compaction", {}, content=words | st.none(), encrypted_content=words)

_user_blocks = st.one_of(
    texts, texts, tool_results, tool_results, images, documents, search_results, mcp_blocks
)
_assistant_blocks = st.one_of(
    texts, thoughts, thoughts, tool_uses, tool_uses, server_blocks, mcp_blocks, compactions,
    blocks("fallback", {}), blocks("brand_new", {"x": json_values}),
)  # fmt: skip
messages = st.one_of(
    st.fixed_dictionaries({"role": st.just("user"), "content": words | st.lists(_user_blocks, max_size=4)}),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": words | st.lists(_assistant_blocks, max_size=5)}
    ),
    st.fixed_dictionaries(
        {"role": st.just("system"), "content": words | st.lists(texts, max_size=2)},
        optional={"clear_at": st.just("next_user_message"), "output_config": st.just({"effort": "max"})},
    ),
)


@st.composite
def tool_turns(draw: st.DrawFn) -> list[Body]:
    """Draw an assistant's calls, perhaps after thinking, and a user's results for most of them in any order."""
    calls = draw(st.lists(tool_uses, min_size=1, max_size=3))
    called = draw(st.lists(st.sampled_from([call["id"] for call in calls]), max_size=3))
    results = [{**draw(tool_results), "tool_use_id": call_id} for call_id in called]
    before, after = draw(st.lists(thoughts | texts, max_size=2)), draw(st.lists(texts | thoughts, max_size=1))
    return [
        {"role": "assistant", "content": [*before, *calls, *after]},
        {"role": "user", "content": [*results, *draw(st.lists(texts, max_size=1))]},
    ]


histories = st.lists(tool_turns() | st.lists(messages, min_size=1, max_size=1), min_size=1, max_size=5).map(
    lambda groups: [message for group in groups for message in group]
)

_schemas = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(words, objects, max_size=2)}
    ),
    st.sampled_from(
        [
            None,
            {},
            {"$schema": "x", "anyOf": [{"properties": {"a": {"type": "array"}}, "required": ["a"]}]},
            {"type": "object", "properties": {"a": {"type": "array"}}, "enum": [1]},
            {"type": "object", "properties": {}, "additionalProperties": False},
        ]
    ),
)
_tools = st.one_of(
    st.fixed_dictionaries(
        {"name": names, "input_schema": _schemas},
        optional={
            "type": st.sampled_from([None, "custom"]),
            "description": words | st.none(),
            "strict": st.booleans(),
            "defer_loading": st.booleans(),
            "input_examples": st.lists(objects, max_size=4),
            "allowed_callers": st.sampled_from([["direct"], ["code_execution_20260120"]]),
        },
    ),
    st.sampled_from(
        [
            {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.example"]},
            {"type": "web_fetch_20250910", "name": "web_fetch"},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            {"type": "memory_20250818", "name": "memory"},
            {"type": "computer_20250124", "name": "computer", "display_width_px": 9, "display_height_px": 9},
            {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
            {"type": "code_execution_20250825", "name": "code_execution"},
        ]
    ),
)
_efforts = st.sampled_from(["none", "low", "high", "max"])


@st.composite
def plausible_requests(draw: st.DrawFn) -> Body:
    """Draw a request that a client could send."""
    tools = draw(st.lists(_tools, max_size=4, unique_by=lambda tool: tool["name"]))
    body: Body = {
        "model": "claude-x",
        "max_tokens": draw(st.integers(1, 64_000)),
        "messages": draw(histories),
        "tools": tools,
    }
    optional: Body = {
        "system": words | st.lists(texts, max_size=2),
        "thinking": st.sampled_from(
            [
                {"type": "adaptive"},
                {"type": "adaptive", "display": "omitted"},
                {"type": "enabled", "budget_tokens": 2000},
                {"type": "disabled"},
            ]
        ),
        "output_config": st.fixed_dictionaries(
            {},
            optional={
                "effort": _efforts,
                "format": st.just({"type": "json_schema", "schema": {"type": "object", "properties": {}}}),
            },
        ),
        "tool_choice": st.sampled_from(
            [{"type": "auto"}, {"type": "none", "disable_parallel_tool_use": True}]
        ),
        "temperature": st.sampled_from([0, 0.5, 1]),
        "top_p": st.sampled_from([0.5, 1]),
        "top_k": st.just(5),
        "speed": st.just("fast"),
        "metadata": st.just({"user_id": "user_x"}),
        "stop_sequences": st.lists(words, max_size=2),
    }
    for key, strategy in optional.items():
        if draw(st.booleans()):
            body[key] = draw(strategy)
    return body
