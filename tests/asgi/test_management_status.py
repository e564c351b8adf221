"""``/status``, ``/models`` and ``/audit``: what the proxy says of itself."""

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy import __version__
from packyproxy.app import PackyProxy
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport
from tests.support.settings import provider

KEY = "management-key-0123"
HELLO = {"model": "gpt-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
HASH = "scrypt$2$1$1$MDEyMzQ1Njc4OWFiY2RlZg==$9m5KTbuZ2H4stEizsD65pDVf/PXdxNViBoKblyERrJ0="
"""Of the key, and as easy to check as can be."""
FILE = f"""\
remote-management: {{secret-key: "{HASH}"}}
packycode:
  enabled: true
  base-url: http://upstream.test/v1
  credentials: {{openai-api-key: sk-provider-0123456789}}
tppc:
  providers:
    - {{name: b, enabled: true, base-url: "http://b.test/v1", api-key: sk-b-0123456789, models: [gpt-5, {{id: own, aliases: [mine]}}]}}
    - {{name: c, base-url: "http://c.test/v1"}}
"""


class Panel:
    """Somebody who looks at a proxy over a file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(FILE)
        self.upstream = FakeUpstream("Hello.")
        self.proxy = PackyProxy(self.path, transport=StreamingASGITransport(self.upstream))
        self.client = httpx.AsyncClient(
            transport=StreamingASGITransport(self.proxy),
            base_url="http://proxy.test",
            headers={"x-management-key": KEY},
        )

    async def get(self, path: str, **query: Any) -> Any:
        """Return the answer of a route."""
        response = await self.client.get(f"/v0/management{path}", params=query)
        assert 200 == response.status_code, response.text
        return response.json()

    async def refused(self, path: str, **query: Any) -> tuple[int, str]:
        """Return the refusal of a route."""
        response = await self.client.get(f"/v0/management{path}", params=query)
        return response.status_code, response.json()["error"]

    def save(self, text: str) -> None:
        """Write the file, as if a while ago."""
        self.path.write_text(text)
        os.utime(self.path, (1, 1))


@pytest.fixture
def new_panel(tmp_path: Path) -> Panel:
    """Return somebody who looks at a proxy over a file; made where files may be read."""
    return Panel(tmp_path)


@pytest.fixture
async def panel(new_panel: Panel) -> AsyncIterator[Panel]:
    """Return somebody who looks at a proxy over a file."""
    yield new_panel
    await new_panel.client.aclose()
    await new_panel.proxy.runtime.aclose()


def age(text: str) -> float:
    """Return how many seconds ago a time was that an answer gives."""
    assert text.endswith("Z")
    return datetime.now(UTC).timestamp() - datetime.fromisoformat(text).timestamp()


async def test_status_says_which_program_this_is(panel: Panel) -> None:
    """Version, process and how long it has run."""
    status = await panel.get("/status")
    assert (__version__, os.getpid(), "none") == (status["version"], status["process-id"], status["lifespan"])
    assert 0 <= age(status["started-at"]) < 60
    assert 0 <= status["uptime-seconds"] < 60


async def test_status_says_that_the_lifespan_is_run(panel: Panel) -> None:
    """Under a lifespan background tasks do what requests do without."""
    async with panel.proxy:
        assert "running" == (await panel.get("/status"))["lifespan"]
    assert "none" == (await panel.get("/status"))["lifespan"]


async def test_status_names_the_configuration_in_force(panel: Panel) -> None:
    """By the revision of its text, a running number, and its source."""
    response = await panel.client.get("/v0/management/status")
    status = (await panel.get("/status"))["applied"]
    assert f'"{status["revision"]}"' == response.headers["etag"]
    assert (1, str(panel.path)) == (status["number"], status["source"])
    assert 0 <= age(status["at"]) < 60
    panel.save(FILE + "debug: true\n")
    await panel.proxy.reload()
    later = (await panel.get("/status"))["applied"]
    assert (2, False) == (later["number"], later["revision"] == status["revision"])


async def test_status_sets_what_is_applied_against_what_is_on_disk(panel: Panel) -> None:
    """A broken file is told with every problem, while the configuration before it goes on to hold."""
    before = await panel.get("/status")
    panel.save(FILE + "nonsense: 1\nport: x\n")
    with pytest.raises(Exception, match="nonsense"):
        await panel.proxy.reload()
    after = await panel.get("/status")
    assert (("same", None), "invalid") == ((before["on-disk"], before["last-error"]), after["on-disk"])
    assert ["nonsense", "port"] == [problem["field"] for problem in after["last-error"]["problems"]]
    assert 0 <= age(after["last-error"]["at"]) < 60
    assert before["applied"] == after["applied"]
    panel.save(FILE)
    await panel.proxy.reload()
    mended = await panel.get("/status")
    assert ("same", None) == (mended["on-disk"], mended["last-error"])


async def test_status_of_a_program_s_own_configuration() -> None:
    """Nothing on disk is followed."""
    proxy = PackyProxy({"remote-management": {"secret-key": KEY}})
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(proxy), base_url="http://proxy.test"
    ) as client:
        status = (await client.get("/v0/management/status", headers={"x-management-key": KEY})).json()
    assert ("dict", None) == (status["applied"]["source"], status["on-disk"])
    assert {"configured": 0, "enabled": 0, "states": {}, "key-refused": []} == status["providers"]


async def test_status_counts_providers_and_models(panel: Panel) -> None:
    """Providers by their state; models as clients can ask for them, without variants and aliases."""
    status = await panel.get("/status")
    expected = {"configured": 3, "enabled": 2, "states": {"ready": 2, "disabled": 1}, "key-refused": []}
    assert expected == status["providers"]
    assert len(panel.proxy.runtime.snapshot.registry.models()) == status["models"]


async def test_status_names_who_refused_its_key(tmp_path: Path) -> None:
    """That provider is out until its key changes, so somebody has to know."""
    proxy = PackyProxy(
        {"remote-management": {"secret-key": KEY}, "packycode": provider()},
        transport=StreamingASGITransport(FakeUpstream(Fault.unauthorized())),
    )
    async with httpx.AsyncClient(
        transport=StreamingASGITransport(proxy),
        base_url="http://proxy.test",
        headers={"x-management-key": KEY},
    ) as client:
        await client.post("/v1/messages", json=HELLO)
        status = (await client.get("/v0/management/status")).json()
    await proxy.runtime.aclose()
    assert {"key-refused": 1} == status["providers"]["states"]
    assert ["packycode"] == status["providers"]["key-refused"]


async def test_status_counts_requests(panel: Panel) -> None:
    """All, those that failed, those in flight, and the share of those that began within two seconds."""
    assert {"total": 0, "failed": 0, "in-flight": 0, "first-event-within-2-s": None} == (
        await panel.get("/status")
    )["requests"]
    for model in ("gpt-5", "gpt-5", "c/gpt-5"):
        await panel.client.post("/v1/messages", json={**HELLO, "model": model})
    requests = (await panel.get("/status"))["requests"]
    while requests["in-flight"]:  # its client has the answer a moment before a request has ended
        requests = (await panel.get("/status"))["requests"]
    assert {"total": 3, "failed": 1, "in-flight": 0, "first-event-within-2-s": 1.0} == requests


async def test_models_are_listed_with_who_serves_them(panel: Panel) -> None:
    """Variants and aliases too, in the shape of OpenAI's list."""
    listed = await panel.get("/models")
    providers = {entry["id"]: entry["providers"] for entry in listed["data"]}
    assert "list" == listed["object"]
    assert {"id", "object", "created", "owned_by", "providers"} == set(listed["data"][0])
    assert (["packycode", "b"], ["packycode", "b"]) == (providers["gpt-5"], providers["gpt-5-high"])
    assert (["packycode"], ["b"], ["b"]) == (providers["gpt-5-codex"], providers["own"], providers["mine"])


async def test_models_are_those_that_clients_see(panel: Panel) -> None:
    """The ids are the ones of ``GET /v1/models``, in its order."""
    seen = (await panel.client.get("/v1/models")).json()
    assert [entry["id"] for entry in seen["data"]] == [
        entry["id"] for entry in (await panel.get("/models"))["data"]
    ]


@pytest.mark.parametrize(
    ("name", "has"), [("b", {"gpt-5", "own", "mine"}), ("c", set()), ("nobody", set()), ("", set())]
)
async def test_models_of_one_provider(panel: Panel, name: str, has: set[str]) -> None:
    """One that is disabled or not there has none, which is no error."""
    listed = (await panel.get("/models", provider=name))["data"]
    ids = {entry["id"] for entry in listed}
    assert has == ids - {each for each in ids if each.rpartition("-")[0] in {"gpt-5", "own"}}
    assert all(name in entry["providers"] for entry in listed)


async def test_the_audit_trail_is_shown_newest_first(panel: Panel) -> None:
    """With what has happened to the configuration and the providers."""
    await panel.get("/status")
    panel.save(FILE.replace("name: c,", "name: c, enabled: true, api-key: sk-c-0123456789,"))
    await panel.proxy.reload()
    events = (await panel.get("/audit"))["events"]
    assert {"at", "event", "provider", "detail"} == set(events[0])
    assert [event["at"] for event in events] == sorted((event["at"] for event in events), reverse=True)
    assert ("provider_enabled", "c") in [(event["event"], event["provider"]) for event in events]
    assert "sk-c-0123456789" not in str(events)


async def test_the_audit_trail_can_be_searched(panel: Panel) -> None:
    """By the name of the event, the provider, and how many."""
    for address in range(3):
        panel.proxy.runtime.audit.management_refused(f"192.0.2.{address}")
    found = (await panel.get("/audit", event="management_auth_failed", limit=2))["events"]
    assert ["192.0.2.2", "192.0.2.1"] == [event["detail"]["address"] for event in found]
    about = (await panel.get("/audit", provider="b"))["events"]
    assert {"b"} == {event["provider"] for event in about}
    assert [] == (await panel.get("/audit", provider="nobody"))["events"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "x"},
        {"limit": ""},
        {"limit": "٣"},
        {"event": "nothing"},
    ],
    ids=lambda query: "-".join(next(iter(query.items()))),
)
async def test_a_wrong_search_is_refused(panel: Panel, query: dict[str, str]) -> None:
    """It is 400, and not an empty result that looks like a quiet day."""
    assert (400, "invalid_query") == await panel.refused("/audit", **query)


async def test_a_clock_that_was_set_back_makes_no_negative_uptime(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's clock may be corrected after the start."""
    await panel.get("/status")
    started = time.time()
    monkeypatch.setattr(panel.proxy.runtime, "started_at", started + 3600)
    assert 0 == (await panel.get("/status"))["uptime-seconds"]
