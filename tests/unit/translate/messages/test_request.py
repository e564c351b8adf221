"""Top-level fields of a Messages request."""

import json
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target
from packyproxy.translate.messages.request import read, to_responses

UUID = "0a1b2c3d-0000-4000-8000-0123456789ab"
BILLING = "x-anthropic-billing-header: v=1"
SCHEMA = {"type": "object", "properties": {}}
FORMAT = {"type": "json_schema", "schema": SCHEMA}


def _removed(*names: str) -> AttemptFacts:
    return AttemptFacts(removed_parameters=frozenset(names))


WORKED = rb"""{"model":"claude-sonnet-4-5","max_tokens":2000,"system":[{"type":"text","text":"x-anthropic-billing-header: v=1"},
 {"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
 "thinking":{"type":"adaptive"},"output_config":{"effort":"medium"},"tool_choice":{"type":"auto","disable_parallel_tool_use":true},
 "tools":[{"name":"ls","input_schema":{"type":"object","properties":{"p":{"type":"string"}}}}],
 "messages":[{"role":"user","content":"list /"},
  {"role":"assistant","content":[{"type":"thinking","thinking":"Look.","signature":"pp1.1f2e3d4c5b.rs_9.gAAAAabc"},
   {"type":"tool_use","id":"call_7","name":"ls","input":{"p":"/"}}]},
  {"role":"user","content":[{"type":"tool_result","tool_use_id":"call_7","content":[],"is_error":true}]}]}"""

WORKED_RESULT = (
    rb'{"model":"gpt-5.1-codex","instructions":"Be brief.","input":['
    rb'{"type":"message","role":"user","content":[{"type":"input_text","text":"list /"}]},'
    rb'{"type":"reasoning","summary":[],"encrypted_content":"gAAAAabc"},'
    rb'{"type":"function_call","call_id":"call_7","name":"ls","arguments":"{\"p\":\"/\"}"},'
    rb'{"type":"function_call_output","call_id":"call_7","output":"[tool_error]\n(no output)"}],'
    rb'"tools":[{"type":"function","name":"ls","description":"","parameters":'
    rb'{"type":"object","properties":{"p":{"type":"string"}}},"strict":false}],'
    rb'"tool_choice":"auto","parallel_tool_calls":false,"reasoning":{"effort":"medium","summary":"auto"},'
    rb'"store":false,"stream":true,"include":["reasoning.encrypted_content"],"prompt_cache_key":"key"}'
)


def test_worked_example() -> None:
    """The documented example gives the documented bytes."""
    target = Target(
        model="gpt-5.1-codex", scope="1f2e3d4c5b", efforts=("low", "medium", "high"), prompt_cache_key="key"
    )
    assert WORKED_RESULT == to_responses(read(WORKED), target).body


def test_another_provider_cannot_read_the_reasoning() -> None:
    """With another scope the reasoning is absent; call and output stay."""
    target = Target(model="gpt-5.1-codex", scope="0000000000", efforts=("low",))
    kinds = [item["type"] for item in json.loads(to_responses(read(WORKED), target).body)["input"]]
    assert ["message", "function_call", "function_call_output"] == kinds


def test_equal_requests_give_equal_bytes(translate: Any) -> None:
    """The upstream's cache goes by the bytes of the prefix."""
    assert translate.full(system="s").body == translate.full(system="s").body


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (None, ""),
        ("", ""),
        ("You are terse.", "You are terse."),
        (f"{BILLING} rest", ""),
        (f" \n{BILLING}", ""),
        ([], ""),
        ([{"type": "text", "text": BILLING}, {"type": "text", "text": "a"}], "a"),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": ""}, {"type": "text", "text": "b"}],
            "a\n\nb",
        ),
    ],
    ids=[
        "null",
        "empty",
        "string",
        "attribution string",
        "after white space",
        "no blocks",
        "attribution block",
        "blocks",
    ],
)
def test_system_becomes_instructions(system: Any, expected: str, translate: Any) -> None:
    """Texts are joined by blank lines, without Claude Code's attribution."""
    assert expected == translate(system=system)["instructions"]


