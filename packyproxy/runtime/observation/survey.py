"""How every configured provider stands: what the configuration, routing and the notes say, put together."""

from collections.abc import Mapping

from msgspec import Struct

from packyproxy.config import ProviderConfig
from packyproxy.providers.health import Breaker, Cooldown, ProviderState, available_at, state_of
from packyproxy.providers.provider import Provider
from packyproxy.registry.provider_models import ProviderModels
from packyproxy.runtime.observation.provider_notes import LastError, ProviderNotes
from packyproxy.runtime.routing import Condition
from packyproxy.runtime.runtime import Runtime

__all__ = ["ProviderReport", "survey"]


class ProviderReport(Struct, frozen=True, kw_only=True):
    """How one provider stands at this moment; times are Unix seconds."""

    place: str
    """Its path in the configuration, e.g. ``tppc.providers[0]``."""
    config: ProviderConfig
    state: ProviderState
    breaker: Breaker
    rests: Mapping[str, Cooldown]
    """Those under way, by model."""
    asked_again_at: float | None
    """When its last rest is over and its breaker lets a probe through; None: at once, or never."""
    latency_seconds: float | None
    """Until first content; None if it was not measured in the last minutes."""
    last_error: LastError | None
    models: tuple[str, ...]
    """Upstream ids, those that it lists itself last; also of one that is disabled."""
    is_key_accepted: bool | None
    """None: not known, or no key is needed."""
    key_checked_at: float | None

    @property
    def name(self) -> str:
        """What clients and operators call it; empty for an entry that is not finished."""
        return self.config.name


async def survey(runtime: Runtime) -> tuple[ProviderReport, ...]:
    """Report on every provider of the configuration in force, in its order."""
    snapshot, now, notes = runtime.snapshot, runtime.now(), runtime.provider_notes
    listed = {models.name: models for models in snapshot.registry.providers}
    subjects = [
        _Subject(place, config, Provider.from_config(config), _model_ids(config, listed))
        for place, config in snapshot.config.places
    ]
    conditions = await runtime.routing.conditions([(each.provider, each.models) for each in subjects])
    return tuple(
        _report(
            subject,
            condition,
            notes.of(subject.provider.id),
            latency_seconds=notes.latency_seconds(subject.provider.id, now),
            now=now,
        )
        for subject, condition in zip(subjects, conditions, strict=True)
    )


class _Subject(Struct, frozen=True):
    place: str
    config: ProviderConfig
    provider: Provider
    models: tuple[str, ...]


def _model_ids(config: ProviderConfig, listed: Mapping[str, ProviderModels]) -> tuple[str, ...]:
    models = listed[config.name] if config.enabled else ProviderModels.build(config)
    return tuple(model.id for model in models.models.values())


def _report(
    subject: _Subject,
    condition: Condition,
    notes: ProviderNotes,
    *,
    latency_seconds: float | None,
    now: float,
) -> ProviderReport:
    health, rests, config = condition.health, condition.rests, subject.config
    times = (available_at(health, now), *(rest.until for rest in rests.values()))
    is_key_accepted, key_checked_at = notes.is_key_accepted, notes.key_checked_at
    if health.breaker is Breaker.REJECTED:  # perhaps another process has found that out
        is_key_accepted, key_checked_at = False, max(health.since, key_checked_at or 0.0)
    if not config.requires_openai_auth:
        is_key_accepted = key_checked_at = None
    return ProviderReport(
        place=subject.place,
        config=config,
        state=state_of(health, is_enabled=config.enabled, is_resting=bool(rests)),
        breaker=health.breaker,
        rests=rests,
        asked_again_at=max(filter(None, times), default=None),
        latency_seconds=latency_seconds,
        last_error=notes.last_error,
        models=subject.models,
        is_key_accepted=is_key_accepted,
        key_checked_at=key_checked_at,
    )
