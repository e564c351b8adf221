"""Law: a canary put in any content or key appears in no log, metric, error, traceback or answer about it."""

import logging

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import config_from_mapping
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from packyproxy.testing.privacy.proof import SCENARIOS, overlooked, play
from packyproxy.testing.privacy.stage import Scenario

CANARY = "c4n4ry-7f3a91"
SETTINGS = {
    "api-keys": [f"{CANARY}-client"],
    "packycode": {
        "enabled": True,
        "base-url": "http://upstream.test/v1",
        "credentials": {"openai-api-key": f"sk-{CANARY}-key"},
        "headers": {"x-relay-token": CANARY},
        "proxy-url": f"http://user:{CANARY}@proxy.test:3128",
    },
    "remote-management": {"secret-key": f"{CANARY}-management"},
}


@pytest.mark.virtual_time
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_nothing_leaks(scenario: Scenario) -> None:
    """Whatever happens, and wherever it could be seen; and it happens as it is told."""
    played = await play(PackyProxy, [scenario])
    assert ((), ()) == (played.leaks, played.failed)


@pytest.mark.virtual_time
async def test_every_watcher_sees() -> None:
    """A leak that is planted in a place is found there, so the law does not hold by blindness."""
    assert () == await overlooked(PackyProxy)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "place",
    ["packyproxy.runtime.serving.exchange.make_plan", "packyproxy.transcode.Transcoder.feed"],
    ids=["plan", "writer"],
)
async def test_a_bug_is_logged_without_its_message(
    place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it happened and what kind it is; an exception's text may quote content."""

    def explode(*_: object, **__: object) -> None:
        raise ValueError(CANARY)

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(place, explode)
    proxy = PackyProxy(SETTINGS, transport=StreamingASGITransport(FakeUpstream("never seen")))
    transport = StreamingASGITransport(proxy)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy.test") as client:
        answer = await client.post(
            "/v1/responses",
            json={"model": "gpt-5", "input": CANARY},
            headers={"x-api-key": f"{CANARY}-client"},
        )
    text = "\n".join(str(vars(record)) for record in caplog.records if record.name == "packyproxy")
    assert (500, "internal error") == (answer.status_code, answer.json()["error"]["message"])
    assert "ValueError" in text
    assert CANARY not in text


def test_a_configuration_can_be_shown() -> None:
    """``repr`` of everything built from it masks keys, header values and proxy URLs."""
    config = config_from_mapping(SETTINGS)
    proxy = PackyProxy(config)
    assert CANARY not in repr(config) + repr(proxy.runtime.snapshot)