@pytest.mark.parametrize(("system", "extra"), [("s", 1), ("", 0)], ids=["text", "no text"])
def test_system_as_developer_message(system: str, extra: int, translate: Any, said: Any) -> None:
    """Where instructions are refused, a first developer item carries the text."""
    body = translate(system=system, target={"capabilities": {"system_as": "developer"}})
    assert ("", [*[said("developer", "s")][:extra], said("user", "hi")]) == (
        body["instructions"],
        body["input"],
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": ""}, "model: field required"),
        ({"model": 5}, "model: expected string, got integer"),
        ({"max_tokens": -1}, "max_tokens: must be at least 0"),
        ({"max_tokens": "5"}, "max_tokens: expected integer, got string"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [{"role": "user", "content": "x"}] * 100_001}, "messages: at most 100000 messages are accepted"),
        ({"system": [{"type": "image"}]}, "system.0.type: invalid value"),
        ({"system": [{"type": "text", "text": 1}]}, "system.0.text: expected string, got number"),
        ({"system": 5}, "system: expected array, got integer"),
        ({"stream": "yes"}, "stream: expected boolean or null, got string"),
        ({"stop_sequences": [1]}, "stop_sequences.0: expected string, got integer"),
        ({"thinking": {}}, "thinking.type: field required"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort: must be one of none, minimal, low, medium, high, xhigh, max"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type: must be json_schema"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: field required"),
        ({"output_format": {"type": "json_schema", "schema": 5}}, "output_format.schema: expected object"),
        ({"compaction": {"type": "summarize"}}, "compaction is not supported by this gateway"),
        ({"mcp_servers": [{}]}, "mcp_servers is not supported by this gateway: run MCP servers on the client side"),
        ({"container": {"skills": [1]}}, "container.skills is not supported by this gateway"),
        ({"thread": {"type": "create"}}, "thread: message threads are not supported by this gateway"),
        ({"temperature": "hot", "target": {"capabilities": {"sampling": True}}}, "temperature: expected number"),
        ({"top_p": True, "target": {"capabilities": {"sampling": True}}}, "top_p: expected number"),
    ],
)  # fmt: skip
def test_refused_fields(fields: dict[str, Any], expected: str, translate: Any) -> None:
    """The refusal names the field."""
    assert expected == translate.refusal(**fields).message


@pytest.mark.parametrize("field", ["model", "max_tokens", "messages"])
def test_required_fields(field: str) -> None:
    """Three fields must be there."""
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    del body[field]
    with pytest.raises(InvalidRequest, match=f"^{field}: field required$"):
        read(json.dumps(body).encode())


def test_thread_refusal_tells_the_sdk_what_to_do(translate: Any) -> None:
    """The anthropic SDK's tool runner falls back to whole histories on these details."""
    expected = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert expected == translate.refusal(thread={"type": "create"}).details


