"""Several providers: who is asked, what happens when one fails, and what the client gets to see of it."""

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import pytest

from packyproxy.config import config_from_mapping
from packyproxy.runtime.routing import Routing
from packyproxy.store.memory import MemoryStore
from packyproxy.testing import Answer, Fault, Stream, Turn
from packyproxy.translate.contract import Translation

UNREACHABLE = "unreachable"

FAULTS: dict[str, Answer] = {
    "refused connection": UNREACHABLE,
    "503": Fault.status(503, "Service Unavailable"),
    "overloaded": Fault.overloaded(),
    "overloaded in a 200 stream": Fault.failed("server_is_overloaded", "at capacity"),
    "500": Fault.status(500),
    "429 rate limit": Fault.rate_limit(retry_after="30"),
    "429 quota": Fault.usage_limit(),
    "402": Fault.status(402, "no credit", code="insufficient_quota"),
    "401": Fault.unauthorized(),
    "403": Fault.forbidden(),
    "404 model": Fault.status(404, "The model does not exist", code="model_not_found"),
    "404 path": Fault.answer(404, {"detail": "Not Found"}),
    "HTML with 502": Fault.html(502),
    "HTML with 200": Fault.html(200),
    "empty 200": Fault.empty(),
    "response.failed first": Fault.failed(),
    "response.failed after response.created": Fault.failed(turn=Turn("lost"), after_events=2),
    "error event first": Fault.error_event(),
    "end before content": Fault.end(Turn("lost"), after_events=2),
    "drop before content": Fault.cut(Turn("lost"), after_events=2),
    "drop before the status line": Fault.cut(Turn("lost"), after_events=0),
}


def text_of(body: bytes) -> str:
    """Return the text of a whole answer."""
    return "".join(block.get("text", "") for block in json.loads(body)["content"])


@pytest.fixture
def scripts(unreachable: object) -> Callable[[Answer, Answer], dict[str, Any]]:
    """Return a function that gives providers a and b their scripts."""

    def make(a: Answer, b: Answer) -> dict[str, Any]:
        return {
            name: unreachable if script == UNREACHABLE else script for name, script in (("a", a), ("b", b))
        }

    return make


@pytest.mark.virtual_time
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_failover_is_invisible(ensemble: Any, scripts: Any, fault: Answer, is_stream: bool) -> None:
    """Whatever a does wrong before content, the client gets one ordinary answer of b, and a header says so."""
    stage = ensemble(scripts(fault, Turn("from b")))
    answer = await stage.ask(stream=is_stream)
    assert (200, "b") == (answer.status_code, answer.headers["x-packyproxy-provider"])
    if is_stream:
        assert 1 == answer.text.count("event: message_start")
        assert answer.text.rstrip().endswith('{"type":"message_stop"}')
        assert "from b" in answer.text.replace('"}}\n\nevent: content_block_delta\ndata: ', "")
    else:
        assert "from b" == text_of(answer.content)
    assert "lost" not in answer.text


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(400, "Invalid value", type="invalid_request_error"),
        Fault.context_overflow(),
        Fault.status(413, "too large"),
        Fault.status(400, "refused", code="invalid_prompt"),
    ],
    ids=["400", "context", "413", "policy"],
)
async def test_the_clients_own_faults_are_not_tried_elsewhere(ensemble: Any, fault: Answer) -> None:
    """A request that nobody would take goes to nobody else."""
    stage = ensemble({"a": fault, "b": Turn("from b")})
    answer = await stage.ask()
    assert 400 <= answer.status_code < 500
    assert {"a": 1, "b": 0} == stage.calls()


@pytest.mark.virtual_time
async def test_one_error_names_everybody_who_was_tried(ensemble: Any) -> None:
    """When all fail the client gets the most useful error, which names the others and when to retry."""
    stage = ensemble(
        {"a": Fault.status(500), "b": Fault.usage_limit(resets_in_seconds=7200), "c": Fault.html()}
    )
    answer = await stage.ask()
    message = answer.json()["error"]["message"]
    assert 429 == answer.status_code
    assert message.startswith("usage limit reached for b")
    assert "also tried: a" in message
    assert "c (" in message
    assert "all providers failed" not in message
    assert int(answer.headers["retry-after"]) <= 2


