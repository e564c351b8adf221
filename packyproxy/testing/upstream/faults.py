"""What a fake upstream does wrong: whole HTTP answers that are errors, and streams that break.

Use the constructors of `Fault`. Bodies have the shapes of the real API and of codex relays; a fault that
breaks a stream carries the turn that it breaks. Nothing here sleeps: a stall lasts until the test releases it
or the client leaves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from packyproxy.testing.upstream.script import Turn

__all__ = ["BrokenStream", "ErrorAnswer", "Fault"]

_JSON = "application/json"
_encode = msgspec.json.Encoder().encode


class Fault(Struct, frozen=True):
    """Something that goes wrong instead of an answer; made by the static methods."""

    @staticmethod
    def status(
        status: int,
        message: str = "The server had an error while processing your request. Sorry about that!",
        *,
        code: str | None = None,
        type: str = "server_error",  # noqa: A002 - the name of the field on the wire
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> "Fault":
        """Answer with an ``{"error": {...}}`` body; ``extra`` are further members of the error object."""
        error = {"message": message, "type": type, "param": param, "code": code, **extra}
        return Fault.answer(status, {"error": error}, headers=headers)

    @staticmethod
    def detail(
        status: int, detail: str | Sequence[Any], *, headers: Mapping[str, str] | None = None
    ) -> "Fault":
        """Answer with a ``{"detail": ...}`` body, the form of codex back ends."""
        return Fault.answer(status, {"detail": detail}, headers=headers)

    @staticmethod
    def answer(
        status: int,
        body: bytes | str | Mapping[str, Any] = b"",
        *,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Fault":
        """Answer with any status and body; a mapping is sent as JSON, text as HTML unless a type is given."""
        if isinstance(body, Mapping):
            data, guessed = _encode(body), _JSON
        elif isinstance(body, str):
            data, guessed = body.encode(), "text/html; charset=utf-8"
        else:
            data, guessed = body, ""
        kind = content_type if content_type is not None else guessed
        return ErrorAnswer(status, data, {**({"content-type": kind} if kind else {}), **(headers or {})})

    @staticmethod
    def usage_limit(
        *,
        resets_in_seconds: int | None = 3600,
        resets_at: int | None = None,
        plan_type: str | None = "plus",
    ) -> "Fault":
        """Answer 429 ``usage_limit_reached`` with ``x-codex-*`` headers; both leave absent facts out."""
        error: dict[str, Any] = {"type": "usage_limit_reached", "message": "The usage limit has been reached"}
        headers = {
            "x-codex-primary-used-percent": "100",
            "x-codex-primary-window-minutes": "300",
            "x-codex-secondary-used-percent": "41",
            "x-codex-secondary-window-minutes": "10080",
        }
        if plan_type is not None:
            error["plan_type"] = plan_type
        if resets_at is not None:
            error["resets_at"] = resets_at
            headers["x-codex-primary-reset-at"] = str(resets_at)
        if resets_in_seconds is not None:
            error["resets_in_seconds"] = resets_in_seconds
            headers["x-codex-primary-reset-after-seconds"] = str(resets_in_seconds)
        return Fault.answer(429, {"error": error}, headers=headers)

    @staticmethod
    def rate_limit(*, retry_after: str | None = None, try_again_in: str | None = "1.2s") -> "Fault":
        """Answer 429 ``rate_limit_exceeded``; ``retry_after`` is the header's value."""
        message = "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1."
        if try_again_in is not None:
            message += f" Please try again in {try_again_in}."
        headers = {} if retry_after is None else {"retry-after": retry_after}
        return Fault.status(429, message, type="requests", code="rate_limit_exceeded", headers=headers)

    @staticmethod
    def unauthorized() -> "Fault":
        """Answer 401 ``invalid_api_key``."""
        return Fault.status(
            401, "Incorrect API key provided.", type="invalid_request_error", code="invalid_api_key"
        )

    @staticmethod
    def forbidden() -> "Fault":
        """Answer 403 as relays do that admit official clients only."""
        return Fault.detail(403, "This group only allows Codex official clients")

    @staticmethod
    def overloaded() -> "Fault":
        """Answer 503 ``server_is_overloaded``."""
        message = "Our servers are currently overloaded. Please try again later."
        return Fault.status(503, message, type="service_unavailable_error", code="server_is_overloaded")

    @staticmethod
    def context_overflow(*, limit: int = 272_000, tokens: int = 300_123) -> "Fault":
        """Answer 400 ``context_length_exceeded`` with both numbers in the text."""
        message = (
            f"This model's maximum context length is {limit} tokens. However, your messages resulted in "
            f"{tokens} tokens. Please reduce the length of the messages."
        )
        return Fault.status(
            400, message, type="invalid_request_error", param="input", code="context_length_exceeded"
        )

    @staticmethod
    def refused_reasoning() -> "Fault":
        """Answer 400 ``invalid_encrypted_content``, as after a relay has changed accounts."""
        message = "The encrypted content gAAA...DQ== could not be verified."
        return Fault.status(400, message, type="invalid_request_error", code="invalid_encrypted_content")

    @staticmethod
    def html(status: int = 502) -> "Fault":
        """Answer with the error page of a proxy in between."""
        title = f"{status} Bad Gateway"
        head = f"<html>\r\n<head><title>{title}</title></head>\r\n"
        body = f"<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n"
        return Fault.answer(status, f"{head}{body}</html>\r\n")

    @staticmethod
    def empty(status: int = 200) -> "Fault":
        """Answer with no body and no content-type."""
        return Fault.answer(status)

    @staticmethod
    def redirect(location: str = "https://example.com/v1/responses", status: int = 307) -> "Fault":
        """Answer with a redirect."""
        return Fault.answer(status, headers={"location": location})

    @staticmethod
    def failed(
        code: str | None = "server_error",
        message: str = "An error occurred while processing your request.",
        *,
        turn: Turn | str | None = None,
        after_events: int | None = None,
        **extra: Any,
    ) -> "Fault":
        """End the stream with ``response.failed``: at once, or after part of a turn."""
        error = {"code": code, "message": message, **extra}
        return BrokenStream("failed", _turn(turn), after_events=after_events, error=error)

    @staticmethod
    def error_event(
        code: str | None = "server_error",
        message: str = "The server had an error while processing your request.",
        *,
        turn: Turn | str | None = None,
        after_events: int | None = None,
        is_nested: bool = False,
        **extra: Any,
    ) -> "Fault":
        """End the stream with an ``error`` event, flat or with a nested ``error`` object."""
        error = {"code": code, "message": message, "param": None, **extra}
        how: Literal["error", "nested_error"] = "nested_error" if is_nested else "error"
        return BrokenStream(how, _turn(turn), after_events=after_events, error=error)

    @staticmethod
    def stall(turn: Turn | str | None = None, *, after_events: int | None = None) -> "Fault":
        """Stop after some events until released, then go on with the turn; 0 is before the status line."""
        return BrokenStream("stall", _turn(turn), after_events=after_events)

    @staticmethod
    def cut(
        turn: Turn | str | None = None, *, after_events: int | None = None, after_bytes: int | None = None
    ) -> "Fault":
        """Drop the connection after some events or bytes; 0 is before the status line, in-process only.

        A server that runs the upstream answers 500 itself in that last case.
        """
        return BrokenStream("cut", _turn(turn), after_events=after_events, after_bytes=after_bytes)

    @staticmethod
    def end(
        turn: Turn | str | None = None, *, after_events: int | None = None, after_bytes: int | None = None
    ) -> "Fault":
        """End the body in good order, but without a terminal event."""
        return BrokenStream("end", _turn(turn), after_events=after_events, after_bytes=after_bytes)

    @staticmethod
    def done(turn: Turn | str | None = None, *, after_events: int | None = None) -> "Fault":
        """Write ``data: [DONE]`` in the place of the terminal event."""
        return BrokenStream("done", _turn(turn), after_events=after_events)


class ErrorAnswer(Fault, frozen=True):
    """A whole HTTP answer."""

    code: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class BrokenStream(Fault, frozen=True):
    """A stream that does not end as it should; ``after_events`` None means just before the terminal event."""

    how: Literal["failed", "error", "nested_error", "stall", "cut", "end", "done"]
    turn: Turn
    after_events: int | None = None
    after_bytes: int | None = None
    error: Mapping[str, Any] = {}


def _turn(turn: Turn | str | None) -> Turn:
    if turn is None:
        return Turn()
    return Turn(turn) if isinstance(turn, str) else turn