def test_counting_needs_no_max_tokens() -> None:
    """count_tokens bodies have none, and are never a cache pre-warm."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    counted = [read(body, counting=True), read(body[:-1] + b',"max_tokens":0}', counting=True)]
    assert [False, False] == [request.is_prewarm for request in counted]


@pytest.mark.parametrize(("max_tokens", "expected"), [(0, True), (1, False)])
def test_prewarm(max_tokens: int, expected: bool, translate: Any) -> None:
    """``max_tokens: 0`` asks for nothing but a warm cache."""
    assert expected is translate.request(max_tokens=max_tokens).is_prewarm


def test_request_shows_what_the_runtime_needs(translate: Any) -> None:
    """Model and stream are as sent."""
    request = translate.request(model="Claude-X[1m]", stream=True)
    assert ("Claude-X[1m]", True, False) == (request.model, request.is_stream, translate.request().is_stream)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"user_id": json.dumps({"device_id": "d", "account_uuid": "", "session_id": UUID})}, UUID),
        ({"user_id": f"user_abc_account__session_{UUID}"}, UUID),
        ({"user_id": "somebody"}, None),
        ({"user_id": "{"}, None),
        ({"user_id": "[1]"}, None),
        ({"user_id": "[" * 5000}, None),
        ({"user_id": '{"session_id":""}'}, None),
        ({"user_id": '{"session_id":5}'}, None),
        ({"user_id": 5}, None),
        ({}, None),
        (None, None),
        (5, None),
    ],
    ids=[
        "JSON",
        "older form",
        "plain",
        "broken",
        "list",
        "deep",
        "empty",
        "number",
        "odd id",
        "no id",
        "null",
        "odd",
    ],
)
def test_session_hint(metadata: Any, expected: str | None, translate: Any) -> None:
    """Both forms of Claude Code's user id name the session; nothing else does, and nothing is refused."""
    assert expected == translate.request(metadata=metadata).session_hint


def test_opening_names_a_nameless_session(translate: Any) -> None:
    """Instructions and first user text, whatever follows."""
    first = {"role": "user", "content": "one"}
    longer = [first, {"role": "assistant", "content": "a"}, {"role": "user", "content": "two"}]
    opening = translate.request(system="s", messages=[first]).opening()
    assert opening == translate.request(system="s", messages=longer).opening()
    assert opening != translate.request(system="t", messages=[first]).opening()
    assert b'""\0' == translate.request(messages=[{"role": "assistant", "content": "a"}]).opening()


@pytest.mark.parametrize(
    ("fields", "effort", "summary"),
    [
        ({}, None, None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, "low", None),
        ({"output_config": {"effort": "max"}}, "high", None),
        ({"output_config": {"effort": "minimal"}}, "low", None),
        ({"thinking": {"type": "enabled", "budget_tokens": 8000}}, "medium", "auto"),
        ({"thinking": {"type": "adaptive"}}, "high", "auto"),
        ({"thinking": {"type": "between_tools", "display": "updates"}}, "high", "auto"),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, "high", "auto"),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, "high", None),
        ({"thinking": {"type": "adaptive"}, "facts": _removed("reasoning.summary")}, "high", None),
        ({"thinking": {"type": "adaptive"}, "facts": AttemptFacts(effort_override="medium")}, "medium", "auto"),
        ({"thinking": {"type": "disabled"}, "target": {"suffix_effort": "high"}}, "high", None),
        ({"target": {"default_effort": "medium"}}, "medium", None),
        (
            {
                "output_config": {"effort": "low"},
                "messages": [
                    {"role": "system", "output_config": {"effort": "high"}},
                    {"role": "system", "content": "x", "output_config": {"effort": "medium"}},
                    {"role": "user", "content": "u"},
                ],
            },
            "medium",
            None,
        ),
    ],
    ids=[
        "nothing", "disabled", "output_config", "clamped up", "budget", "adaptive", "between", "summarized", "omitted",
        "summary removed", "override", "suffix", "default", "mid-conversation",
    ],
)  # fmt: skip
def test_effort_and_summary(
    fields: dict[str, Any], effort: str | None, summary: str | None, translate: Any
) -> None:
    """The effort is the first source's, clamped; a summary is asked for when thinking is to be read."""
    done = translate.full(**fields)
    expected = {key: value for key, value in (("effort", effort), ("summary", summary)) if value}
    assert (effort, expected or None) == (done.effort, json.loads(done.body).get("reasoning"))


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        ({"top_k": 5}, ("top_k",)),
        ({"temperature": 0.5, "top_p": "odd"}, ("temperature", "top_p")),
        ({"temperature": 1, "top_p": 1.0}, ()),
        ({"temperature": None, "top_k": None}, ()),
        ({"output_config": {"task_budget": {"type": "tokens"}}}, ("task_budget",)),
        ({"container": "c_1"}, ("container",)),
        ({"container": {"skills": []}}, ("container",)),
        ({"container": None, "mcp_servers": [], "thread": None, "compaction": None}, ()),
        ({"context_management": {"edits": []}}, ("context_management",)),
        ({"thinking": {"type": "telepathic"}}, ("thinking",)),
        ({"service_tier": 5, "betas": 5, "inference_geo": 5, "cache_control": 5, "metadata": 5, "diagnostics": 5}, ()),
        ({"speed": "standard"}, ()),
    ],
    ids=[
        "top_k", "sampling", "sampling of one", "nulls", "task budget", "container", "container without skills", "empties",
        "context management", "unknown thinking", "dropped and never checked", "speed",
    ],
)  # fmt: skip
def test_lost_fields_are_warned_about(
    fields: dict[str, Any], warnings: tuple[str, ...], translate: Any
) -> None:
    """What changes the answer is named; the rest goes silently, and none of it reaches the upstream."""
    done = translate.full(**fields)
    assert warnings == done.warnings
    allowed = {"model", "instructions", "input", "store", "stream", "include", "reasoning"}
    assert set() == set(json.loads(done.body)) - allowed