@pytest.mark.virtual_time
async def test_an_error_is_reported_of_who_gave_it(ensemble: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Text, headers and log name the same provider and model: whose failure is told, not who was asked last."""
    stage = ensemble(
        {"a": Fault.usage_limit(), "b": Fault.status(500)},
        providers={"a": {"defaults": {"model": "gpt-5.1"}}, "b": {"defaults": {"model": "gpt-5.2"}}},
    )
    caplog.set_level("INFO", "packyproxy")
    answer = await stage.ask()
    await asyncio.sleep(1)
    assert answer.json()["error"]["message"].startswith("usage limit reached for a")
    assert "a" == answer.headers["x-packyproxy-provider"]
    assert "gpt-5.1" == answer.headers["x-packyproxy-upstream-model"]
    [logged] = [vars(record) for record in caplog.records if vars(record).get("event") == "request"]
    assert ("a", "gpt-5.1", "quota") == (logged["provider"], logged["model"], logged["failure"])


@pytest.mark.virtual_time
async def test_an_error_in_the_stream_is_no_quick_answer(ensemble: Any) -> None:
    """After the commit deadline an error is written as a frame; it says nothing of the provider's speed."""
    delays = {"a": [2.5, 0.0], "b": [3.0, 1.0]}

    def paced(name: str) -> dict[str, Any]:
        async def pace(number: int) -> None:
            if number == 0:
                await asyncio.sleep(delays[name].pop(0))

        return {"pace": pace}

    stage = ensemble(
        {"a": Turn("from a"), "b": [Turn("from b"), Fault.status(403)]},
        config={
            "routing": {"strategy": "least-latency", "session-affinity": False},
            "streaming": {"commit-deadline": 0.5},
        },
        upstreams={"a": paced("a"), "b": paced("b")},
    )
    answers = [await stage.ask(model=f"{provider}/gpt-5", stream=True) for provider in "abb"]
    assert "event: error" in answers[-1].text
    await stage.ask()
    assert {"a": 2, "b": 2} == stage.calls()


@pytest.mark.virtual_time
async def test_a_failed_provider_rests(ensemble: Any) -> None:
    """The next request does not ask the provider that has just failed."""
    stage = ensemble({"a": Fault.status(500), "b": Turn("from b")})
    await stage.ask()
    asked = stage.calls()["a"]
    await stage.ask()
    assert {"a": asked, "b": 2} == stage.calls()


@pytest.mark.virtual_time
async def test_a_rest_is_for_one_model(ensemble: Any) -> None:
    """A quota that is used up for one model keeps no request for another one away."""
    stage = ensemble({"a": [Fault.usage_limit(), Turn("from a")], "b": Turn("from b")})
    asked = [(await stage.ask(model=model)) for model in ("gpt-5", "gpt-5-mini", "gpt-5")]
    assert ["b", "a", "b"] == [answer.headers["x-packyproxy-provider"] for answer in asked]


@pytest.mark.virtual_time
async def test_a_lone_provider_does_not_rest_of_itself(ensemble: Any) -> None:
    """With nobody to prefer, the next request asks it again at once; a rest that it asked for is kept."""
    stage = ensemble(
        {"a": [Fault.status(500), Fault.status(500), Turn("back"), Fault.rate_limit(retry_after="60")]}
    )
    answers = [(await stage.ask()).status_code for _ in range(4)]
    assert ([502, 200, 429, 429], {"a": 4}) == (answers, stage.calls())


@pytest.mark.virtual_time
async def test_while_all_rest_nobody_is_asked(ensemble: Any) -> None:
    """The answer then comes at once, says who rests and why, and when to retry."""
    stage = ensemble({"a": Fault.overloaded(), "b": Fault.status(503)})
    await stage.ask()
    before = stage.calls()
    answer = await stage.ask()
    assert before == stage.calls()
    assert 529 == answer.status_code
    message = answer.json()["error"]["message"]
    assert "a" in message
    assert "b" in message
    assert 1 <= int(answer.headers["retry-after"]) <= 5


@pytest.mark.virtual_time
async def test_while_all_wait_for_quota_the_earliest_reset_counts(ensemble: Any) -> None:
    """The client is told to come back when the first of them can serve again."""
    stage = ensemble(
        {"a": Fault.usage_limit(resets_in_seconds=7200), "b": Fault.usage_limit(resets_in_seconds=600)}
    )
    for _ in range(2):
        answer = await stage.ask()
        assert 429 == answer.status_code
        assert 595 <= int(answer.headers["retry-after"]) <= 600
    assert {"a": 1, "b": 1} == stage.calls()


@pytest.mark.virtual_time
async def test_a_refused_key_is_not_shown_again(ensemble: Any) -> None:
    """After a 401 the provider is left alone until its key changes."""
    stage = ensemble({"a": Fault.unauthorized(), "b": Turn("from b")})
    for _ in range(3):
        assert 200 == (await stage.ask()).status_code
    assert {"a": 1, "b": 3} == stage.calls()


async def test_a_restored_provider_may_show_its_key_again(ensemble: Any) -> None:
    """Disabled and enabled again, a provider whose key was refused gets another chance."""
    stage = ensemble({"a": [Fault.unauthorized(), Turn("from a")], "b": Turn("from b")})
    providers = stage.settings["tppc"]["providers"]
    for enabled in (False, True):
        await stage.ask()
        changed = {"tppc": {"providers": [dict(providers[0], enabled=enabled), providers[1]]}}
        stage.proxy.runtime.apply(config_from_mapping(changed))
    answer = await stage.ask(messages=[{"role": "user", "content": "another session"}])
    assert ("a", {"a": 2, "b": 2}) == (answer.headers["x-packyproxy-provider"], stage.calls())


@pytest.mark.virtual_time
async def test_a_refused_key_alone_is_the_gateways_fault(ensemble: Any) -> None:
    """A rejected key of ours is a 502, also when it is only remembered; never a 401."""
    stage = ensemble({"a": Fault.unauthorized()})
    for _ in range(2):
        answer = await stage.ask()
        assert 502 == answer.status_code
        assert "rejected the gateway's credentials" in answer.json()["error"]["message"]
    assert {"a": 1} == stage.calls()


async def test_another_key_is_another_chance(ensemble: Any) -> None:
    """A provider whose key was refused is asked again as soon as the configuration has a new one for it."""
    stage = ensemble({"a": [Fault.unauthorized(), Turn("from a")]})
    assert [502, 502] == [(await stage.ask()).status_code for _ in range(2)]
    [provider] = stage.settings["tppc"]["providers"]
    changed = {"tppc": {"providers": [dict(provider, **{"api-key": "sk-another-0123456789"})]}}
    stage.proxy.runtime.apply(config_from_mapping(changed))
    assert (200, {"a": 2}) == ((await stage.ask()).status_code, stage.calls())
    assert "Bearer sk-another-0123456789" == stage.upstreams["a"].last_request.headers["authorization"]


async def test_each_provider_gets_a_translation_of_its_own(ensemble: Any) -> None:
    """Model, effort, parameters and the place of system text are those that this very provider wants."""
    wishes = {
        "a": {"defaults": {"model": "gpt-5.1-low"}},
        "b": {
            "defaults": {"model": "gpt-5-codex-high"},
            "profile": {"max-output-tokens": True, "system-as": "developer"},
        },
    }
    stage = ensemble(
        {"a": Fault.status(403), "b": Turn("from b")},
        providers=wishes,
        upstreams={"b": {"mode": "platform"}},
    )
    answer = await stage.ask(system="Be brief.")
    sent = [stage.upstreams[name].last_request.body for name in ("a", "b")]
    assert ["gpt-5.1", "gpt-5-codex"] == [body["model"] for body in sent]
    assert ["low", "high"] == [body["reasoning"]["effort"] for body in sent]
    assert [None, 1000] == [body.get("max_output_tokens") for body in sent]
    assert ["user", "developer"] == [body["input"][0]["role"] for body in sent]
    assert ("gpt-5-codex", "high") == (
        answer.headers["x-packyproxy-upstream-model"],
        answer.headers["x-packyproxy-effort"],
    )


async def test_what_one_provider_refused_another_still_gets(ensemble: Any) -> None:
    """A parameter is left out at the provider that refused it, from then on, and nowhere else."""
    refusal = Fault.detail(400, "Unsupported parameter: service_tier")
    stage = ensemble({"a": [refusal, Turn("a"), Turn("a")], "b": Turn("b")})
    for model in ("a/gpt-5", "a/gpt-5", "b/gpt-5"):
        assert 200 == (await stage.ask(model=model, speed="fast")).status_code
    tiers = {
        name: [request.body.get("service_tier") for request in upstream.requests]
        for name, upstream in stage.upstreams.items()
    }
    assert {"a": ["priority", None, None], "b": ["priority"]} == tiers


@pytest.mark.virtual_time
async def test_foreign_reasoning_never_travels(ensemble: Any) -> None:
    """What a encrypted is not sent to b, and comes back to a."""
    turn = Turn(reasoning=["thought"], text="hello")
    stage = ensemble(
        {"a": [turn, Fault.status(400, "bad", code="model_not_found"), turn], "b": turn},
        config={"routing": {"session-affinity": False}},
    )
    first = (await stage.ask(thinking={"type": "adaptive"})).json()
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": "go on"},
    ]
    assert "b" == (await stage.ask(messages=history)).headers["x-packyproxy-provider"]
    kinds = [
        [item["type"] for item in stage.upstreams[name].requests[-1].body["input"]] for name in ("a", "b")
    ]
    assert "reasoning" in kinds[0]
    assert "reasoning" not in kinds[1]


