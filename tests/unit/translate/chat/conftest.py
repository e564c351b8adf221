"""How the tests of this folder ask for a translation."""

import json
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.chat.request import ChatRequest, read, to_responses
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target, Translation

_USER = {"role": "user", "content": "hi"}


class Translate:
    """Reads and translates a body given as keywords; the least a request needs is filled in."""

    def request(self, **fields: Any) -> ChatRequest:
        return read(json.dumps({"model": "m", "messages": [_USER], **fields}).encode())

    def full(
        self,
        *,
        removed: tuple[str, ...] = (),
        effort_override: str | None = None,
        target: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Translation:
        changed = dict(target or {})
        capabilities = Capabilities(**changed.pop("capabilities", {}))
        defaults = {"model": "gpt-5.1-codex", "scope": "1f2e3d4c5b", "efforts": ("low", "medium", "high")}
        attempt = Target(**{**defaults, **changed}, capabilities=capabilities)
        learned = AttemptFacts(removed_parameters=frozenset(removed), effort_override=effort_override)
        return to_responses(self.request(**fields), attempt, learned)

    def __call__(self, **fields: Any) -> dict[str, Any]:
        """Return the upstream's body, decoded."""
        body: dict[str, Any] = json.loads(self.full(**fields).body)
        return body

    def items(self, *messages: dict[str, Any], **fields: Any) -> list[Any]:
        """Return the items that messages become."""
        items: list[Any] = self(messages=list(messages), **fields)["input"]
        return items

    def warnings(self, **fields: Any) -> tuple[str, ...]:
        """Return the tokens of what was lost."""
        return self.full(**fields).warnings

    def refusal(self, **fields: Any) -> tuple[str, str]:
        """Return the field and the message of a refusal, before any provider is chosen."""
        with pytest.raises(InvalidRequest) as caught:
            self.request(**fields)
        assert caught.value.status == 400
        return caught.value.field, caught.value.message


@pytest.fixture(scope="session")
def translate() -> Translate:
    """Give the tests their translator."""
    return Translate()
