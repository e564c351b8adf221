"""What tests need instead of a network: a fake upstream, transports into an ASGI app, SDK clients over them.

The fixtures of ``pytest_plugin`` put these together. Names load on first use, since pytest imports this
package in every run, also where nothing of it is used.
"""

from typing import TYPE_CHECKING

from packyproxy.first_use import on_first_use

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

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(
        __name__,
        {
            "cassette": "Cassette CassetteError RecordedExchange",
            "clients": "anthropic_client openai_client sync_anthropic_client sync_openai_client",
            "events": "rate_limits_event",
            "fake_upstream": "Answer FakeUpstream Script ScriptExhausted",
            "faults": "Fault",
            "forgetting": "forget_failures",
            "moment": "Moment",
            "received_request": "Fate ReceivedRequest",
            "script": "Call Citation Compaction Framing Item Message OutputItem Reasoning Search Stream Turn "
            "Usage",
            "streaming_transport": "StreamingASGITransport",
            "threaded_transport": "ThreadedASGITransport",
        },
    )
