"""Ask one provider whether it answers, with the settings in force or with others, and act on what it says.

For a provider in force the answer counts as one to a client would: after a success it is asked again whatever
was held against it, a failure may make it rest, and a refused key takes it out of service.
"""

import asyncio
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.config import Config, ProviderConfig
from packyproxy.errors import Failure, FailureKind, InvalidRequest, Problem
from packyproxy.providers.provider import Provider
from packyproxy.runtime.examination.trial import tried_candidate, try_out
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.translate.failures import transport_failure

__all__ = ["Probe", "missing_settings", "probe"]

_LONGEST_SECONDS: Final = 90.0
"""With all repairs; whoever asks for a probe waits for it."""


class Probe(Struct, frozen=True, kw_only=True):
    """What came of it; holds no content."""

    seconds: float
    failure: Failure | None = None
    """None after a whole answer."""


def missing_settings(place: str, config: ProviderConfig) -> tuple[Problem, ...]:
    """Return what a provider lacks that cannot be asked as it is configured; empty when it can.

    Args:
        place: the provider's path in the configuration.
        config: its settings, enabled or not.
    """
    key = "credentials.openai-api-key" if config.kind == "packycode" else "api-key"
    lacks = {
        "base-url": not config.base_url,
        key: config.requires_openai_auth and config.api_key is None,
    }
    return tuple(
        Problem(
            field=f"{place}.{name}",
            code="missing",
            message="is missing",
            fix="without it the provider cannot be asked",
        )
        for name, is_lacking in lacks.items()
        if is_lacking
    )


async def probe(runtime: Runtime, config: ProviderConfig) -> Probe:
    """Ask a provider for two words; raises for nothing that the provider does.

    Args:
        runtime: whose connections and memory are used.
        config: complete settings, of a provider in force or of one that may become so.
    """
    provider = Provider.from_config(config)
    in_force = runtime.snapshot.providers.get(config.name) == provider
    snapshot = runtime.snapshot
    if not in_force:
        snapshot = Snapshot.build(Config(providers=(replace(config, enabled=True),)))
    asked_at = runtime.monotonic()
    model, failure = await _ask(runtime, snapshot, provider)
    seconds = runtime.monotonic() - asked_at
    if model is not None:
        runtime.provider_notes.note_trial(provider.id, failure, at=runtime.now())
    if in_force and failure is None:
        runtime.routing.restore([provider])
    elif in_force and failure is not None and model is not None:
        await runtime.routing.failed(
            provider,
            model,
            failure,
            is_probe=False,
            seconds_ago=seconds,
            longest_cooldown_seconds=snapshot.config.max_retry_interval,
        )
    return Probe(seconds=seconds, failure=failure)


async def _ask(runtime: Runtime, snapshot: Snapshot, provider: Provider) -> tuple[str | None, Failure | None]:
    """Return which model was asked for, None if there is none to ask for, and what went wrong."""
    try:
        candidate = tried_candidate(snapshot, provider.name)
    except InvalidRequest as error:
        return None, Failure(kind=FailureKind.MODEL_NOT_FOUND, message=error.reason)
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            trial = await try_out(runtime, provider, candidate)
    except TimeoutError:
        return candidate.model, transport_failure(FailureKind.TOTAL_TIMEOUT)
    return candidate.model, trial.failure
