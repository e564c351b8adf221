"""What tests need instead of a network: a fake upstream, ways into an ASGI app, SDK clients that take them.

The fixtures of ``pytest_plugin`` put these together. Names load on first use, since pytest imports this
package in every run, also where nothing of it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packyproxy.testing.cassette import Cassette, CassetteError, RecordedExchange
    from packyproxy.testing.clients import (
        anthropic_client,
        openai_client,
        sync_anthropic_client,
        sync_openai_client,
    )
    from packyproxy.testing.events import rate_limits_event
    from packyproxy.testing.fake_upstream import Answer, FakeUpstream, Script, ScriptExhausted
    from packyproxy.testing.faults import Fault
    from packyproxy.testing.forgetting import forget_failures
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
    "Cassette",
    "CassetteError",
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
    "RecordedExchange",
    "Script",
    "ScriptExhausted",
    "Search",
    "Stream",
    "StreamingASGITransport",
    "ThreadedASGITransport",
    "Turn",
    "Usage",
    "anthropic_client",
    "forget_failures",
    "openai_client",
    "rate_limits_event",
    "sync_anthropic_client",
    "sync_openai_client",
]

_HOMES = {
    "Answer": "fake_upstream",
    "Cassette": "cassette",
    "CassetteError": "cassette",
    "FakeUpstream": "fake_upstream",
    "Fate": "received_request",
    "Fault": "faults",
    "Moment": "moment",
    "ReceivedRequest": "received_request",
    "RecordedExchange": "cassette",
    "Script": "fake_upstream",
    "ScriptExhausted": "fake_upstream",
    "StreamingASGITransport": "streaming_transport",
    "ThreadedASGITransport": "threaded_transport",
    "anthropic_client": "clients",
    "forget_failures": "forgetting",
    "openai_client": "clients",
    "rate_limits_event": "events",
    "sync_anthropic_client": "clients",
    "sync_openai_client": "clients",
}
"""The modules of the names; those that are not here are in ``script``."""


if not TYPE_CHECKING:  # to a type checker it would mean that any name is there

    def __getattr__(name: str) -> Any:
        if name in __all__:
            return getattr(import_module(f"packyproxy.testing.{_HOMES.get(name, 'script')}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
