"""Law: a longer history begins like the shorter one, since the upstream's cache knows a prompt by its bytes."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.translate.contract import AttemptFacts, Capabilities
from tests.laws import chat_request_strategies, messages_request_strategies, responses_request_strategies
from tests.laws.request_protocols import REQUESTS, RequestsUnderTest, models, target
from tests.laws.request_strategies import Body

CLOSING = {"role": "user", "content": "And now?"}


@dataclass(frozen=True)
class Conversation:
    """A protocol's histories, and what they can go on with."""

    protocol: RequestsUnderTest
    field: str
    beginnings: st.SearchStrategy[list[Body]]
    continuations: st.SearchStrategy[list[Body]]


def says_nothing_of_before(message: Body) -> bool:
    """Tell whether a Messages client may add a message without changing what the earlier ones become."""
    content = message["content"]
    compacts = isinstance(content, list) and any(block["type"] == "compaction" for block in content)
    return message["role"] != "system" and not compacts


def owes_results(items: list[Body]) -> bool:
    return any(item.get("output") == "(no tool result was provided)" for item in items)


MESSAGES, CHAT, RESPONSES = REQUESTS
CONVERSATIONS = [
    Conversation(
        MESSAGES,
        "messages",
        messages_request_strategies.histories.map(
            lambda history: [message for message in history if message["role"] != "system"]
        ),
        messages_request_strategies.histories.map(
            lambda history: list(filter(says_nothing_of_before, history))
        ),
    ),
    Conversation(CHAT, "messages", chat_request_strategies.histories, chat_request_strategies.histories),
    Conversation(
        RESPONSES, "input", responses_request_strategies.histories, responses_request_strategies.histories
    ),
]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda conversation: conversation.protocol.name)
@given(data=st.data(), model=models)
def test_a_longer_history_begins_like_the_shorter_one(
    conversation: Conversation, data: st.DataObject, model: str
) -> None:
    """Once every call is answered, later messages leave the bytes of earlier items alone."""
    protocol, field, attempt = conversation.protocol, conversation.field, target(model, Capabilities())
    body = data.draw(protocol.plausible)
    shorter = [*data.draw(conversation.beginnings), CLOSING]
    longer = [*shorter, *data.draw(conversation.continuations)]
    first, second = (
        sent(protocol.translate(msgspec.json.encode({**body, field: history}), attempt, AttemptFacts()).body)
        for history in (shorter, longer)
    )
    for key in ("model", "instructions", "prompt_cache_key"):
        assert first[key] == second[key]
    if not owes_results(list(map(msgspec.json.decode, first["input"]))):
        assert first["input"] == second["input"][: len(first["input"])]


def sent(body: bytes) -> dict[str, Any]:
    """Return the upstream's body with its items as the bytes that they are."""
    fields: dict[str, Any] = msgspec.json.decode(body)
    return {**fields, "input": msgspec.json.decode(body, type=Input).input}


class Input(msgspec.Struct):
    """The items of a request, unread."""

    input: list[msgspec.Raw]
