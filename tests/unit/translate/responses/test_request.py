"""Top-level fields of a Responses request."""

import inspect
import json
import sys
from typing import Any

import pytest

from packyproxy.errors import CapabilityMissing, InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.translate.responses.protocol import ResponsesProtocol
from packyproxy.translate.responses.request import read, to_responses

ENCRYPTED = "reasoning.encrypted_content"
SOURCES = "web_search_call.action.sources"
SCHEMA = {"type": "object", "properties": {}}
FORMAT = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}
TOOL = {"type": "function", "name": "ls", "parameters": SCHEMA, "strict": False}
SEARCH = {"type": "web_search"}
WEAK = {"efforts": ("minimal", "low")}


def _removed(*names: str) -> AttemptFacts:
    return AttemptFacts(removed_parameters=frozenset(names))


def test_the_least_request(passed: Any) -> None:
    """What codex back ends insist on is filled in, behind what the client sent."""
    sent = passed.full(model="gpt-5", input="Say \\u0068ello.", target={"prompt_cache_key": "key"})
    assert sent.body == (
        b'{"model":"gpt-5.1-codex","input":[{"type":"message","role":"user","content":'
        b'[{"type":"input_text","text":"Say \\\\u0068ello."}]}],"instructions":"","store":false,"stream":true,'
        b'"include":["reasoning.encrypted_content"],"prompt_cache_key":"key"}'
    )


