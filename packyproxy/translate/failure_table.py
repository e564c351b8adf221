"""What follows from each kind of upstream failure, as one table (wire-mapping 8.3).

Retrying and failing over are for the time before first content only. A kind that has a repair of its own
(reasoning, instructions, effort, an optional parameter) repeats nothing by this table: ``providers.repair``
mends and resends.

Only what time may heal makes a provider rest: a fault of the request says nothing about the next one, and one
that only the operator can mend would be hidden behind "resting". The breaker counts what no request can
cause by itself.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType

from msgspec import Struct

from packyproxy.errors import FailureKind as Kind

__all__ = ["FAILURES", "LIMITS", "FailureRule", "Repeat", "Usefulness"]


class Repeat(Enum):
    """Whether the same provider is asked again, unchanged."""

    NEVER = "never"
    ONCE = "once"
    ONCE_AFTER_DELAY = "once after a second"
    ONCE_AFTER_SHORT_WAIT = "once, if the upstream named a short wait"


class Usefulness(IntEnum):
    """How much a client gains from learning of a failure: of several, it is told the highest.

    First what the client can mend, then what waiting mends, soonest last; what only the operator can mend is
    told when there is nothing else.
    """

    LASTING = 0
    MODEL = 1
    OTHER = 2
    TIMEOUT = 3
    OVERLOADED = 4
    RATE_LIMIT = 5
    QUOTA = 6
    PERMISSION = 7
    REQUEST = 8
    CONTEXT = 9


class FailureRule(Struct, frozen=True, kw_only=True):
    """One row: what the proxy does, and what each family of clients is told."""

    repeat: Repeat = Repeat.NEVER
    fails_over: bool = True
    """Whether another provider may be asked."""
    cooldown: bool = False
    """Whether the provider rests for the model it failed with."""
    cooldown_seconds: float | None = None
    """How long, when the upstream named no time; None: a second, doubled with every failure in a row."""
    trips_breaker: bool = False
    """Whether it counts towards the breaker: the provider as a whole looks ill."""
    rank: Usefulness = Usefulness.OTHER
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
    names_provider: bool = True
    """Whether what is shown is one provider's doing, not that of all that are configured."""
    implied_wait_seconds: float | None = None
    """What the client is told to wait when the upstream named no time (wire-mapping 8.5)."""
    is_lasting: bool = False
    """Only an operator can mend it, so clients are told not to repeat the request."""


def _refused(code: str | None = None, *, keeps_code: bool = True, text: str = "") -> FailureRule:
    """Make the row of a request that no provider would take as it is."""
    return FailureRule(
        fails_over=False,
        rank=Usefulness.REQUEST,
        anthropic=(400, "invalid_request_error"),
        openai=(400, "invalid_request_error", code),
        keeps_code=keeps_code,
        text=text,
    )


def _timeout(text: str, *, repeat: Repeat = Repeat.NEVER, code: str | None = "timeout") -> FailureRule:
    """Make the row of an upstream that did not answer in time."""
    return FailureRule(
        repeat=repeat,
        cooldown=True,
        trips_breaker=True,
        rank=Usefulness.TIMEOUT,
        anthropic=(504, "timeout_error"),
        openai=(504, "server_error", code),
        text=text,
    )


def _broken(text: str = "", *, repeat: Repeat = Repeat.ONCE, code: str | None = None) -> FailureRule:
    """Make the row of an upstream that is out of order, perhaps not for long."""
    return FailureRule(
        repeat=repeat,
        cooldown=True,
        trips_breaker=True,
        anthropic=(502, "api_error"),
        openai=(502, "server_error", code),
        text=text,
    )


def _lasting(
    text: str,
    *,
    code: str | None = None,
    fails_over: bool = True,
    trips_breaker: bool = False,
    hides_upstream_text: bool = True,
) -> FailureRule:
    """Make the row of a fault that the operator has to mend."""
    return FailureRule(
        fails_over=fails_over,
        trips_breaker=trips_breaker,
        rank=Usefulness.LASTING,
        anthropic=(502, "api_error"),
        openai=(502, "server_error", code),
        text=text,
        hides_upstream_text=hides_upstream_text,
        is_lasting=True,
    )


def _forbidden(
    code: str, *, keeps_code: bool = False, text: str = "the upstream refused access"
) -> FailureRule:
    """Make the row of a refusal that waiting does not mend, and that may be about this request alone."""
    return FailureRule(
        rank=Usefulness.PERMISSION,
        anthropic=(403, "permission_error"),
        openai=(403, "permission_error", code),
        keeps_code=keeps_code,
        text=text,
    )


LIMITS = frozenset({Kind.QUOTA, Kind.RATE_LIMIT})
"""What ends by itself, at a time that upstreams name in many ways (wire-mapping 8.5)."""

