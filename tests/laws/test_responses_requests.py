"""Law: what a Responses client sends is passed on or refused in order, and what is unknown keeps its bytes."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import InvalidRequest
from packyproxy.testing.validation import Rules, check_request
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target, Translation
from packyproxy.translate.effort import allowed_efforts
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.request import read, to_responses
from packyproxy.translate.responses.search import SearchProtocol
from tests.laws.request_strategies import json_values
from tests.laws.responses_request_strategies import (
    VAULT,
    Body,
    broken_requests,
    plausible_requests,
    unknown_fields,
    unknown_items,
)

capabilities = st.builds(
    Capabilities,
    item_ids=st.booleans(),
    phase=st.sampled_from(["auto", "on", "off"]),
    system_as=st.sampled_from(["instructions", "developer"]),
)
platform = st.builds(
    Capabilities,
    max_output_tokens=st.just(value=True),
    sampling=st.just(value=True),
    item_ids=st.just(value=True),
)
facts = st.builds(
    AttemptFacts,
    without_reasoning=st.booleans(),
    is_first_asked=st.booleans(),
    removed_parameters=st.frozensets(
        st.sampled_from(["phase", "strict", "detail", "reasoning.summary", "text.verbosity", "service_tier"]),
        max_size=2,
    ),
)
models = st.sampled_from(["gpt-5", "gpt-5.1-codex", "gpt-5.4"])
bodies = st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode())

SECONDS = 15.0
"""A generous limit for a busy machine: each takes well under a second."""


def target(model: str, can: Capabilities) -> Target:
    return Target(
        model=model,
        scope="1f2e3d4c5b",
        efforts=allowed_efforts(model),
        capabilities=can,
        prompt_cache_key="k",
    )


def translated(raw: bytes, attempt: Target, learned: AttemptFacts) -> Translation | None:
    """Translate, or return None for an orderly refusal."""
    try:
        return to_responses(read(raw), attempt, learned)
    except InvalidRequest as error:
        refusal = error
    assert 400 <= refusal.status < 500
    assert refusal.field
    assert len(refusal.message) < 400
    return None


def accepted(body: Body, attempt: Target, learned: AttemptFacts) -> dict[str, Any]:
    done = translated(json.dumps(body).encode(), attempt, learned)
    assert done is not None
    sent: dict[str, Any] = json.loads(done.body)
    return sent


@pytest.mark.parametrize("counting", [False, True], ids=["asking", "counting"])
@given(raw=bodies)
def test_arbitrary_bytes(raw: bytes, counting: bool) -> None:
    """What is no request is refused, and with nothing else than ``InvalidRequest``."""
    with pytest.raises(InvalidRequest):
        read(raw, counting=counting)


@pytest.mark.parametrize("protocol", [CompactProtocol(), SearchProtocol()], ids=["compact", "search"])
@given(raw=bodies | broken_requests())
def test_arbitrary_bytes_for_a_document(protocol: Any, raw: bytes) -> None:
    """The endpoints beside it refuse in order too, or pass an object on."""
    try:
        sent = protocol.to_responses(protocol.read(raw), target("gpt-5", Capabilities())).body
    except InvalidRequest:
        return
    assert isinstance(json.loads(sent), dict)


@given(raw=broken_requests(), can=capabilities | platform, learned=facts)
def test_broken_requests(raw: bytes, can: Capabilities, learned: AttemptFacts) -> None:
    """Wherever a request is broken, it is passed on or refused with the place."""
    done = translated(raw, target("gpt-5.4", can), learned)
    if done is not None:
        assert isinstance(json.loads(done.body), dict)
        assert done.tokens >= 1


@given(body=plausible_requests(), can=capabilities, model=models, learned=facts)
def test_a_codex_relay_takes_what_a_client_could_send(
    body: Body, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """However a client fills its requests, the upstream has nothing to refuse."""
    sent = accepted(body, target(model, can), learned)
    if sent["input"]:
        assert check_request(sent, Rules(), VAULT) is None


@given(body=plausible_requests(), model=models, learned=facts)
def test_the_platform_takes_what_a_client_could_send(body: Body, model: str, learned: AttemptFacts) -> None:
    """The same with the parameters that only the public API knows."""
    can = Capabilities(max_output_tokens=True, sampling=True, item_ids=True)
    known = {name: value for name, value in body.items() if name != "client_metadata"}
    sent = accepted(known, target(model, can), learned)
    if sent["input"]:
        assert check_request(sent, Rules(mode="platform"), VAULT) is None


@given(body=plausible_requests(), can=capabilities | platform, model=models, learned=facts)
def test_translation_changes_nothing_twice(
    body: Body, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """What was put right once is right, to the byte."""
    attempt = target(model, can)
    once = translated(json.dumps(body).encode(), attempt, learned)
    assert once is not None
    twice = translated(once.body, attempt, learned)
    assert twice is not None
    assert once.body == twice.body
    assert (once.tokens, once.reasoning, once.effort) == (twice.tokens, twice.reasoning, twice.effort)


@given(body=plausible_requests(), fields=unknown_fields, item=unknown_items, can=capabilities, learned=facts)
def test_the_unknown_keeps_its_bytes(
    body: Body, fields: Body, item: Body, can: Capabilities, learned: AttemptFacts
) -> None:
    """Unknown fields and items arrive as they were written, white space and all."""
    history = body["input"] if isinstance(body["input"], list) else []
    raw = json.dumps({**body, "input": [*history, item], **fields}, indent=2).encode()
    done = translated(raw, target("gpt-5", can), learned)
    assert done is not None
    written = json.dumps({"input": [item]}, indent=2)
    assert written[written.index("[") + 1 : written.rindex("]")].strip().encode() in done.body
    for name, value in fields.items():
        after = json.dumps({name: value}, indent=2)[:-2].partition(": ")[2]
        assert after.encode() in done.body


@given(body=plausible_requests(), model=models)
def test_translation_ignores_how_json_is_written(body: Body, model: str) -> None:
    """White space and escapes of the client's JSON do not change what the upstream reads."""
    attempt = target(model, Capabilities())
    plain, dressed = (
        translated(text.encode(), attempt, AttemptFacts())
        for text in (json.dumps(body), json.dumps(body, indent=3, ensure_ascii=False))
    )
    assert plain is not None
    assert dressed is not None
    assert json.loads(plain.body) == json.loads(dressed.body)


