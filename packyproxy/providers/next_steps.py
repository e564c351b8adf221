"""What an operator does about a failure of a provider: one sentence per kind, as ``doctor`` says it."""

from collections.abc import Mapping
from types import MappingProxyType

from packyproxy.errors import FailureKind as Kind

__all__ = ["NEXT_STEPS"]

_SET_KEY = "get a valid key from the provider and put it into the configuration"
_WAIT = "wait, or enable another provider"
_ASK_PROVIDER = "try again later; if it lasts, ask the provider or enable another one"
_REPORT = "the provider refuses what packyproxy sends: set defaults.model or profile to what it accepts"
_CHECK_NETWORK = "check base-url, proxy-url, the network and any firewall on the way"
_CHECK_STREAM = (
    "something on the way cuts streams or changes them: check base-url and proxy-url; if they are right, ask "
    "the provider whether it streams the Responses API"
)

NEXT_STEPS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.CONTEXT_OVERFLOW: _REPORT,
        Kind.INVALID_REASONING: _REPORT,
        Kind.INSTRUCTIONS_REFUSED: _REPORT,
        Kind.EFFORT_REFUSED: "list the efforts that the model takes under models",
        Kind.UNSUPPORTED_PARAMETER: _REPORT,
        Kind.INVALID_REQUEST: _REPORT,
        Kind.CONTENT_REFUSED: _REPORT,
        Kind.CREDENTIALS_REJECTED: _SET_KEY,
        Kind.FORBIDDEN: "ask the provider what this key may be used for, and from where",
        Kind.CLIENT_RESTRICTED: "the provider serves certain clients only: its terms decide; see headers",
        Kind.USAGE_NOT_INCLUDED: "the plan behind the key does not include this: change the plan or the key",
        Kind.BILLING: "pay the provider, or enable another one",
        Kind.MODEL_NOT_FOUND: "set defaults.model to a model that the provider has",
        Kind.WRONG_URL: "correct base-url: the address up to, not including, /responses, often .../v1",
        Kind.NOT_OFFERED: "enable a provider that has this endpoint",
        Kind.TOO_LARGE: _REPORT,
        Kind.REQUEST_TIMEOUT: _ASK_PROVIDER,
        Kind.CONFLICT: "try again",
        Kind.QUOTA: _WAIT,
        Kind.RATE_LIMIT: _WAIT,
        Kind.OVERLOADED: _ASK_PROVIDER,
        Kind.UNAVAILABLE: _ASK_PROVIDER,
        Kind.SERVER_ERROR: _ASK_PROVIDER,
        Kind.GATEWAY_TIMEOUT: _ASK_PROVIDER,
        Kind.UPSTREAM_REFUSED: "check base-url; if it is right, ask the provider what this answer means",
        Kind.REDIRECT: "set base-url to where the redirect leads, if that is the provider",
        Kind.UNREACHABLE: _CHECK_NETWORK,
        Kind.TLS: "check the host in base-url, the clock of this machine, and any proxy that opens TLS",
        Kind.CONNECT_TIMEOUT: _CHECK_NETWORK,
        Kind.HEADERS_TIMEOUT: _ASK_PROVIDER,
        Kind.IDLE_TIMEOUT: _ASK_PROVIDER,
        Kind.TOTAL_TIMEOUT: _ASK_PROVIDER,
        Kind.TRUNCATED: _CHECK_STREAM,
        Kind.CANCELLED: _ASK_PROVIDER,
        Kind.BAD_STREAM: _CHECK_STREAM,
    }
)
"""Every :class:`~packyproxy.errors.FailureKind` has its sentence."""
