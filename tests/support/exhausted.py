"""The error that a client gets in the end, for requests of which nothing else is of interest."""

from typing import Any

import msgspec

from packyproxy.errors import Failure, Tried
from packyproxy.translate.contract import Family
from packyproxy.translate.failures import ErrorResponse, exhausted_response

NOW = 1_893_546_000.0
"""2030-01-02T01:00:00Z."""


def respond(*tried: Tried, family: Family = "anthropic", **changes: Any) -> ErrorResponse:
    """Return what is answered when nobody of these could serve; ``changes`` are other facts of the request."""
    facts: dict[str, Any] = {
        "request_id": "req_1",
        "now": NOW,
        "input_tokens_estimate": 100,
        "context_window": 272_000,
        "max_tokens": None,
    }
    return exhausted_response(tried, family, **(facts | changes))


def respond_to(failure: Failure, family: Family = "anthropic", **changes: Any) -> ErrorResponse:
    """Return what is answered after the failure of a lone provider, which is called ``pc``."""
    return respond(Tried(provider="pc", failure=failure), family=family, **changes)


def error_in(response: ErrorResponse) -> dict[str, Any]:
    """Return the error object of an answer."""
    error: dict[str, Any] = msgspec.json.decode(response.body)["error"]
    return error


def message_in(response: ErrorResponse) -> str:
    """Return what the client is told."""
    message: str = error_in(response)["message"]
    return message
