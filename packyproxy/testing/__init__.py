"""What tests need instead of a network: a fake upstream, transports into an ASGI app, SDK clients over them.

The fixtures of ``pytest_plugin`` put these together. Names load on first use, since pytest imports this
package in every run, also where nothing of it is used.
"""

from typing import TYPE_CHECKING

from packyproxy.first_use import on_first_use

if TYPE_CHECKING:
    from packyproxy.testing.cassettes.cassette import Cassette, CassetteError, RecordedExchange
    from packyproxy.testing.cassettes.recording import Tape
    from packyproxy.testing.clients import (
        anthropic_client,
        openai_client,
        sync_anthropic_client,
        sync_openai_client,
    )
    from packyproxy.testing.forgetting import forget_failures
    from packyproxy.testing.moment import Moment
    from packyproxy.testing.streaming_transport import StreamingASGITransport
    from packyproxy.testing.threaded_transport import ThreadedASGITransport
    from packyproxy.testing.upstream.events import rate_limits_event
    from packyproxy.testing.upstream.fake_upstream import Answer, FakeUpstream, Script, ScriptExhausted
    from packyproxy.testing.upstream.faults import Fault
    from packyproxy.testing.upstream.received_request import Fate, ReceivedRequest
    from packyproxy.testing.upstream.script import (
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
    "Tape",
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
            "cassettes.cassette": "Cassette CassetteError RecordedExchange",
            "cassettes.recording": "Tape",
            "clients": "anthropic_client openai_client sync_anthropic_client sync_openai_client",
            "forgetting": "forget_failures",
            "moment": "Moment",
            "streaming_transport": "StreamingASGITransport",
            "threaded_transport": "ThreadedASGITransport",
            "upstream.events": "rate_limits_event",
            "upstream.fake_upstream": "Answer FakeUpstream Script ScriptExhausted",
            "upstream.faults": "Fault",
            "upstream.received_request": "Fate ReceivedRequest",
            "upstream.script": "Call Citation Compaction Framing Item Message OutputItem Reasoning Search "
            "Stream Turn Usage",
        },
    )
