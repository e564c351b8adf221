"""The one exception tree of packyproxy; each class answers "whose fault was it?" and carries data, not prose.

    PackyProxyError
    ├── InvalidRequest     the client's     field path, reason, status, the protocol's own code
    │   └── CapabilityMissing              one provider cannot serve it as sent; another one might
    ├── AccessDenied       the client's     what was missing, never what was sent
    ├── ClientLeft         nobody's         the connection ended, so there is nobody to answer
    ├── ConfigError        the operator's   problems: tuple[Problem, ...]
    ├── UpstreamFailed     the upstream's   failure: Failure
    └── NoProvider         the operator's   nobody is enabled who could serve

Below ``runtime`` an upstream that says no is a *value*, a :class:`Failure`; :class:`UpstreamFailed` is raised
only for bytes that break the protocol. No content and no secret may enter any of these.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

__all__ = [
    "AccessDenied",
    "CapabilityMissing",
    "ClientLeft",
    "ConfigError",
    "Failure",
    "FailureKind",
    "InvalidRequest",
    "NoProvider",
    "PackyProxyError",
    "Problem",
    "Tried",
    "UpstreamFailed",
]


class Problem(Struct, frozen=True, kw_only=True):
    """One finding about a configuration: where it is, what is wrong there, and how to mend it.

    ``str(problem)`` is the line that ``packyproxy check`` prints: ``path: what is wrong: how to mend it``.
    """

    field: str
    """Path in the file with list indexes, e.g. ``tppc.providers[0].api-key``; ``""`` for the whole file."""
    code: str
    """Stable machine name, e.g. ``unknown_key``, ``missing``, ``wrong_type``."""
    message: str
    fix: str
    line: int | None = None
    """1-based line in the file, when known."""

    def __str__(self) -> str:
        parts = (self.field or "config.yaml", self.message, self.fix)
        return ": ".join(part for part in parts if part)


class FailureKind(StrEnum):
    """What went wrong upstream: one member per row of wire-mapping 8.3 that is treated differently."""

    CONTEXT_OVERFLOW = "context_overflow"
    INVALID_REASONING = "invalid_reasoning"
    INSTRUCTIONS_REFUSED = "instructions_refused"
    EFFORT_REFUSED = "effort_refused"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    INVALID_REQUEST = "invalid_request"
    CONTENT_REFUSED = "content_refused"
    CREDENTIALS_REJECTED = "credentials_rejected"
    FORBIDDEN = "forbidden"
    CLIENT_RESTRICTED = "client_restricted"
    USAGE_NOT_INCLUDED = "usage_not_included"
    BILLING = "billing"
    MODEL_NOT_FOUND = "model_not_found"
    WRONG_URL = "wrong_url"
    NOT_OFFERED = "not_offered"
    TOO_LARGE = "too_large"
    REQUEST_TIMEOUT = "request_timeout"
    CONFLICT = "conflict"
    QUOTA = "quota"
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server_error"
    GATEWAY_TIMEOUT = "gateway_timeout"
    UPSTREAM_REFUSED = "upstream_refused"
    REDIRECT = "redirect"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    HEADERS_TIMEOUT = "headers_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    TRUNCATED = "truncated"
    CANCELLED = "cancelled"
    BAD_STREAM = "bad_stream"


class Failure(Struct, frozen=True, kw_only=True):
    """One failed attempt: what retry decisions and error bodies are made from (wire-mapping 8.2-8.5).

    ``message`` is upstream text already cut to one line of at most 1000 characters with secrets masked, or
    ours. Times are Unix seconds. ``repr`` shows kind and status only: upstream text may quote the client's
    content.
    """

    kind: FailureKind
    message: str = ""
    status: int | None = None
    """The upstream's HTTP status; None when the failure arrived inside a stream or no answer came at all."""
    code: str | None = None
    param: str | None = None
    plan_type: str | None = None
    reset_at: float | None = None
    retry_after_seconds: float | None = None
    """How long to wait, as the upstream said; ``translate.failure_choice`` adds what kinds imply."""
    tokens: int | None = None
    """Context overflow: how many input tokens the upstream counted."""
    tokens_limit: int | None = None
    """Context overflow: the model's maximum, as the upstream said."""
    counts_output: bool = False
    """Context overflow: the upstream complained about input *plus* output."""
    error_object: bytes | None = None
    """The ``error`` object of an HTTP refusal as JSON, whole but for masked secrets (wire-mapping 7.3)."""

    def __repr__(self) -> str:
        return f"Failure(kind={self.kind.value!r}, status={self.status!r})"


class Tried(Struct, frozen=True, kw_only=True):
    """One provider that did not serve a request: asked in vain, or passed over for what it is known for."""

    provider: str
    failure: Failure
    was_asked: bool = True
    available_at: float | None = None
    """Unix seconds from which it is asked again; None: with the next request, or only after a change."""


class PackyProxyError(Exception):
    """Base of everything packyproxy raises on purpose."""


class InvalidRequest(PackyProxyError):
    """The client's request cannot be served as sent.

    ``reason`` is written by us and never quotes content; ``field`` is the path (``messages.0.content``) or
    ``""``. The text the client sees is ``field: reason``, or the reason alone where it ``says_all``.
    """

    def __init__(
        self,
        reason: str,
        *,
        field: str = "",
        status: int = 400,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        says_all: bool = False,
    ) -> None:
        self.message = f"{field}: {reason}" if field and not says_all else reason
        """What the client is told."""
        super().__init__(self.message)
        self.reason = reason
        self.field = field
        self.status = status
        self.code = code
        self.details = details
        """Extra members of the error object, e.g. ``thread_unsupported_request`` (wire-mapping 1.2)."""


class CapabilityMissing(InvalidRequest):
    """What the request needs is switched off for the provider it was translated for (wire-mapping 0.2)."""


class AccessDenied(PackyProxyError):
    """The client showed no key that is known here, or the host does not let it in.

    Says what was missing, never what was sent.
    """

    def __init__(self, *, is_by_host: bool = False) -> None:
        super().__init__("not authorized by the host" if is_by_host else "no valid client key")
        self.is_by_host = is_by_host
        """Whether no key would have helped."""


class ClientLeft(PackyProxyError):
    """The client's connection ended before its answer did; there is nobody to tell."""


class ConfigError(PackyProxyError):
    """The configuration cannot be used; carries every problem found, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class UpstreamFailed(PackyProxyError):
    """The upstream broke the protocol or could not be reached."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind.value)
        self.failure = failure


class NoProvider(PackyProxyError):
    """No enabled provider could take the request."""

    def __init__(self, *, is_managed: bool = False) -> None:
        super().__init__("no provider is enabled")
        self.is_managed = is_managed
        """Whether the management API is on, through which one could be enabled."""
