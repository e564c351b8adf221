"""Discovery (``discover-models``): ask providers what they serve, for the registry.

At start, after every reload and then hourly; nothing waits for it. What was known stays known when a provider
does not answer; a new base URL or key makes it another provider, of whom nothing is known.
"""

import asyncio
import logging

from packyproxy.errors import Failure
from packyproxy.providers.provider import Provider
from packyproxy.runtime.background.reload_signal import ReloadSignal
from packyproxy.runtime.background.tasks import RuntimeView
from packyproxy.runtime.model_list import ModelList, fetch_models

__all__ = ["run_discovery"]

_ROUND_SECONDS = 3600.0

_log = logging.getLogger("packyproxy")


async def run_discovery(runtime: RuntimeView) -> None:
    """Keep the registry told of what the providers list, until cancelled; does nothing while it is off."""
    found = _Found()
    async with ReloadSignal(runtime) as reloads:
        while True:
            config = runtime.snapshot.config
            providers = tuple(runtime.snapshot.providers.values()) if config.discover_models else ()
            outcomes = await asyncio.gather(*(_ask(runtime, provider) for provider in providers))
            for provider, outcome in zip(providers, outcomes, strict=True):
                found.take(provider, outcome)
            if runtime.snapshot.config is config:
                runtime.set_discovered(found.models(providers))
            await reloads.wait(_ROUND_SECONDS if providers else None)


class _Found:
    """What each provider listed when it last answered."""

    def __init__(self) -> None:
        self._models: dict[str, tuple[str, ...]] = {}
        self._silent: set[str] = set()

    def take(self, provider: Provider, outcome: ModelList | Failure) -> None:
        """Remember an answer; log a failure, once until there is an answer again."""
        if isinstance(outcome, ModelList):
            self._models[provider.id] = outcome.models
            self._silent.discard(provider.id)
        elif provider.id not in self._silent:
            self._silent.add(provider.id)
            _log_failure(provider, outcome)

    def models(self, providers: tuple[Provider, ...]) -> dict[str, tuple[str, ...]]:
        """Return what is known of these providers, by name; all others are forgotten."""
        ids = {provider.id for provider in providers}
        self._models = {key: models for key, models in self._models.items() if key in ids}
        self._silent &= ids
        return {
            provider.name: self._models[provider.id] for provider in providers if provider.id in self._models
        }


async def _ask(runtime: RuntimeView, provider: Provider) -> ModelList | Failure:
    return await fetch_models(runtime.upstream(provider), provider, version=runtime.version)


def _log_failure(provider: Provider, failure: Failure) -> None:
    _log.info(
        "discovery: %s did not list its models (%s)",
        provider.name,
        failure.kind.value,
        extra={
            "event": "discovery_failed",
            "provider": provider.name,
            "failure": failure.kind.value,
            "status": failure.status,
        },
    )
