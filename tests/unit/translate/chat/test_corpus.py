"""Recorded requests of the openai SDK, translated."""

import json
from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.validation import Rules, check_request
from packyproxy.translate.chat.request import read, to_responses
from packyproxy.translate.contract import Target, Translation
from packyproxy.translate.effort import allowed_efforts

CORPUS = Path(__file__).parents[3] / "corpus" / "chat"
NAMES = sorted(path.stem for path in CORPUS.glob("*.json"))
TARGET = Target(model="gpt-5", scope="1f2e3d4c5b", efforts=allowed_efforts("gpt-5"), prompt_cache_key="key")


def _translated(name: str) -> Translation:
    body = json.loads((CORPUS / f"{name}.json").read_bytes())["body"]
    return to_responses(read(json.dumps(body).encode()), TARGET)


def _sent(name: str) -> Any:
    return json.loads(_translated(name).body)


@pytest.mark.parametrize("name", NAMES)
def test_a_codex_relay_takes_every_recording(name: str) -> None:
    """Nothing of a recorded request is refused, and equal requests give equal bytes."""
    assert check_request(_sent(name), Rules(), ReasoningVault("corpus")) is None
    assert _translated(name).body == _translated(name).body


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("sdk-text", {"service_tier", "text"}),
        ("sdk-stream", set()),
        ("sdk-tools", {"tools", "tool_choice", "parallel_tool_calls"}),
        ("sdk-parse", {"tools", "tool_choice", "parallel_tool_calls", "text"}),
        ("sdk-media", set()),
        ("sdk-functions", {"tools", "tool_choice", "parallel_tool_calls"}),
        ("sdk-search", {"tools", "tool_choice", "parallel_tool_calls", "text"}),
    ],
)
def test_only_what_has_a_meaning_upstream_is_sent(name: str, keys: set[str]) -> None:
    """Beside what every request has, a request has what its client asked for."""
    always = {"model", "instructions", "input", "reasoning", "store", "stream", "include", "prompt_cache_key"}
    assert always | keys == set(_sent(name))


def test_a_message_of_the_sdk_goes_back_as_it_came() -> None:
    """The object that the SDK returned has all its keys, and those without a meaning here disappear."""
    items = _sent("sdk-tools")["input"]
    assert ["message", "message", "function_call", "custom_tool_call", "function_call_output",
            "custom_tool_call_output"] == [item["type"] for item in items]  # fmt: skip
    assert ["Sunny,\n25 degrees.", "2"] == [item["output"] for item in items[4:]]


def test_a_parsed_model_is_a_strict_format() -> None:
    """The schema reaches the upstream as the SDK made it, and so does the tool's."""
    sent = _sent("sdk-parse")
    body = json.loads((CORPUS / "sdk-parse.json").read_bytes())["body"]
    wanted, tool = body["response_format"]["json_schema"], body["tools"][0]["function"]
    assert {"type": "json_schema", **wanted} == sent["text"]["format"]
    assert [{"type": "function", **tool}] == sent["tools"]
    assert (True, True) == (wanted["strict"], tool["strict"])