@given(body=plausible_requests(), can=capabilities)
def test_nothing_else_is_lost(body: Body, can: Capabilities) -> None:
    """Whatever is sent upstream and was in the request is the client's, or is named in the rules."""
    sent = accepted(body, target("gpt-5", can), AttemptFacts())
    ours = {
        "model",
        "input",
        "instructions",
        "store",
        "stream",
        "include",
        "reasoning",
        "tools",
        "service_tier",
        "prompt_cache_key",
    }
    assert {name: body[name] for name in sent if name not in ours} == {
        name: value for name, value in sent.items() if name not in ours
    }


CASES = {
    "items": {"input": [{"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f"}] * 50_000},
    "parts with marks": {
        "input": [{"role": "user", "content": [{"text": "x", "prompt_cache_breakpoint": {}}] * 100_000}]
    },
    "odd items": {"input": [{"type": "x", "id": 5}] * 50_000},
    "tools": {"input": [], "tools": [{"type": "function", "name": "f", "parameters": {}}] * 50_000},
    "nested tools": {"input": [], "tools": [{"type": "namespace", "tools": [{"name": "f"}] * 1000}] * 50},
    "included": {"input": [], "include": ["x"] * 200_000},
}


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_repetition_stays_cheap(fields: dict[str, Any]) -> None:
    """Many of anything cost no more than their number."""
    raw = json.dumps({"model": "m", **fields}).encode()
    learned = AttemptFacts(removed_parameters=frozenset({"detail", "strict", "phase", "include[y]"}))
    started = time.perf_counter()
    to_responses(read(raw), target("gpt-5", Capabilities()), learned)
    assert time.perf_counter() - started < SECONDS
