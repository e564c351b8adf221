"""What a host is told of each request: whom it goes to, and what it came to; and that this spoils nothing."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

import httpx
import pytest

from packyproxy import RequestRecord, RouteDecision
from packyproxy.testing import Fault, StreamingASGITransport, Turn
from packyproxy.testing.upstream.script import Usage
from tests.support.surfaces import SURFACES, Surface

pytestmark = pytest.mark.virtual_time

CANARY = "canary-5b20"
COUNTED = Usage(input_tokens=100, output_tokens=20, cached_tokens=40, reasoning_tokens=5)
SEARCH = [{"type": "web_search_20250305", "name": "web_search"}]
USER: ContextVar[str] = ContextVar("USER", default="nobody")


class Heard:
    """What a host was told, in order."""

    def __init__(self) -> None:
        self.routes: list[RouteDecision] = []
        self.usage: list[RequestRecord] = []
        self.users: list[str] = []
        """Whom the context named at each call."""

    @property
    def hooks(self) -> dict[str, Any]:
        return {"on_route": self.on_route, "on_usage": self.on_usage}

    @property
    def turns(self) -> list[tuple[int, str, str | None, bool]]:
        """Who was asked, why, and whether beside somebody else."""
        return [(each.number, each.provider, each.after_failure, each.is_hedge) for each in self.routes]

    def on_route(self, decision: RouteDecision) -> None:
        """Take a decision."""
        self.routes.append(decision)
        self.users.append(USER.get())

    def on_usage(self, record: RequestRecord) -> None:
        """Take what a request came to."""
        self.usage.append(record)
        self.users.append(USER.get())


@pytest.fixture
def heard() -> Heard:
    """Return what a host was told, whose ``hooks`` are to be set."""
    return Heard()


def tempo(seconds: float) -> dict[str, Any]:
    """Return the settings of an upstream that waits before it answers."""

    async def pace(number: int) -> None:
        if number == 0:
            await asyncio.sleep(seconds)

    return {"pace": pace}


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("surface", SURFACES, ids=str)
async def test_a_request_is_told_twice(stage: Any, heard: Heard, surface: Surface, streams: bool) -> None:
    """Where it goes and what it came to, under the id that its client has got."""
    scene = stage(Turn("Hello", usage=COUNTED), hooks=heard.hooks)
    answer = await surface.ask(scene.client, stream=streams)
    (decision,), (record,) = heard.routes, heard.usage
    assert answer.headers["x-request-id"] == decision.request_id == record.request_id
    assert surface.name == decision.protocol == record.protocol
    assert "packycode" == decision.provider == record.provider
    assert answer.headers["x-packyproxy-upstream-model"] == decision.model == record.model
    assert surface.hello["model"] == decision.requested_model
    assert decision.effort == record.effort
    assert (1, None, False) == (decision.number, decision.after_failure, decision.is_hedge)
    assert (200, None, streams) == (record.status, record.failure, record.is_streaming)
    assert record.tokens is not None
    assert (100, 40, 20, 5) == (
        record.tokens.input,
        record.tokens.cached,
        record.tokens.output,
        record.tokens.reasoning,
    )


async def test_a_decision_says_how_it_was_made(stage: Any, heard: Heard) -> None:
    """The client's name, the upstream's, the steps between them, and the effort that the name asks for."""
    scene = stage(Turn("ok"), hooks=heard.hooks)
    await scene.ask(model="gpt-5-high")
    (decision,) = heard.routes
    assert ("gpt-5-high", "gpt-5", "high") == (decision.requested_model, decision.model, decision.effort)
    resolution = scene.proxy.runtime.snapshot.resolve("gpt-5-high")
    assert resolution.candidates[0].reasons == decision.reasons
    assert decision.reasons


async def test_each_provider_is_told_with_the_failure_before(ensemble: Any, heard: Heard) -> None:
    """In the order in which they are asked, which every decision names."""
    stage = ensemble(
        {"a": Fault.status(500), "b": Fault.usage_limit(), "c": Turn("from c")},
        config={"request-retry": 0},
        hooks=heard.hooks,
    )
    await stage.ask()
    assert [(1, "a", None, False), (2, "b", "server_error", False), (3, "c", "quota", False)] == heard.turns
    assert {("a", "b", "c")} == {decision.candidates for decision in heard.routes}
    assert (3, "c") == (heard.usage[0].attempts, heard.usage[0].provider)


async def test_repeats_do_not_count_as_turns(ensemble: Any, heard: Heard) -> None:
    """The second provider is the second, however often the first was asked."""
    stage = ensemble({"a": Fault.overloaded(), "b": Turn("from b")}, hooks=heard.hooks)
    await stage.ask()
    assert [(1, "a", None, False), (2, "b", "overloaded", False)] == heard.turns
    assert 2 < heard.usage[0].attempts


async def test_candidates_are_in_the_order_of_asking(ensemble: Any, heard: Heard) -> None:
    """Priority decides here; who rests is no candidate."""
    stage = ensemble(
        {"a": Turn("from a"), "b": [Fault.usage_limit(), Turn("never")], "c": Turn("from c")},
        providers={"a": {"priority": 1}, "b": {"priority": 3}, "c": {"priority": 2}},
        config={"routing": {"session-affinity": False}},
        hooks=heard.hooks,
    )
    await stage.ask()
    await stage.ask()
    assert [("b", "c", "a"), ("b", "c", "a"), ("c", "a")] == [each.candidates for each in heard.routes]
    assert [(1, "b"), (2, "c"), (1, "c")] == [(each.number, each.provider) for each in heard.routes]


@pytest.mark.parametrize(
    "fault",
    [Fault.overloaded(), Fault.detail(400, "Instructions are not valid")],
    ids=["repeat", "repair"],
)
async def test_a_repeat_is_no_new_decision(stage: Any, heard: Heard, fault: Any) -> None:
    """Whoever is asked again was decided on before."""
    await stage([fault, Turn("ok")], hooks=heard.hooks).ask(system="Be brief.")
    assert [(1, "packycode", None, False)] == heard.turns
    assert [2] == [record.attempts for record in heard.usage]


@pytest.mark.parametrize(
    ("b_takes", "winner"), [(1, "b"), (30, "a")], ids=["the second wins", "the first wins"]
)
async def test_a_hedge_is_told(ensemble: Any, heard: Heard, b_takes: float, winner: str) -> None:
    """Beside whom it is asked is known from the decision before; the record names who won."""
    stage = ensemble(
        {"a": Turn("from a"), "b": Turn("from b")},
        config={"routing": {"hedge-after": 2, "session-affinity": False}},
        upstreams={"a": tempo(5), "b": tempo(b_takes)},
        hooks=heard.hooks,
    )
    await stage.ask()
    assert [(1, "a", None, False), (2, "b", None, True)] == heard.turns
    assert [winner] == [record.provider for record in heard.usage]


async def test_a_hedge_after_a_failover_is_told(ensemble: Any, heard: Heard) -> None:
    """It is asked for the slowness of the one before, not for the failure that came earlier."""
    stage = ensemble(
        {"a": Fault.status(500), "b": Turn("from b"), "c": Turn("from c")},
        config={"routing": {"hedge-after": 2, "session-affinity": False}, "request-retry": 0},
        upstreams={"b": tempo(5)},
        hooks=heard.hooks,
    )
    await stage.ask()
    assert [(1, "a", None, False), (2, "b", "server_error", False), (3, "c", None, True)] == heard.turns


async def test_a_decision_is_told_before_it_is_carried_out(stage: Any) -> None:
    """What a host does then is done when the upstream is asked."""
    asked_by_then: list[int] = []

    def on_route(_: RouteDecision) -> None:
        asked_by_then.append(len(scene.upstream.requests))

    scene: Any = stage(Turn("ok"), hooks={"on_route": on_route})
    await scene.ask()
    assert [0] == asked_by_then


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_usage_is_told_after_the_last_byte(stage: Any, streams: bool) -> None:
    """By then the server has the whole answer, and whoever has read it finds the record told."""
    messages: list[Any] = []
    sent_by_then: list[bool] = []

    def on_usage(_: RequestRecord) -> None:
        sent_by_then.append(messages[-1].get("more_body", False))

    proxy = stage(Turn("ok"), hooks={"on_usage": on_usage}).proxy

    async def host(scope: Any, receive: Any, send: Any) -> None:
        async def noticing(message: Any) -> None:
            messages.append(message)
            await send(message)

        await proxy(scope, receive, noticing)

    async with httpx.AsyncClient(
        transport=StreamingASGITransport(host), base_url="http://proxy.test"
    ) as client:
        await SURFACES[0].ask(client, stream=streams)
        assert [False] == sent_by_then


@pytest.mark.parametrize(
    ("fields", "status", "failure"),
    [
        ({"max_tokens": 0}, 200, None),
        ({"model": "gpt-99"}, 404, "invalid_request"),
        ({"messages": "no list"}, 400, "invalid_request"),
        ({"tools": SEARCH}, 400, "invalid_request"),
    ],
    ids=["prewarm", "unknown model", "unreadable", "what nobody can do"],
)
async def test_who_asks_nobody_is_told_once(
    ensemble: Any, heard: Heard, fields: dict[str, Any], status: int, failure: str | None
) -> None:
    """What is answered or refused here goes to no provider, and ends all the same."""
    stage = ensemble(
        {"a": Turn("never")},
        providers={"a": {"models": ["gpt-5"], "profile": {"web-search": False}}},
        hooks=heard.hooks,
    )
    assert status == (await stage.ask(**fields)).status_code
    (record,) = heard.usage
    assert ([], status, failure, 0) == (heard.routes, record.status, record.failure, record.attempts)


async def test_a_record_names_the_clients_key(stage: Any, heard: Heard) -> None:
    """By digits that a host can compute for each of its keys, and that do not give the key away."""
    scene = stage(Turn("ok"), config={"api-keys": [CANARY]}, hooks=heard.hooks)
    await scene.client.post("/v1/messages", json=SURFACES[0].hello, headers={"x-api-key": CANARY})
    assert [sha256(CANARY.encode()).hexdigest()[:16]] == [record.key_id for record in heard.usage]


async def test_no_provider_is_enabled(stage: Any, heard: Heard) -> None:
    """A request that nobody could serve is told."""
    await stage(config={"packycode": {"enabled": False}}, hooks=heard.hooks).ask()
    assert [(503, "no_provider")] == [(record.status, record.failure) for record in heard.usage]


async def test_a_request_meets_only_rests(stage: Any, heard: Heard) -> None:
    """Nobody is turned to, and the record says why."""
    scene = stage(Fault.usage_limit(), hooks=heard.hooks)
    await scene.ask()
    await scene.ask()
    assert [(1, "packycode", None, False)] == heard.turns
    assert [("quota", 1), ("quota", 0)] == [(record.failure, record.attempts) for record in heard.usage]


@pytest.mark.parametrize("after_events", [0, 8], ids=["before the answer", "in the middle"])
async def test_a_client_that_leaves_is_told(stage: Any, heard: Heard, after_events: int) -> None:
    """It was somebody's request, and may have cost something."""
    scene = stage(
        Fault.stall(Turn("helloooo", delta_characters=3), after_events=after_events), hooks=heard.hooks
    )
    async with scene.stream() as response:
        await asyncio.sleep(20)
        await response.aclose()
    await scene.upstream.last_request.ended()
    await asyncio.sleep(1)
    assert [(499, "client_left")] == [(record.status, record.failure) for record in heard.usage]


