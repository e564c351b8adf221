"""Top-level fields of a Chat Completions request (wire-mapping 6.1)."""

import json
from contextlib import suppress
from typing import Any

import pytest

from packyproxy.errors import CapabilityMissing, InvalidRequest
from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.request import ChatRequest, read, to_responses
from packyproxy.translate.contract import Target

USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
SEARCH = {"type": "web_search"}
PLATFORM = {"capabilities": {"max_output_tokens": True, "sampling": True}}

WORKED = rb"""{"model":"gpt","max_completion_tokens":90,"reasoning_effort":"medium","verbosity":"low","stream":true,
 "messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"list /"},
  {"role":"assistant","content":null,"tool_calls":[{"id":"call_7","type":"function","function":{"name":"ls","arguments":"{\"p\": \"/\"}"}}]},
  {"role":"tool","tool_call_id":"call_7","content":"bin"}],
 "tools":[{"type":"function","function":{"name":"ls","parameters":{"type":"object","properties":{"p":{"type":"string"}}}}}],
 "response_format":{"type":"json_object"},"parallel_tool_calls":false,"service_tier":"fast"}"""

WORKED_RESULT = (
    rb'{"model":"gpt-5.1-codex","instructions":"Be brief.","input":['
    rb'{"type":"message","role":"user","content":[{"type":"input_text","text":"list /"}]},'
    rb'{"type":"function_call","call_id":"call_7","name":"ls","arguments":"{\"p\": \"/\"}"},'
    rb'{"type":"function_call_output","call_id":"call_7","output":"bin"}],'
    rb'"tools":[{"type":"function","name":"ls","description":"","parameters":'
    rb'{"type":"object","properties":{"p":{"type":"string"}}},"strict":false}],'
    rb'"tool_choice":"auto","parallel_tool_calls":false,"reasoning":{"effort":"medium","summary":"auto"},'
    rb'"text":{"format":{"type":"json_object"},"verbosity":"low"},"store":false,"stream":true,'
    rb'"include":["reasoning.encrypted_content"],"prompt_cache_key":"k","service_tier":"priority"}'
)


def test_worked_example() -> None:
    """A whole request comes out byte by byte, keys in their order."""
    target = Target(model="gpt-5.1-codex", scope="", efforts=("low", "medium", "high"), prompt_cache_key="k")
    done = to_responses(read(WORKED), target)
    assert WORKED_RESULT == done.body
    assert "medium" == done.effort
    assert () == done.warnings


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": ""}, ("model", "model: field required")),
        ({"model": 5}, ("model", "model: expected string, got integer")),
        ({"messages": []}, ("messages", "messages: at least one message is required")),
        ({"messages": [USER] * 100_001}, ("messages", "messages: at most 100000 messages are accepted")),
        ({"messages": {}}, ("messages", "messages: expected array, got object")),
        ({"messages": [USER, {"content": "x"}]}, ("messages[1].role", "messages[1].role: field required")),
        ({"n": 2}, ("n", "n must be 1: this gateway returns a single choice")),
        ({"n": True}, ("n", "n must be 1: this gateway returns a single choice")),
        ({"n": "1"}, ("n", "n must be 1: this gateway returns a single choice")),
        (
            {"modalities": ["text", "audio"]},
            ("modalities", "audio output is not supported by this gateway"),
        ),
        ({"audio": {"voice": "alloy"}}, ("audio", "audio output is not supported by this gateway")),
        ({"stop": ["a"] * 5}, ("stop", "stop: at most 4 sequences are accepted")),
        ({"stop": [1]}, ("stop[0]", "stop[0]: expected string, got integer")),
        ({"max_tokens": -1}, ("max_tokens", "max_tokens: must be at least 0")),
        ({"max_completion_tokens": -1}, ("max_completion_tokens", "max_completion_tokens: must be at least 0")),
        ({"max_tokens": "9"}, ("max_tokens", "max_tokens: expected integer or null, got string")),
        (
            {"reasoning_effort": "hard"},
            (
                "reasoning_effort",
                "reasoning_effort: must be one of none, minimal, low, medium, high, xhigh, max",
            ),
        ),
        ({"verbosity": "loud"}, ("verbosity", "verbosity: must be one of low, medium, high")),
        (
            {"response_format": {"type": "xml"}},
            ("response_format.type", "response_format.type: must be one of text, json_object, json_schema"),
        ),
        (
            {"response_format": {"type": "json_schema"}},
            ("response_format.json_schema", "response_format.json_schema: field required"),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            ("response_format.json_schema.schema", "response_format.json_schema.schema: field required"),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": None}}},
            ("response_format.json_schema.schema", "response_format.json_schema.schema: field required"),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": []}}},
            ("response_format.json_schema.schema", "response_format.json_schema.schema: expected object"),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
            ("response_format.json_schema.name", "response_format.json_schema.name: field required"),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
            (
                "response_format.json_schema.name",
                "response_format.json_schema.name: must be 1-64 of a-z, A-Z, 0-9, _ and -",
            ),
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {}, "description": 5},
                }
            },
            (
                "response_format.json_schema.description",
                "response_format.json_schema.description: expected string, got number",
            ),
        ),
        ({"stream": "yes"}, ("stream", "stream: expected boolean or null, got string")),
        (
            {"stream_options": {"include_usage": 1}},
            ("stream_options.include_usage", "stream_options.include_usage: expected boolean or null, got integer"),
        ),
        ({"prompt_cache_key": 5}, ("prompt_cache_key", "prompt_cache_key: expected string or null, got integer")),
        (
            {"web_search_options": {"search_context_size": 5}},
            (
                "web_search_options.search_context_size",
                "web_search_options.search_context_size: expected string, got number",
            ),
        ),
        (
            {"tools": [FUNCTION], "functions": [{"name": "g"}]},
            ("functions", "functions: cannot be combined with tools"),
        ),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, dict) else None,
)  # fmt: skip
def test_refusals_name_the_field(translate: Any, fields: dict[str, Any], expected: tuple[str, str]) -> None:
    """A request that no provider could be given is refused with ``param``, in OpenAI's notation."""
    assert expected == translate.refusal(**fields)