KEPT: dict[str, dict[str, Any]] = {
    "an unknown field": {"x_new": {"a": [1.10, None]}},
    "instructions": {"instructions": "Be brief."},
    "tools": {"tools": [TOOL, {"type": "new_tool", "x": 1}], "parallel_tool_calls": False},
    "tools among the items": {
        "input": [{"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [TOOL]}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
    },
    "tool_choice as text": {"tools": [TOOL], "tool_choice": "required"},
    "tool_choice as object": {"tools": [TOOL], "tool_choice": {"type": "function", "name": "ls"}},
    "null for tools": {"tools": None},
    "reasoning": {"reasoning": {"effort": "low", "summary": "detailed", "context": "all_turns"}},
    "reasoning without an effort": {"reasoning": {"summary": "auto"}},
    "null for an effort": {"reasoning": {"effort": None}},
    "null for reasoning": {"reasoning": None},
    "text": {"text": {"verbosity": "low", "format": FORMAT}},
    "include": {"include": [SOURCES, ENCRYPTED]},
    "service_tier": {"service_tier": "priority"},
    "prompt_cache_key": {"prompt_cache_key": "theirs"},
    "client_metadata": {"client_metadata": {"turn_id": "t"}},
}


@pytest.mark.parametrize("fields", KEPT.values(), ids=KEPT)
def test_kept_fields(passed: Any, fields: dict[str, Any]) -> None:
    """A field that no row changes arrives as it was sent."""
    sent = passed(**fields, target={"prompt_cache_key": "ours"})
    assert fields == {name: sent.get(name) for name in fields}


CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "instructions of null": ({"instructions": None}, {"instructions": ""}),
    "no store": ({"store": None}, {"store": False}),
    "store": ({"store": True}, {"store": False}),
    "no stream": ({"stream": False}, {"stream": True}),
    "include gains reasoning": ({"include": [SOURCES]}, {"include": [SOURCES, ENCRYPTED]}),
    "include of null": ({"include": None}, {"include": [ENCRYPTED]}),
    "fast": ({"service_tier": "fast"}, {"service_tier": "priority"}),
    "a summary's old name": ({"reasoning": {"generate_summary": "auto"}}, {"reasoning": {"summary": "auto"}}),
    "a summary's new name wins": (
        {"reasoning": {"generate_summary": "auto", "summary": "concise"}},
        {"reasoning": {"summary": "concise"}},
    ),
    "no old summary": (
        {"reasoning": {"generate_summary": None, "mode": "pro"}},
        {"reasoning": {"mode": "pro"}},
    ),
    "nothing but an old null": ({"reasoning": {"generate_summary": None}}, {"reasoning": None}),
    "the old search": ({"tools": [{"type": "web_search_preview", "x": 1}]}, {"tools": [{**SEARCH, "x": 1}]}),
    "the old search's choice": (
        {"tools": [SEARCH], "tool_choice": {"type": "web_search_preview_2025_03_11"}},
        {"tool_choice": SEARCH},
    ),
    "no key for the cache": ({"prompt_cache_key": None}, {"prompt_cache_key": "ours"}),
    "an empty key for the cache": ({"prompt_cache_key": ""}, {"prompt_cache_key": "ours"}),
}


@pytest.mark.parametrize(("fields", "expected"), CHANGED.values(), ids=CHANGED)
def test_changed_fields(passed: Any, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """A field that upstreams differ about is put right."""
    sent = passed(**fields, target={"prompt_cache_key": "ours"})
    assert expected == {name: sent.get(name) for name in expected}


DROPPED: dict[str, Any] = {
    "stream_options": {"include_obfuscation": False},
    "service_tier": "flex",
    "truncation": "disabled",
    "user": "u",
    "safety_identifier": "s",
    "metadata": {"k": "v"},
    "prompt_cache_options": {"ttl": "30m"},
    "prompt_cache_retention": "24h",
    "max_tool_calls": 3,
    "moderation": {},
    "access_programs": {},
    "image": {"prewarm": True},
    "previous_response_id": None,
    "conversation": None,
    "background": False,
    "prompt": None,
    "temperature": 1,
    "top_p": 1.0,
    "top_logprobs": 0,
    "max_output_tokens": None,
    "parallel_tool_calls": True,
    "context_management": None,
}


@pytest.mark.parametrize(("name", "value"), DROPPED.items(), ids=DROPPED)
def test_dropped_fields(passed: Any, name: str, value: Any) -> None:
    """A field that means nothing here is left out without a word."""
    sent = passed.full(**{name: value})
    assert (name in json.loads(sent.body), sent.warnings) == (False, ())


WARNED: dict[str, Any] = {
    "store": True,
    "truncation": "auto",
    "top_logprobs": 3,
    "max_output_tokens": 400,
    "temperature": 0.2,
    "top_p": 0.5,
    "context_management": [{"type": "compaction", "compact_threshold": 1000}],
}


@pytest.mark.parametrize(("name", "value"), WARNED.items(), ids=WARNED)
def test_warned_fields(passed: Any, name: str, value: Any) -> None:
    """A field whose loss a client may notice is told about."""
    sent = passed.full(**{name: value})
    assert (False, (name,)) == (bool(json.loads(sent.body).get(name)), sent.warnings)


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("max_output_tokens", "max_output_tokens"),
        ("temperature", "sampling"),
        ("top_p", "sampling"),
        ("context_management", "compact"),
    ],
)
def test_fields_of_a_capability(passed: Any, name: str, capability: str) -> None:
    """Where a provider takes it, a field arrives as it was sent; learned refusals count all the same."""
    able = {"capabilities": {capability: True}}
    sent = passed.full(**{name: WARNED[name]}, target=able)
    refused = passed.full(**{name: WARNED[name]}, target=able, facts=_removed(name))
    assert (WARNED[name], ()) == (json.loads(sent.body)[name], sent.warnings)
    assert (None, (name,)) == (json.loads(refused.body).get(name), refused.warnings)