@pytest.mark.virtual_time
async def test_a_session_stays_with_the_provider_that_served_it(ensemble: Any) -> None:
    """Caches and encrypted reasoning live there, so a recovered provider does not get the session back."""
    stage = ensemble(
        {"a": [Fault.status(500), Fault.status(500), Turn("from a")], "b": Turn("from b")},
        config={"max-retry-interval": 0},
    )
    session, other = ({"metadata": {"user_id": json.dumps({"session_id": name})}} for name in ("s1", "s2"))
    asked = [await stage.ask(**fields) for fields in (session, other, session)]
    assert ["b", "a", "b"] == [answer.headers["x-packyproxy-provider"] for answer in asked]


async def test_a_web_search_moves_no_session(ensemble: Any) -> None:
    """A session stays where its caches are, though one of its requests had to go to who can search."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    stage = ensemble({"a": Turn("a"), "b": Turn("b")}, providers={"a": {"profile": {"web-search": False}}})
    session = {"metadata": {"user_id": json.dumps({"session_id": "s1"})}}
    asked = [await stage.ask(**session, **more) for more in ({}, {"tools": tools}, {})]
    assert ["a", "b", "a"] == [answer.headers["x-packyproxy-provider"] for answer in asked]


async def test_each_model_of_a_session_stays_with_its_provider(ensemble: Any) -> None:
    """A small model that only b sells does not take the session's other model there."""
    stage = ensemble(
        {"a": Turn("a"), "b": Turn("b"), "c": Turn("c")},
        providers={
            "a": {"models": ["gpt-5"]},
            "b": {"models": ["gpt-5", "gpt-5-mini"]},
            "c": {"models": ["gpt-5-mini"]},
        },
    )
    session = {"metadata": {"user_id": json.dumps({"session_id": "s1"})}}
    asked = [await stage.ask(**session, model=model) for model in ("gpt-5", "gpt-5-mini", "gpt-5")]
    assert ["a", "b", "a"] == [answer.headers["x-packyproxy-provider"] for answer in asked]


