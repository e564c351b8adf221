"""Asking one provider whether it answers."""

from typing import Any

import pytest
from msgspec.structs import replace

from packyproxy.config import ProviderConfig, Secret, config_from_mapping
from packyproxy.errors import FailureKind
from packyproxy.runtime.examination.probe import missing_settings, probe
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport
from tests.support.settings import provider

_KEY = Secret("sk-0123456789")
_URL = "http://upstream.test/v1"


def runtime_before(upstream: FakeUpstream, **block: Any) -> Runtime:
    """Return a runtime whose only provider leads to a scripted upstream."""
    config = config_from_mapping({"packycode": provider(**block)})
    return Runtime(config, transport=StreamingASGITransport(upstream))


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        pytest.param("packycode", {"base_url": _URL, "api_key": _KEY}, [], id="complete"),
        pytest.param("tppc", {"base_url": _URL, "requires_openai_auth": False}, [], id="needs no key"),
        pytest.param(
            "packycode", {}, ["place.base-url", "place.credentials.openai-api-key"], id="empty block"
        ),
        pytest.param("tppc", {"base_url": _URL}, ["place.api-key"], id="entry without a key"),
    ],
)
def test_missing_settings(kind: Any, fields: dict[str, Any], expected: list[str]) -> None:
    """Without a URL, and a key where one is needed, there is no asking."""
    problems = missing_settings("place", ProviderConfig(kind=kind, name="p", **fields))
    assert expected == [problem.field for problem in problems]


async def test_settings_that_are_not_in_force_are_asked_with() -> None:
    """What becomes of it says nothing about the provider in force."""
    upstream = FakeUpstream("OK", api_key="sk-provider-0123456789")
    runtime = runtime_before(upstream)
    (in_force,) = runtime.snapshot.config.providers
    outcome = await probe(runtime, replace(in_force, api_key=_KEY))
    assert outcome.failure is not None
    assert (FailureKind.CREDENTIALS_REJECTED, True) == (
        outcome.failure.kind,
        await runtime.routing.can_serve(tuple(runtime.snapshot.providers.values())),
    )
    await runtime.aclose()


async def test_a_model_is_asked_for_at_its_lowest_effort() -> None:
    """Two words need no thought."""
    upstream = FakeUpstream("OK")
    runtime = runtime_before(upstream, models=[{"id": "gpt-5", "efforts": ["low", "high"]}])
    await probe(runtime, runtime.snapshot.config.providers[0])
    sent = upstream.last_request.body
    assert ("gpt-5", "low") == (sent["model"], sent["reasoning"]["effort"])
    await runtime.aclose()


@pytest.mark.virtual_time
async def test_all_repairs_together_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked is waiting."""
    monkeypatch.setattr("packyproxy.runtime.examination.probe._LONGEST_SECONDS", 20.0)
    runtime = runtime_before(FakeUpstream(Fault.stall("OK", after_events=0)))
    outcome = await probe(runtime, runtime.snapshot.config.providers[0])
    assert outcome.failure is not None
    assert (FailureKind.TOTAL_TIMEOUT, 20.0) == (outcome.failure.kind, outcome.seconds)
    await runtime.aclose()
