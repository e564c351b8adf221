"""The Responses surface in-process: what of a Codex CLI's request reaches which provider, and what comes back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing import Compaction, Fault, Reasoning, Turn

Setting = Callable[..., Any]

RECORD = json.loads((Path(__file__).parents[1] / "corpus/responses/codex-first-turn.json").read_bytes())
PROXY_KEY = {"authorization": "Bearer proxy-key", "x-api-key": "proxy-key", "cookie": "c=1"}
CODEX = {**RECORD["headers"], **PROXY_KEY}
OWN = ("originator", "user-agent", "session-id", "thread-id", "x-codex-window-id", "x-codex-turn-metadata")
USER = {"type": "message", "role": "user", "content": "hi"}
ONE_IDENTITY = {"upstreams": {"a": {"identity": "one"}, "b": {"identity": "two"}}}


async def ask(scene: Any, *items: Any, headers: Any = None, **fields: Any) -> Any:
    """Send one Responses request and return its answer."""
    body = {"model": "gpt-5", "input": [USER, *items], **fields}
    return await scene.client.post("/v1/responses", json=body, headers=headers or {})


def kinds(request: Any) -> list[str]:
    """Name the items that an upstream got."""
    return [item["type"] for item in request.input]


async def test_a_recorded_request_passes(stage: Setting) -> None:
    """A Codex CLI reaches its upstream as itself, with the provider's key and nothing of the proxy's."""
    scene = stage("Hello")
    answer = await scene.client.post("/v1/responses", json=RECORD["body"], headers=CODEX)
    sent = scene.upstream.last_request
    own = {name.lower(): value for name, value in RECORD["headers"].items()}
    assert (200, "Bearer sk-provider-0123456789") == (answer.status_code, sent.headers["authorization"])
    assert {name: own[name] for name in OWN} == {name: sent.headers[name] for name in OWN}
    absent = ("session_id", "conversation_id", "openai-beta", "cookie", "x-api-key", "chatgpt-account-id")
    assert not set(absent) & set(sent.headers)
    assert sent.headers["x-client-request-id"] == answer.headers["x-request-id"]


async def test_other_clients_are_not_passed_off(stage: Setting) -> None:
    """Whoever is no Codex CLI reaches the upstream as packyproxy, in the session of its cache key."""
    scene = stage("Hello")
    await ask(
        scene, headers={"user-agent": "OpenAI/Python 3.52.0", "version": "1"}, prompt_cache_key="theirs"
    )
    sent = scene.upstream.last_request.headers
    assert sent["user-agent"].startswith("packyproxy/")
    assert ("theirs", "theirs", "responses=experimental") == (
        sent["session_id"],
        sent["conversation_id"],
        sent["openai-beta"],
    )
    assert not {"originator", "version"} & set(sent)


async def test_messages_have_no_codex_headers(stage: Setting) -> None:
    """The same headers on another surface make nobody a Codex CLI."""
    scene = stage("Hello")
    fields = {"model": "gpt-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    answer = await scene.client.post("/v1/messages", json=fields, headers=CODEX)
    assert scene.upstream.last_request.headers["user-agent"].startswith("packyproxy/")
    assert not [name for name in answer.headers if name.startswith("x-codex-")]


async def test_limits_and_state_come_back(stage: Setting) -> None:
    """The limits of the provider are shown, and a turn's state returns where it came from."""
    state = {"x-codex-turn-state": "s-1", "x-models-etag": "e", "openai-model": "gpt-5", "set-cookie": "c=1"}
    scene = stage(Turn("Hello", headers=state))
    first = await ask(scene, stream=True, headers=CODEX)
    marked = first.headers["x-codex-turn-state"]
    assert ("plus", "e", "gpt-5") == tuple(
        first.headers[name] for name in ("x-codex-plan-type", "x-models-etag", "openai-model")
    )
    assert "set-cookie" not in first.headers
    await ask(scene, headers={**CODEX, "x-codex-turn-state": marked})
    assert "s-1" == scene.upstream.last_request.headers["x-codex-turn-state"]
    assert marked.startswith("pp1.")


async def test_the_model_has_the_clients_name(stage: Setting) -> None:
    """Whoever asks for a model at an effort is not told that another one answers."""
    scene = stage(Turn("Hello", headers={"openai-model": "gpt-5"}))
    answer = await ask(scene, model="gpt-5-low", headers=CODEX)
    assert ("gpt-5-low", "gpt-5-low") == (answer.headers["openai-model"], answer.json()["model"])


