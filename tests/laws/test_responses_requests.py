"""Law: what a Responses client sends is only put right, and what is unknown keeps its bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Capabilities
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.request import read, to_responses
from packyproxy.translate.responses.search import SearchProtocol
from tests.laws.request_protocols import capabilities, learned_facts, models, platform, target
from tests.laws.request_strategies import Body, broken, json_values
from tests.laws.responses_request_strategies import plausible_requests, unknown_fields, unknown_items


@pytest.mark.parametrize("protocol", [CompactProtocol(), SearchProtocol()], ids=["compact", "search"])
@given(
    raw=st.binary(max_size=60)
    | json_values.map(lambda value: json.dumps(value).encode())
    | broken(plausible_requests())
)
def test_arbitrary_bytes_for_a_document(protocol: Any, raw: bytes) -> None:
    """The endpoints beside it refuse in order too, or pass an object on."""
    try:
        sent = protocol.to_responses(protocol.read(raw), target("gpt-5", Capabilities())).body
    except InvalidRequest:
        return
    assert isinstance(json.loads(sent), dict)


@given(body=plausible_requests(), can=capabilities | st.just(platform), model=models, learned=learned_facts)
def test_translation_changes_nothing_twice(
    body: Body, can: Capabilities, model: str, learned: AttemptFacts
) -> None:
    """What was put right once is right, to the byte."""
    attempt = target(model, can)
    once = to_responses(read(json.dumps(body).encode()), attempt, learned)
    twice = to_responses(read(once.body), attempt, learned)
    assert once.body == twice.body
    assert (once.tokens, once.reasoning, once.effort) == (twice.tokens, twice.reasoning, twice.effort)


@given(
    body=plausible_requests(),
    fields=unknown_fields,
    item=unknown_items,
    can=capabilities,
    learned=learned_facts,
)
def test_the_unknown_keeps_its_bytes(
    body: Body, fields: Body, item: Body, can: Capabilities, learned: AttemptFacts
) -> None:
    """Unknown fields and items arrive as they were written, white space and all."""
    history = body["input"] if isinstance(body["input"], list) else []
    raw = json.dumps({**body, "input": [*history, item], **fields}, indent=2).encode()
    done = to_responses(read(raw), target("gpt-5", can), learned)
    written = json.dumps({"input": [item]}, indent=2)
    assert written[written.index("[") + 1 : written.rindex("]")].strip().encode() in done.body
    for name, value in fields.items():
        after = json.dumps({name: value}, indent=2)[:-2].partition(": ")[2]
        assert after.encode() in done.body


@given(body=plausible_requests(), can=capabilities)
def test_nothing_else_is_lost(body: Body, can: Capabilities) -> None:
    """Whatever is sent upstream and was in the request is the client's, or is named in the rules."""
    raw = json.dumps(body).encode()
    sent = json.loads(to_responses(read(raw), target("gpt-5", can), AttemptFacts()).body)
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
