"""Take a request to its endpoint, and turn whatever goes wrong into the client's own error shape.

Nothing is raised into the host: its exception handlers would answer in a shape no client of ours reads.
"""

import logging
import traceback
from contextlib import suppress

from starlette.types import Receive, Send

from packyproxy.asgi.call import Call
from packyproxy.asgi.paths import Scope
from packyproxy.asgi.routes import Endpoint, MethodNotAllowed, RouteTable
from packyproxy.asgi.websocket import answer_handshake, no_websocket
from packyproxy.errors import AccessDenied, ClientLeft, InvalidRequest, NoProvider
from packyproxy.translate.failures import internal_error_response, refusal_response

__all__ = ["dispatch", "log_bug"]

_CLIENT_LEFT = 499
"""nginx's number for it, which nobody reads but logs."""

_log = logging.getLogger("packyproxy")


async def dispatch(table: RouteTable, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one HTTP request, or a websocket's handshake, from a table of routes; nothing else is answered.

    Never raises but for a cancellation.
    """
    if scope["type"] == "http":
        call = Call(scope, receive, send)
    elif scope["type"] != "websocket":
        return  # a server goes on when nobody answers its lifespan
    elif (handshake := await answer_handshake(scope, receive, send)) is not None:
        call = handshake
    else:
        return
    try:
        try:
            await _endpoint(table, call)(call)
        except (InvalidRequest, AccessDenied, NoProvider) as error:
            await _refuse(call, error)
    except ClientLeft:
        _log.info(
            "client left",
            extra={"event": "client_left", "request_id": call.request_id, "status": _CLIENT_LEFT},
        )
    except Exception as error:  # noqa: BLE001 - a bug of ours: the client gets its 500, the host stays untouched
        log_bug(error, call.request_id)
        if not call.is_started:
            answer = internal_error_response(call.family, call.request_id)
            with suppress(ClientLeft):
                await call.answer(answer.status, answer.body, list(answer.headers))
    if not call.is_started:
        # The client has left. A layer of the host's may count on an answer: Starlette's BaseHTTPMiddleware
        # raises where none comes.
        with suppress(ClientLeft):
            await call.answer(_CLIENT_LEFT, b"")


def _endpoint(table: RouteTable, call: Call) -> Endpoint:
    """Return what answers, which is awaited where this is called: every level below costs at each event."""
    route = table.find(call.path)
    call.family_of_route = route.family
    if call.is_websocket:
        raise no_websocket()
    if not route.takes(call.method):
        # Servers without websockets pass the handshake on as the request that it is.
        asks_for_websocket = call.headers.get("upgrade", "").lower() == "websocket"
        raise no_websocket() if asks_for_websocket else MethodNotAllowed(route.methods)
    return route.endpoint


async def _refuse(call: Call, error: InvalidRequest | AccessDenied | NoProvider) -> None:
    refusal = refusal_response(error, call.family, call.request_id)
    headers = list(refusal.headers)
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode()))
    # The reason may name the client's model or tool, so the log has the place only.
    field = error.field if isinstance(error, InvalidRequest) else ""
    _log.info(
        "request %s refused: %s%s",
        call.request_id,
        refusal.status,
        f" ({field})" if field else "",
        extra={"event": "refused", "request_id": call.request_id, "status": refusal.status, "field": field},
    )
    await call.answer(refusal.status, refusal.body, headers)


def log_bug(error: Exception, request_id: str) -> None:
    """Log where it happened, not the message: an exception's text may quote content."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-6:])
    )
    _log.error(
        "internal error: %s at %s",
        type(error).__name__,
        where,
        extra={
            "event": "internal_error",
            "request_id": request_id,
            "error": type(error).__name__,
            "where": where,
        },
    )