FAILURES: Mapping[Kind, FailureRule] = MappingProxyType(
    {
        Kind.CONTEXT_OVERFLOW: FailureRule(
            fails_over=False,
            rank=Usefulness.CONTEXT,
            anthropic=(400, "invalid_request_error"),
            openai=(400, "invalid_request_error", "context_length_exceeded"),
            text="the input exceeds the model's context window",
        ),
        Kind.INVALID_REASONING: _refused("invalid_encrypted_content"),
        Kind.INSTRUCTIONS_REFUSED: _refused(),
        Kind.EFFORT_REFUSED: _refused(),
        Kind.UNSUPPORTED_PARAMETER: _refused("unsupported_parameter", keeps_code=False),
        Kind.INVALID_REQUEST: _refused(text="the upstream refused the request"),
        Kind.CONTENT_REFUSED: _refused(text="the upstream refused the content of the request"),
        # Never 401: the client would ask its user to log in, or repeat the request for a minute. The provider
        # does not rest but is left out until its key changes, a state of its own (``providers.health``).
        Kind.CREDENTIALS_REJECTED: _lasting(
            "upstream rejected the gateway's credentials", code="upstream_auth"
        ),
        Kind.FORBIDDEN: _forbidden("upstream_forbidden"),
        Kind.CLIENT_RESTRICTED: _forbidden("upstream_forbidden", keeps_code=True),
        Kind.USAGE_NOT_INCLUDED: _forbidden("usage_not_included"),
        Kind.BILLING: FailureRule(
            cooldown=True,
            cooldown_seconds=3600,
            rank=Usefulness.QUOTA,
            anthropic=(402, "billing_error"),
            openai=(429, "insufficient_quota", "insufficient_quota"),
            text="the provider account has no credit left",
            implied_wait_seconds=3600,
        ),
        Kind.MODEL_NOT_FOUND: FailureRule(
            rank=Usefulness.MODEL,
            anthropic=(404, "not_found_error"),
            openai=(404, "invalid_request_error", "model_not_found"),
            text="the upstream does not know the model",
        ),
        # A 404 may be about an item of this request, so it says less about the provider than a redirect.
        Kind.WRONG_URL: _lasting(
            "the upstream has no Responses endpoint there: check the provider's base-url"
        ),
        # An endpoint that not every provider has; the operation's own text says which.
        Kind.NOT_OFFERED: FailureRule(
            rank=Usefulness.LASTING,
            anthropic=(404, "not_found_error"),
            openai=(404, "invalid_request_error", "not_found"),
            text="the provider does not offer this",
            names_provider=False,
            is_lasting=True,
        ),
        Kind.TOO_LARGE: FailureRule(
            fails_over=False,
            rank=Usefulness.REQUEST,
            anthropic=(413, "request_too_large"),
            openai=(413, "invalid_request_error", "request_too_large"),
            text="the request is too large for the upstream",
        ),
        Kind.REQUEST_TIMEOUT: _timeout("the upstream timed out", repeat=Repeat.ONCE, code=None),
        # About two requests that met, not about the provider.
        Kind.CONFLICT: FailureRule(
            repeat=Repeat.ONCE, anthropic=(502, "api_error"), openai=(502, "server_error", None)
        ),
        Kind.QUOTA: FailureRule(
            cooldown=True,
            cooldown_seconds=60,
            rank=Usefulness.QUOTA,
            anthropic=(429, "rate_limit_error"),
            openai=(429, "rate_limit_error", "usage_limit_reached"),
            text="usage limit reached",
            implied_wait_seconds=60,
        ),
        Kind.RATE_LIMIT: FailureRule(
            repeat=Repeat.ONCE_AFTER_SHORT_WAIT,
            cooldown=True,
            cooldown_seconds=5,
            rank=Usefulness.RATE_LIMIT,
            anthropic=(429, "rate_limit_error"),
            openai=(429, "rate_limit_error", "rate_limit_exceeded"),
            text="rate limit reached",
            implied_wait_seconds=5,
        ),
        # It is alive and says so, often of one model only: its rest is enough.
        Kind.OVERLOADED: FailureRule(
            repeat=Repeat.ONCE_AFTER_DELAY,
            cooldown=True,
            rank=Usefulness.OVERLOADED,
            anthropic=(529, "overloaded_error"),
            openai=(503, "server_error", "server_overloaded"),
            text="the upstream is overloaded",
            implied_wait_seconds=5,
        ),
        Kind.UNAVAILABLE: FailureRule(
            repeat=Repeat.ONCE,
            cooldown=True,
            trips_breaker=True,
            rank=Usefulness.OVERLOADED,
            anthropic=(529, "overloaded_error"),
            openai=(503, "server_error", None),
            text="the upstream is unavailable",
            implied_wait_seconds=5,
        ),
        Kind.SERVER_ERROR: _broken(),
        Kind.GATEWAY_TIMEOUT: _timeout("the upstream timed out", repeat=Repeat.ONCE, code=None),
        # A refusal that nobody has heard of may be about this request.
        Kind.UPSTREAM_REFUSED: FailureRule(
            fails_over=False,
            anthropic=(502, "api_error"),
            openai=(502, "server_error", None),
            is_lasting=True,
        ),
        Kind.REDIRECT: _lasting(
            "the upstream answered with a redirect, which is never followed: check the provider's base-url",
            fails_over=False,
            trips_breaker=True,
        ),
        Kind.UNREACHABLE: _broken("could not connect to the upstream", code="upstream_unreachable"),
        Kind.TLS: _lasting(
            "TLS verification failed", code="upstream_tls", trips_breaker=True, hides_upstream_text=False
        ),
        Kind.CONNECT_TIMEOUT: _timeout("timed out while connecting to the upstream"),
        Kind.HEADERS_TIMEOUT: _timeout("the upstream did not answer in time"),
        Kind.IDLE_TIMEOUT: _timeout("the upstream fell silent"),
        # Ours: the provider was still at work.
        Kind.TOTAL_TIMEOUT: FailureRule(
            fails_over=False,
            rank=Usefulness.TIMEOUT,
            anthropic=(504, "timeout_error"),
            openai=(504, "server_error", "timeout"),
            text="the request took longer than the total time limit",
        ),
        Kind.TRUNCATED: _broken("Upstream stream ended before response.completed"),
        Kind.CANCELLED: _broken("The upstream cancelled the response"),
        # The same bytes would most likely break the same way again, but another provider may do better.
        Kind.BAD_STREAM: _broken("the upstream broke the stream's format", repeat=Repeat.NEVER),
    }
)
"""Every :class:`~packyproxy.errors.FailureKind` has its row."""