def test_sampling_is_sent_where_it_is_taken() -> None:
    """Numbers go as they were written, unless the upstream refused them before."""
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"temperature":0.70,"top_p":0.9}'
    target = Target(model="m", scope="s", efforts=(), capabilities=Capabilities(sampling=True))
    done = to_responses(read(body), target, _removed("top_p"))
    assert (True, False, ("top_p",)) == (
        b'"temperature":0.70' in done.body,
        b"top_p" in done.body,
        done.warnings,
    )


@pytest.mark.parametrize(("facts", "expected"), [(None, "priority"), (_removed("service_tier"), None)])
def test_speed_fast_is_the_priority_tier(
    facts: AttemptFacts | None, expected: str | None, translate: Any
) -> None:
    """``speed: fast`` buys the upstream's priority."""
    assert expected == translate(speed="fast", facts=facts).get("service_tier")


@pytest.mark.parametrize(
    ("config", "facts", "strict"),
    [
        ({"output_config": {"format": FORMAT}}, None, {"strict": False}),
        ({"output_format": FORMAT}, None, {"strict": False}),
        (
            {"output_config": {"format": {**FORMAT, "schema": {**SCHEMA, "additionalProperties": False}}}},
            None,
            {"strict": True},
        ),
        ({"output_format": FORMAT}, _removed("strict"), {}),
    ],
    ids=["output_config", "older field", "strict where possible", "strict removed"],
)
def test_output_format(
    config: dict[str, Any], facts: AttemptFacts | None, strict: dict[str, Any], translate: Any
) -> None:
    """A JSON schema for the answer goes into ``text.format``."""
    sent = translate(facts=facts, **config)["text"]["format"]
    schema = sent.pop("schema")
    assert {"type": "json_schema", "name": "output", **strict} == sent
    assert schema["type"] == "object"


@pytest.mark.parametrize(
    ("max_tokens", "has_capability", "removed", "sent", "local"),
    [
        (5, False, (), None, 5),
        (31_999, False, (), None, 31_999),
        (32_000, False, (), None, None),
        (5, True, (), 16, None),
        (500, True, (), 500, None),
        (500, True, ("max_output_tokens",), None, 500),
    ],
    ids=["local", "local limit", "no limit", "at least 16", "upstream", "refused by the upstream"],
)
def test_max_tokens(
    max_tokens: int,
    has_capability: bool,
    removed: tuple[str, ...],
    sent: int | None,
    local: int | None,
    translate: Any,
) -> None:
    """The limit is the upstream's where it takes one, else ours, and no limit from 32000 on."""
    done = translate.full(
        max_tokens=max_tokens,
        facts=_removed(*removed),
        target={"capabilities": {"max_output_tokens": has_capability}},
    )
    assert (sent, local) == (
        json.loads(done.body).get("max_output_tokens"),
        done.stream_facts.max_text_tokens,
    )


