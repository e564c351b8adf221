"""GET /metrics: who may read it, and what it says."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from packyproxy.app import PackyProxy
from packyproxy.asgi.status import Status
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing import Fault, StreamingASGITransport, Turn
from packyproxy.testing.upstream.script import Usage
from tests.support.settings import provider

KEY = "client-key-0123"
METRICS: dict[str, Any] = {"metrics": True}
REMOTE = ("10.0.0.7", 50000)

FAMILIES = {
    "gen_ai_client_operation_duration_seconds": "histogram",
    "gen_ai_client_operation_time_per_output_chunk_seconds": "histogram",
    "gen_ai_client_operation_time_to_first_chunk_seconds": "histogram",
    "gen_ai_client_token_usage": "histogram",
    "gen_ai_server_request_duration_seconds": "histogram",
    "gen_ai_server_time_per_output_token_seconds": "histogram",
    "gen_ai_server_time_to_first_token_seconds": "histogram",
    "packyproxy_access_denied": "counter",
    "packyproxy_attempt_failures": "counter",
    "packyproxy_breaker_state": "gauge",
    "packyproxy_build": "info",
    "packyproxy_cache_hit_ratio": "gauge",
    "packyproxy_credential_failures": "counter",
    "packyproxy_failovers": "counter",
    "packyproxy_first_events_within_2s_ratio": "gauge",
    "packyproxy_providers": "gauge",
    "packyproxy_registered_models": "gauge",
    "packyproxy_request_failures": "counter",
    "packyproxy_requests": "counter",
    "packyproxy_requests_in_flight": "gauge",
    "packyproxy_tokens": "counter",
}


async def fetch(
    app: Any, *, client: Any = ("127.0.0.1", 50000), method: str = "GET", **headers: str
) -> httpx.Response:
    transport = StreamingASGITransport(app, client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy.test") as http:
        return await http.request(
            method, "/metrics", headers={name.replace("_", "-"): value for name, value in headers.items()}
        )


Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def settled(proxy: PackyProxy) -> PackyProxy:
    """Wait until the last request has ended on the proxy's side, too."""
    while proxy.runtime.recorder.figures().in_flight:  # noqa: ASYNC110 - the proxy tells nobody of it
        await asyncio.sleep(0)
    return proxy


async def series(app: Any) -> Series:
    """Return every sample by its name and labels."""
    text = (await fetch(app)).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_text(text)
        for sample in family.samples
    }


def value(found: Series, name: str, **labels: str) -> float | None:
    """Return one sample; None if it is not there."""
    return found.get((name, frozenset(labels.items())))


def of_name(found: Series, name: str) -> list[tuple[Mapping[str, str], float]]:
    return [(dict(labels), sample) for (each, labels), sample in found.items() if each == name]


def proxy_of(**config: Any) -> PackyProxy:
    return PackyProxy({"packycode": provider(), **config})


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("client", [("127.0.0.1", 50000), REMOTE], ids=["local", "remote"])
async def test_there_are_none_unless_they_are_switched_on(method: str, client: Any) -> None:
    """Unless they are switched on, there is no such route, whoever asks and however."""
    response = await fetch(proxy_of(**{"api-keys": [KEY]}), client=client, method=method)
    assert 404 == response.status_code


async def test_switched_on_while_it_runs() -> None:
    """A configuration that switches them on is enough."""
    proxy = proxy_of()
    assert 404 == (await fetch(proxy)).status_code
    proxy.runtime.apply(PackyProxy({"packycode": provider(), **METRICS}).runtime.snapshot.config)
    assert 200 == (await fetch(proxy)).status_code


@pytest.mark.parametrize(
    ("client", "headers", "expected"),
    [
        pytest.param(("127.0.0.1", 50000), {}, 200, id="local"),
        pytest.param(("::1", 50000), {}, 200, id="local-ipv6"),
        pytest.param(("127.0.0.1", 50000), {"authorization": "Bearer wrong"}, 200, id="local-wrong-key"),
        pytest.param(("127.0.0.1", 50000), {"x_forwarded_for": "127.0.0.1"}, 401, id="passed-on"),
        pytest.param(
            ("127.0.0.1", 50000),
            {"x_forwarded_for": "10.0.0.7", "x_api_key": KEY},
            200,
            id="passed-on-with-key",
        ),
        pytest.param(REMOTE, {}, 401, id="remote"),
        pytest.param(REMOTE, {"authorization": "Bearer wrong"}, 401, id="remote-wrong-key"),
        pytest.param(REMOTE, {"authorization": f"Bearer {KEY}"}, 200, id="remote-with-key"),
        pytest.param(REMOTE, {"x_api_key": KEY}, 200, id="remote-with-other-header"),
        pytest.param(None, {}, 401, id="unix-socket"),
    ],
)
async def test_others_than_this_machine_show_a_key(
    client: Any, headers: dict[str, str], expected: int
) -> None:
    """Others than this machine show a client key."""
    proxy = proxy_of(**METRICS, **{"api-keys": [KEY]})
    assert expected == (await fetch(proxy, client=client, **headers)).status_code