async def test_round_robin_takes_turns(ensemble: Any) -> None:
    """Sessions that are new go to one provider after the other."""
    stage = ensemble(
        {"a": Turn("a"), "b": Turn("b"), "c": Turn("c")},
        config={"routing": {"strategy": "round-robin", "session-affinity": False}},
    )
    asked = [(await stage.ask()).headers["x-packyproxy-provider"] for _ in range(6)]
    assert ["a", "b", "c", "a", "b", "c"] == asked


async def test_weights_are_shares(ensemble: Any) -> None:
    """A provider with three times the weight gets three of four requests or so, and a reserve gets none."""
    stage = ensemble(
        {"a": Turn("a"), "b": Turn("b"), "reserve": Turn("c")},
        config={"routing": {"strategy": "weighted-round-robin", "session-affinity": False}},
        providers={"a": {"weight": 3}, "reserve": {"priority": -1, "weight": 100}},
    )
    for _ in range(20):
        await stage.ask()
    calls = stage.calls()
    assert (0, 20) == (calls["reserve"], calls["a"] + calls["b"])
    assert 14 <= calls["a"] <= 16


async def test_a_pin_is_a_pin(ensemble: Any) -> None:
    """``provider/model`` goes to that provider only, also when it fails."""
    stage = ensemble({"a": Turn("a"), "b": Fault.status(403, "no")})
    answer = await stage.ask(model="b/gpt-5")
    assert 403 == answer.status_code
    assert {"a": 0, "b": 1} == stage.calls()


