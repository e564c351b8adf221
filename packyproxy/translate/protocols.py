"""The client protocols that are spoken here; one line makes another one known."""

from packyproxy.translate.contract import ClientProtocol
from packyproxy.translate.messages.protocol import MessagesProtocol

__all__ = ["MESSAGES", "PROTOCOLS"]

MESSAGES = MessagesProtocol()

PROTOCOLS: tuple[ClientProtocol, ...] = (MESSAGES,)
