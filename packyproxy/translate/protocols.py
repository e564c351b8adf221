"""The client protocols that are spoken here; one line makes another one known."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from packyproxy.translate.chat.protocol import ChatProtocol
from packyproxy.translate.contract import ClientProtocol
from packyproxy.translate.messages.protocol import MessagesProtocol
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.protocol import ResponsesProtocol
from packyproxy.translate.responses.search import SearchProtocol

__all__ = ["PROTOCOLS"]

PROTOCOLS: Mapping[str, Callable[[], ClientProtocol]] = MappingProxyType(
    {
        "messages": MessagesProtocol,
        "chat": ChatProtocol,
        "responses": ResponsesProtocol,
        "compact": CompactProtocol,
        "search": SearchProtocol,
    }
)
"""By name; each gateway makes its own, so that two in one process share nothing."""