async def test_without_client_keys_nobody_needs_one() -> None:
    """Where clients need no key, nobody needs one."""
    assert 200 == (await fetch(proxy_of(**METRICS), client=REMOTE)).status_code


async def test_they_are_only_read() -> None:
    """They are read, by GET or HEAD, and nothing else."""
    proxy = proxy_of(**METRICS)
    answers = [await fetch(proxy, method=method) for method in ("GET", "HEAD", "POST")]
    assert [200, 200, 405] == [answer.status_code for answer in answers]
    assert ("", answers[0].headers["content-type"]) == (answers[1].text, answers[1].headers["content-type"])


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        pytest.param("", "text/plain; version=0.0.4; charset=utf-8", id="nothing"),
        pytest.param("*/*", "text/plain; version=0.0.4; charset=utf-8", id="anything"),
        pytest.param(
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            id="openmetrics",
        ),
    ],
)
async def test_the_format_is_the_one_that_is_asked_for(accept: str, media_type: str) -> None:
    """The format is Prometheus' text, or OpenMetrics for those who prefer it."""
    assert media_type == (await fetch(proxy_of(**METRICS), accept=accept)).headers["content-type"]


async def test_openmetrics_is_valid(stage: Callable[..., Any]) -> None:
    """OpenMetrics' own strict parser reads all of it, with every family and its type."""
    proxy = await _after_one_stream(stage)
    text = (await fetch(proxy, accept="application/openmetrics-text;version=1.0.0")).text
    assert FAMILIES == {family.name: family.type for family in read_openmetrics(text)}  # type: ignore[no-untyped-call]


async def test_the_status_routes_bring_them_along() -> None:
    """The status routes bring them along where they are mounted alone."""
    runtime = Runtime(proxy_of(**METRICS).runtime.snapshot.config)
    assert 200 == (await fetch(Status(runtime))).status_code


async def _after_one_stream(stage: Callable[..., Any]) -> PackyProxy:
    made = stage(config={"metrics": True})
    assert "message_stop" in await made.events(model="gpt-5")
    return await settled(made.proxy)


async def test_a_stream_is_in_every_metric_about_answers(stage: Callable[..., Any]) -> None:
    """An answered stream is in every metric that is about answers, under its provider and model."""
    found = await series(await _after_one_stream(stage))
    target = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "packycode",
        "gen_ai_request_model": "gpt-5",
    }
    counts = {
        "gen_ai_client_operation_duration_seconds_count": {**target, "error_type": ""},
        "gen_ai_client_operation_time_to_first_chunk_seconds_count": target,
        "gen_ai_client_token_usage_count": {**target, "gen_ai_token_type": "output"},
        "gen_ai_server_request_duration_seconds_count": {**target, "error_type": ""},
        "gen_ai_server_time_to_first_token_seconds_count": target,
        "packyproxy_requests_total": {
            "protocol": "messages",
            "provider": "packycode",
            "model": "gpt-5",
            "status": "2xx",
        },
    }
    assert dict.fromkeys(counts, 1.0) == {
        name: value(found, name, **labels) for name, labels in counts.items()
    }
    assert (0.0, 1.0) == (
        value(found, "packyproxy_requests_in_flight"),
        value(found, "packyproxy_first_events_within_2s_ratio"),
    )


async def test_tokens_are_the_upstreams(stage: Callable[..., Any]) -> None:
    """Tokens are the upstream's, and those that are part of others have a type of their own."""
    usage = Usage(input_tokens=1200, output_tokens=57, cached_tokens=1000, reasoning_tokens=20)
    made = stage(Turn("hello", usage=usage), config={"metrics": True})
    await made.events(model="gpt-5")
    found = await series(await settled(made.proxy))
    counted = {labels["type"]: count for labels, count in of_name(found, "packyproxy_tokens_total")}
    sums = {
        labels["gen_ai_token_type"]: count
        for labels, count in of_name(found, "gen_ai_client_token_usage_sum")
    }
    assert {"input": 1200, "cached": 1000, "output": 57, "reasoning": 20} == counted
    assert {"input": 1200, "output": 57} == sums