async def test_a_missing_capability_is_no_matter_of_time(ensemble: Any) -> None:
    """When nobody could ever serve the request, a rest of somebody is not what the client is told."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    without = {"profile": {"web-search": False}}
    for resting, expected in ((without, 400), ({}, 429)):
        stage = ensemble(
            {"a": Fault.usage_limit(), "b": Turn("from b")}, providers={"a": resting, "b": without}
        )
        await stage.ask()
        assert expected == (await stage.ask(tools=tools)).status_code


async def test_web_search_goes_to_who_can_search(ensemble: Any) -> None:
    """A provider without web search is skipped; when nobody has it, the request is refused."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    without = {"profile": {"web-search": False}}
    stage = ensemble({"a": Turn("a"), "b": Turn("b")}, providers={"a": without})
    assert "b" == (await stage.ask(tools=tools)).headers["x-packyproxy-provider"]
    stage = ensemble({"a": Turn("a"), "b": Turn("b")}, providers={"a": without, "b": without})
    answer = await stage.ask(tools=tools)
    assert 400 == answer.status_code
    assert "web_search is not available on any configured provider" in answer.json()["error"]["message"]


@pytest.mark.virtual_time
async def test_a_slow_failure_after_the_commit_still_fails_over(ensemble: Any) -> None:
    """When the status line is spent by the deadline, another provider still answers in the same stream."""
    stall = Fault.stall(Turn("lost"), after_events=0)
    stage = ensemble({"a": stall, "b": Turn("from b")}, config={"streaming": {"headers-timeout": 40}})
    async with stage.stream() as response:
        body = (await response.aread()).decode()
    assert 200 == response.status_code
    assert 1 == body.count("event: message_start")
    assert body.rstrip().endswith('{"type":"message_stop"}')
    assert "event: ping" in body


@pytest.mark.virtual_time
async def test_after_content_nobody_else_is_asked(ensemble: Any) -> None:
    """A stream that breaks after its first content ends in an error of that provider alone."""
    stage = ensemble({"a": Fault.cut(Turn("some text that breaks"), after_events=6), "b": Turn("from b")})
    events = await stage.events()
    assert "error" == events[-1]
    assert {"a": 1, "b": 0} == stage.calls()


@pytest.mark.parametrize("hedge_after", [None, 0.001], ids=["failover", "race"])
async def test_content_ends_the_keeping_of_the_request(ensemble: Any, hedge_after: float | None) -> None:
    """While an answer streams nothing of the request is kept, neither for who answers nor for who did not."""
    silent = Fault.stall(Turn("late"), after_events=0)
    stage = ensemble(
        {
            "a": Fault.status(403) if hedge_after is None else silent,
            "b": Fault.stall(Turn("text"), after_events=8),
        },
        config={"routing": {"hedge-after": hedge_after}},
    )
    before = _translations()
    async with stage.stream() as answer:
        async for chunk in answer.aiter_bytes():
            if b"content_block_start" in chunk:
                break
        kept = len(_translations() - before)
        stage.upstreams["b"].release()
    assert 0 == kept