@pytest.mark.parametrize("name", ["model", "messages"])
def test_what_is_required_is_missed(name: str) -> None:
    """Model and messages must be there."""
    body = {"model": "m", "messages": [USER]}
    del body[name]
    with pytest.raises(InvalidRequest) as caught:
        read(json.dumps(body).encode())
    assert (name, f"{name}: field required") == (caught.value.field, caught.value.message)


DEEP_FIELDS = [b'"n":%b', b'"logit_bias":%b', b'"temperature":%b', b'"tools":%b', b'"user":%b']
DEEP_SCHEMA = b'"tools":[{"type":"function","function":{"name":"f","parameters":{"x":%b,"type":"array"}}}]'


@pytest.mark.parametrize("field", [*DEEP_FIELDS, DEEP_SCHEMA])
def test_deep_nesting_is_refused(field: bytes) -> None:
    """JSON that no decoder here follows is a refusal like any other, wherever it stands."""
    deep = b"[" * 2_000_000 + b"]" * 2_000_000
    with pytest.raises(InvalidRequest, match="JSON is nested too deeply"):
        read(b'{"model":"m","messages":[{"role":"user","content":"x"}],%b}' % field % deep)


@pytest.mark.parametrize("field", [*DEEP_FIELDS, DEEP_SCHEMA])
def test_no_depth_is_a_surprise(field: bytes) -> None:
    """Nesting that one decoder just follows and the next does not, is refused in order too."""
    for depth in range(100, 500, 17):
        deep = b'{"array":[' * depth + b"]}" * depth
        raw = b'{"model":"m","messages":[{"role":"user","content":"x"}],%b}' % field % deep
        with suppress(InvalidRequest):
            called_further_down(40, read(raw))


