"""Checks ``input``: every item by itself, then what items say about each other."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from packyproxy.testing.upstream.check_tools import (
    LONGEST_NAME,
    LONGEST_NAME_IN_NAMESPACE,
    check_name,
    check_tools,
)
from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.refusals import (
    Refusal,
    Refused,
    check_keys,
    check_length,
    check_type,
    field,
    invalid,
    invalid_value,
)

__all__ = ["check_input"]

_Item = Mapping[str, Any]

_ROLES = ("assistant", "system", "developer", "user")
_INPUT_PARTS = ("input_text", "input_image", "input_file")
_OUTPUT_PARTS = ("output_text", "refusal")
_DETAILS = ("low", "high", "auto", "original")
_STATUSES = ("in_progress", "completed", "incomplete")
_PHASES = ("commentary", "final_answer")

_EVERYWHERE = frozenset({"type", "id", "status", "internal_chat_message_metadata_passthrough"})
"""The last one is sent by the Codex CLI to OpenAI itself, and so to whoever takes its place."""
_KEYS = {
    "message": _EVERYWHERE | {"role", "content", "phase"},
    "function_call": _EVERYWHERE | {"call_id", "name", "arguments", "namespace"},
    "function_call_output": _EVERYWHERE | {"call_id", "output"},
    "custom_tool_call": _EVERYWHERE | {"call_id", "name", "input", "namespace"},
    "custom_tool_call_output": _EVERYWHERE | {"call_id", "output"},
    "reasoning": _EVERYWHERE | {"summary", "content", "encrypted_content"},
    "additional_tools": _EVERYWHERE | {"role", "tools"},
    "compaction": _EVERYWHERE | {"encrypted_content", "created_by"},
    "item_reference": frozenset({"type", "id"}),
}
_OTHER_TYPES = (
    "agent_message",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction_trigger",
    "computer_call",
    "computer_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
)
_TYPES = (*_KEYS, *_OTHER_TYPES)

_PART_KEYS = {
    "input_text": frozenset({"type", "text"}),
    "input_image": frozenset({"type", "image_url", "file_id", "detail"}),
    "input_file": frozenset({"type", "filename", "file_data", "file_url", "file_id"}),
    "output_text": frozenset({"type", "text", "annotations", "logprobs"}),
    "refusal": frozenset({"type", "refusal"}),
}

_ID_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fc",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "web_search_call": "ws",
}

_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_OUTPUTS = {output: call for call, output in _CALLS.items()}
_FOLLOWERS = (
    frozenset(_TYPES)
    - frozenset(_OUTPUTS)
    - {"message", "agent_message", "item_reference", "additional_tools", "compaction", "compaction_trigger"}
)
"""What a reasoning item can have produced, apart from an assistant message."""

_URL = re.compile(r"https?://\S+")
_DATA_URL = re.compile(r"data:([^;,]*);base64,(.*)", re.DOTALL)
_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


def check_input(items: Sequence[Any], vault: ReasoningVault) -> None:
    """Refuse input items that the API would not take."""
    for number, item in enumerate(items):
        _check_item(item, f"input[{number}]", vault)
    _check_reasoning_is_followed(items, vault)
    _check_pairing(items)


def _check_item(item: Any, where: str, vault: ReasoningVault) -> None:
    check_type(item, dict, where)
    kind = item.get("type", "message")
    if kind not in _TYPES:
        raise invalid_value(kind, _TYPES, where)
    if kind in _KEYS:
        check_keys(item, _KEYS[kind], where)
    if item.get("id") is not None:
        _check_id(item["id"], kind, f"{where}.id")
    if item.get("status") is not None and item["status"] not in (*_STATUSES, "failed", "searching"):
        raise invalid_value(item["status"], _STATUSES, f"{where}.status")
    check = _ITEM_CHECKS.get(kind)
    if check is not None:
        check(item, where)
    if kind == "reasoning":
        _check_reasoning(item, where, vault)
    elif kind == "compaction":
        _check_sealed(item, field(item, "encrypted_content", str, where), vault)


def _check_id(item_id: object, kind: str, param: str) -> None:
    check_type(item_id, str, param)
    assert isinstance(item_id, str)
    check_length(item_id, param)
    prefix = _ID_PREFIXES.get(kind)
    if prefix is not None and not item_id.startswith(prefix):
        raise invalid(f"Invalid '{param}': '{item_id}'. Expected an ID that begins with '{prefix}'.", param)


def _check_message(item: _Item, where: str) -> None:
    role = field(item, "role", str, where)
    if role not in _ROLES:
        raise invalid_value(role, _ROLES, where)
    if item.get("phase") is not None and item["phase"] not in _PHASES:
        raise invalid_value(item["phase"], _PHASES, f"{where}.phase")
    content = field(item, "content", (list, str), where)
    if isinstance(content, list):
        _check_parts(content, f"{where}.content", _OUTPUT_PARTS if role == "assistant" else _INPUT_PARTS)


def _check_parts(parts: Sequence[Any], where: str, allowed: Sequence[str]) -> None:
    for number, part in enumerate(parts):
        here = f"{where}[{number}]"
        check_type(part, dict, here)
        kind = field(part, "type", str, here)
        if kind not in allowed:
            raise invalid_value(kind, allowed, here)
        check_keys(part, _PART_KEYS[kind], here)
        match kind:
            case "input_image":
                _check_image(part, here)
            case "input_file":
                _check_file(part, here)
            case "refusal":
                field(part, "refusal", str, here)
            case _:
                # Empty text is accepted: the API sets no minimum length here.
                field(part, "text", str, here)


def _check_image(part: _Item, where: str) -> None:
    if part.get("detail", "auto") not in _DETAILS:
        raise invalid_value(part["detail"], _DETAILS, f"{where}.detail")
    if part.get("file_id") is not None:
        return
    url, param = field(part, "image_url", str, where), f"{where}.image_url"
    data = _DATA_URL.fullmatch(url)
    if data is None:
        if not _URL.fullmatch(url):
            reason = "Expected a valid URL, but got a value with an invalid format."
            raise invalid(f"Invalid '{param}'. {reason}", param)
        return
    example = "'data:image/png;base64,aW1n'"
    expected = f"Expected a base64-encoded data URL with an image MIME type (e.g. {example}), but got"
    if data[1] not in _IMAGE_TYPES:
        raise invalid(f"Invalid '{param}'. {expected} unsupported MIME type '{data[1]}'.", param)
    if not data[2]:
        raise invalid(f"Invalid '{param}'. {expected} empty base64-encoded bytes.", param)
    _check_base64(data[2], param)


def _check_file(part: _Item, where: str) -> None:
    sources = [key for key in ("file_data", "file_url", "file_id") if part.get(key) is not None]
    if not sources:
        text = (
            f"Missing required parameter: '{where}'. One of 'file_data', 'file_url' or 'file_id' is required."
        )
        raise invalid(text, where, "missing_required_parameter")
    if len(sources) > 1:
        raise invalid(
            f"Mutually exclusive parameters: '{where}'. Give only one source.", where, "mutually_exclusive"
        )
    if sources == ["file_url"] and not _URL.fullmatch(field(part, "file_url", str, where)):
        raise invalid(f"Invalid '{where}.file_url'. Expected a valid URL.", f"{where}.file_url")
    if sources == ["file_data"]:
        field(part, "filename", str, where)
        param = f"{where}.file_data"
        data = _DATA_URL.fullmatch(field(part, "file_data", str, where))
        if data is None or not data[1]:
            raise invalid(f"Invalid '{param}'. Expected a base64-encoded data URL with a MIME type.", param)
        _check_base64(data[2], param)


def _check_base64(data: str, param: str) -> None:
    try:
        b64decode(data, validate=True)
    except ValueError as error:
        raise invalid(
            f"Invalid '{param}'. Expected valid base64-encoded data.", param, "invalid_base64"
        ) from error


def _check_additional_tools(item: _Item, where: str) -> None:
    check_tools(field(item, "tools", list, where), f"{where}.tools")


def _check_call(item: _Item, where: str) -> None:
    check_length(field(item, "call_id", str, where), f"{where}.call_id")
    longest = LONGEST_NAME if item.get("namespace") is None else LONGEST_NAME_IN_NAMESPACE
    check_name(field(item, "name", str, where), f"{where}.name", longest=longest)
    field(item, "arguments" if item["type"] == "function_call" else "input", str, where)


def _check_call_output(item: _Item, where: str) -> None:
    check_length(field(item, "call_id", str, where), f"{where}.call_id")
    output = field(item, "output", (str, list), where)
    if isinstance(output, list):
        _check_parts(output, f"{where}.output", _INPUT_PARTS)


def _refuse_reference(item: _Item, where: str) -> None:
    raise _not_stored(field(item, "id", str, where))


def _not_stored(item_id: str) -> Refused:
    text = (
        f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false. "
        "Try again with `store` set to true, or remove this item from your input."
    )
    return Refused(Refusal.error(text, param="input", status=404))


def _check_reasoning(item: _Item, where: str, vault: ReasoningVault) -> None:
    for number, part in enumerate(field(item, "summary", list, where)):
        here = f"{where}.summary[{number}]"
        check_type(part, dict, here)
        if field(part, "type", str, here) != "summary_text":
            raise invalid_value(part["type"], ("summary_text",), here)
        field(part, "text", str, here)
    value = item.get("encrypted_content")
    if value is None:
        if item.get("id") is not None:
            raise _not_stored(item["id"])
        return
    check_type(value, str, f"{where}.encrypted_content")
    _check_sealed(item, value, vault)


def _check_sealed(item: _Item, value: str, vault: ReasoningVault) -> None:
    sealed_id = vault.open(value)
    start = f"The encrypted content {value[:4]}...{value[-4:]} could not be verified."
    if sealed_id is None:
        reason = "Reason: Encrypted content could not be decrypted or parsed."
        raise invalid(f"{start} {reason}", None, "invalid_encrypted_content")
    if item.get("id") not in (None, sealed_id):
        reason = "Reason: Encrypted content item_id did not match the target item id."
        raise invalid(f"{start} {reason}", None, "invalid_encrypted_content")


_ITEM_CHECKS: dict[str, Callable[[_Item, str], None]] = {
    "message": _check_message,
    "additional_tools": _check_additional_tools,
    "function_call": _check_call,
    "custom_tool_call": _check_call,
    "function_call_output": _check_call_output,
    "custom_tool_call_output": _check_call_output,
    "item_reference": _refuse_reference,
}


def _check_reasoning_is_followed(items: Sequence[_Item], vault: ReasoningVault) -> None:
    """Refuse reasoning that something else follows than what it led to.

    The last item may be reasoning: the Codex CLI sends it so when a stream has broken off behind it.
    """
    open_item: _Item | None = None
    for item in items:
        kind = item.get("type", "message")
        if kind == "reasoning":
            open_item = item
        elif kind in _FOLLOWERS or (kind == "message" and item.get("role") == "assistant"):
            open_item = None
        elif open_item is not None:
            item_id = open_item.get("id") or vault.open(open_item.get("encrypted_content") or "") or "rs_"
            text = f"Item '{item_id}' of type 'reasoning' was provided without its required following item."
            raise invalid(text, "input", None)


def _check_pairing(items: Sequence[_Item]) -> None:
    called: dict[str, str] = {}
    answered: set[str] = set()
    for item in items:
        kind = item.get("type", "message")
        call_id: str = item.get("call_id", "")
        if kind in _CALLS:
            if call_id in called:
                raise invalid(f"Duplicate tool call found with call_id {call_id}.", "input", None)
            called[call_id] = kind
        elif kind in _OUTPUTS:
            what = "function call" if kind == "function_call_output" else "custom tool call"
            if called.get(call_id) != _OUTPUTS[kind]:
                raise invalid(f"No tool call found for {what} output with call_id {call_id}.", "input", None)
            if call_id in answered:
                raise invalid(
                    f"Duplicate tool output found for {what} with call_id {call_id}.", "input", None
                )
            answered.add(call_id)
    for call_id, kind in called.items():
        if call_id not in answered:
            what = "function call" if kind == "function_call" else "custom tool call"
            raise invalid(f"No tool output found for {what} {call_id}.", "input", None)
