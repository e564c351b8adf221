"""What tests need instead of a network: a fake upstream, and transports that lead into an ASGI app.

Names load on first use: pytest imports this package in every run, also where nothing of it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packyproxy.testing.events import rate_limits_event
    from packyproxy.testing.fake_upstream import Answer, FakeUpstream, Script, ScriptExhausted
    from packyproxy.testing.faults import Fault
    from packyproxy.testing.moment import Moment
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
    from packyproxy.testing.threaded_transport import ThreadedASGITransport

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
    "Moment",
    "OutputItem",
    "Reasoning",
    "ReceivedRequest",
    "Script",
    "ScriptExhausted",
    "Search",
    "Stream",
    "StreamingASGITransport",
    "ThreadedASGITransport",
    "Turn",
    "Usage",
    "rate_limits_event",
]

_HOMES = {
    "Answer": "fake_upstream",
    "FakeUpstream": "fake_upstream",
    "Fate": "received_request",
    "Fault": "faults",
    "Moment": "moment",
    "ReceivedRequest": "received_request",
    "Script": "fake_upstream",
    "ScriptExhausted": "fake_upstream",
    "StreamingASGITransport": "streaming_transport",
    "ThreadedASGITransport": "threaded_transport",
    "rate_limits_event": "events",
}
"""The modules of the names; those that are not here are in ``script``."""


if not TYPE_CHECKING:  # to a type checker it would mean that any name is there

    def __getattr__(name: str) -> Any:
        if name in __all__:
            return getattr(import_module(f"packyproxy.testing.{_HOMES.get(name, 'script')}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