def called_further_down(frames: int, request: ChatRequest) -> None:
    if frames:
        called_further_down(frames - 1, request)
    else:
        to_responses(request, Target(model="gpt-5", scope="", efforts=()))


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1}, {"n": None}, {"modalities": ["text"]}, {"modalities": None}, {"audio": None}, {"stop": None},
        {"max_tokens": None}, {"verbosity": None}, {"reasoning_effort": None},
        {"response_format": None}, {"response_format": {"type": "text"}}, {"tools": []}, {"tools": None},
        {"functions": []}, {"functions": None}, {"tool_choice": None}, {"tool_choice": "auto"}, {"tool_choice": "none"},
        {"function_call": "auto"}, {"web_search_options": None}, {"prompt_cache_key": None}, {"prompt_cache_key": ""},
        {"parallel_tool_calls": True}, {"temperature": None}, {"temperature": 1}, {"top_p": 1.0},
        {"service_tier": "auto"}, {"service_tier": "default"}, {"service_tier": "flex"}, {"service_tier": "scale"},
        {"service_tier": 5}, {"logprobs": False}, {"logprobs": None}, {"top_logprobs": 0},
        {"frequency_penalty": 0}, {"presence_penalty": 0.0}, {"logit_bias": {}}, {"seed": None}, {"seed": 0},
        {"prediction": None}, {"moderation": {}}, {"prompt_cache_options": 5}, {"prompt_cache_retention": "24h"},
        {"safety_identifier": {}}, {"user": ["u"]}, {"metadata": "x"}, {"store": True}, {"store": "x"},
        {"stream_options": {"include_obfuscation": 5}}, {"brand_new": {"x": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_what_asks_for_nothing_changes_nothing(translate: Any, fields: dict[str, Any]) -> None:
    """A dropped field leaves no trace upstream, needs no type, and is not warned of."""
    done = translate.full(**fields)
    assert (translate(), ()) == (json.loads(done.body), done.warnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logprobs", True), ("top_logprobs", 3), ("frequency_penalty", 0.5), ("presence_penalty", -1),
        ("logit_bias", {"5": 1}), ("seed", 7), ("prediction", {"type": "content"}), ("moderation", {"model": "m"}),
        ("temperature", 0.5), ("top_p", 0.5), ("temperature", "hot"),
    ],
)  # fmt: skip
def test_what_is_lost_is_warned_of(translate: Any, name: str, value: Any) -> None:
    """A field that meant something and cannot be sent is named in the warnings."""
    done = translate.full(**{name: value})
    assert (translate(), (name,)) == (json.loads(done.body), done.warnings)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"verbosity": "high"}, {"text": {"verbosity": "high"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": False}}},
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": SCHEMA, "strict": True, "description": "D"},
                },
                "verbosity": "low",
            },
            {
                "text": {
                    "format": {
                        "type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "description": "D",
                    },
                    "verbosity": "low",
                }
            },
        ),
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
        ({"service_tier": "fast"}, {"service_tier": "priority"}),
        (
            {"temperature": 0.5, "top_p": 0.1, "target": PLATFORM},
            {"temperature": 0.5, "top_p": 0.1},
        ),
        ({"max_tokens": 5, "target": PLATFORM}, {"max_output_tokens": 16}),
        ({"max_tokens": 100, "target": PLATFORM}, {"max_output_tokens": 100}),
        ({"max_tokens": 5, "max_completion_tokens": 50, "target": PLATFORM}, {"max_output_tokens": 50}),
        ({"max_tokens": 50, "max_completion_tokens": None, "target": PLATFORM}, {"max_output_tokens": 50}),
        ({"target": {"prompt_cache_key": "theirs"}}, {"prompt_cache_key": "theirs"}),
    ],
    ids=lambda value: "-".join(value) if "target" not in value else "-".join([*value, "platform"]),
)  # fmt: skip
def test_what_is_emitted(translate: Any, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What a field becomes upstream."""
    assert {**translate(), **expected} == translate(**fields)


def test_a_number_that_would_be_sent_must_be_one(translate: Any) -> None:
    """A provider that takes sampling numbers is given no text for one."""
    with pytest.raises(InvalidRequest) as caught:
        translate(temperature="hot", target=PLATFORM)
    assert ("temperature", "temperature: expected number") == (caught.value.field, caught.value.message)


@pytest.mark.parametrize(
    ("fields", "target", "expected"),
    [
        ({}, {}, {"summary": "auto"}),
        ({}, {"default_effort": "low"}, {"effort": "low", "summary": "auto"}),
        ({"reasoning_effort": "high"}, {"default_effort": "low"}, {"effort": "high", "summary": "auto"}),
        ({"reasoning_effort": "max"}, {}, {"effort": "high", "summary": "auto"}),
        ({"reasoning_effort": "low"}, {"suffix_effort": "medium"}, {"effort": "medium", "summary": "auto"}),
        ({"reasoning_effort": "none"}, {}, {"effort": "low", "summary": "auto"}),
        ({"reasoning_effort": "none"}, {"efforts": ("none", "low")}, {"effort": "none"}),
        ({"reasoning_effort": "low"}, {"chat_reasoning": False}, {"effort": "low"}),
        ({}, {"chat_reasoning": False}, None),
    ],
    ids=[
        "nothing", "default", "asked", "clamped", "suffix", "none clamped", "none", "hidden", "hidden and nothing",
    ],
)  # fmt: skip
def test_reasoning(translate: Any, fields: dict[str, Any], target: dict[str, Any], expected: Any) -> None:
    """The effort goes by the precedence of wire-mapping 1.6; a summary is asked for wherever there is reasoning."""
    assert expected == translate(**fields, target=target).get("reasoning")


def test_an_effort_that_was_stepped_replaces_the_one_asked_for(translate: Any) -> None:
    """What an attempt learned beats what the client sent."""
    done = translate.full(reasoning_effort="high", effort_override="medium")
    assert ("medium", "medium") == (done.effort, json.loads(done.body)["reasoning"]["effort"])


def test_a_search_needs_more_than_minimal_effort(translate: Any) -> None:
    """The upstream refuses the pair."""
    target = {"efforts": ("minimal", "low")}
    sent = translate(reasoning_effort="minimal", tools=[SEARCH], target=target)
    assert "low" == sent["reasoning"]["effort"]


@pytest.mark.parametrize(
    ("removed", "fields", "without"),
    [
        ("reasoning.summary", {"reasoning_effort": "low"}, ("reasoning", "summary")),
        ("text.verbosity", {"verbosity": "low", "response_format": {"type": "json_object"}}, ("text", "verbosity")),
        ("service_tier", {"service_tier": "priority"}, ("service_tier",)),
        ("prompt_cache_key", {"target": {"prompt_cache_key": "k"}}, ("prompt_cache_key",)),
        ("parallel_tool_calls", {"tools": [FUNCTION]}, ("parallel_tool_calls",)),
        ("max_output_tokens", {"max_tokens": 50, "target": PLATFORM}, ("max_output_tokens",)),
        ("temperature", {"temperature": 0.5, "target": PLATFORM}, ("temperature",)),
        ("top_p", {"top_p": 0.5, "target": PLATFORM}, ("top_p",)),
        ("strict", {"tools": [FUNCTION]}, ("tools", 0, "strict")),
        (
            "strict",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            ("text", "format", "strict"),
        ),
        (
            "detail",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h"}}]}]},
            ("input", 0, "content", 0, "detail"),
        ),
        ("phase", {"messages": [{"role": "assistant", "content": "a"}], "target": {"model": "gpt-5.4"}},
         ("input", 0, "phase")),
    ],
)  # fmt: skip
def test_a_refused_parameter_is_left_out(
    translate: Any, removed: str, fields: dict[str, Any], without: tuple[Any, ...]
) -> None:
    """An optional parameter that a provider refused is not sent to it again, and nothing else changes."""
    expected = translate(**fields)
    node = expected
    for step in without[:-1]:
        node = node[step]
    del node[without[-1]]
    assert expected == translate(**fields, removed=(removed,))


@pytest.mark.parametrize("removed", ["text.verbosity", "reasoning.summary"])
def test_an_object_that_lost_its_last_key_goes_too(translate: Any, removed: str) -> None:
    """No empty ``text`` or ``reasoning`` is sent."""
    sent = translate(verbosity="low", removed=(removed,))
    assert removed.partition(".")[0] not in sent


@pytest.mark.parametrize(
    ("max_tokens", "target", "expected"),
    [(5, {}, 5), (31_999, {}, 31_999), (32_000, {}, None), (5, PLATFORM, None), (None, {}, None)],
    ids=["kept here", "just kept", "a formality", "kept upstream", "none"],
)
def test_the_limit_of_the_answer(
    translate: Any, max_tokens: int | None, target: dict[str, Any], expected: int | None
) -> None:
    """A limit that the upstream does not take is kept by the writer."""
    done = translate.full(max_completion_tokens=max_tokens, target=target)
    assert expected == done.stream_facts.max_text_tokens
    assert (target == PLATFORM) == done.limits_output


def test_a_limit_that_was_refused_is_kept_here(translate: Any) -> None:
    """Nothing of the limit is lost when the provider turns out not to take it."""
    done = translate.full(max_tokens=5, target=PLATFORM, removed=("max_output_tokens",))
    assert (5, False) == (done.stream_facts.max_text_tokens, done.limits_output)


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("x", ("x",)),
        (["a", "b"], ("a", "b")),
        (["", "b"], ("b",)),
        ("", ()),
        ([], ()),
        (list("abcd"), tuple("abcd")),
    ],
)
def test_stop_sequences(translate: Any, stop: Any, expected: tuple[str, ...]) -> None:
    """Sequences are emulated and never sent; empty ones count for nothing."""
    done = translate.full(stop=stop)
    assert expected == done.stream_facts.stop_sequences
    assert "stop" not in json.loads(done.body)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"uses_functions": False, "includes_usage": False, "is_folded": True, "thinking_is_visible": True}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"includes_usage": True, "is_folded": False}),
        ({"functions": [{"name": "f"}]}, {"uses_functions": True}),
        ({"target": {"chat_reasoning": False}}, {"thinking_is_visible": False}),
        ({"model": "theirs"}, {"model": "theirs"}),
        ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, {"original_names": {"a_b_2e7336dc": "a.b"}}),
    ],
    ids=["plain", "stream", "functions", "hidden reasoning", "model", "names"],
)  # fmt: skip
def test_what_the_answer_must_know(translate: Any, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """The facts for the writer."""
    facts = translate.full(**fields).stream_facts
    assert isinstance(facts, ChatFacts)
    assert expected == {name: getattr(facts, name) for name in expected}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("m", False, None, None, False, None)),
        (
            {"model": "x", "stream": True, "prompt_cache_key": "k", "max_tokens": 0},
            ("x", True, "k", None, True, 0),
        ),
        (
            {"prompt_cache_key": "", "max_completion_tokens": 3, "max_tokens": 4},
            ("m", False, None, None, False, 3),
        ),
    ],
    ids=["least", "all", "first limit"],
)
def test_what_the_runtime_asks(translate: Any, fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """The part of a request that is the same in every protocol."""
    request = translate.request(**fields)
    assert expected == (
        request.model, request.is_stream, request.cache_key, request.session_hint, request.is_prewarm,
        request.max_tokens,
    )  # fmt: skip


def test_conversations_are_told_apart_by_their_beginning(translate: Any) -> None:
    """System text and first user text, whatever follows."""
    begun = [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}]
    one, other, longer = (
        translate.request(messages=messages).opening()
        for messages in (begun, [begun[1]], [*begun, {"role": "assistant", "content": "x"}, USER])
    )
    assert one == longer != other


def test_a_search_needs_a_provider_that_searches(translate: Any) -> None:
    """A provider without the capability is passed over; the refusal names what asked for it."""
    no_search = {"capabilities": {"web_search": False}}
    asking: list[dict[str, Any]] = [{"tools": [SEARCH]}, {"web_search_options": {}}]
    for asked in asking:
        with pytest.raises(CapabilityMissing) as caught:
            translate(**asked, target=no_search)
        assert "web_search is not available on any configured provider" == caught.value.message
        assert [caught.value.field] == list(asked)
    assert translate(tools=[FUNCTION], target=no_search)


def test_the_estimate_counts_the_whole_request(translate: Any) -> None:
    """Items, tools and format all have their share."""
    bare = translate.full().tokens
    assert 8 == bare
    assert bare + 16 + 300 == translate.full(tools=[SEARCH]).tokens
    assert bare + 10 == translate.full(response_format={"type": "json_object"}).tokens
