"""The protocols whose requests the laws hold for, and for what providers they are translated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from packyproxy.translate.chat import request as chat
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target, Translation
from packyproxy.translate.effort import allowed_efforts
from packyproxy.translate.messages import request as messages
from packyproxy.translate.responses import request as responses
from tests.laws import chat_request_strategies, messages_request_strategies, responses_request_strategies
from tests.laws.request_strategies import SCOPE, Body


@dataclass(frozen=True)
class RequestsUnderTest:
    """What the laws need of the requests of a client protocol."""

    name: str
    read: Callable[[bytes], Any]
    to_responses: Callable[[Any, Target, AttemptFacts], Translation]
    plausible: st.SearchStrategy[Body]
    refuses_some: bool = False
    """Whether a few of the plausible mixtures are refused, as a client would not make them."""

    def translate(self, raw: bytes, attempt: Target, learned: AttemptFacts) -> Translation:
        return self.to_responses(self.read(raw), attempt, learned)


REQUESTS = [
    RequestsUnderTest(
        "messages",
        messages.read,
        messages.to_responses,
        messages_request_strategies.plausible_requests(),
        refuses_some=True,
    ),
    RequestsUnderTest("chat", chat.read, chat.to_responses, chat_request_strategies.plausible_requests()),
    RequestsUnderTest(
        "responses",
        responses.read,
        responses.to_responses,
        responses_request_strategies.plausible_requests(),
    ),
]

capabilities = st.builds(
    Capabilities,
    tool_output_media=st.booleans(),
    item_ids=st.booleans(),
    phase=st.sampled_from(["auto", "on", "off"]),
    system_as=st.sampled_from(["instructions", "developer"]),
)
"""Of a codex relay."""

platform = Capabilities(max_output_tokens=True, sampling=True, item_ids=True)
"""Of the public API."""

learned_facts = st.builds(
    AttemptFacts,
    without_reasoning=st.booleans(),
    is_first_asked=st.booleans(),
    removed_parameters=st.frozensets(
        st.sampled_from(
            [
                "phase",
                "strict",
                "detail",
                "reasoning.summary",
                "parallel_tool_calls",
                "text.verbosity",
                "service_tier",
            ]
        ),
        max_size=2,
    ),
)

models = st.sampled_from(["gpt-5", "gpt-5.1-codex", "gpt-5.4"])


def target(model: str, can: Capabilities) -> Target:
    """Return what a request is translated for."""
    return Target(
        model=model, scope=SCOPE, efforts=allowed_efforts(model), capabilities=can, prompt_cache_key="k"
    )
