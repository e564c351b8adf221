"""Endpoints beside ``/responses`` that answer in one JSON document, passed on unread (wire-mapping 7.4, 7.5).

Not every provider has them: one that lacks an endpoint is passed over, and a client is told when none has it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import replace

from packyproxy.errors import CapabilityMissing, Failure, FailureKind
from packyproxy.translate.codex_headers import answer_headers, upstream_headers
from packyproxy.translate.contract import ClientProtocol, Family, Note, StreamFacts, Target
from packyproxy.wire.responses_events import Usage
from packyproxy.wire.responses_output import read_response, read_usage

__all__ = ["UnaryProtocol", "UnaryRequest", "UnaryWriter"]

_MISSING_STATUSES = frozenset({404, 405})


class UnaryRequest(Struct, frozen=True, kw_only=True):
    """A checked request for one document; also a ``contract.ClientRequest``."""

    model: str
    cache_key: str | None = None

    @property
    def is_stream(self) -> bool:
        """Whether the client asked for an SSE answer: never."""
        return False

    @property
    def session_hint(self) -> None:
        """Sessions are named by headers here, or by the cache key."""

    @property
    def is_prewarm(self) -> bool:
        """Whether the request is answered locally: never."""
        return False

    @property
    def max_tokens(self) -> None:
        """Neither endpoint has a limit of its answer."""

    def opening(self) -> bytes:
        """Return what names a session that nothing else names: nothing in the body does."""
        return b""


class UnaryWriter:
    """Passes one JSON document on; anything else is a failure of the upstream."""

    def __init__(self) -> None:
        self.is_finished = False
        """Whether the document was passed on."""
        self.failure: Failure | None = None
        """What the upstream sent instead."""
        self.usage: Usage | None = None
        """The upstream's own numbers, once known."""
        self.notes: list[Note] = []
        """Nothing in a document deserves a log line."""

    @property
    def has_content(self) -> bool:
        """Whether the document was passed on."""
        return self.is_finished

    @property
    def decode(self) -> Callable[[bytes], Any]:
        """Events have no meaning here, so they are not read."""
        return bytes

    @property
    def fails_in_stream(self) -> bool:
        """Whether a failure goes into the stream: there is none."""
        return False

    def start(self) -> bytes:
        """Nothing precedes the document."""
        return b""

    def event(self, event: Any) -> bytes:
        """Take an event of a stream that nobody asked for."""
        return self._fail("the upstream answered with a stream instead of one document")

    def take_document(self, document: bytes) -> bytes:
        """Pass the document on."""
        self.usage = read_usage(read_response(Raw(document)).usage)
        self.is_finished = True
        return document

    def upstream_ended(self, *, said_done: bool) -> bytes:
        """Take the end of the upstream's bytes, which had no document in them."""
        return self._fail("the upstream answered without a document")

    def answer_locally(self) -> bytes:
        """Nothing is answered locally."""
        return b""

    def fail(self, status: int, body: bytes) -> bytes:
        """Return the error, which is a document too."""
        return body

    def keep_alive(self) -> bytes:
        """Nothing may precede the document."""
        return b""

    def _fail(self, message: str) -> bytes:
        if not self.is_finished and self.failure is None:
            self.failure = Failure(kind=FailureKind.BAD_STREAM, message=message)
        return b""


class UnaryProtocol(ClientProtocol):
    """What such endpoints have in common; a request of theirs is a ``UnaryRequest``."""

    family: Family = "openai"
    answer_prefix = "resp_"
    keeps_upstream_errors = True

    missing: str
    """What a client is told when no provider has the endpoint."""

    def writer(self, facts: StreamFacts, *, answer_id: str, request_id: str) -> UnaryWriter:
        """Return a fresh writer for one attempt."""
        return UnaryWriter()

    def fold(self, frames: bytes) -> bytes:
        """Return the document."""
        return frames

    def upstream_headers(self, headers: Mapping[str, str], target: Target) -> Mapping[str, str]:
        """Choose what the upstream is sent of a Codex CLI's headers."""
        return upstream_headers(headers, target)

    def answer_headers(self, headers: Mapping[str, str], target: Target) -> tuple[tuple[str, str], ...]:
        """Choose what the client is given of the upstream's headers."""
        return answer_headers(headers, target)

    def judge(self, failure: Failure) -> Failure:
        """Say of a missing endpoint that it is missing, which is no fault of the base URL."""
        if failure.kind is FailureKind.WRONG_URL and failure.status in _MISSING_STATUSES:
            return replace(failure, kind=FailureKind.NOT_OFFERED, message=self.missing, error_object=None)
        return failure

    def lack(self) -> CapabilityMissing:
        """Return the refusal of a provider that does not have the endpoint."""
        return CapabilityMissing(self.missing, status=404, code="not_found")
