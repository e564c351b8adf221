"""What the test harness is to a type checker."""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from typing import assert_type

import anthropic
import httpx
import openai
from starlette.applications import Starlette

from packyproxy import PackyProxy, testing
from packyproxy.testing import (
    Answer,
    Call,
    Cassette,
    FakeUpstream,
    Fate,
    Fault,
    Moment,
    ReceivedRequest,
    StreamingASGITransport,
    ThreadedASGITransport,
    Turn,
    anthropic_client,
    forget_failures,
    openai_client,
    sync_anthropic_client,
    sync_openai_client,
)

testing.FakeUpstreem()  # type: ignore[attr-defined]


def by_the_turn(request: ReceivedRequest) -> Answer:
    """Decide what follows, by what was asked."""
    assert_type(request.model, str)
    assert_type(request.texts, list[str])
    assert_type(request.tool_names, list[str])
    assert_type(request.effort, str | None)
    assert_type(request.fate, Fate)
    _: Moment[Fate] = request.ended()
    return Fault.rate_limit() if request.tool_names else "Hello."


upstream = FakeUpstream()
FakeUpstream("Hello.")
FakeUpstream(Turn("Hello.", calls=[Call("f")]))
FakeUpstream(["Hello.", Fault.overloaded()])
FakeUpstream(by_the_turn)
upstream.script = by_the_turn
upstream.script = None
upstream.script = [Turn(calls=[Call("f", {"a": 1})]), "Done."]
upstream.script = 1  # type: ignore[assignment]
FakeUpstream("Hello.", when_exhausted="explode")  # type: ignore[arg-type]
assert_type(upstream.last_request, ReceivedRequest)
assert_type(upstream.requests, list[ReceivedRequest])


async def wait(request: ReceivedRequest) -> None:
    """A moment is awaited, or waited for by code that blocks."""
    assert_type(await upstream.received(2), ReceivedRequest)
    assert_type(await request.ended(), Fate)
    assert_type(request.ended().wait(), Fate)


assert_type(Cassette.load("cassette.jsonl").upstream(pace=1.0), FakeUpstream)
FakeUpstream(Cassette.load("cassette.jsonl").script())

app = PackyProxy({}, transport=StreamingASGITransport(upstream))
host = Starlette()
host.mount("/llm", app)
forget_failures(app.runtime)

assert_type(anthropic_client(app), anthropic.AsyncAnthropic)
assert_type(openai_client(host, path="/llm/v1", timeout=3.0), openai.AsyncOpenAI)
with sync_anthropic_client(app, api_key="sk-client") as blocking:
    assert_type(blocking, anthropic.Anthropic)
with sync_openai_client(app, max_retries=1) as other:
    assert_type(other, openai.OpenAI)
openai_client("http://127.0.0.1:8317")  # type: ignore[arg-type]

httpx.AsyncClient(transport=StreamingASGITransport(host))
httpx.Client(transport=ThreadedASGITransport(host))
httpx.Client(transport=StreamingASGITransport(host))  # type: ignore[arg-type]
