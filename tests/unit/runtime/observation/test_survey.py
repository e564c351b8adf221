"""How every configured provider stands, put together from all that is known."""

from collections.abc import Mapping
from typing import Any

import pytest

from packyproxy.config import config_from_mapping
from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.health import Breaker, ProviderState
from packyproxy.runtime.observation.survey import ProviderReport, survey
from packyproxy.runtime.routing import Routing
from packyproxy.runtime.runtime import Runtime
from packyproxy.store.memory import MemoryStore
from packyproxy.usage.records import AttemptRecord

_NOW = 1_000_000.0
_A: Mapping[str, Any] = {
    "name": "a",
    "enabled": True,
    "base-url": "http://a.test/v1",
    "api-key": "sk-a-0123456789",
    "models": ["gpt-5"],
}


class StoppedRuntime(Runtime):
    """One whose clock stands still."""

    def now(self) -> float:
        """Return the same moment always."""
        return _NOW


def runtime_of(*entries: Mapping[str, Any], **settings: Any) -> Runtime:
    """Return a runtime with some entries of ``tppc.providers``."""
    config = config_from_mapping({"tppc": {"providers": [dict(entry) for entry in entries]}, **settings})
    return StoppedRuntime(config)


async def fail(runtime: Runtime, kind: FailureKind, *, times: int = 1, model: str = "gpt-5") -> None:
    """Let provider ``a`` fail some times in a row."""
    for _ in range(times):
        await runtime.routing.failed(
            runtime.snapshot.providers["a"],
            model,
            Failure(kind=kind, retry_after_seconds=60 if kind is FailureKind.RATE_LIMIT else None),
            is_probe=False,
            seconds_ago=0.0,
            longest_cooldown_seconds=0,
        )


async def only(runtime: Runtime) -> ProviderReport:
    """Return the report on the only provider."""
    (report,) = await survey(runtime)
    return report


async def test_every_provider_is_reported_in_the_order_of_the_file() -> None:
    """The block comes first, then the list; disabled and unfinished ones are there too."""
    block = {"enabled": False, "priority": 1}
    runtime = runtime_of({**_A, "priority": 5}, {"name": ""}, packycode=block)
    found = [(report.place, report.name, report.state.value) for report in await survey(runtime)]
    assert [
        ("packycode", "packycode", "disabled"),
        ("tppc.providers[0]", "a", "ready"),
        ("tppc.providers[1]", "", "disabled"),
    ] == found


@pytest.mark.parametrize(
    ("kind", "times", "state", "breaker", "asked_again_in"),
    [
        pytest.param(FailureKind.RATE_LIMIT, 1, ProviderState.RESTING, Breaker.CLOSED, 60, id="resting"),
        pytest.param(FailureKind.UNREACHABLE, 5, ProviderState.OPEN, Breaker.OPEN, 30, id="open"),
        pytest.param(
            FailureKind.CREDENTIALS_REJECTED,
            1,
            ProviderState.KEY_REFUSED,
            Breaker.REJECTED,
            None,
            id="rejected",
        ),
    ],
)
async def test_state_after_failures(
    kind: FailureKind, times: int, state: ProviderState, breaker: Breaker, asked_again_in: float | None
) -> None:
    """The word follows the breaker, then the rests; the time is when all of it is over."""
    runtime = runtime_of(_A)
    await fail(runtime, kind, times=times)
    report = await only(runtime)
    expected_at = None if asked_again_in is None else _NOW + asked_again_in
    assert (state, breaker, expected_at) == (report.state, report.breaker, report.asked_again_at)


@pytest.mark.parametrize("model", ["gpt-5", "passed-on"])
async def test_rests_are_found(model: str) -> None:
    """Also that of a model which the provider does not list."""
    runtime = runtime_of(_A)
    await fail(runtime, FailureKind.RATE_LIMIT, model=model)
    rests = (await only(runtime)).rests
    assert {model: _NOW + 60} == {name: rest.until for name, rest in rests.items()}


async def test_a_restored_provider_is_ready_before_it_is_asked() -> None:
    """Whoever looks sees what the next request will meet."""
    runtime = runtime_of(_A)
    await fail(runtime, FailureKind.CREDENTIALS_REJECTED)
    runtime.routing.restore(runtime.snapshot.providers.values())
    assert ProviderState.READY is (await only(runtime)).state


async def test_a_key_that_another_process_saw_refused_is_not_valid() -> None:
    """The breaker is shared, the notes are not."""
    runtime = runtime_of(_A)
    await fail(runtime, FailureKind.CREDENTIALS_REJECTED)
    report = await only(runtime)
    assert (False, _NOW) == (report.is_key_accepted, report.key_checked_at)


async def test_without_a_key_there_is_no_verdict_on_it() -> None:
    """A provider that needs none has answered without."""
    runtime = runtime_of({**_A, "requires-openai-auth": False})
    runtime.provider_notes.note_trial(runtime.snapshot.providers["a"].id, None, at=_NOW)
    report = await only(runtime)
    assert (None, None) == (report.is_key_accepted, report.key_checked_at)


async def test_notes_and_latency_are_told() -> None:
    """The report holds what was noted under the provider's id."""
    runtime = runtime_of(_A)
    provider = runtime.snapshot.providers["a"]
    attempt = AttemptRecord(
        request_id="req_1",
        protocol="chat",
        provider="a",
        provider_id=provider.id,
        model="gpt-5",
        is_streaming=False,
        sent_at=_NOW - 6,
        duration_seconds=1,
        first_output_seconds=0.25,
        failure=FailureKind.TRUNCATED,
    )
    runtime.provider_notes.note(attempt)
    report = await only(runtime)
    assert report.last_error is not None
    assert (FailureKind.TRUNCATED, _NOW - 5, 0.25) == (
        report.last_error.kind,
        report.last_error.at,
        report.latency_seconds,
    )


@pytest.mark.parametrize("enabled", [True, False], ids=["enabled", "disabled"])
async def test_models_are_those_it_would_serve(*, enabled: bool) -> None:
    """A disabled provider shows what enabling it would bring."""
    runtime = runtime_of({**_A, "enabled": enabled, "models": ["gpt-5", "own-model"]})
    assert ("gpt-5", "own-model") == (await only(runtime)).models


async def test_discovered_models_are_told() -> None:
    """What a provider lists itself is among its models."""
    runtime = runtime_of({**_A, "models": ["gpt-5", "extra-*"]})
    runtime.set_discovered({"a": ("extra-1",)})
    assert ("gpt-5", "extra-1") == (await only(runtime)).models


async def test_two_entries_that_are_alike_are_two_reports() -> None:
    """Twins share what is known of them."""
    twin = {**_A, "enabled": False}
    runtime = runtime_of(twin, twin)
    assert ["tppc.providers[0]", "tppc.providers[1]"] == [report.place for report in await survey(runtime)]


async def test_rested_models_are_bounded() -> None:
    """Model names may come from clients; what is forgotten is the listing alone."""
    routing = Routing(MemoryStore(clock=lambda: _NOW), now=lambda: _NOW)
    provider = runtime_of({**_A, "models": None}).snapshot.providers["a"]
    for number in range(1100):
        await routing.failed(
            provider,
            f"m{number}",
            Failure(kind=FailureKind.RATE_LIMIT, retry_after_seconds=60),
            is_probe=False,
            seconds_ago=0.0,
            longest_cooldown_seconds=30,
        )
    (condition,) = await routing.conditions([(provider, ())])
    assert len(condition.rests) <= 1024