@pytest.mark.parametrize("can", [False, True])
def test_limit_is_told(passed: Any, can: bool) -> None:
    """Whether the upstream has the limit is known to whoever reads its errors."""
    sent = passed.full(max_output_tokens=400, target={"capabilities": {"max_output_tokens": can}})
    assert can is sent.limits_output


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"model": ...}, "model", "model: field required"),
    "an empty model": ({"model": ""}, "model", "model: field required"),
    "a model of null": ({"model": None}, "model", "model: field required"),
    "a number for a model": ({"model": 5}, "model", "model: expected string, got number"),
    "no input": ({"input": ...}, "input", "input: field required"),
    "input of null": ({"input": None}, "input", "input: field required"),
    "an object for input": ({"input": {}}, "input", "input: expected string or array, got object"),
    "a list for instructions": (
        {"instructions": []},
        "instructions",
        "instructions: expected string, got array",
    ),
    "an object for tools": ({"tools": {}}, "tools", "tools: expected array, got object"),
    "a number for a choice": (
        {"tool_choice": 1},
        "tool_choice",
        "tool_choice: expected string or object, got number",
    ),
    "a choice of a numbered type": (
        {"tool_choice": {"type": 1}},
        "tool_choice.type",
        "tool_choice.type: expected string, got number",
    ),
    "text for parallel calls": (
        {"parallel_tool_calls": "yes"},
        "parallel_tool_calls",
        "parallel_tool_calls: expected boolean, got string",
    ),
    "text for reasoning": ({"reasoning": "high"}, "reasoning", "reasoning: expected object, got string"),
    "a number for an effort": (
        {"reasoning": {"effort": 3}},
        "reasoning.effort",
        "reasoning.effort: expected string, got number",
    ),
    "an unknown effort": (
        {"reasoning": {"effort": "huge"}},
        "reasoning.effort",
        "reasoning.effort: must be one of none, minimal, low, medium, high, xhigh, max",
    ),
    "a number for a summary": (
        {"reasoning": {"summary": 1}},
        "reasoning.summary",
        "reasoning.summary: expected string, got number",
    ),
    "a number for the old summary": (
        {"reasoning": {"generate_summary": 1}},
        "reasoning.generate_summary",
        "reasoning.generate_summary: expected string, got number",
    ),
    "a list for text": ({"text": []}, "text", "text: expected object, got array"),
    "text for include": ({"include": "x"}, "include", "include: expected array, got string"),
    "a number in include": ({"include": ["x", 1]}, "include[1]", "include[1]: expected string, got number"),
    "text for store": ({"store": "yes"}, "store", "store: expected boolean, got string"),
    "text for stream": ({"stream": "yes"}, "stream", "stream: expected boolean, got string"),
    "text for the limit": (
        {"max_output_tokens": "9"},
        "max_output_tokens",
        "max_output_tokens: expected number, got string",
    ),
    "a fraction for the limit": (
        {"max_output_tokens": 1.5},
        "max_output_tokens",
        "max_output_tokens: expected integer, got number",
    ),
    "text for temperature": ({"temperature": "1"}, "temperature", "temperature: expected number, got string"),
    "a boolean for top_p": ({"top_p": True}, "top_p", "top_p: expected number, got boolean"),
    "a number for the tier": (
        {"service_tier": 1},
        "service_tier",
        "service_tier: expected string, got number",
    ),
    "a number for the cache's key": (
        {"prompt_cache_key": 1},
        "prompt_cache_key",
        "prompt_cache_key: expected string, got number",
    ),
    "text for metadata": (
        {"client_metadata": "x"},
        "client_metadata",
        "client_metadata: expected object, got string",
    ),
    "text for context management": (
        {"context_management": "x"},
        "context_management",
        "context_management: expected array, got string",
    ),
}


