"""The fake upstream refuses what the real API refuses, and nothing else."""

from typing import Any

import pytest

from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.validation import Rules, check_compact_request, check_request

VAULT = ReasoningVault("this upstream")
SEALED = VAULT.seal("rs_1")
COMPACTED = VAULT.seal("cmp_1")
FOREIGN = ReasoningVault("another upstream").seal("cmp_1")
PIXEL = "data:image/png;base64,aW1n"


def user(*parts: Any) -> dict[str, Any]:
    """Return a user message."""
    return {
        "type": "message",
        "role": "user",
        "content": list(parts) or [{"type": "input_text", "text": "hi"}],
    }


def assistant(*parts: Any) -> dict[str, Any]:
    """Return an assistant message."""
    content = list(parts) or [{"type": "output_text", "text": "hello"}]
    return {"type": "message", "role": "assistant", "content": content}


def call(call_id: str = "call_1", name: str = "ls", **extra: Any) -> dict[str, Any]:
    """Return a function call."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}", **extra}


def output(call_id: str = "call_1", result: Any = "ok") -> dict[str, Any]:
    """Return the output of a function call."""
    return {"type": "function_call_output", "call_id": call_id, "output": result}


def reasoning(**fields: Any) -> dict[str, Any]:
    """Return a reasoning item."""
    return {"type": "reasoning", "summary": [], "encrypted_content": SEALED, **fields}


def tool(name: str = "ls", parameters: Any = None, **extra: Any) -> dict[str, Any]:
    """Return a function tool."""
    schema = parameters or {"type": "object", "properties": {"path": {"type": "string"}}}
    return {
        "type": "function",
        "name": name,
        "description": "",
        "parameters": schema,
        "strict": False,
        **extra,
    }


def namespace(*tools: Any) -> dict[str, Any]:
    """Return a namespace of tools."""
    return {"type": "namespace", "name": "mcp__words", "description": "", "tools": list(tools)}


def request(**fields: Any) -> dict[str, Any]:
    """Return an acceptable codex request with some fields set; None removes one."""
    body = {
        "model": "gpt-5",
        "instructions": "",
        "input": [user()],
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        **fields,
    }
    return {key: value for key, value in body.items() if value is not None}


ACCEPTED = {
    "plain": request(),
    "empty text": request(input=[user({"type": "input_text", "text": ""})]),
    "message without type": request(input=[{"role": "user", "content": "hi"}]),
    "developer": request(input=[{**user(), "role": "developer"}]),
    "ids": request(input=[{**user(), "id": "msg_1"}, call(id="fc_1"), output()]),
    "reasoning before text": request(input=[user(), reasoning(id="rs_1"), assistant()]),
    "reasoning before a call": request(input=[reasoning(), reasoning(), call(), output()]),
    "parallel calls": request(input=[call("a"), call("b"), output("b"), output("a")]),
    "custom call": request(
        input=[
            {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "y"},
        ]
    ),
    "media output": request(input=[call(), output(result=[{"type": "input_image", "image_url": PIXEL}])]),
    "image by URL": request(
        input=[user({"type": "input_image", "image_url": "https://example.com/a.png", "detail": "high"})]
    ),
    "image by id": request(input=[user({"type": "input_image", "file_id": "file_1"})]),
    "file": request(
        input=[
            user({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="})
        ]
    ),
    "file by URL": request(input=[user({"type": "input_file", "file_url": "https://example.com/a.pdf"})]),
    "refusal": request(input=[user(), assistant({"type": "refusal", "refusal": "no"})]),
    "other item types": request(
        input=[user(), {"type": "web_search_call", "id": "ws_1", "status": "completed"}]
    ),
    "tools": request(tools=[tool(), {"type": "web_search"}], tool_choice="auto", parallel_tool_calls=False),
    "empty list of tools": request(tools=[], tool_choice="auto", parallel_tool_calls=False),
    "tools among the items": request(
        input=[{"type": "additional_tools", "role": "developer", "tools": [tool()]}, user()],
        tool_choice={"type": "function", "name": "ls"},
        parallel_tool_calls=False,
    ),
    "named tool": request(tools=[tool()], tool_choice={"type": "function", "name": "ls"}),
    "allowed tools": request(
        tools=[tool(), {"type": "web_search"}],
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
    ),
    "strict tool": request(
        tools=[
            tool(
                parameters={
                    "type": "object",
                    "properties": {"a": {"type": "array", "items": {"type": "string"}}},
                    "required": ["a"],
                    "additionalProperties": False,
                },
                strict=True,
            )
        ]
    ),
    "effort": request(reasoning={"effort": "minimal", "summary": "auto"}),
    "effort of an unknown model": request(model="other", reasoning={"effort": "max"}),
    "schema": request(
        text={
            "format": {"type": "json_schema", "name": "o", "schema": {"type": "object"}},
            "verbosity": "low",
        }
    ),
    "verbosity alone": request(text={"verbosity": "high"}),
    "hosted tool": request(tools=[{"type": "code_interpreter", "container": {"type": "auto"}}]),
    "reasoning with its summary": request(
        input=[reasoning(summary=[{"type": "summary_text", "text": "x"}]), assistant()]
    ),
    "nothing sealed": request(input=[{"type": "reasoning", "summary": []}, assistant()]),
    "plain format": request(text={"format": {"type": "text"}}),
    "reasoning last": request(input=[user(), reasoning()]),
    "namespace": request(
        tools=[tool(), namespace(tool("x" * 80), tool("ls"), {"type": "custom", "name": "c"})]
    ),
    "call in a namespace": request(input=[call(name="x" * 80, namespace="mcp__words"), output()]),
    "search of the Codex CLI": request(
        tools=[
            {"type": "web_search", "external_web_access": True, "search_content_types": ["text", "image"]},
            {"type": "tool_search", "execution": "client", "description": "", "parameters": {}},
        ]
    ),
    "Codex CLI's own marks": request(
        input=[{**user(), "id": "msg_1", "internal_chat_message_metadata_passthrough": {"turn_id": "t"}}]
    ),
    "a task for a sub-agent": request(
        input=[
            {
                "type": "agent_message",
                "id": "amsg_01a1feb4-95ae-7961-91d2-b65c8fde7a30",
                "author": "/root",
                "recipient": "/root/find",
                "content": [{"type": "input_text", "text": "Message Type: NEW_TASK"}],
            }
        ]
    ),
    "compaction": request(
        input=[{"type": "compaction", "id": "cmp_1", "encrypted_content": COMPACTED}, user()]
    ),
    "compaction asked for": request(input=[user(), {"type": "compaction_trigger"}]),
    "priority": request(service_tier="priority", prompt_cache_key="k", client_metadata={"a": "b"}),
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_real_api_takes_is_accepted(body: dict[str, Any]) -> None:
    """A well-formed request is not refused."""
    assert None is check_request(body, Rules(), VAULT)


DETAILS = {
    "max_output_tokens": (request(max_output_tokens=99), "Unsupported parameter: max_output_tokens"),
    "temperature": (request(temperature=1), "Unsupported parameter: temperature"),
    "metadata": (request(metadata={}), "Unsupported parameter: metadata"),
    "previous response": (request(previous_response_id="r"), "Unsupported parameter: previous_response_id"),
    "instructions": (request(instructions=None), "Instructions are required"),
    "string input": (request(input="hi"), "Input must be a list"),
    "system role": (request(input=[{**user(), "role": "system"}]), "System messages are not allowed"),
    "store": (request(store=None), "Store must be set to false"),
    "stream": (request(stream=False), "Stream must be set to true"),
    "tier": (request(service_tier="flex"), "Unsupported service_tier: flex"),
    "model": (
        request(model="gpt-4"),
        "The 'gpt-4' model is not supported when using Codex with a ChatGPT account.",
    ),
}


@pytest.mark.parametrize(("body", "detail"), DETAILS.values(), ids=DETAILS.keys())
def test_the_codex_back_end_has_rules_of_its_own(body: dict[str, Any], detail: str) -> None:
    """What only the codex back end refuses is answered in its own form."""
    refusal = check_request(body, Rules(models=["gpt-5"]), VAULT)
    assert refusal is not None
    assert (400, {"detail": detail}) == (refusal.status, refusal.body)


def _schema(*, properties: Any = None, **root: Any) -> list[dict[str, Any]]:
    return [tool(parameters={"type": "object", "properties": properties or {}, **root})]


ERRORS: dict[str, tuple[dict[str, Any], str | None, str | None, str]] = {
    "no model": (
        request(model=None),
        "model",
        "missing_required_parameter",
        "Missing required parameter: 'model'.",
    ),
    "ill-typed field": (
        request(parallel_tool_calls="yes"),
        "parallel_tool_calls",
        "invalid_type",
        "expected a boolean, but got a string instead",
    ),
    "item no object": (request(input=["hi"]), "input[0]", "invalid_type", "expected an object"),
    "item type": (
        request(input=[{"type": "thinking"}]),
        "input[0]",
        "invalid_value",
        "Invalid value: 'thinking'.",
    ),
    "role": (
        request(input=[{**user(), "role": "tool"}]),
        "input[0]",
        "invalid_value",
        "'developer', and 'user'",
    ),
    "content": (
        request(input=[{"role": "user"}]),
        "input[0].content",
        "missing_required_parameter",
        "content",
    ),
    "part type": (
        request(input=[user({"type": "text", "text": "x"})]),
        "input[0].content[0]",
        "invalid_value",
        "Supported values are: 'input_text', 'input_image', and 'input_file'.",
    ),
    "output_text of a user": (
        request(input=[user({"type": "output_text", "text": "x"})]),
        "input[0].content[0]",
        "invalid_value",
        "Invalid value: 'output_text'.",
    ),
    "input_text of the assistant": (
        request(input=[user(), assistant({"type": "input_text", "text": "x"})]),
        "input[1].content[0]",
        "invalid_value",
        "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
    ),
    "cache_control in a part": (
        request(input=[user({"type": "input_text", "text": "x", "cache_control": {}})]),
        "input[0].content[0].cache_control",
        "unknown_parameter",
        "Unknown parameter: 'input[0].content[0].cache_control'.",
    ),
    "unknown item key": (
        request(input=[call(caller={}), output()]),
        "input[0].caller",
        "unknown_parameter",
        "caller",
    ),
    "phase": (
        request(input=[{**assistant(), "phase": "x"}]),
        "input[0].phase",
        "invalid_value",
        "'final_answer'",
    ),
    "status": (
        request(input=[{**assistant(), "status": "x"}]),
        "input[0].status",
        "invalid_value",
        "'completed'",
    ),
    "image object": (
        request(input=[user({"type": "input_image", "image_url": {"url": PIXEL}})]),
        "input[0].content[0].image_url",
        "invalid_type",
        "expected a string, but got an object instead",
    ),
    "image URL": (
        request(input=[user({"type": "input_image", "image_url": "file:///etc/passwd"})]),
        "input[0].content[0].image_url",
        "invalid_value",
        "Expected a valid URL",
    ),
    "image type": (
        request(input=[user({"type": "input_image", "image_url": "data:image/svg+xml;base64,aGk="})]),
        "input[0].content[0].image_url",
        "invalid_value",
        "unsupported MIME type 'image/svg+xml'",
    ),
    "empty image": (
        request(input=[user({"type": "input_image", "image_url": "data:image/png;base64,"})]),
        "input[0].content[0].image_url",
        "invalid_value",
        "empty base64-encoded bytes",
    ),
    "broken base64": (
        request(input=[user({"type": "input_image", "image_url": PIXEL + "!"})]),
        "input[0].content[0].image_url",
        "invalid_base64",
        "valid base64",
    ),
    "image detail": (
        request(input=[user({"type": "input_image", "image_url": PIXEL, "detail": "max"})]),
        "input[0].content[0].detail",
        "invalid_value",
        "'low', 'high', 'auto', and 'original'",
    ),
    "file without source": (
        request(input=[user({"type": "input_file", "filename": "a"})]),
        "input[0].content[0]",
        "missing_required_parameter",
        "'file_data', 'file_url' or 'file_id'",
    ),
    "file with two sources": (
        request(input=[user({"type": "input_file", "file_id": "f", "file_url": "https://example.com"})]),
        "input[0].content[0]",
        "mutually_exclusive",
        "only one source",
    ),
    "file without name": (
        request(input=[user({"type": "input_file", "file_data": "data:application/pdf;base64,aGk="})]),
        "input[0].content[0].filename",
        "missing_required_parameter",
        "filename",
    ),
    "bare file data": (
        request(input=[user({"type": "input_file", "filename": "a.pdf", "file_data": "aGk="})]),
        "input[0].content[0].file_data",
        "invalid_value",
        "data URL",
    ),
    "file URL": (
        request(input=[user({"type": "input_file", "file_url": "a.pdf"})]),
        "input[0].content[0].file_url",
        "invalid_value",
        "valid URL",
    ),
    "id prefix": (
        request(input=[call(id="msg_1"), output()]),
        "input[0].id",
        "invalid_value",
        "Expected an ID that begins with 'fc'.",
    ),
    "long id": (
        request(input=[{**user(), "id": "msg_" + "x" * 61}]),
        "input[0].id",
        "string_above_max_length",
        "maximum length 64, but got a string with length 65",
    ),
    "long call_id": (
        request(input=[call("c" * 65), output("c" * 65)]),
        "input[0].call_id",
        "string_above_max_length",
        "Invalid 'input[0].call_id': string too long.",
    ),
    "empty call_id": (
        request(input=[call(""), output("")]),
        "input[0].call_id",
        "empty_string",
        "empty string",
    ),
    "call name": (
        request(input=[call(name="a.b"), output()]),
        "input[0].name",
        "invalid_value",
        "match pattern",
    ),
    "arguments object": (
        request(input=[call(arguments={}), output()]),
        "input[0].arguments",
        "invalid_type",
        "expected a string, but got an object instead",
    ),
    "orphan output": (
        request(input=[output()]),
        "input",
        None,
        "No tool call found for function call output with call_id call_1.",
    ),
    "output before its call": (request(input=[output(), call()]), "input", None, "No tool call found"),
    "call without output": (
        request(input=[call()]),
        "input",
        None,
        "No tool output found for function call call_1.",
    ),
    "duplicate call": (request(input=[call(), output(), call()]), "input", None, "Duplicate tool call"),
    "duplicate output": (request(input=[call(), output(), output()]), "input", None, "Duplicate tool output"),
    "reasoning before a user message": (
        request(input=[reasoning(), user(), assistant()]),
        "input",
        None,
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ),
    "foreign compaction": (
        request(input=[{"type": "compaction", "encrypted_content": FOREIGN}, user()]),
        None,
        "invalid_encrypted_content",
        "could not be decrypted",
    ),
    "compaction without content": (
        request(input=[{"type": "compaction"}, user()]),
        "input[0].encrypted_content",
        "missing_required_parameter",
        "encrypted_content",
    ),
    "namespace without tools": (
        request(tools=[{"type": "namespace", "name": "web", "description": ""}]),
        "tools[0].tools",
        "missing_required_parameter",
        "tools[0].tools",
    ),
    "hosted tool in a namespace": (
        request(tools=[namespace({"type": "web_search"})]),
        "tools[0].tools[0]",
        "invalid_value",
        "'function' and 'custom'",
    ),
    "bad schema in a namespace": (
        request(tools=[namespace(tool(parameters={"type": "array"}))]),
        "tools[0].tools[0].parameters",
        "invalid_function_parameters",
        "got 'type: \"array\"'",
    ),
    "two tools of one name in a namespace": (
        request(tools=[namespace(tool(), tool())]),
        "tools[0].tools",
        "invalid_value",
        "unique",
    ),
    "name too long in a namespace": (
        request(tools=[namespace(tool("x" * 129))]),
        "tools[0].tools[0].name",
        "string_above_max_length",
        "maximum length 128",
    ),
    "reasoning without summary": (
        request(input=[{"type": "reasoning", "encrypted_content": SEALED}, assistant()]),
        "input[0].summary",
        "missing_required_parameter",
        "summary",
    ),
    "summary part": (
        request(input=[reasoning(summary=[{"type": "text", "text": "x"}]), assistant()]),
        "input[0].summary[0]",
        "invalid_value",
        "'summary_text'",
    ),
    "foreign reasoning": (
        request(input=[reasoning(encrypted_content=ReasoningVault("another").seal("rs_1")), assistant()]),
        None,
        "invalid_encrypted_content",
        "could not be verified",
    ),
    "damaged reasoning": (
        request(input=[reasoning(encrypted_content=SEALED[:-8]), assistant()]),
        None,
        "invalid_encrypted_content",
        "could not be verified",
    ),
    "reasoning of another shape": (
        request(input=[reasoning(encrypted_content="not base64 ä"), assistant()]),
        None,
        "invalid_encrypted_content",
        "could not be verified",
    ),
    "early reasoning": (
        request(input=[reasoning(encrypted_content=VAULT.seal_early("rs_1")), assistant()]),
        None,
        "invalid_encrypted_content",
        "could not be verified",
    ),
    "reasoning of another item": (
        request(input=[reasoning(id="rs_2"), assistant()]),
        None,
        "invalid_encrypted_content",
        "item_id did not match",
    ),
    "tools no list": (request(tools={}), "tools", "invalid_type", "expected an array, but got an object"),
    "tool type": (request(tools=[{"type": "bash"}]), "tools[0]", "invalid_value", "Invalid value: 'bash'."),
    "tool name": (
        request(tools=[tool("mcp.x")]),
        "tools[0].name",
        "invalid_value",
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    ),
    "long tool name": (
        request(tools=[tool("x" * 65)]),
        "tools[0].name",
        "string_above_max_length",
        "length 65",
    ),
    "tool names": (request(tools=[tool(), tool()]), "tools", "invalid_value", "Tool names must be unique."),
    "foreign tool key": (
        request(tools=[tool(input_schema={})]),
        "tools[0].input_schema",
        "unknown_parameter",
        "Unknown parameter: 'tools[0].input_schema'.",
    ),
    "no parameters": (
        request(tools=[{"type": "function", "name": "ls"}]),
        "tools[0].parameters",
        "missing_required_parameter",
        "parameters",
    ),
    "root type": (
        request(tools=[tool(parameters={"properties": {}})]),
        "tools[0].parameters",
        "invalid_function_parameters",
        "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
    ),
    "root anyOf": (
        request(tools=_schema(anyOf=[{"type": "object"}])),
        "tools[0].parameters",
        "invalid_function_parameters",
        "at the top level",
    ),
    "no properties": (
        request(tools=[tool(parameters={"type": "object"})]),
        "tools[0].parameters",
        "invalid_function_parameters",
        "object schema missing properties",
    ),
    "array without items": (
        request(tools=_schema(properties={"a": {"anyOf": [{"type": "array"}]}})),
        "tools[0].parameters",
        "invalid_function_parameters",
        "In context=('properties', 'a', 'anyOf', '0'), array schema missing items.",
    ),
    "strict without closing": (
        request(tools=[{**_schema()[0], "strict": True}]),
        "tools[0].parameters",
        "invalid_function_parameters",
        "'additionalProperties' is required to be supplied and to be false.",
    ),
    "strict with optional": (
        request(tools=[{**_schema(properties={"a": {}}, additionalProperties=False)[0], "strict": True}]),
        "tools[0].parameters",
        "invalid_function_parameters",
        "Missing 'a'.",
    ),
    "choice without tools": (
        request(tool_choice="auto"),
        "tool_choice",
        "invalid_value",
        "Tool choice 'auto' must be specified with 'tools' parameter.",
    ),
    "choice among none": (
        request(tools=[], tool_choice="required"),
        "tool_choice",
        "invalid_value",
        "Tool choice 'required' must be specified with 'tools' parameter.",
    ),
    "tool among the items": (
        request(input=[{"type": "additional_tools", "role": "developer", "tools": [tool("l s")]}, user()]),
        "input[0].tools[0].name",
        "invalid_value",
        "does not match pattern",
    ),
    "choice word": (
        request(tools=[tool()], tool_choice="any"),
        "tool_choice",
        "invalid_value",
        "'none', 'auto', and",
    ),
    "choice of an unknown tool": (
        request(tools=[tool()], tool_choice={"type": "function", "name": "cat"}),
        "tool_choice",
        "invalid_value",
        "Tool choice 'cat' not found in 'tools' parameter.",
    ),
    "choice of an absent search": (
        request(tools=[tool()], tool_choice={"type": "web_search"}),
        "tool_choice",
        "invalid_value",
        "Tool choice 'web_search' not found",
    ),
    "mode of allowed tools": (
        request(tools=[tool()], tool_choice={"type": "allowed_tools", "mode": "any", "tools": []}),
        "tool_choice.mode",
        "invalid_value",
        "'auto' and 'required'",
    ),
    "effort of the model": (
        request(reasoning={"effort": "xhigh"}),
        "reasoning.effort",
        "unsupported_value",
        "Supported values are: 'minimal', 'low', 'medium', and 'high'.",
    ),
    "effort word": (request(reasoning={"effort": "huge"}), "reasoning.effort", "invalid_value", "'huge'"),
    "summary word": (
        request(reasoning={"summary": "long"}),
        "reasoning.summary",
        "invalid_value",
        "'detailed'",
    ),
    "include": (request(include=["x"]), "include[0]", "invalid_value", "reasoning.encrypted_content"),
    "format": (
        request(text={"format": {"type": "xml"}}),
        "text.format.type",
        "invalid_value",
        "'text', 'json_schema', and 'json_object'",
    ),
    "format without name": (
        request(text={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        "text.format.name",
        "missing_required_parameter",
        "text.format.name",
    ),
    "format root": (
        request(text={"format": {"type": "json_schema", "name": "o", "schema": {"type": "array"}}}),
        "text.format.schema",
        "invalid_json_schema",
        "got 'type: \"array\"'",
    ),
    "strict format": (
        request(
            text={
                "format": {"type": "json_schema", "name": "o", "schema": {"type": "object"}, "strict": True}
            }
        ),
        "text.format.schema",
        "invalid_json_schema",
        "Invalid schema for response_format 'o': In context=(), ",
    ),
    "verbosity": (
        request(text={"verbosity": "max"}),
        "text.verbosity",
        "invalid_value",
        "'low', 'medium', and",
    ),
    "long cache key": (
        request(prompt_cache_key="k" * 65),
        "prompt_cache_key",
        "string_above_max_length",
        "string too long",
    ),
}


@pytest.mark.parametrize(("body", "param", "code", "text"), ERRORS.values(), ids=ERRORS.keys())
def test_what_the_public_api_refuses_is_refused(
    body: dict[str, Any], param: str | None, code: str | None, text: str
) -> None:
    """Each defect is named by its parameter and code."""
    refusal = check_request(body, Rules(), VAULT)
    assert refusal is not None
    error = refusal.body["error"]
    assert (400, "invalid_request_error", param, code) == (
        refusal.status,
        error["type"],
        error["param"],
        error["code"],
    )
    assert text in error["message"]


@pytest.mark.parametrize(
    "item",
    [{"type": "item_reference", "id": "rs_1"}, {"type": "reasoning", "id": "rs_1", "summary": []}],
    ids=["reference", "bare reasoning"],
)
def test_items_that_would_have_to_be_stored_are_not_found(item: dict[str, Any]) -> None:
    """An id alone leads to nothing, as nothing is stored."""
    refusal = check_request(request(input=[item, assistant()]), Rules(), VAULT)
    assert refusal is not None
    assert (404, True) == (refusal.status, "Items are not persisted" in refusal.body["error"]["message"])


def test_the_public_api_takes_what_the_codex_back_end_does_not() -> None:
    """Platform mode accepts sampling, token limits, string input and answers without a stream."""
    body = {"model": "gpt-5", "input": "hi", "max_output_tokens": 16, "temperature": 0.5, "top_p": 1}
    assert None is check_request(body, Rules(mode="platform"), VAULT)


PLATFORM = {
    "no input": ({"model": "m"}, "input", "missing_required_parameter"),
    "unknown field": ({"model": "m", "input": "x", "max_tokens": 1}, "max_tokens", "unknown_parameter"),
    "few tokens": (
        {"model": "m", "input": "x", "max_output_tokens": 15},
        "max_output_tokens",
        "integer_below_min_value",
    ),
    "hot": ({"model": "m", "input": "x", "temperature": 3}, "temperature", "decimal_above_max_value"),
    "ill-typed": ({"model": "m", "input": "x", "top_p": "1"}, "top_p", "invalid_type"),
    "many tools": (
        {"model": "m", "input": "x", "tools": [tool(f"t{n}") for n in range(129)]},
        "tools",
        "array_above_max_length",
    ),
    "model": ({"model": "other", "input": "x"}, "model", "model_not_found"),
}


@pytest.mark.parametrize(("body", "param", "code"), PLATFORM.values(), ids=PLATFORM.keys())
def test_the_public_api_has_limits_too(body: dict[str, Any], param: str, code: str) -> None:
    """Platform mode refuses in the public form."""
    refusal = check_request(body, Rules(mode="platform", models=["m"]), VAULT)
    assert refusal is not None
    assert (param, code) == (refusal.body["error"]["param"], refusal.body["error"]["code"])


def test_efforts_can_be_set_per_model() -> None:
    """The rules of a test come before the built-in table."""
    rules = Rules(efforts={"gpt-5": ["low", "high"]})
    refusal = check_request(request(reasoning={"effort": "minimal"}), rules, VAULT)
    assert refusal is not None
    assert "Supported values are: 'low' and 'high'." in refusal.body["error"]["message"]


@pytest.mark.parametrize(("effort", "is_refused"), [("minimal", True), ("low", False)])
def test_a_search_needs_more_than_minimal_effort(effort: str, is_refused: bool) -> None:
    """The real API refuses the pair by the tools, not by the effort (openai/codex issue 3559)."""
    body = request(model="gpt-5", reasoning={"effort": effort}, tools=[{"type": "web_search"}])
    refusal = check_request(body, Rules(), VAULT)
    assert is_refused is (refusal is not None and refusal.body["error"]["param"] == "tools")


COMPACT = {"model": "gpt-5", "instructions": "", "input": [user()], "parallel_tool_calls": True}


@pytest.mark.parametrize(
    ("mode", "history"), [("codex", [user()]), ("platform", [user()]), ("platform", "hi")]
)
def test_a_request_to_compact_is_accepted(mode: Any, history: Any) -> None:
    """It has a model, a history, and nothing that belongs to an answer."""
    assert None is check_compact_request({**COMPACT, "input": history}, Rules(mode=mode), VAULT)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"stream": True}, "Unsupported parameter: stream"),
        ({"store": False}, "Unsupported parameter: store"),
        ({"include": []}, "Unsupported parameter: include"),
        ({"instructions": None}, "Invalid type for 'instructions': expected a string, but got null instead."),
        ({"input": "hi"}, "Invalid type for 'input': expected an array, but got a string instead."),
        ({"input": [output()]}, "No tool call found for function call output with call_id call_1."),
        ({"model": "gpt-9"}, "The requested model 'gpt-9' does not exist."),
    ],
)
def test_a_request_to_compact_can_be_refused(change: dict[str, Any], text: str) -> None:
    """Each defect has its words."""
    refusal = check_compact_request({**COMPACT, **change}, Rules(models=["gpt-5"]), VAULT)
    assert refusal is not None
    assert text in (refusal.body.get("detail") or refusal.body["error"]["message"])
