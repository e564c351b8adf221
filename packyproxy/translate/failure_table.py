"""What follows from each kind of upstream failure, as one table (wire-mapping 8.3).

Retrying and failing over are for the time before first content only. A kind that has a repair of its own
(reasoning, instructions, effort, an optional parameter) repeats nothing by this table: ``providers.repair``
mends and resends.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from msgspec import Struct

from packyproxy.errors import FailureKind as Kind

__all__ = ["FAILURES", "FailureRule", "Repeat"]


class Repeat(Enum):
    """Whether the same provider is asked again, unchanged."""

    NEVER = "never"
    ONCE = "once"
    ONCE_AFTER_DELAY = "once after a second"
    ONCE_AFTER_SHORT_WAIT = "once, if the upstream named a short wait"


class FailureRule(Struct, frozen=True, kw_only=True):
    """One row: what the proxy does, and what each family of clients is told."""

    repeat: Repeat = Repeat.NEVER
    fails_over: bool = True
    """Whether another provider may be asked."""
    anthropic: tuple[int, str]
    """Status and error type on the Messages surface."""
    openai: tuple[int, str, str | None]
    """Status, error type and code on the OpenAI surfaces."""
    keeps_code: bool = False
    """OpenAI surfaces show the upstream's own code, if it sent one."""
    text: str = ""
    """What the client reads when the upstream said nothing."""
    hides_upstream_text: bool = False
    """``text`` is shown whatever the upstream said."""
    implied_wait_seconds: float | None = None
    """How long to wait when the upstream named no time (wire-mapping 8.5)."""
    is_lasting: bool = False
    """Only an operator can mend it, so clients are told not to repeat the request."""


def _refused(code: str | None = None, *, keeps_code: bool = True, text: str = "") -> FailureRule:
    """Make the row of a request that no provider would take as it is."""
    return FailureRule(
        fails_over=False,
        anthropic=(400, "invalid_request_error"),
        openai=(400, "invalid_request_error", code),
        keeps_code=keeps_code,
        text=text,
    )


def _timeout(
    text: str, *, repeat: Repeat = Repeat.NEVER, fails_over: bool = True, code: str | None = "timeout"
) -> FailureRule:
    return FailureRule(
        repeat=repeat,
        fails_over=fails_over,
        anthropic=(504, "timeout_error"),
        openai=(504, "server_error", code),
        text=text,
    )


def _broken(
    text: str = "",
    *,
    repeat: Repeat = Repeat.ONCE,
    code: str | None = None,
    fails_over: bool = True,
    hides_upstream_text: bool = False,
    is_lasting: bool = False,
) -> FailureRule:
    return FailureRule(
        repeat=repeat,
        fails_over=fails_over,
        anthropic=(502, "api_error"),
        openai=(502, "server_error", code),
        text=text,
        hides_upstream_text=hides_upstream_text,
        is_lasting=is_lasting,
    )


def _forbidden(
    code: str, *, keeps_code: bool = False, text: str = "the upstream refused access"
) -> FailureRule:
    return FailureRule(
        anthropic=(403, "permission_error"),
        openai=(403, "permission_error", code),
        keeps_code=keeps_code,
        text=text,
    )


