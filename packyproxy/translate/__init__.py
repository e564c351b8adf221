"""The rules between client protocols and the Responses hub; pure. One line here makes a protocol known."""

from packyproxy.translate.contract import ClientProtocol
from packyproxy.translate.messages import MESSAGES

__all__ = ["MESSAGES", "PROTOCOLS"]

PROTOCOLS: tuple[ClientProtocol, ...] = (MESSAGES,)
