"""The rules between client protocols and the Responses hub: pure functions and structs.

``read`` of a protocol checks a client's request, and ``to_responses`` translates it for a :class:`Target`.
Its ``writer``, under a :class:`packyproxy.transcode.Transcoder`, makes the upstream's stream the client's;
``fold`` makes one JSON document of that. ``PROTOCOLS`` lists what is spoken. What a client did wrong is
raised as an ``InvalidRequest``, what an upstream did wrong is a ``Failure``; both are of
:mod:`packyproxy.errors`. Nothing here needs a server, a socket, a clock or an event loop.
Names load on first use: configuration needs some of this package, and none of the protocols.
"""

from typing import TYPE_CHECKING

from packyproxy.first_use import on_first_use

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

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(
        __name__,
        {
            "chat.protocol": "ChatProtocol",
            "contract": "AttemptFacts Capabilities ClientProtocol ClientRequest Note StreamFacts "
            "StreamWriter Target Translation",
            "failures": "ErrorResponse classify_response failure_response refusal_response",
            "messages.protocol": "MessagesProtocol",
            "protocols": "PROTOCOLS",
            "responses.protocol": "ResponsesProtocol",
        },
    )