def _translations() -> set[int]:
    """Return which translations are in memory, also those of earlier tests."""
    return {id(thing) for thing in gc.get_objects() if type(thing) is Translation}


@pytest.mark.virtual_time
async def test_hedging_asks_a_second_provider(ensemble: Any) -> None:
    """With hedge-after a slow provider gets company; who shows content first is the answer's only voice."""
    stage = ensemble(
        {"a": Fault.stall(Turn("from a"), after_events=0), "b": Turn("from b")},
        config={"routing": {"hedge-after": 2}},
    )
    for is_stream in (True, False):
        answer = await stage.ask(stream=is_stream)
        assert (200, "b") == (answer.status_code, answer.headers["x-packyproxy-provider"])
    assert ["disconnected"] * 2 == [request.fate for request in stage.upstreams["a"].requests]


@pytest.mark.virtual_time
async def test_hedging_leaves_a_quick_provider_alone(ensemble: Any) -> None:
    """Nobody else is asked while the first answers in time."""
    stage = ensemble({"a": Turn("from a"), "b": Turn("from b")}, config={"routing": {"hedge-after": 2}})
    assert "a" == (await stage.ask()).headers["x-packyproxy-provider"]
    assert {"a": 1, "b": 0} == stage.calls()


@pytest.mark.virtual_time
async def test_the_breaker_opens_and_admits_one_probe(ensemble: Any) -> None:
    """Five failures in a row shut a provider out, whatever the model."""
    stage = ensemble({"a": Fault.status(500)}, config={"max-retry-interval": 0, "request-retry": 0})
    answers = [await stage.ask() for _ in range(7)]
    assert [502] * 5 + [529] * 2 == [answer.status_code for answer in answers]
    assert {"a": 5} == stage.calls()
    assert int(answers[-1].headers["retry-after"]) <= 30


@pytest.mark.virtual_time
async def test_a_probe_is_over_with_its_first_content(ensemble: Any) -> None:
    """While the probe's answer still streams, other requests pass again."""
    stage = ensemble({"a": Fault.status(500)}, config={"max-retry-interval": 0, "request-retry": 0})
    for _ in range(5):
        await stage.ask()
    assert 529 == (await stage.ask()).status_code
    await asyncio.sleep(30)
    stage.upstreams["a"].script = [Fault.stall(Turn("slow"), after_events=6), Turn("quick")]
    async with stage.stream() as probe:
        assert "quick" == text_of((await stage.ask()).content)
        stage.upstreams["a"].release()
        assert 200 == probe.status_code


@pytest.mark.virtual_time
async def test_a_probe_whose_client_leaves_as_it_answers(ensemble: Any) -> None:
    """The probe is given back when its client leaves before the store has heard of the answer."""

    class SlowStore(MemoryStore):
        async def replace(self, *args: Any, **options: Any) -> bool:
            await asyncio.sleep(1)
            return await super().replace(*args, **options)

    stage = ensemble({"a": Fault.status(500)}, config={"max-retry-interval": 0, "request-retry": 0})
    runtime = stage.proxy.runtime
    runtime.routing = Routing(SlowStore(clock=runtime.now), now=runtime.now)
    for _ in range(5):
        await stage.ask()
    await asyncio.sleep(30)
    stage.upstreams["a"].script = Turn("from a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await stage.ask()
    await asyncio.sleep(5)
    assert 200 == (await stage.ask()).status_code


async def test_stream_bodies_that_say_nothing(ensemble: Any) -> None:
    """A 200 stream of comments only is no answer."""
    stage = ensemble({"a": Stream(b": hello\n\n"), "b": Turn("from b")})
    assert "b" == (await stage.ask()).headers["x-packyproxy-provider"]