async def test_state_goes_to_no_other_provider(ensemble: Setting) -> None:
    """After a failover the next provider gets no state, and no reasoning, of the first."""
    state = Turn(output=[Reasoning(["r"])], headers={"x-codex-turn-state": "s-1"})
    scene = ensemble(
        {"a": [state, Fault.status(503)], "b": "Hello"}, config={"request-retry": 0}, **ONE_IDENTITY
    )
    first = await ask(scene, headers=CODEX)
    marked = {"x-codex-turn-state": first.headers["x-codex-turn-state"]}
    second = await ask(scene, *first.json()["output"], headers={**CODEX, **marked})
    (before, asked), (other,) = (scene.upstreams[name].requests for name in ("a", "b"))
    assert (200, "b") == (second.status_code, second.headers["x-packyproxy-provider"])
    assert (["message"], ["message", "reasoning"], ["message"]) == (kinds(before), kinds(asked), kinds(other))
    assert ("s-1", None) == (
        asked.headers.get("x-codex-turn-state"),
        other.headers.get("x-codex-turn-state"),
    )


async def test_refused_reasoning_is_left_out(stage: Setting) -> None:
    """What the upstream cannot decrypt is left out at once, and in later turns before it is asked."""
    scene = stage("Hello", upstream={"identity": "another"})
    foreign = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAforeign"}
    answers = [await ask(scene, foreign) for _ in range(2)]
    assert [200, 200] == [answer.status_code for answer in answers]
    assert [["message", "reasoning"], ["message"], ["message"]] == [
        kinds(each) for each in scene.upstream.requests
    ]


async def test_a_refused_compaction_is_tried_once_elsewhere(ensemble: Setting) -> None:
    """History that one provider cannot decrypt goes to one other as it is, and then back to the client."""
    scene = ensemble(dict.fromkeys("abc", "Hello"))
    foreign = {"type": "compaction", "encrypted_content": "gAAAAforeign"}
    answer = await ask(scene, foreign)
    assert (400, "invalid_encrypted_content") == (answer.status_code, answer.json()["error"]["code"])
    assert {"a": 1, "b": 1, "c": 0} == scene.calls()


@pytest.mark.parametrize("times", [1, 2], ids=["asked", "resting"])
async def test_a_compaction_whose_maker_rests_waits_for_it(ensemble: Setting, times: int) -> None:
    """That nobody else can read the history hides neither the limit of who made it, nor when that ends."""
    scene = ensemble(
        {"a": [Turn(output=[Compaction()]), Fault.usage_limit(resets_in_seconds=7200)], "b": "Hello"}
    )
    made = await ask(scene, {"type": "compaction_trigger"})
    answers = [await ask(scene, *made.json()["output"]) for _ in range(times)]
    assert (429, "usage_limit_reached") == (answers[-1].status_code, answers[-1].json()["error"]["type"])
    assert 7190 <= int(answers[-1].headers["retry-after"]) <= 7200
    assert {"a": 2, "b": times} == scene.calls()


async def test_a_compaction_finds_its_maker(ensemble: Setting) -> None:
    """Where the other provider made it, the session goes on there."""
    scene = ensemble({"a": "Hello", "b": [Turn(output=[Compaction()]), "Hello"]}, **ONE_IDENTITY)
    made = await ask(scene, {"type": "compaction_trigger"}, model="b/gpt-5")
    answer = await ask(scene, *made.json()["output"])
    assert (200, "b", {"a": 1, "b": 2}) == (
        answer.status_code,
        answer.headers["x-packyproxy-provider"],
        scene.calls(),
    )


async def test_a_parameter_is_learned(stage: Setting) -> None:
    """A field that the upstream refuses is left out at once, and from then on."""
    refusal = Fault.detail(400, "Unsupported parameter: client_metadata")
    scene = stage([refusal, "Hello", "Hello"])
    answers = [await ask(scene, client_metadata={"k": "v"}) for _ in range(2)]
    assert [200, 200] == [answer.status_code for answer in answers]
    assert [True, False, False] == ["client_metadata" in each.body for each in scene.upstream.requests]


async def test_warnings_are_told(stage: Setting) -> None:
    """What was lost on the way is named once."""
    answer = await ask(stage("Hello"), store=True, temperature=0.2, truncation="auto")
    assert "store,truncation,temperature" == answer.headers["x-packyproxy-warnings"]


async def test_counting_calls_nobody(stage: Setting) -> None:
    """Tokens are counted here, with the corrections that the model has taught."""
    scene = stage("Hello")
    answer = await scene.client.post("/v1/responses/input_tokens", json={"model": "gpt-5", "input": "hi"})
    assert {"object": "response.input_tokens", "input_tokens": 8} == answer.json()
    assert [] == scene.upstream.requests


async def test_key_quoted_in_a_header_is_masked(stage: Setting) -> None:
    """An upstream that puts the provider's key into one of its headers does not give it away."""
    scene = stage(Turn("Hello", headers={"x-codex-account": "key sk-provider-0123456789 of a plan"}))
    answer = await ask(scene)
    assert "key *** of a plan" == answer.headers["x-codex-account"]
