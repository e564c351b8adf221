"""Two providers asked at once: whose answer, whose error, whose limits, and what is remembered of the other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from packyproxy.testing import Answer, Fault, Turn

pytestmark = pytest.mark.virtual_time

SILENT = Fault.stall(Turn("late"), after_events=0)
SEARCH = [{"type": "web_search_20250305", "name": "web_search"}]
ROUTING = {"hedge-after": 2, "session-affinity": False}


def late(*seconds: float) -> dict[str, Any]:
    """Return the settings of an upstream each of whose writes waits for its own number of seconds."""

    async def pace(number: int) -> None:
        if number < len(seconds):
            await asyncio.sleep(seconds[number])

    return {"pace": pace}


@pytest.fixture
def hedge(ensemble: Any) -> Callable[..., Any]:
    """Return a function that sets the stage for a and b: b is asked too when a is silent for two seconds."""

    def make(a: Answer, b: Answer, *, config: dict[str, Any] | None = None, **more: Any) -> Any:
        return ensemble({"a": a, "b": b}, config={"routing": ROUTING, **(config or {})}, **more)

    return make


async def seconds_of(answer: Awaitable[Any]) -> float:
    """Return how long an answer takes."""
    now = asyncio.get_running_loop().time
    began = now()
    await answer
    return now() - began


async def test_who_cannot_serve_is_no_reason_to_refuse(hedge: Any) -> None:
    """A second candidate that lacks a capability leaves the slow first one its request."""
    without = {"b": {"profile": {"web-search": False}}}
    stage = hedge(Turn("from a"), Turn("from b"), providers=without, upstreams={"a": late(9)})
    answer = await stage.ask(tools=SEARCH)
    assert (200, "a") == (answer.status_code, answer.headers["x-packyproxy-provider"])


async def test_the_failure_told_is_that_of_who_spoke(hedge: Any) -> None:
    """A stream that breaks after content ends in the failure of who spoke, not of who lost before."""
    breaks = Fault.failed("server_error", "broken", turn=Turn("from a"), after_events=8)
    stage = hedge(breaks, Fault.status(403, "no"), upstreams={"a": late(5)})
    answer = await stage.ask(stream=True)
    assert "broken (provider: a)" in answer.text.rpartition("event: error")[2]


async def test_an_error_is_about_who_gave_it(hedge: Any) -> None:
    """The header of an error names the provider that its text names."""
    stage = hedge(SILENT, Fault.status(400, "bad field"))
    answer = await stage.ask()
    assert "bad field (provider: b)" == answer.json()["error"]["message"]
    assert "b" == answer.headers["x-packyproxy-provider"]


async def test_a_whole_answer_may_still_come_from_who_was_cancelled(hedge: Any) -> None:
    """When who was quicker breaks before the client saw anything, the other is asked again."""
    stage = hedge(Turn("from a"), Fault.cut(Turn("lost"), after_events=8), upstreams={"a": late(9)})
    answer = await stage.ask()
    assert (200, "a") == (answer.status_code, answer.headers["x-packyproxy-provider"])
    assert "lost" not in answer.text


async def test_a_limit_holds_for_an_attempt_that_begins_later(hedge: Any) -> None:
    """An attempt that was not yet under way when the other was asked has its header limit all the same."""
    stage = hedge(
        [Fault.overloaded(), SILENT], SILENT, config={"routing": {"hedge-after": 0.5}, "request-retry": 3}
    )
    assert 120 <= await seconds_of(stage.ask()) <= 125


async def test_silence_counts_from_the_headers_on(hedge: Any) -> None:
    """An idle limit that is shorter than the header limit is not put off by it."""
    silent = late(0, 999)
    stage = hedge(
        Turn("a"),
        Turn("b"),
        config={"streaming": {"idle-timeout": 10, "headers-timeout": 120}},
        upstreams={"a": silent, "b": silent},
    )
    assert 10 <= await seconds_of(stage.ask()) <= 13


async def test_each_failure_is_logged(hedge: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A limit that ends an attempt in a race is an upstream failure like any other."""
    await hedge(SILENT, SILENT).ask()
    events = [record for record in caplog.records if getattr(record, "event", "") == "upstream_failure"]
    told = [(record.__dict__["provider"], record.__dict__["failure"]) for record in events]
    assert [("a", "headers_timeout"), ("b", "headers_timeout")] == told


@pytest.mark.parametrize("stays", [True, False], ids=["stays", "leaves"])
async def test_a_failure_counts_at_once(hedge: Any, stays: bool) -> None:
    """A refused key is not shown again while the other's answer streams, nor when its client has left."""
    stall = Fault.stall(Turn("from b"), after_events=8)
    stage = hedge(Fault.unauthorized(), [stall, Turn("b")], upstreams={"a": late(3), "b": late(2)})
    async with stage.stream() as first:
        if not stays:
            await first.aclose()
            await asyncio.sleep(1)
        assert 200 == (await stage.ask()).status_code
        stage.upstreams["b"].release()
    assert {"a": 1, "b": 2} == stage.calls()


@pytest.mark.parametrize("stays", [True, False], ids=["stays", "leaves"])
async def test_what_the_loser_cost_is_logged(
    hedge: Any, caplog: pytest.LogCaptureFixture, stays: bool
) -> None:
    """The seconds are those until it was cancelled, whatever becomes of the winner's answer."""
    caplog.set_level("INFO", "packyproxy")
    stage = hedge(SILENT, Fault.stall(Turn("from b"), after_events=8), upstreams={"b": late(1)})
    async with stage.stream() as answer:
        await asyncio.sleep(20)
        if stays:
            stage.upstreams["b"].release()
            await answer.aread()
    [logged] = [vars(record) for record in caplog.records if vars(record).get("event") == "hedge"]
    assert ("a", "b", 3.0) == (logged["provider"], logged["winner"], logged["seconds"])


async def test_a_probe_that_loses_is_over(hedge: Any) -> None:
    """Somebody else may probe the provider while the winner's answer still streams."""
    stage = hedge(Fault.status(500), Turn("b"), config={"max-retry-interval": 0, "request-retry": 0})
    for _ in range(5):
        await stage.ask(model="a/gpt-5")
    await asyncio.sleep(30)
    stage.upstreams["a"].script = [SILENT, Turn("from a")]
    stage.upstreams["b"].script = Fault.stall(Turn("from b"), after_events=8)
    async with stage.stream() as first:
        assert "b" == first.headers["x-packyproxy-provider"]
        assert 200 == (await stage.ask(model="a/gpt-5")).status_code


async def test_who_loses_is_known_to_be_slow(hedge: Any) -> None:
    """Under least-latency the next request goes to the quicker one first, though the other never answered."""
    config = {"routing": {**ROUTING, "strategy": "least-latency"}}
    stage = hedge(Turn("from a"), Turn("from b"), config=config, upstreams={"a": late(9)})
    for _ in range(2):
        await stage.ask()
    assert {"a": 1, "b": 2} == stage.calls()
