"""How the tests of this folder ask for a translation."""

import json
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target, Translation
from packyproxy.translate.messages.request import MessagesRequest, read, to_responses

SCOPE = "1f2e3d4c5b"


class Translate:
    """Reads and translates a body given as keywords; the least a request needs is filled in."""

    def request(self, **fields: Any) -> MessagesRequest:
        return read(json.dumps({"model": "m", "max_tokens": 64000, "messages": [_USER], **fields}).encode())

    def full(
        self, *, facts: AttemptFacts | None = None, target: dict[str, Any] | None = None, **fields: Any
    ) -> Translation:
        changed = dict(target or {})
        capabilities = Capabilities(**changed.pop("capabilities", {}))
        defaults = {"model": "gpt-5.1-codex", "scope": SCOPE, "efforts": ("low", "medium", "high")}
        attempt = Target(**{**defaults, **changed}, capabilities=capabilities)
        return to_responses(self.request(**fields), attempt, facts or AttemptFacts())

    def __call__(self, **fields: Any) -> dict[str, Any]:
        """Return the upstream's body, decoded."""
        body: dict[str, Any] = json.loads(self.full(**fields).body)
        return body

    def items(self, *messages: dict[str, Any], **fields: Any) -> list[Any]:
        """Return the items that messages become."""
        items: list[Any] = self(messages=list(messages), **fields)["input"]
        return items

    def refusal(self, **fields: Any) -> InvalidRequest:
        """Return the refusal of a body that must be refused."""
        with pytest.raises(InvalidRequest) as caught:
            self.full(**fields)
        return caught.value


_USER = {"role": "user", "content": "hi"}


@pytest.fixture(scope="session")
def translate() -> Translate:
    """Give the tests their translator."""
    return Translate()
