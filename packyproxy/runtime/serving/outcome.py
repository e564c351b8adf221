"""What one exchange comes to: gathered while it runs, one record at its end."""

from packyproxy.errors import Failure, InvalidRequest, NoProvider, PackyProxyError
from packyproxy.runtime.identity import session_hash
from packyproxy.runtime.inbound import Inbound
from packyproxy.usage.records import RequestRecord
from packyproxy.usage.tokens import Tokens

__all__ = ["Outcome"]

_CLIENT_CLOSED_REQUEST = 499
_INTERNAL_ERROR = 500
_UNAVAILABLE = 503


class Outcome:
    """The facts of one exchange.

    Args:
        inbound: those of the request's headers.
        protocol: what the client speaks.
    """

    def __init__(self, inbound: Inbound, protocol: str) -> None:
        self._inbound = inbound
        self._protocol = protocol
        self._provider: str | None = None
        self._model: str | None = None
        self._effort: str | None = None
        self._body_bytes = 0
        self._failure: str | None = None
        self._status = 200
        self._tokens: Tokens | None = None
        self._first_output_at: float | None = None
        self.is_stream = False
        """Whether the client asked for a stream; known once the body was read."""
        self.session = ""
        """Names the conversation, in the client's own word for it."""
        self.attempts = 0

    def asks(self, provider: str, model: str, *, effort: str | None, body_bytes: int) -> None:
        """Note who is asked now; whoever is asked last stands for the request."""
        self._provider, self._model = provider, model
        self._effort, self._body_bytes = effort, body_bytes

    def heard(self, tokens: Tokens | None, first_output_at: float | None) -> None:
        """Note what was counted in the attempt that the client was told of, and when it began to speak."""
        self._tokens, self._first_output_at = tokens, first_output_at

    def failed(self, failure: Failure, status: int, *, provider: str | None, model: str | None) -> None:
        """Note the failure the client was given, under which status, and whose it is if anybody was asked."""
        self._status, self._failure = status, failure.kind.value
        self._provider, self._model = provider, model

    def client_left(self, *, is_stalled: bool) -> None:
        """Note that nobody was left to answer."""
        self._status = _CLIENT_CLOSED_REQUEST
        self._failure = "client_stalled" if is_stalled else "client_left"

    def ended_by(self, error: BaseException) -> None:
        """Note what the exchange ended by instead of an answer of its own."""
        if isinstance(error, InvalidRequest):
            self._status, self._failure = error.status, "invalid_request"
        elif isinstance(error, NoProvider):
            self._status, self._failure = _UNAVAILABLE, "no_provider"
        elif isinstance(error, PackyProxyError) or not isinstance(error, Exception):
            self.client_left(is_stalled=False)  # a ClientLeft, or the server has cancelled us
        else:
            self._status, self._failure = _INTERNAL_ERROR, "internal_error"

    def record(self, now: float, *, ended_at: float) -> RequestRecord:
        """Return everything noted.

        Args:
            now: on the event loop's clock.
            ended_at: the same moment in Unix seconds.
        """
        inbound, first_output_at = self._inbound, self._first_output_at
        session = session_hash(self.session) if self.attempts else ""
        return RequestRecord(
            request_id=inbound.request_id,
            protocol=self._protocol,
            is_streaming=self.is_stream,
            key_id=inbound.key_id,
            session=session,
            provider=self._provider,
            model=self._model,
            effort=self._effort,
            status=self._status,
            failure=self._failure,
            attempts=self.attempts,
            body_bytes=self._body_bytes,
            ended_at=ended_at,
            duration_seconds=now - inbound.accepted_at,
            first_output_seconds=None if first_output_at is None else first_output_at - inbound.accepted_at,
            tokens=self._tokens,
        )
