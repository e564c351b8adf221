"""Law: any bytes are a Chat request or an ``InvalidRequest``, and what a client could send the upstream would take."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import InvalidRequest
from packyproxy.testing.validation import Rules, check_request
from packyproxy.translate.chat.request import read, to_responses
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target, Translation
from packyproxy.translate.effort import allowed_efforts
from tests.laws.chat_request_strategies import histories, plausible_requests
from tests.laws.request_strategies import SCOPE, VAULT, Body, broken, json_values

capabilities = st.builds(
    Capabilities,
    tool_output_media=st.booleans(),
    phase=st.sampled_from(["auto", "on"]),
    system_as=st.sampled_from(["instructions", "developer"]),
)
platform = st.builds(Capabilities, max_output_tokens=st.just(value=True), sampling=st.just(value=True))
facts = st.builds(
    AttemptFacts,
    removed_parameters=st.frozensets(
        st.sampled_from(
            ["phase", "strict", "detail", "reasoning.summary", "parallel_tool_calls", "text.verbosity"]
        ),
        max_size=2,
    ),
)
models = st.sampled_from(["gpt-5", "gpt-5.1-codex", "gpt-5.4"])


def target(model: str, can: Capabilities) -> Target:
    return Target(
        model=model, scope=SCOPE, efforts=allowed_efforts(model), capabilities=can, prompt_cache_key="k"
    )


def translated(raw: bytes, attempt: Target, learned: AttemptFacts) -> Translation | None:
    """Translate, or return None for an orderly refusal."""
    try:
        return to_responses(read(raw), attempt, learned)
    except InvalidRequest as error:
        refusal = error
    assert 400 == refusal.status
    assert len(refusal.message) < 400
    assert refusal.field or refusal.reason.startswith(("JSON is", "request body", "invalid JSON"))
    return None


def accepted(body: Body, attempt: Target, learned: AttemptFacts) -> dict[str, Any]:
    """Translate a request that must not be refused."""
    sent: dict[str, Any] = json.loads(to_responses(read(json.dumps(body).encode()), attempt, learned).body)
    return sent


@given(raw=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes(raw: bytes) -> None:
    """What is no request is refused, and with nothing else than ``InvalidRequest``."""
    with pytest.raises(InvalidRequest):
        read(raw)


@given(raw=broken(plausible_requests()), can=capabilities | platform, learned=facts)
def test_broken_requests(raw: bytes, can: Capabilities, learned: AttemptFacts) -> None:
    """Wherever a request is broken, there is a translation or an orderly refusal that names a field."""
    done = translated(raw, target("gpt-5.4", can), learned)
    if done is not None:
        assert isinstance(json.loads(done.body), dict)
        assert done.tokens >= 1


@given(body=plausible_requests(), can=capabilities, model=models, learned=facts)
def test_a_codex_relay_takes_what_a_client_could_send(
    body: Body, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """However a history was cut and merged, the upstream has nothing to refuse."""
    assert check_request(accepted(body, target(model, can), learned), Rules(), VAULT) is None


@given(body=plausible_requests(), can=platform, model=models, learned=facts)
def test_the_platform_takes_what_a_client_could_send(
    body: Body, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """The same with the parameters that only the public API knows."""
    sent = accepted(body, target(model, can), learned)
    if sent["input"]:
        assert check_request(sent, Rules(mode="platform"), VAULT) is None


@given(body=plausible_requests(), model=models)
def test_translation_ignores_how_json_is_written(body: Body, model: str) -> None:
    """White space and escapes of the client's JSON do not change what the upstream reads."""
    attempt = target(model, Capabilities())
    plain, dressed = (
        json.loads(to_responses(read(text.encode()), attempt).body)
        for text in (json.dumps(body), json.dumps(body, indent=3, ensure_ascii=False))
    )
    assert plain == dressed


@given(body=plausible_requests(), model=models)
def test_translation_is_deterministic(body: Body, model: str) -> None:
    """Equal requests give equal bytes, which the upstream's cache lives by."""
    raw, attempt = json.dumps(body).encode(), target(model, Capabilities())
    assert to_responses(read(raw), attempt).body == to_responses(read(raw), attempt).body


CLOSING = {"role": "user", "content": "And now?"}


@given(body=plausible_requests(), more=histories, model=models)
def test_a_longer_history_begins_like_the_shorter_one(body: Body, more: list[Body], model: str) -> None:
    """Once every call is answered, later messages leave the bytes of earlier items alone: the cached prefix holds."""
    attempt = target(model, Capabilities())
    first, second = (
        accepted({**body, "messages": sent}, attempt, AttemptFacts())
        for sent in ([*body["messages"], CLOSING], [*body["messages"], CLOSING, *more])
    )
    assert first["instructions"] == second["instructions"]
    if not any(item.get("output") == "(no tool result was provided)" for item in first["input"]):
        assert first["input"] == second["input"][: len(first["input"])]


def calls(times: int, **call: Any) -> Body:
    return {"role": "assistant", "tool_calls": [{"id": "c", **call}] * times}


def said(role: str, times: int, **fields: Any) -> Body:
    return {"messages": [{"role": role, **fields}] * times}


def functions(times: int) -> list[Body]:
    return [{"type": "function", "function": {"name": f"f{number}"}} for number in range(times)]


NAMED = {"name": "f", "arguments": "{}"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:x," + "A" * 2_000_000}}
REPEATED: dict[str, Body] = {
    "one id for all calls": {"messages": [calls(20_000, type="function", function=NAMED)]},
    "calls of unknown kinds": {"messages": [calls(20_000, type="hologram")]},
    "functions without answers": said("assistant", 20_000, function_call=NAMED),
    "answers without functions": said("function", 20_000, name="f", content="x"),
    "outputs without calls": said("tool", 20_000, tool_call_id="c", content="x"),
    "instructions": said("system", 40_000, content="x"),
    "parts": said("user", 1, content=[{"type": "text", "text": "x"}] * 60_000),
    "data URLs": said("user", 1, content=[IMAGE] * 3),
    "allowed tools": {
        "tools": functions(10_000),
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": functions(10_000)},
        },
    },
}
SECONDS = 15.0
"""A generous limit for a busy machine: each takes well under a second."""


@pytest.mark.parametrize("fields", REPEATED.values(), ids=REPEATED)
def test_repetition_stays_cheap(fields: Body) -> None:
    """Many of anything cost no more than their number."""
    raw = json.dumps({"model": "m", "messages": [CLOSING], **fields}).encode()
    started = time.perf_counter()
    to_responses(read(raw), target("gpt-5", Capabilities()))
    assert time.perf_counter() - started < SECONDS
