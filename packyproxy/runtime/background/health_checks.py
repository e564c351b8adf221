"""Active health checks (``health-check``): ask each enabled provider for its models, every so often.

A check costs no tokens. What it finds goes to ``runtime.routing``: a provider that is ill is left out before
a client has to wait for it, and one that is well again is asked again. Providers are checked independently of
each other and not all at the same moment. A reload takes effect at once.
"""

import asyncio
import logging
from collections.abc import Iterable

from packyproxy.errors import Failure
from packyproxy.providers.provider import Provider
from packyproxy.runtime.background.reload_signal import ReloadSignal
from packyproxy.runtime.background.tasks import RuntimeView
from packyproxy.runtime.model_list import ModelList, Verdict, fetch_models, verdict_on

__all__ = ["CheckSchedule", "run_health_checks"]

_LONGEST_STAGGER_SECONDS = 5.0

_log = logging.getLogger("packyproxy")


class CheckSchedule:
    """Which provider is checked when; pure, times are seconds on one clock.

    The first check of a provider comes within a tenth of the interval (5 s at most), at a moment that follows
    from its id; the others, one interval after the other.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def due(self, providers: Iterable[Provider], *, interval: float, now: float) -> list[Provider]:
        """Return who is to be checked now, and count them as checked."""
        present = {provider.id: provider for provider in providers}
        self._last = {
            provider_id: self._last.get(provider_id, now - interval + _stagger(provider_id, interval))
            for provider_id in present
        }
        due = [provider for provider in present.values() if self._last[provider.id] + interval <= now]
        self._last |= dict.fromkeys((provider.id for provider in due), now)
        return due

    def seconds_left(self, *, interval: float, now: float) -> float | None:
        """Return how long nobody is to be checked; None when there is nobody."""
        return max(0.0, min(self._last.values()) + interval - now) if self._last else None


async def run_health_checks(runtime: RuntimeView) -> None:
    """Check the providers of the configuration in force until cancelled; does nothing while it is off."""
    schedule = CheckSchedule()
    verdicts: dict[str, Verdict] = {}
    checking: set[str] = set()

    async def check(provider: Provider) -> None:
        checking.add(provider.id)
        try:
            outcome = await fetch_models(runtime.upstream(provider), provider, version=runtime.version)
            verdict = verdict_on(outcome)
            if not isinstance(outcome, Failure):
                await runtime.routing.check_passed(provider)
            elif verdict is Verdict.ILL:
                runtime.provider_notes.note_trial(provider.id, outcome, at=runtime.now())
                await runtime.routing.check_failed(provider, outcome)
            if verdicts.get(provider.id, Verdict.WELL) is not verdict:
                _log_verdict(provider, verdict, outcome)
            verdicts[provider.id] = verdict
        finally:
            checking.discard(provider.id)

    async with ReloadSignal(runtime) as reloads, asyncio.TaskGroup() as group:
        while True:
            snapshot, now = runtime.snapshot, runtime.monotonic()
            settings = snapshot.config.health_check
            providers = snapshot.providers.values() if settings.enabled else ()
            for provider in schedule.due(providers, interval=settings.interval, now=now):
                if provider.id not in checking:
                    group.create_task(check(provider))
            for gone in verdicts.keys() - {provider.id for provider in providers}:
                del verdicts[gone]
            await reloads.wait(schedule.seconds_left(interval=settings.interval, now=runtime.monotonic()))


def _stagger(provider_id: str, interval: float) -> float:
    """Spread providers over the start of an interval, always in the same way."""
    return int(provider_id, 16) % 1000 / 1000 * min(interval / 10, _LONGEST_STAGGER_SECONDS)


def _log_verdict(provider: Provider, verdict: Verdict, outcome: ModelList | Failure) -> None:
    reason = outcome.kind.value if isinstance(outcome, Failure) else None
    _log.info(
        "health check: %s is %s%s",
        provider.name,
        verdict.value,
        f" ({reason})" if reason else "",
        extra={
            "event": "health_check",
            "provider": provider.name,
            "verdict": verdict.value,
            "failure": reason,
        },
    )