@pytest.mark.parametrize(("fields", "field", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_fields(passed: Any, fields: dict[str, Any], field: str, message: str) -> None:
    """A field that is looked at must have its type; the refusal names it."""
    refusal = passed.refusal(**fields)
    assert (400, field, message) == (refusal.status, refusal.field, refusal.message)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "previous_response_id",
            "resp_1",
            "previous_response_id is not supported: this gateway is stateless, resend the full input",
        ),
        (
            "conversation",
            {"id": "conv_1"},
            "conversation is not supported: this gateway is stateless, resend the full input",
        ),
        (
            "background",
            True,
            "background is not supported: this gateway is stateless, wait for the answer or stream it",
        ),
        (
            "prompt",
            {"id": "pmpt_1"},
            "prompt is not supported: this gateway is stateless, send the prompt's own text",
        ),
    ],
)
def test_what_needs_a_store(passed: Any, field: str, value: Any, message: str) -> None:
    """What only a server with a store can do is refused, with advice."""
    refusal = passed.refusal(**{field: value})
    told = (refusal.status, refusal.field, refusal.code, refusal.message)
    assert (400, field, "unsupported_parameter", message) == told


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "invalid JSON"),
        (b"{", "invalid JSON"),
        (b"[]", "request body must be a JSON object"),
        (b'{"model":"\xff"}', "request body is not valid UTF-8"),
        (
            b'{"model":"m","input":[' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"]}",
            "JSON is nested too deeply",
        ),
        (b'{"model":"m","input":"x","temperature":1e999}', "temperature: number out of range"),
    ],
    ids=["nothing", "half", "a list", "not UTF-8", "deep", "a number beyond all"],
)
def test_bodies_that_are_none(raw: bytes, message: str) -> None:
    """What is no JSON object of bearable form is refused."""
    with pytest.raises(InvalidRequest) as caught:
        read(raw)
    assert message == caught.value.message


EFFORTS: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "its own": ({"effort": "medium"}, {}, "medium"),
    "clamped from above": ({"effort": "max"}, {}, "high"),
    "clamped from below": ({"effort": "none"}, {}, "low"),
    "the suffix beats it": ({"effort": "low"}, {"suffix_effort": "high"}, "high"),
    "the suffix stands alone": ({}, {"suffix_effort": "xhigh"}, "high"),
    "it beats the alias": ({"effort": "low"}, {"named_effort": "high"}, "low"),
    "the alias counts": ({}, {"named_effort": "medium"}, "medium"),
    "the provider's default does not": ({}, {"default_effort": "medium"}, None),
    "absent stays absent": ({}, {}, None),
}


@pytest.mark.parametrize(("reasoning", "target", "expected"), EFFORTS.values(), ids=EFFORTS)
def test_efforts(
    passed: Any, reasoning: dict[str, Any], target: dict[str, Any], expected: str | None
) -> None:
    """The model's name comes first, then the client, then who configured the model."""
    sent = passed.full(reasoning={"summary": "auto", **reasoning}, target=target)
    wanted = {"summary": "auto"} if expected is None else {"summary": "auto", "effort": expected}
    assert (expected, wanted) == (sent.effort, json.loads(sent.body)["reasoning"])


def test_effort_without_reasoning(passed: Any) -> None:
    """An effort that the model's name asks for needs no ``reasoning`` to stand in."""
    assert passed(target={"suffix_effort": "low"})["reasoning"] == {"effort": "low"}


def test_no_reasoning_stays_away(passed: Any) -> None:
    """Nothing makes up a ``reasoning`` that nobody asked for."""
    assert "reasoning" not in passed()


def test_stepped_effort(passed: Any) -> None:
    """An effort that was stepped to after a refusal stands for all others."""
    sent = passed.full(reasoning={"effort": "high"}, facts=AttemptFacts(effort_override="low"))
    assert ("low", {"effort": "low"}) == (sent.effort, json.loads(sent.body)["reasoning"])


@pytest.mark.parametrize(("tools", "expected"), [([SEARCH], "low"), ([TOOL], "minimal"), ([], "minimal")])
def test_searching_takes_some_effort(passed: Any, tools: list[Any], expected: str) -> None:
    """Upstreams refuse a web search with the effort ``minimal``."""
    sent = passed.full(tools=tools, reasoning={"effort": "minimal"}, target=WEAK)
    assert expected == sent.effort


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_search_needs_its_capability(passed: Any, kind: str) -> None:
    """A provider without web search is passed over."""
    refused = passed.refusal(tools=[{"type": kind}], target={"capabilities": {"web_search": False}})
    assert isinstance(refused, CapabilityMissing)
    reason = "web_search is not available on any configured provider"
    assert ("tools", reason) == (refused.field, refused.message)