@pytest.mark.parametrize(
    ("fields", "visible", "has_text"),
    [
        ({}, False, True),
        ({"thinking": {"type": "disabled"}}, False, True),
        ({"thinking": {"type": "enabled"}}, True, True),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, True, False),
    ],
    ids=["absent", "disabled", "enabled", "omitted"],
)
def test_visible_thinking(fields: dict[str, Any], visible: bool, has_text: bool, translate: Any) -> None:
    """Thinking is shown only to clients that asked for it."""
    facts = translate.full(**fields).stream_facts
    assert (visible, has_text) == (facts.thinking_is_visible, facts.thinking_has_text)


def test_stream_facts(translate: Any) -> None:
    """The response direction learns what it needs of the request."""
    facts = translate.full(
        model="claude-x",
        stop_sequences=["END", ""],
        context_management={"edits": []},
        target={"buffered_tools": frozenset({"Read", "X"})},
    ).stream_facts
    assert ("claude-x", "1f2e3d4c5b", ("END",), True, frozenset({"Read", "X"}), 0) == (
        facts.model,
        facts.scope,
        facts.stop_sequences,
        facts.echoes_context_management,
        facts.buffered_tools,
        facts.input_tokens_estimate,
    )


@pytest.mark.parametrize(
    ("key", "facts", "expected"),
    [("k", None, "k"), (None, None, None), ("k", _removed("prompt_cache_key"), None)],
)
def test_prompt_cache_key(
    key: str | None, facts: AttemptFacts | None, expected: str | None, translate: Any
) -> None:
    """The key comes from the target and can be left out."""
    assert expected == translate(target={"prompt_cache_key": key}, facts=facts).get("prompt_cache_key")


def test_search_sources_can_be_left_out(translate: Any) -> None:
    """An upstream that does not know this include is not asked for it."""
    facts = _removed("include[web_search_call.action.sources]")
    body = translate(tools=[{"type": "web_search_20250305", "name": "web_search"}], facts=facts)
    assert ["reasoning.encrypted_content"] == body["include"]


@pytest.mark.parametrize(
    "extra",
    [
        b'"metadata":' + b"[" * 5000 + b"]" * 5000,
        b'"tools":[{"name":"a","input_schema":'
        + b'{"items":' * 400
        + b'{"type":"array"}'
        + b"}" * 400
        + b"}]",
    ],
    ids=["dropped field", "schema"],
)
def test_deep_nesting_is_refused_or_served(extra: bytes) -> None:
    """However deep the JSON, there is an answer or a refusal, never a crash."""
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],%b}' % extra
    refusal = None
    try:
        to_responses(read(body), Target(model="m", scope="s", efforts=()))
    except InvalidRequest as refused:
        refusal = refused.message
    assert refusal is None or refusal.endswith("JSON is nested too deeply")


def test_every_depth_is_refused_or_served() -> None:
    """There is no depth between the limits of two decoders at which a request crashes."""
    last = ""
    for depth in (*range(700, 1001), 100_000):  # interpreters differ in how deep they go
        nested = b"[" * depth + b"]" * depth
        body = (
            b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"metadata":%b}' % nested
        )
        try:
            read(body)
        except InvalidRequest as refused:
            last = refused.message
    assert last == "JSON is nested too deeply"


def test_lone_surrogates_reach_the_upstream_as_replacement() -> None:
    """A history with half an emoji is served."""
    body = rb'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a\ud83d"}]}'
    sent = to_responses(read(body), Target(model="m", scope="s", efforts=())).body
    assert "a�" == json.loads(sent)["input"][0]["content"][0]["text"]
