"""What tests against packyproxy need instead of a network: a fake upstream and a streaming ASGI transport."""

from packyproxy.testing.events import rate_limits_event
from packyproxy.testing.fake_upstream import Answer, FakeUpstream, Script
from packyproxy.testing.faults import Fault
from packyproxy.testing.received_request import Fate, ReceivedRequest
from packyproxy.testing.script import (
    Call,
    Citation,
    Compaction,
    Framing,
    Item,
    Message,
    OutputItem,
    Reasoning,
    Search,
    Stream,
    Turn,
    Usage,
)
from packyproxy.testing.streaming_transport import StreamingASGITransport

__all__ = [
    "Answer",
    "Call",
    "Citation",
    "Compaction",
    "FakeUpstream",
    "Fate",
    "Fault",
    "Framing",
    "Item",
    "Message",
    "OutputItem",
    "Reasoning",
    "ReceivedRequest",
    "Script",
    "Search",
    "Stream",
    "StreamingASGITransport",
    "Turn",
    "Usage",
    "rate_limits_event",
]
