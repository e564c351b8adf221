"""Refuse websockets: no route here speaks them, and whoever asks for one shall learn that at once.

The Codex CLI tries a websocket first and goes on over HTTP as soon as it is answered 426; any other end of
the handshake costs its user several attempts, ten seconds in all. The answer is HTTP, in the error shape of
the route, where the server lets an application answer a handshake so (hypercorn and uvicorn do). Where it
does not, the connection is closed before it is accepted.
"""

from starlette.types import Message, Receive, Send

from packyproxy.asgi.call import Call
from packyproxy.asgi.paths import Scope
from packyproxy.errors import InvalidRequest

__all__ = ["answer_handshake", "no_websocket"]

_EXTENSION = "websocket.http.response"
"""https://asgi.readthedocs.io/en/latest/extensions.html#websocket-denial-response (read 2026-11-21)"""


async def answer_handshake(scope: Scope, receive: Receive, send: Send) -> Call | None:
    """Return the call that a websocket's handshake can be answered as; None when it could only be closed."""
    await receive()
    if _EXTENSION not in (scope.get("extensions") or ()):
        await send({"type": "websocket.close"})
        return None

    async def send_http(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return Call({**scope, "method": "GET"}, receive, send_http)


def no_websocket() -> InvalidRequest:
    """Return the refusal of a websocket."""
    return InvalidRequest(
        "this gateway speaks no websocket; use HTTP, where answers stream as server-sent events",
        status=426,
        code="websocket_unsupported",
    )
