"""Law: any bytes are a request or an ``InvalidRequest``, and what a client could send the upstream would take."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import InvalidRequest
from packyproxy.testing.validation import Rules, check_request
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target, Translation
from packyproxy.translate.effort import allowed_efforts
from packyproxy.translate.messages.request import read, to_responses
from tests.laws.request_strategies import (
    SCOPE,
    VAULT,
    Body,
    broken_requests,
    histories,
    json_values,
    plausible_requests,
)

capabilities = st.builds(
    Capabilities,
    tool_output_media=st.booleans(),
    item_ids=st.booleans(),
    phase=st.sampled_from(["auto", "on"]),
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
    removed_parameters=st.frozensets(
        st.sampled_from(["phase", "strict", "detail", "reasoning.summary", "parallel_tool_calls"]), max_size=2
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
    assert 400 <= refusal.status < 500
    assert len(refusal.message) < 400
    return None


@pytest.mark.parametrize("counting", [False, True], ids=["asking", "counting"])
@given(raw=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes(raw: bytes, counting: bool) -> None:
    """What is no request is refused, and with nothing else than ``InvalidRequest``."""
    with pytest.raises(InvalidRequest):
        read(raw, counting=counting)


@given(raw=broken_requests(), can=capabilities | platform, learned=facts)
def test_broken_requests(raw: bytes, can: Capabilities, learned: AttemptFacts) -> None:
    """Wherever a request is broken, there is a translation or an orderly refusal."""
    done = translated(raw, target("gpt-5.4", can), learned)
    if done is not None:
        assert isinstance(json.loads(done.body), dict)
        assert done.tokens >= 1


@given(body=plausible_requests(), can=capabilities, model=models, learned=facts)
def test_a_codex_relay_takes_what_a_client_could_send(
    body: Body, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """However a history was cut and merged, the upstream has nothing to refuse."""
    sent = accepted(body, target(model, can), learned)
    if sent is not None:
        assert check_request(sent, Rules(), VAULT) is None


@given(body=plausible_requests(), can=platform, model=models, learned=facts)
def test_the_platform_takes_what_a_client_could_send(
    body: Body, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """The same with the parameters that only the public API knows."""
    sent = accepted(body, target(model, can), learned)
    if sent is not None and sent["input"]:
        assert check_request(sent, Rules(mode="platform"), VAULT) is None


def accepted(body: Body, attempt: Target, learned: AttemptFacts) -> dict[str, Any] | None:
    done = translated(json.dumps(body).encode(), attempt, learned)
    return None if done is None else json.loads(done.body)


@given(body=plausible_requests(), model=models)
def test_translation_is_deterministic(body: Body, model: str) -> None:
    """Equal requests give equal bytes, which the upstream's cache lives by."""
    raw = json.dumps(body).encode()
    first, second = (translated(raw, target(model, Capabilities()), AttemptFacts()) for _ in range(2))
    assert (first and first.body) == (second and second.body)


@given(body=plausible_requests(), model=models)
def test_translation_ignores_how_json_is_written(body: Body, model: str) -> None:
    """White space and escapes of the client's JSON do not change what the upstream reads."""
    plain, dressed = (
        accepted_json(text, target(model, Capabilities()))
        for text in (json.dumps(body), json.dumps(body, indent=3, ensure_ascii=False))
    )
    assert plain == dressed


def accepted_json(text: str, attempt: Target) -> Any:
    done = translated(text.encode(), attempt, AttemptFacts())
    return None if done is None else json.loads(done.body)


@given(body=plausible_requests(), more=histories, model=models)
def test_a_longer_history_begins_like_the_shorter_one(body: Body, more: list[Body], model: str) -> None:
    """Once every call is answered, later messages leave the bytes of earlier items alone: the cached prefix holds."""
    messages = [message for message in body["messages"] if message["role"] != "system"]
    later = [message for message in more if message["role"] != "system" and not compacts(message)]
    first, second = (
        accepted({**body, "messages": sent}, target(model, Capabilities()), AttemptFacts())
        for sent in ([*messages, CLOSING], [*messages, CLOSING, *later])
    )
    assert first is not None
    assert second is not None
    for key in ("model", "instructions", "prompt_cache_key"):
        assert first[key] == second[key]
    if not owes_results(first["input"]):
        assert first["input"] == second["input"][: len(first["input"])]


CLOSING = {"role": "user", "content": "And now?"}


def compacts(message: Body) -> bool:
    content = message["content"]
    return isinstance(content, list) and any(block["type"] == "compaction" for block in content)


def owes_results(items: list[Body]) -> bool:
    return any(item.get("output") == "(no tool result was provided)" for item in items)