@pytest.mark.parametrize(
    "place",
    ["packyproxy.runtime.serving.exchange.make_plan", "packyproxy.transcode.Transcoder.feed"],
    ids=["before anybody is asked", "later"],
)
async def test_a_bug_of_ours_is_told(
    stage: Any, heard: Heard, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A host that counts requests misses none."""

    def explode(*_: object, **__: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(place, explode)
    scene = stage(Turn("never seen"), hooks=heard.hooks)
    await scene.ask(stream=False)
    assert [(500, "internal_error")] == [(record.status, record.failure) for record in heard.usage]
    assert 0 == scene.proxy.runtime.recorder.figures().in_flight


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        (
            "POST",
            "/v1/messages/count_tokens",
            b'{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}',
            200,
        ),
        ("POST", "/v1/messages", b"x" * 1500, 413),
        ("GET", "/v1/models", b"", 200),
        ("GET", "/v1/messages", b"", 405),
    ],
    ids=["a token count", "a body that is not read", "the model list", "a wrong method"],
)
async def test_what_is_no_request_for_a_model_is_not_told(
    stage: Any, heard: Heard, method: str, path: str, content: bytes, status: int
) -> None:
    """As little as it is counted: no model could have been asked."""
    scene = stage("never", config={"max-body-bytes": 1024}, hooks=heard.hooks)
    answer = await scene.client.request(
        method, path, content=content, headers={"content-type": "application/json"}
    )
    assert (status, [], []) == (answer.status_code, heard.routes, heard.usage)


async def test_a_context_leads_to_the_user(ensemble: Any, heard: Heard) -> None:
    """Whom ``authorize`` has found out, the others know, also in the task of a hedge; so a host can bill."""

    def authorize(scope: dict[str, Any]) -> bool:
        USER.set(dict(scope["headers"])[b"x-user"].decode())
        return True

    stage = ensemble(
        {"a": Turn("from a"), "b": Turn("from b")},
        config={"routing": {"hedge-after": 2, "session-affinity": False}},
        upstreams={"a": tempo(5), "b": tempo(1)},
        hooks={**heard.hooks, "authorize": authorize},
    )
    await stage.client.post("/v1/messages", json=SURFACES[0].hello, headers={"x-user": "ada"})
    assert ["ada", "ada", "ada"] == heard.users


def failing(error: BaseException) -> Callable[[object], None]:
    def hook(_: object) -> None:
        raise error

    return hook


@pytest.mark.parametrize(
    "error", [ValueError(CANARY), asyncio.CancelledError(CANARY)], ids=["error", "cancellation"]
)
@pytest.mark.parametrize("name", ["on_route", "on_usage"])
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_a_hook_that_fails_spoils_nothing(
    stage: Any, caplog: pytest.LogCaptureFixture, streams: bool, name: str, error: BaseException
) -> None:
    """The request is served, and one line has type and place, not the text."""
    caplog.set_level(logging.DEBUG)
    scene = stage(Turn("Hello"), hooks={name: failing(error)})
    answers = [await scene.ask(stream=streams) for _ in range(3)]
    assert {200} == {answer.status_code for answer in answers}
    assert all("Hello" in answer.text for answer in answers)
    (line,) = [vars(each) for each in caplog.records if vars(each).get("event") == "hook_failed"]
    assert (name, type(error).__name__, 1) == (line["hook"], line["error"], line["count"])
    assert line["where"].startswith("test_hooks.py:")
    assert answers[0].headers["x-request-id"] == line["request_id"]
    assert CANARY not in caplog.text


async def test_a_hook_that_fails_hides_no_failure(ensemble: Any) -> None:
    """Failover goes on as without it."""
    stage = ensemble(
        {"a": Fault.status(500), "b": Turn("from b")},
        config={"request-retry": 0},
        hooks={"on_route": failing(ValueError()), "on_usage": failing(ValueError())},
    )
    assert "b" == (await stage.ask()).headers["x-packyproxy-provider"]


async def test_a_hook_may_hand_on_what_takes_long(stage: Any) -> None:
    """A task that it starts is the host's own, and is neither awaited nor complained about."""
    billed: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def bill(record: RequestRecord) -> None:
        await asyncio.sleep(60)
        billed.append(record.request_id)

    def on_usage(record: RequestRecord) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(bill(record)))
        return tasks[-1]

    answer = await stage(Turn("ok"), hooks={"on_usage": on_usage}).ask()
    assert [] == billed
    await asyncio.gather(*tasks)
    assert [answer.headers["x-request-id"]] == billed