FAILURES: Mapping[Kind, FailureRule] = MappingProxyType(
    {
        Kind.CONTEXT_OVERFLOW: _refused("context_length_exceeded", keeps_code=False),
        Kind.INVALID_REASONING: _refused("invalid_encrypted_content"),
        Kind.INSTRUCTIONS_REFUSED: _refused(),
        Kind.EFFORT_REFUSED: _refused(),
        Kind.UNSUPPORTED_PARAMETER: _refused("unsupported_parameter", keeps_code=False),
        Kind.INVALID_REQUEST: _refused(text="the upstream refused the request"),
        Kind.CONTENT_REFUSED: _refused(text="the upstream refused the content of the request"),
        # Never 401: the client would ask its user to log in, or repeat the request for a minute.
        Kind.CREDENTIALS_REJECTED: _broken(
            "upstream rejected the gateway's credentials",
            repeat=Repeat.NEVER,
            code="upstream_auth",
            hides_upstream_text=True,
            is_lasting=True,
        ),
        Kind.FORBIDDEN: _forbidden("upstream_forbidden"),
        Kind.CLIENT_RESTRICTED: _forbidden("upstream_forbidden", keeps_code=True),
        Kind.USAGE_NOT_INCLUDED: _forbidden("usage_not_included"),
        Kind.BILLING: FailureRule(
            anthropic=(402, "billing_error"),
            openai=(429, "insufficient_quota", "insufficient_quota"),
            text="the provider account has no credit left",
            implied_wait_seconds=3600,
        ),
        Kind.MODEL_NOT_FOUND: FailureRule(
            anthropic=(404, "not_found_error"),
            openai=(404, "invalid_request_error", "model_not_found"),
            text="the upstream does not know the model",
        ),
        Kind.WRONG_URL: _broken(
            "the upstream has no Responses endpoint there: check the provider's base-url",
            repeat=Repeat.NEVER,
            hides_upstream_text=True,
            is_lasting=True,
        ),
        Kind.TOO_LARGE: FailureRule(
            fails_over=False,
            anthropic=(413, "request_too_large"),
            openai=(413, "invalid_request_error", "request_too_large"),
            text="the request is too large for the upstream",
        ),
        Kind.REQUEST_TIMEOUT: _timeout("the upstream timed out", repeat=Repeat.ONCE, code=None),
        Kind.CONFLICT: _broken(),
        Kind.QUOTA: FailureRule(
            anthropic=(429, "rate_limit_error"),
            openai=(429, "rate_limit_error", "usage_limit_reached"),
            text="usage limit reached",
            implied_wait_seconds=60,
        ),
        Kind.RATE_LIMIT: FailureRule(
            repeat=Repeat.ONCE_AFTER_SHORT_WAIT,
            anthropic=(429, "rate_limit_error"),
            openai=(429, "rate_limit_error", "rate_limit_exceeded"),
            text="rate limit reached",
            implied_wait_seconds=5,
        ),
        Kind.OVERLOADED: FailureRule(
            repeat=Repeat.ONCE_AFTER_DELAY,
            anthropic=(529, "overloaded_error"),
            openai=(503, "server_error", "server_overloaded"),
            text="the upstream is overloaded",
            implied_wait_seconds=5,
        ),
        Kind.UNAVAILABLE: FailureRule(
            repeat=Repeat.ONCE,
            anthropic=(529, "overloaded_error"),
            openai=(503, "server_error", None),
            text="the upstream is unavailable",
            implied_wait_seconds=5,
        ),
        Kind.SERVER_ERROR: _broken(),
        Kind.GATEWAY_TIMEOUT: _timeout("the upstream timed out", repeat=Repeat.ONCE, code=None),
        Kind.UPSTREAM_REFUSED: _broken(repeat=Repeat.NEVER, fails_over=False, is_lasting=True),
        Kind.REDIRECT: _broken(
            "the upstream answered with a redirect, which is never followed: check the provider's base-url",
            repeat=Repeat.NEVER,
            fails_over=False,
            hides_upstream_text=True,
            is_lasting=True,
        ),
        Kind.UNREACHABLE: _broken("could not connect to the upstream", code="upstream_unreachable"),
        Kind.TLS: _broken(
            "TLS verification failed", repeat=Repeat.NEVER, code="upstream_tls", is_lasting=True
        ),
        Kind.CONNECT_TIMEOUT: _timeout("timed out while connecting to the upstream"),
        Kind.HEADERS_TIMEOUT: _timeout("the upstream did not answer in time"),
        Kind.IDLE_TIMEOUT: _timeout("the upstream fell silent"),
        Kind.TOTAL_TIMEOUT: _timeout("the request took longer than the total time limit", fails_over=False),
        Kind.TRUNCATED: _broken("Upstream stream ended before response.completed"),
        Kind.CANCELLED: _broken("The upstream cancelled the response"),
        # The same bytes would most likely break the same way again, but another provider may do better.
        Kind.BAD_STREAM: _broken("the upstream broke the stream's format", repeat=Repeat.NEVER),
    }
)
"""Every :class:`~packyproxy.errors.FailureKind` has its row."""
