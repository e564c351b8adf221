"""How the request tests of this folder ask for a translation."""

import json
from typing import Any

import pytest

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Capabilities, Target, Translation
from packyproxy.translate.responses.request import ResponsesRequest, read, to_responses

SCOPE = "1f2e3d4c5b"


class Pass:
    """Reads and passes on a body given as keywords; the least a request needs is filled in."""

    def request(self, **fields: Any) -> ResponsesRequest:
        body = {"model": "m", "input": "hi", **fields}
        return read(json.dumps({name: value for name, value in body.items() if value is not ...}).encode())

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

    def items(self, *items: Any, **fields: Any) -> list[Any]:
        """Return what the upstream gets of these items."""
        sent: list[Any] = self(input=list(items), **fields)["input"]
        return sent

    def refusal(self, **fields: Any) -> InvalidRequest:
        """Return the refusal of a body that must be refused."""
        with pytest.raises(InvalidRequest) as caught:
            self.full(**fields)
        return caught.value


@pytest.fixture(scope="session", name="passed")
def make_pass() -> Pass:
    """Give the tests what passes their requests on; a field given as ``...`` is left out."""
    return Pass()
