"""Recorded requests of Claude Code, translated."""

import json
from pathlib import Path
from typing import Any

import pytest

from packyproxy.translate.contract import Target, Translation
from packyproxy.translate.effort import allowed_efforts
from packyproxy.translate.messages.request import read, to_responses

CORPUS = Path(__file__).parents[3] / "corpus" / "messages"
NAMES = sorted(path.stem for path in CORPUS.glob("cc-*.json"))
MODEL = "gpt-5.1-codex"
TARGET = Target(model=MODEL, scope="1f2e3d4c5b", efforts=allowed_efforts(MODEL), prompt_cache_key="key")
SYSTEM_AND_TURN = ["message:user", "message:developer"]


def _body(name: str) -> Any:
    return json.loads((CORPUS / f"{name}.json").read_bytes())["body"]


def _translated(name: str) -> Translation:
    request = read(json.dumps(_body(name)).encode(), counting="count-tokens" in name)
    return to_responses(request, TARGET)


@pytest.mark.parametrize("name", NAMES)
def test_recording_translates_the_same_every_time(name: str) -> None:
    """The bytes are stable, valid JSON, and hold none of what the upstream refuses."""
    first = _translated(name)
    sent = json.loads(first.body)
    assert first.body == _translated(name).body
    assert set() == {"max_output_tokens", "metadata", "user", "temperature"} & set(sent)
    assert all(item.get("role") != "system" for item in sent["input"])
    assert not sent["instructions"].startswith("x-anthropic-billing-header")


@pytest.mark.parametrize("name", NAMES)
def test_recorded_tools_all_arrive(name: str) -> None:
    """Every tool of a recording is emitted once, in its place, under a legal name that leads back."""
    done = _translated(name)
    expected = [tool["name"] for tool in _body(name).get("tools", [])]
    sent = json.loads(done.body).get("tools", [])
    names = [tool.get("name", tool["type"]) for tool in sent]
    assert expected == [done.stream_facts.original_names.get(mapped, mapped) for mapped in names]
    assert all(len(mapped) <= 64 for mapped in names)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cc-opus-first-turn", SYSTEM_AND_TURN),
        ("cc-opus-tool-result", [*SYSTEM_AND_TURN, "function_call", "function_call_output"]),
        (
            "cc-continue-third-turn",
            [
                *SYSTEM_AND_TURN, "message:assistant", "message:user", "function_call", "function_call_output",
                "message:assistant", "message:user",
            ],
        ),
        (
            "cc-edit-step4",
            [
                *SYSTEM_AND_TURN, "message:assistant", "function_call", "function_call_output", "function_call", "function_call",
                "function_call_output", "function_call_output", "function_call", "function_call_output",
            ],
        ),
        ("cc-haiku-first-turn", ["message:user"]),
        ("cc-websearch-inner", ["message:user"]),
    ],
)  # fmt: skip
def test_recorded_turns(name: str, expected: list[str]) -> None:
    """The items stand in the order of the conversation; foreign thinking is gone."""
    items = json.loads(_translated(name).body)["input"]
    assert expected == [
        f"message:{item['role']}" if item["type"] == "message" else item["type"] for item in items
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cc-opus-first-turn", {"effort": "high", "summary": "auto"}),
        ("cc-sonnet-effort-low", {"effort": "low", "summary": "auto"}),
        ("cc-thinking-budget", {"effort": "medium", "summary": "auto"}),
        ("cc-websearch-inner", {"effort": "low"}),
        ("cc-count-tokens-tools", None),
    ],
)
def test_recorded_efforts(name: str, expected: dict[str, str] | None) -> None:
    """What Claude Code's settings ask for arrives, within what the model takes."""
    assert expected == json.loads(_translated(name).body).get("reasoning")


def test_recorded_web_search_must_search() -> None:
    """The inner request of the WebSearch tool leaves the model no choice."""
    assert json.loads(_translated("cc-websearch-inner").body)["tool_choice"] == "required"


def test_a_longer_history_begins_like_the_shorter_one() -> None:
    """The upstream's cache finds the prefix of the previous turn."""
    body = _body("cc-edit-step4")
    shorter = {**body, "messages": body["messages"][:4]}
    target_input = [
        json.loads(to_responses(read(json.dumps(b).encode()), TARGET).body)["input"] for b in (shorter, body)
    ]
    assert target_input[0] == target_input[1][: len(target_input[0])]


def test_recorded_session_is_found() -> None:
    """The session id in the user id is the one in Claude Code's own header."""
    record = json.loads((CORPUS / "cc-opus-first-turn.json").read_bytes())
    hint = read(json.dumps(record["body"]).encode()).session_hint
    assert record["headers"]["X-Claude-Code-Session-Id"] == hint
