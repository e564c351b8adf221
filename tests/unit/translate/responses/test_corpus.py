"""Recorded requests of the Codex CLI and of the openai SDK, passed on."""

import json
from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.validation import Rules, check_request
from packyproxy.translate.codex_headers import upstream_headers
from packyproxy.translate.contract import Capabilities, Target
from packyproxy.translate.effort import allowed_efforts
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.request import read, to_responses

CORPUS = Path(__file__).parents[3] / "corpus" / "responses"
CODEX = sorted(path.stem for path in CORPUS.glob("codex-*.json"))
SDK = sorted(path.stem for path in CORPUS.glob("sdk-*.json") if path.stem != "sdk-compact")
TARGET = Target(
    model="gpt-5",
    scope="1f2e3d4c5b",
    provider_scope="0a1b2c3d4e",
    efforts=allowed_efforts("gpt-5"),
    prompt_cache_key="ours",
)


def _record(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((CORPUS / f"{name}.json").read_bytes())
    return record


def _sent(body: Any, target: Target = TARGET) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(
        to_responses(read(json.dumps(body).encode(), counting=True), target).body
    )
    return sent


def _without_ids(body: dict[str, Any]) -> dict[str, Any]:
    items = [
        {name: value for name, value in item.items() if name != "id" or item["type"] == "additional_tools"}
        for item in body["input"]
    ]
    return {**body, "input": items}


@pytest.mark.parametrize("name", CODEX)
def test_codex_passes_through(name: str) -> None:
    """A request of the Codex CLI loses ids of known items, gains ``instructions``, and changes in nothing else."""
    body = _record(name)["body"]
    assert {**_without_ids(body), "model": TARGET.model, "instructions": ""} == _sent(body)


@pytest.mark.parametrize("name", CODEX)
def test_codex_passes_through_with_ids(name: str) -> None:
    """A provider with item ids gets every byte as it was, and ``instructions`` behind them."""
    raw = json.dumps(_record(name)["body"]).encode()
    target = Target(model="gpt-5", scope="s", efforts=(), capabilities=Capabilities(item_ids=True))
    sent = to_responses(read(raw), target).body
    body = json.loads(raw)
    assert body["input"] == json.loads(sent)["input"]
    assert all(json.dumps(body[field]).encode() in sent for field in ("input", "tools") if field in body)


@pytest.mark.parametrize("name", CODEX)
def test_codex_bytes_are_kept(name: str) -> None:
    """Values are not written anew: the upstream reads the very bytes of tools, metadata and texts."""
    raw = json.dumps(_record(name)["body"], indent=1).encode()
    sent = to_responses(read(raw), TARGET).body
    for value in (b'"tools": ', b'"client_metadata": ', b'"content": '):
        start = raw.index(value) + len(value)
        assert raw[start : start + 200] in sent


@pytest.mark.parametrize("name", CODEX)
def test_codex_headers_pass_through(name: str) -> None:
    """Its own headers travel, its credentials and the hop's do not."""
    headers = {key.lower(): value for key, value in _record(name)["headers"].items()}
    sent = {key: value for key, value in upstream_headers(headers, TARGET).items() if value}
    assert {
        "originator", "user-agent", "session-id", "thread-id", "x-codex-window-id", "x-codex-turn-metadata",
        "x-codex-beta-features",
    } == set(sent) - {"x-openai-internal-codex-responses-lite"}  # fmt: skip
    assert {key: headers[key] for key in sent} == sent


@pytest.mark.parametrize("name", [*CODEX, *SDK])
def test_translation_changes_nothing_twice(name: str) -> None:
    """What was put right once is right."""
    once = _sent(_record(name)["body"])
    assert once == _sent(once)


@pytest.mark.parametrize("name", ["codex-default-model", *(name for name in SDK if name != "sdk-tools")])
def test_a_codex_relay_takes_what_clients_send(name: str) -> None:
    """Whatever clients fill in, the upstream has nothing to refuse."""
    assert check_request(_sent(_record(name)["body"]), Rules(), ReasoningVault("corpus")) is None


def test_tools_of_the_sdk() -> None:
    """A later turn with tools is put right in every place that upstreams differ about."""
    sent = _sent(_record("sdk-tools")["body"])
    assert ["web_search", "function"] == sorted((tool["type"] for tool in sent["tools"]), reverse=True)
    assert [None, None, None, None] == [item.get("id") for item in sent["input"]]
    told = [sent[name] for name in ("tool_choice", "reasoning", "include", "parallel_tool_calls")]
    assert [
        {"type": "web_search"}, {"effort": "low", "summary": "auto"}, ["reasoning.encrypted_content"], False,
    ] == told  # fmt: skip


def test_compaction_of_the_sdk() -> None:
    """It gains ``instructions``."""
    protocol, body = CompactProtocol(), _record("sdk-compact")["body"]
    sent = json.loads(protocol.to_responses(protocol.read(json.dumps(body).encode()), TARGET).body)
    assert {**body, "instructions": ""} == sent