@pytest.mark.parametrize(
    ("included", "expected"),
    [
        (["message.output_text.logprobs"], [ENCRYPTED]),
        (["file_search_call.results", ENCRYPTED], [ENCRYPTED]),
        (["computer_call_output.output.image_url", SOURCES], [SOURCES, ENCRYPTED]),
        (["code_interpreter_call.outputs"], [ENCRYPTED]),
        (["message.input_image.image_url"], [ENCRYPTED]),
    ],
)
def test_included_of_no_use(passed: Any, included: list[str], expected: list[str]) -> None:
    """What no codex back end can include is not asked for."""
    assert expected == passed(include=included)["include"]


REMOVED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "service_tier": ("service_tier", {"service_tier": "fast"}, {"service_tier": None}),
    "their key": ("prompt_cache_key", {"prompt_cache_key": "theirs"}, {"prompt_cache_key": None}),
    "our key": ("prompt_cache_key", {}, {"prompt_cache_key": None}),
    "client_metadata": ("client_metadata", {"client_metadata": {}}, {"client_metadata": None}),
    "parallel_tool_calls": (
        "parallel_tool_calls",
        {"tools": [TOOL], "parallel_tool_calls": True},
        {"parallel_tool_calls": None},
    ),
    "text.verbosity": (
        "text.verbosity",
        {"text": {"verbosity": "low", "format": FORMAT}},
        {"text": {"format": FORMAT}},
    ),
    "text.verbosity alone": ("text.verbosity", {"text": {"verbosity": "low"}}, {"text": None}),
    "no text.verbosity": ("text.verbosity", {"text": {"format": FORMAT}}, {"text": {"format": FORMAT}}),
    "reasoning.summary": (
        "reasoning.summary",
        {"reasoning": {"effort": "low", "summary": "auto"}},
        {"reasoning": {"effort": "low"}},
    ),
    "reasoning.summary alone": ("reasoning.summary", {"reasoning": {"summary": "auto"}}, {"reasoning": None}),
    "no reasoning.summary": (
        "reasoning.summary",
        {"reasoning": {"effort": "low"}},
        {"reasoning": {"effort": "low"}},
    ),
    "include": (f"include[{SOURCES}]", {"include": [SOURCES, ENCRYPTED]}, {"include": [ENCRYPTED]}),
    "strict of a format": (
        "strict",
        {"text": {"format": FORMAT}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
    ),
    "no strict of a format": (
        "strict",
        {"text": {"format": {"type": "text"}}},
        {"text": {"format": {"type": "text"}}},
    ),
    "strict of a tool": (
        "strict",
        {"tools": [TOOL]},
        {"tools": [{"type": "function", "name": "ls", "parameters": SCHEMA}]},
    ),
    "no strict of a tool": ("strict", {"tools": [SEARCH]}, {"tools": [SEARCH]}),
    "strict without tools": ("strict", {}, {"tools": None}),
}


