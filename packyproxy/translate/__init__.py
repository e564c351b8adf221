"""The rules between client protocols and the Responses hub: pure functions and structs.

``read`` of a protocol checks a client's request, and ``to_responses`` translates it for a :class:`Target`.
Its ``writer``, under a :class:`packyproxy.transcode.Transcoder`, makes the upstream's stream the client's;
``fold`` makes one JSON document of that. ``PROTOCOLS`` lists what is spoken. What a client did wrong is
raised as an ``InvalidRequest``, what an upstream did wrong is a ``Failure``; both are of
:mod:`packyproxy.errors`. Nothing here needs a server, a socket, a clock or an event loop.
Names load on first use: configuration needs some of this package, and none of the protocols.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packyproxy.translate.chat.protocol import ChatProtocol
    from packyproxy.translate.contract import (
        AttemptFacts,
        Capabilities,
        ClientProtocol,
        ClientRequest,
        Note,
        StreamFacts,
        StreamWriter,
        Target,
        Translation,
    )
    from packyproxy.translate.failures import (
        ErrorResponse,
        classify_response,
        failure_response,
        refusal_response,
    )
    from packyproxy.translate.messages.protocol import MessagesProtocol
    from packyproxy.translate.protocols import PROTOCOLS
    from packyproxy.translate.responses.protocol import ResponsesProtocol

__all__ = [
    "PROTOCOLS",
    "AttemptFacts",
    "Capabilities",
    "ChatProtocol",
    "ClientProtocol",
    "ClientRequest",
    "ErrorResponse",
    "MessagesProtocol",
    "Note",
    "ResponsesProtocol",
    "StreamFacts",
    "StreamWriter",
    "Target",
    "Translation",
    "classify_response",
    "failure_response",
    "refusal_response",
]

_HOMES = {
    "PROTOCOLS": "protocols",
    "ChatProtocol": "chat.protocol",
    "ErrorResponse": "failures",
    "MessagesProtocol": "messages.protocol",
    "ResponsesProtocol": "responses.protocol",
    "classify_response": "failures",
    "failure_response": "failures",
    "refusal_response": "failures",
}
"""The modules of the names; those that are not here are in ``contract``."""


if not TYPE_CHECKING:  # to a type checker it would mean that any name is there

    def __getattr__(name: str) -> Any:
        if name in __all__:
            return getattr(import_module(f"packyproxy.translate.{_HOMES.get(name, 'contract')}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
