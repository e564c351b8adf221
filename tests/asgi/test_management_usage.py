"""``/tps`` and ``/usage``: speeds and sums of what was really asked and answered."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from packyproxy.testing import Fault, Turn
from tests.support.records import attempt, tokens

KEY = "management-key-0123"
CLIENT_KEY = "client-key-0123456789"
SETTINGS: dict[str, Any] = {"remote-management": {"secret-key": KEY}, "api-keys": [CLIENT_KEY]}
SHOWN = {"x-management-key": KEY}
HELLO = {"model": "gpt-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}


class Panel:
    """Somebody who asks two providers and then looks at the figures."""

    def __init__(self, ensemble: Any) -> None:
        self.client: httpx.AsyncClient = ensemble.client
        self.runtime = ensemble.proxy.runtime

    async def ask(self, model: str = "gpt-5", **fields: Any) -> int:
        """Send one Messages request, and return its status once it has ended for the proxy too."""
        headers = {"x-api-key": CLIENT_KEY}
        response = await self.client.post(
            "/v1/messages", json={**HELLO, "model": model, **fields}, headers=headers
        )
        while (await self.get("/status"))["requests"]["in-flight"]:
            pass
        return response.status_code

    def sample(self, provider: str, model: str, *, completion: int, seconds_ago: float = 0) -> None:
        """Note an attempt of one second that ended so long ago; its total is twice its completion."""
        record = attempt(
            provider=provider,
            model=model,
            sent_at=self.runtime.now() - seconds_ago - 1,
            duration_seconds=1.0,
            stream_seconds=1.0,
            tokens=tokens(completion, completion),
        )
        self.runtime.recorder.attempt_ended(record, base_url="http://a.test", is_log_wanted=False)

    async def get(self, path: str, **query: str) -> Any:
        """Return the answer of a route."""
        response = await self.client.get(f"/v0/management{path}", params=query, headers=SHOWN)
        assert 200 == response.status_code, response.text
        return response.json()

    async def tps(self, **query: str) -> Any:
        """Return what ``/tps`` has."""
        return (await self.get("/tps", **query))["tps"]


@pytest.fixture
def panel(ensemble: Callable[..., Any]) -> Panel:
    """Return somebody who looks at the figures of providers a and b, of which a fails first."""
    scripts = {"a": [Fault.overloaded(), "From a.", "From a."], "b": Turn("From b.")}
    return Panel(ensemble(scripts, config={**SETTINGS, "request-retry": 0}))


def summary(count: int, avg: float | None, median: float | None, p95: float | None) -> dict[str, Any]:
    return {"count": count, "avg": avg, "median": median, "p95": p95}


NOTHING = summary(0, None, None, None)


async def test_without_samples_there_is_nothing_to_average(panel: Panel) -> None:
    """Nothing is not zero."""
    assert {"since": None, "completion": NOTHING, "total": NOTHING} == await panel.tps()


async def test_an_answer_is_a_sample(panel: Panel) -> None:
    """A failed attempt is none; who answered in its place is."""
    assert 200 == await panel.ask()
    found = await panel.tps(group="provider")
    assert (1, ["b"]) == (found["completion"]["count"], [group["provider"] for group in found["groups"]])
    assert found["total"]["avg"] > 0


async def test_speeds_are_summarised(panel: Panel) -> None:
    """Count, average, median and 95th percentile of what is kept."""
    for completion in range(1, 21):
        panel.sample("a", "gpt-5", completion=completion)
    found = await panel.tps()
    assert (summary(20, 10.5, 10.5, 19.0), summary(20, 21.0, 21.0, 38.0)) == (
        found["completion"],
        found["total"],
    )
    assert found["since"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "completions"),
    [
        ({}, [10, 20, 30, 40]),
        ({"window": "30s"}, [10]),
        ({"window": "5m"}, [10, 20]),
        ({"window": "1h30m"}, [10, 20, 30]),
        ({"window": "2h"}, [10, 20, 30, 40]),
        ({"provider": "a"}, [10, 30]),
        ({"model": "own"}, [30, 40]),
        ({"provider": "b", "model": "gpt-5"}, [20]),
        ({"provider": "b", "window": "5m"}, [20]),
        ({"provider": "nobody"}, []),
        ({"model": "nothing"}, []),
    ],
    ids=lambda value: "-".join(value.values()) or "all" if isinstance(value, dict) else "",
)
async def test_samples_are_selected(panel: Panel, query: dict[str, str], completions: list[int]) -> None:
    """By age, provider and model; what is not known has none, and is no error."""
    panel.sample("b", "own", completion=40, seconds_ago=7000)
    panel.sample("a", "own", completion=30, seconds_ago=5000)
    panel.sample("b", "gpt-5", completion=20, seconds_ago=200)
    panel.sample("a", "gpt-5", completion=10, seconds_ago=5)
    found = (await panel.tps(**query))["completion"]
    average = sum(completions) / len(completions) if completions else None
    assert (len(completions), average) == (found["count"], found["avg"])


async def test_the_window_says_when_it_begins(panel: Panel) -> None:
    """With one it is that long ago; without one, it is the oldest sample."""
    panel.sample("a", "gpt-5", completion=1, seconds_ago=120)
    ages = [
        datetime.now(UTC).timestamp()
        - datetime.fromisoformat((await panel.tps(**query))["since"]).timestamp()
        for query in ({}, {"window": "1h"})
    ]
    assert [120, 3600] == [round(age / 10) * 10 for age in ages]


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("provider", [{"provider": "a"}, {"provider": "b"}]),
        ("model", [{"model": "gpt-5"}, {"model": "own"}]),
        ("provider,model", [{"provider": "a", "model": "gpt-5"}, {"provider": "b", "model": "own"}]),
        ("model,provider", [{"provider": "a", "model": "gpt-5"}, {"provider": "b", "model": "own"}]),
    ],
)
async def test_groups_are_told_apart(panel: Panel, group: str, names: list[dict[str, str]]) -> None:
    """Each with its own summaries, in the order of their names."""
    panel.sample("b", "own", completion=40)
    panel.sample("a", "gpt-5", completion=10)
    found = (await panel.tps(group=group))["groups"]
    rest = [
        {"completion": summary(1, speed, speed, speed), "total": summary(1, 2 * speed, 2 * speed, 2 * speed)}
        for speed in (10.0, 40.0)
    ]
    assert [{**name, **figures} for name, figures in zip(names, rest, strict=True)] == found


@pytest.mark.parametrize(
    "query",
    [
        {"window": ""},
        {"window": "0s"},
        {"window": "5"},
        {"window": "m5"},
        {"window": "30m1h"},
        {"window": "-1h"},
        {"window": "1.5h"},
        {"window": "31d"},
        {"window": "9" * 5000 + "s"},
        {"group": ""},
        {"group": "key"},
        {"group": "provider,"},
        {"windows": "5m"},
    ],
    ids=lambda query: str(query)[:30],
)
async def test_a_wrong_question_is_refused(panel: Panel, query: dict[str, str]) -> None:
    """It is 400, and says how to ask, without repeating what was asked."""
    response = await panel.client.get("/v0/management/tps", params=query, headers=SHOWN)
    assert (400, "invalid_query") == (response.status_code, response.json()["error"])
    assert "999" not in response.text


async def test_usage_adds_up(panel: Panel) -> None:
    """Requests, failures and tokens, in total and in each breakdown."""
    assert [200, 200] == [await panel.ask(), await panel.ask()]
    usage = (await panel.get("/usage"))["usage"]
    assert (2, 0, 3) == tuple(usage["total"][key] for key in ("requests", "failures", "attempts"))
    assert usage["total"]["input-tokens"] > 0
    for key in ("providers", "models", "days", "client-keys"):
        assert 2 == sum(row["requests"] for row in usage[key]), key
        tokens = [sum(row[count] for row in usage[key]) for count in ("input-tokens", "output-tokens")]
        assert [usage["total"]["input-tokens"], usage["total"]["output-tokens"]] == tokens


async def test_usage_tells_who_failed(panel: Panel) -> None:
    """An attempt that failed counts for its provider, although the client was served."""
    await panel.ask()
    usage = (await panel.get("/usage"))["usage"]
    failed = {row["provider"]: row["failed-attempts"] for row in usage["providers"]}
    assert {"overloaded": 1} == failed["a"]
    assert {} == usage["failures"]


async def test_usage_shows_no_key(panel: Panel) -> None:
    """A client key is known by its mask."""
    await panel.ask()
    response = await panel.client.get("/v0/management/usage", headers=SHOWN)
    assert ["***6789"] == [row["key"] for row in response.json()["usage"]["client-keys"]]
    assert CLIENT_KEY not in response.text


async def test_the_management_api_counts_for_nothing(panel: Panel) -> None:
    """Looking at the figures does not change them."""
    before = await panel.get("/usage")
    for path in ("/tps", "/status", "/usage"):
        await panel.get(path)
    assert before == await panel.get("/usage")
