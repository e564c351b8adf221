"""Law: any bytes are a request or an ``InvalidRequest``, and what a client could send the upstream would take."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import InvalidRequest
from packyproxy.testing.upstream.validation import Rules, check_request
from packyproxy.translate.contract import NOTHING_LEARNED, AttemptFacts, Capabilities, Target, Translation
from packyproxy.translate.messages import request as messages
from packyproxy.translate.responses import request as responses
from tests.laws.request_protocols import (
    REQUESTS,
    RequestsUnderTest,
    capabilities,
    learned_facts,
    models,
    platform,
    target,
)
from tests.laws.request_strategies import VAULT, Body, broken, json_values

READERS = {
    **{protocol.name: protocol.read for protocol in REQUESTS},
    "messages, counting": partial(messages.read, counting=True),
    "responses, counting": partial(responses.read, counting=True),
}

each_protocol = pytest.mark.parametrize("protocol", REQUESTS, ids=lambda protocol: protocol.name)


def translated(
    protocol: RequestsUnderTest, raw: bytes, attempt: Target, learned: AttemptFacts
) -> Translation | None:
    """Translate, or return None for an orderly refusal."""
    try:
        return protocol.translate(raw, attempt, learned)
    except InvalidRequest as error:
        refusal = error
    assert 400 == refusal.status
    assert len(refusal.message) < 400
    assert refusal.field or refusal.reason.startswith(("JSON is", "request body", "invalid JSON"))
    return None


def accepted(
    protocol: RequestsUnderTest, body: Body, attempt: Target, learned: AttemptFacts
) -> dict[str, Any] | None:
    """Return what is sent for a plausible request."""
    done = translated(protocol, json.dumps(body).encode(), attempt, learned)
    assert done is not None or protocol.refuses_some
    return None if done is None else json.loads(done.body)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@given(raw=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes(read: Callable[[bytes], Any], raw: bytes) -> None:
    """What is no request is refused, and with nothing else than ``InvalidRequest``."""
    with pytest.raises(InvalidRequest):
        read(raw)


@each_protocol
@given(data=st.data(), can=capabilities | st.just(platform), learned=learned_facts)
def test_broken_requests(
    protocol: RequestsUnderTest, data: st.DataObject, can: Capabilities, learned: AttemptFacts
) -> None:
    """Wherever a request is broken, there is a translation or an orderly refusal that names a field."""
    done = translated(protocol, data.draw(broken(protocol.plausible)), target("gpt-5.4", can), learned)
    if done is not None:
        assert isinstance(json.loads(done.body), dict)
        assert done.tokens >= 1


@each_protocol
@given(data=st.data(), can=capabilities, model=models, learned=learned_facts)
def test_a_codex_relay_takes_what_a_client_could_send(
    protocol: RequestsUnderTest, data: st.DataObject, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """However a history was cut and merged, the upstream has nothing to refuse."""
    sent = accepted(protocol, data.draw(protocol.plausible), target(model, can), learned)
    if sent is not None:
        assert check_request(sent, Rules(), VAULT) is None


@each_protocol
@given(data=st.data(), model=models, learned=learned_facts)
def test_the_platform_takes_what_a_client_could_send(
    protocol: RequestsUnderTest, data: st.DataObject, model: str, learned: AttemptFacts
) -> None:
    """The same with the parameters that only the public API knows."""
    body = data.draw(protocol.plausible)
    body.pop("client_metadata", None)
    sent = accepted(protocol, body, target(model, platform), learned)
    if sent is not None and sent["input"]:
        assert check_request(sent, Rules(mode="platform"), VAULT) is None


@each_protocol
@given(data=st.data(), can=capabilities, model=models)
def test_every_surface_counts_alike(
    protocol: RequestsUnderTest, data: st.DataObject, can: Capabilities, model: str
) -> None:
    """What is sent for a request has as many tokens as it would have as a Responses request."""
    attempt = target(model, can)
    done = translated(protocol, json.dumps(data.draw(protocol.plausible)).encode(), attempt, NOTHING_LEARNED)
    if done is not None:
        again = responses.to_responses(responses.read(done.body), attempt, NOTHING_LEARNED)
        assert done.tokens == again.tokens


@each_protocol
@given(data=st.data(), model=models)
def test_translation_is_deterministic(protocol: RequestsUnderTest, data: st.DataObject, model: str) -> None:
    """Equal requests give equal bytes, which the upstream's cache lives by."""
    raw = json.dumps(data.draw(protocol.plausible)).encode()
    first, second = (
        translated(protocol, raw, target(model, Capabilities()), NOTHING_LEARNED) for _ in range(2)
    )
    assert (first and first.body) == (second and second.body)


@each_protocol
@given(data=st.data(), model=models)
def test_translation_ignores_how_json_is_written(
    protocol: RequestsUnderTest, data: st.DataObject, model: str
) -> None:
    """White space and escapes of the client's JSON do not change what the upstream reads."""
    body, attempt = data.draw(protocol.plausible), target(model, Capabilities())
    plain, dressed = (
        translated(protocol, text.encode(), attempt, NOTHING_LEARNED)
        for text in (json.dumps(body), json.dumps(body, indent=3, ensure_ascii=False))
    )
    assert (plain and json.loads(plain.body)) == (dressed and json.loads(dressed.body))
