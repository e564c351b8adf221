"""Tries what a row says: sends a field through the real translation and says what became of it."""

import json
from typing import Any, NamedTuple

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import Capabilities, Target
from packyproxy.translate.protocols import PROTOCOLS

__all__ = ["LEAST", "MISSING", "Answering", "Outcome", "Sample", "asked", "send", "sent"]

MISSING: Any = ...
"""As a field's value: the field is not there."""

_USER = {"role": "user", "content": "hi"}
LEAST: dict[str, dict[str, Any]] = {
    "messages": {"model": "m", "max_tokens": 64000, "messages": [_USER]},
    "chat": {"model": "m", "messages": [_USER]},
    "responses": {"model": "m", "input": "hi"},
}
"""The least that a request of each protocol needs."""


class Sample(NamedTuple):
    """Fields of a request, and what the provider accepts besides the defaults."""

    fields: dict[str, Any]
    capabilities: dict[str, Any]


class Outcome(NamedTuple):
    """What became of a sample."""

    verdicts: frozenset[str]
    warnings: tuple[str, ...] = ()
    refusal: str = ""
    body: dict[str, Any] | None = None


def asked(capabilities: dict[str, Any] | None = None, /, **fields: Any) -> Sample:
    """Make a sample."""
    return Sample(fields, capabilities or {})


def sent(protocol: str, sample: Sample) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the upstream's body and the warnings.

    Raises:
        InvalidRequest: the sample is refused.
    """
    fields = {**LEAST[protocol], **sample.fields}
    body = json.dumps({name: value for name, value in fields.items() if value is not MISSING}).encode()
    client = PROTOCOLS[protocol]()
    request = client.read(body)
    target = Target(
        model="gpt-5.1-codex",
        scope="1f2e3d4c5b",
        efforts=("low", "medium", "high"),
        capabilities=Capabilities(**sample.capabilities),
        prompt_cache_key=request.cache_key,
    )
    translation = client.to_responses(request, target)
    return json.loads(translation.body), translation.warnings


def send(protocol: str, sample: Sample, *, least: Sample | None = None) -> Outcome:
    """Say in the page's words what becomes of a sample, beside a request that lacks its fields.

    Args:
        protocol: of the request.
        sample: to be tried.
        least: what it is compared with; the least that a request needs where nothing is given.
    """
    try:
        body, warnings = sent(protocol, sample)
    except InvalidRequest as refusal:
        return Outcome(frozenset({str(refusal.status)}), refusal=refusal.message)
    plain, _ = sent(protocol, Sample(least.fields if least else {}, sample.capabilities))
    found = {"warn"} if warnings else set()
    found |= {"emit"} if body != plain else set()
    return Outcome(frozenset(found or {"drop"}), warnings, "", body)


class Answering:
    """One upstream stream being translated for a client, event by event."""

    def __init__(self, protocol: str, sample: Sample | None = None) -> None:
        client = PROTOCOLS[protocol]()
        sample = sample or asked()
        target = Target(
            model="gpt-5.1-codex",
            scope="1f2e3d4c5b",
            efforts=("low", "medium", "high"),
            capabilities=Capabilities(**sample.capabilities),
        )
        request = client.read(json.dumps({**LEAST[protocol], **sample.fields}).encode())
        facts = client.to_responses(request, target).stream_facts
        self.client = client
        self.writer = client.writer(facts, answer_id=f"{client.answer_prefix}{'0' * 24}", request_id="req_0")

    def take(self, *events: dict[str, Any]) -> str:
        """Return what the client gets for these events."""
        return "".join(
            self.writer.event(self.writer.decode(json.dumps(event).encode())).decode() for event in events
        )

    def whole(self, *events: dict[str, Any]) -> dict[str, Any]:
        """Return the whole answer that these events make, for a client that does not stream."""
        frames = self.writer.start() + self.take(*events).encode()
        assert self.writer.is_finished
        answer: dict[str, Any] = json.loads(self.client.fold(frames))
        return answer