@pytest.mark.parametrize(("name", "fields", "expected"), REMOVED.values(), ids=REMOVED)
def test_learned_removals(passed: Any, name: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What this upstream has refused before is left out."""
    sent = passed(**fields, facts=_removed(name), target={"prompt_cache_key": "ours"})
    assert expected == {name: sent.get(name) for name in expected}


def test_instructions_as_a_developer_message(passed: Any) -> None:
    """For a provider that refuses ours, instructions become the first item."""
    item = {"type": "message", "role": "user", "content": "hi"}
    sent = passed(instructions="Be brief.", input=[item], target={"capabilities": {"system_as": "developer"}})
    told = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]}
    assert ("", [told, item]) == (sent["instructions"], sent["input"])


def test_no_developer_message_of_nothing(passed: Any) -> None:
    """Without instructions there is nothing to say as a developer."""
    sent = passed(input=[], target={"capabilities": {"system_as": "developer"}})
    assert ("", []) == (sent["instructions"], sent["input"])


def test_developer_message_before_changed_items(passed: Any) -> None:
    """It comes first also where the items after it were changed."""
    sent = passed(instructions="Be brief.", target={"capabilities": {"system_as": "developer"}})
    assert ["developer", "user"] == [item["role"] for item in sent["input"]]


@pytest.mark.parametrize(("stream", "expected"), [(True, True), (False, False), (None, False), (..., False)])
def test_who_streams(passed: Any, stream: Any, expected: bool) -> None:
    """The client streams where it says so."""
    assert expected is passed.request(stream=stream).is_stream


def test_what_the_runtime_asks(passed: Any) -> None:
    """A request tells what names its session, and how long its answer may be."""
    request = passed.request(
        model="gpt-5",
        instructions="I",
        input=[{"role": "user", "content": "U"}],
        prompt_cache_key="k",
        max_output_tokens=9,
    )
    assert ("gpt-5", "k", None, False, 9) == (
        request.model,
        request.cache_key,
        request.session_hint,
        request.is_prewarm,
        request.max_tokens,
    )
    assert b'"I"\0"U"' == request.opening()


def test_opening_of_a_text(passed: Any) -> None:
    """A text is what the user says first."""
    assert b'""\0"hi"' == passed.request().opening()


def test_counting_needs_no_input() -> None:
    """The endpoint that counts takes a request without ``input``."""
    target = Target(model="m", scope="s", efforts=())
    assert 3 == to_responses(read(b'{"model":"m"}', counting=True), target).tokens


def test_model_is_echoed(passed: Any) -> None:
    """The answer will name the model as the client did."""
    assert "fast" == passed.full(model="fast").stream_facts.model


def test_order_is_the_clients(passed: Any) -> None:
    """Fields stay in their places; what is added follows."""
    sent = passed(store=False, x_new=1, model="m")
    assert ["model", "input", "store", "x_new", "instructions", "stream", "include"] == list(sent)


def test_nesting_of_every_depth() -> None:
    """However deep JSON is nested, and whoever notices it first, it is passed on or refused in order."""
    outcomes = set()
    for depth in (*range(1, 1200), 2_000_000):  # interpreters differ in how deep they go
        odd = b"[" * depth + b"]" * depth
        raw = (
            b'{"model":"m","input":[{"role":"user","id":"a","content":[{"text":%b}]}],"tools":[{"a":%b}]}'
            % (odd, odd)
        )
        try:
            to_responses(read(raw), Target(model="m", scope="s", efforts=()))
            outcomes.add("")
        except InvalidRequest as error:
            outcomes.add(error.message)
    assert outcomes == {"", "JSON is nested too deeply"}


@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="decoders there do not share the stack of the interpreter"
)
def test_nesting_met_deeper_on_the_stack() -> None:
    """What was read may be nested too deeply for whoever translates it from further inside."""
    odd = b"[" * 500 + b"]" * 500
    request = read(b'{"model":"m","input":[{"role":"user","id":"a","content":[{"text":%b}]}]}' % odd)

    def further_inside(frames: int) -> None:
        if frames:
            further_inside(frames - 1)
        to_responses(request, Target(model="m", scope="s", efforts=()))

    with pytest.raises(InvalidRequest, match="JSON is nested too deeply"):
        further_inside(sys.getrecursionlimit() - len(inspect.stack()) - 400)


def test_memory_of_tools() -> None:
    """A protocol reads a list of tools once, however often it comes."""
    protocol, raw = ResponsesProtocol(), b'{"model":"m","input":[],"tools":[{"type":"function","name":"f"}]}'
    first, second = protocol.read(raw), protocol.read(b" " + raw)
    assert first.tools is second.tools
    assert first.tools is not None
    assert bytes(first.tools.whole) == b'[{"type":"function","name":"f"}]'


def test_lone_surrogates_are_mended() -> None:
    """Half an emoji in a history does not end the session."""
    request = read(rb'{"model":"m","input":"a\ud83d"}')
    assert rb'"a\ufffd"' in to_responses(request, Target(model="m", scope="s", efforts=())).body