async def test_a_failover_counts_for_who_was_given_up(ensemble: Callable[..., Any]) -> None:
    """A provider that was given up has a failure and a failover, and its attempt the failure's name."""
    made = ensemble({"a": [Fault.overloaded()] * 9, "b": None}, config=METRICS)
    assert 200 == (await made.ask(model="gpt-5")).status_code
    found = await series(await settled(made.proxy))
    assert (1.0, 0.0) == (
        value(found, "packyproxy_failovers_total", provider="a"),
        value(found, "packyproxy_failovers_total", provider="b"),
    )
    failed = {
        labels["provider"]: labels["failure"]
        for labels, _ in of_name(found, "packyproxy_attempt_failures_total")
    }
    answered = [labels["provider"] for labels, _ in of_name(found, "packyproxy_requests_total")]
    assert ({"a": "overloaded"}, ["b"]) == (failed, answered)
    assert {("a", "overloaded"), ("b", "")} == {
        (labels["gen_ai_provider_name"], labels["error_type"])
        for labels, _ in of_name(found, "gen_ai_client_operation_duration_seconds_count")
    }


async def test_a_refused_key_shows_in_state_breaker_and_count(ensemble: Callable[..., Any]) -> None:
    """A provider that refused its key shows in its state, its breaker and a count."""
    made = ensemble({"a": None}, config=METRICS, upstreams={"a": {"api_key": "another"}})
    await made.ask(model="gpt-5")
    found = await series(made.proxy)
    assert (1.0, 1.0, 0.0, 1.0) == (
        value(found, "packyproxy_credential_failures_total", provider="a"),
        value(found, "packyproxy_breaker_state", provider="a", state="rejected"),
        value(found, "packyproxy_breaker_state", provider="a", state="closed"),
        value(found, "packyproxy_providers", state="key-refused"),
    )


async def test_providers_are_counted_by_state() -> None:
    """Every configured provider is in one state; models are registered of those that are enabled."""
    off = {"name": "off", "base-url": "http://off.test/v1", "api-key": "sk-off-0123456789"}
    unfinished = {"name": "", "enabled": False}
    twin = {**off, "name": "packycode"}
    proxy = proxy_of(**METRICS, tppc={"providers": [off, unfinished, twin]})
    found = await series(proxy)
    states = {labels["state"]: count for labels, count in of_name(found, "packyproxy_providers")}
    assert (1.0, 1.0, 2.0) == (states["ready"], states["disabled"], sum(states.values()))
    models = {labels["provider"]: count for labels, count in of_name(found, "packyproxy_registered_models")}
    assert {"packycode": float(len(proxy.runtime.snapshot.registry.served)), "off": 0.0} == models


async def test_a_client_without_its_key_is_counted() -> None:
    """A client without its key is counted."""
    proxy = proxy_of(**METRICS, **{"api-keys": [KEY]})
    await fetch(proxy, client=REMOTE)
    found = await series(proxy)
    assert (1.0, 0.0) == (
        value(found, "packyproxy_access_denied_total", surface="gateway"),
        value(found, "packyproxy_access_denied_total", surface="management"),
    )


async def test_a_stream_is_in_flight_until_its_end(stage: Callable[..., Any]) -> None:
    """A stream is in flight until its end."""
    made = stage(config=METRICS)
    async with made.stream() as response:
        assert 1.0 == value(await series(made.proxy), "packyproxy_requests_in_flight")
        await response.aread()
    assert 0.0 == value(await series(await settled(made.proxy)), "packyproxy_requests_in_flight")


async def test_two_proxies_count_for_themselves(stage: Callable[..., Any]) -> None:
    """Two proxies of one process count for themselves."""
    await _after_one_stream(stage)
    assert [] == of_name(await series(proxy_of(**METRICS)), "packyproxy_requests_total")


async def test_nothing_is_global(stage: Callable[..., Any]) -> None:
    """The registry that all of a process share stays as it was: it may be the host's."""
    before = {family.name for family in prometheus_client.REGISTRY.collect()}
    await series(await _after_one_stream(stage))
    assert before == {family.name for family in prometheus_client.REGISTRY.collect()}


async def test_a_model_may_be_called_anything(stage: Callable[..., Any]) -> None:
    """A model may be called anything: its name is escaped, and read as it was."""
    name = 'we"ird\\model{x="1"}'
    made = stage(config={**METRICS, "packycode": provider(models=[{"id": name}])})
    await made.ask(model=name)
    found = await series(await settled(made.proxy))
    assert [name] == [labels["model"] for labels, _ in of_name(found, "packyproxy_requests_total")]


async def test_without_the_extra_the_answer_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the answer says how to install it."""
    monkeypatch.delitem(sys.modules, "packyproxy.asgi.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    response = await fetch(proxy_of(**METRICS))
    assert (501, "text/plain; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert "pip install 'packyproxy[metrics]'" in response.text


def test_the_library_is_loaded_when_asked_for() -> None:
    """Neither importing the program nor making a proxy with metrics loads prometheus_client."""
    code = (
        "import sys; from packyproxy import PackyProxy; PackyProxy({'metrics': True}); "
        "print('prometheus_client' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == run.stdout.strip()
