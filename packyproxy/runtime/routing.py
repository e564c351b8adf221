"""Who is asked, and how it went: the decisions of ``providers.choose`` and ``providers.health``, carried out.

What workers share (breakers, cooldowns, the provider of each session) is read from the store and changed
there by compare-and-set, so that no verdict is lost when two come at once. Times are Unix seconds.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256

from msgspec import Struct

from packyproxy.config.schema import RoutingConfig
from packyproxy.errors import Failure, FailureKind, Tried
from packyproxy.providers.choose import Choice, Passed, Standing, choose
from packyproxy.providers.health import (
    HEALTHY,
    Admission,
    Breaker,
    Cooldown,
    ProviderHealth,
    Refusal,
    Signal,
    admission,
    available_at,
    decode_cooldown,
    decode_health,
    encode_cooldown,
    encode_health,
    health_expires_in_seconds,
    next_cooldown,
    next_health,
)
from packyproxy.providers.latency import Latencies
from packyproxy.providers.provider import Provider
from packyproxy.runtime.observation.audit import Audit
from packyproxy.runtime.plan import Plan
from packyproxy.store.contract import Store
from packyproxy.translate.failure_table import FAILURES

__all__ = ["Condition", "Routing"]

_AFFINITY_SECONDS = 3600.0
_MOST_CLASHES = 16
"""Verdicts on one provider that came between reading its state and writing it; then ours is dropped."""
_MOST_NOTED = 1024
"""Providers; a reload may make new ones."""
_MOST_TURNS = 256
"""Sets of providers that take turns; a reload may make new ones."""
_MOST_RESTED = 1024
"""Pairs of provider and model; model names may come from clients."""
_ALONE = Choice(order=(0,))


class Condition(Struct, frozen=True, kw_only=True):
    """How one provider fares at this moment."""

    health: ProviderHealth = HEALTHY
    rests: Mapping[str, Cooldown]
    """Those under way, by model."""


class Routing:
    """The memory of how providers fare, and the order in which they are asked.

    Args:
        store: where that memory is kept.
        now: the clock, in Unix seconds.
        audit: told when a breaker changes its state; one of its own by default.
    """

    def __init__(self, store: Store, *, now: Callable[[], float], audit: Audit | None = None) -> None:
        self._store = store
        self._now = now
        self._audit = audit or Audit(now=now)
        self._latencies = Latencies()
        self._turns: dict[tuple[str, ...], int] = {}
        self._noted: set[str] = set()
        """Ids of the providers of which the store may hold a verdict; of all others no success is news."""
        self._restored: dict[str, Provider] = {}
        """Providers that were switched on and not asked since, by their ids."""
        self._rested: dict[tuple[str, str], None] = {}
        """Ids of providers and models that were given a rest, over or not: the store cannot list them."""

    async def choose(self, plan: Plan, routing: RoutingConfig) -> Choice:
        """Decide in which order the plan's candidates are asked; the first one keeps the session."""
        if self._restored:
            await self._start_afresh()
        providers, candidates = plan.providers, plan.resolution.candidates
        if len(providers) == 1:
            return await self._choose_one(providers[0], candidates[0].model)
        keys = [
            key
            for provider, candidate in zip(providers, candidates, strict=True)
            for key in (_health_key(provider.id), _cooldown_key(provider.id, candidate.model))
        ]
        if routing.session_affinity:
            keys.append(_affinity_key(plan))
        values = await self._store.read(keys)
        now = self._now()
        kept_by = values.pop() if routing.session_affinity else None
        preferred = kept_by.decode("ascii", "replace") if kept_by is not None else None
        standings = [
            self._standing(provider, candidate.model, values[2 * index], values[2 * index + 1], now)
            for index, (provider, candidate) in enumerate(zip(providers, candidates, strict=True))
        ]
        arrange = partial(choose, standings, strategy=routing.strategy, preferred=preferred, now=now)
        choice = arrange(turn=self._next_turn(providers) if preferred is None else 0)
        if preferred is not None and choice.order and providers[choice.order[0]].id != preferred:
            # A session that has lost its provider takes its turn like a new one: all go different ways.
            choice = arrange(turn=self._next_turn(providers))
        if routing.session_affinity and preferred is None and choice.order:
            await self._keep_session(plan, providers[choice.order[0]])
        return choice

    async def _choose_one(self, provider: Provider, model: str) -> Choice:
        """Decide whether a lone candidate is asked, as cheaply as most requests deserve."""
        health, cooldown = await self._store.read(
            [_health_key(provider.id), _cooldown_key(provider.id, model)]
        )
        if health is None and cooldown is None:
            return _ALONE
        now = self._now()
        standing = self._standing(provider, model, health, cooldown, now)
        return choose([standing], strategy="fill-first", preferred=None, turn=0, now=now)

    def _standing(
        self, provider: Provider, model: str, health: bytes | None, cooldown: bytes | None, now: float
    ) -> Standing:
        if health is not None or cooldown is not None:
            self._note(provider)
        return Standing(
            provider=provider.id,
            name=provider.name,
            priority=provider.priority,
            weight=provider.weight,
            latency_seconds=self._latencies.of(provider.id, model, now),
            health=decode_health(health),
            cooldown=decode_cooldown(cooldown),
        )

    def restore(self, providers: Iterable[Provider]) -> None:
        """Forget verdicts on providers that come into force; rests that they asked for are kept.

        May be called on any thread; it holds from the next request on.
        """
        self._restored.update((provider.id, provider) for provider in providers)

    async def _start_afresh(self) -> None:
        while True:
            try:
                _, provider = self._restored.popitem()
            except KeyError:  # another thread may have taken the last one
                return
            await self._signal(provider, Signal.RESTORED)

    async def claim_probe(self, provider: Provider) -> Tried | None:
        """Take the one probe that a half-open breaker admits; returns a record when somebody else has it."""
        key = _health_key(provider.id)
        health = HEALTHY
        for _ in range(_MOST_CLASHES):
            before = (await self._store.read([key]))[0]
            health, now = decode_health(before), self._now()
            match admission(health, now):
                case Admission.ADMITTED:
                    return None
                case Admission.SHUT:
                    break
                case Admission.PROBE:
                    try:
                        if await self._change(provider, key, before, Signal.PROBE_SENT, None, now):
                            return None
                    except BaseException:
                        await self.release_probe(provider)  # the store may have taken it already
                        raise
        kind = health.kind or FailureKind.UNAVAILABLE
        return _passed_over(provider, kind, available_at(health, self._now()))

    async def release_probe(self, provider: Provider) -> None:
        """Give back a probe whose client left before there was a verdict."""
        await self._signal(provider, Signal.PROBE_DROPPED)

    async def succeeded(
        self, plan: Plan, index: int, routing: RoutingConfig, *, takes_session: bool = True
    ) -> None:
        """Take note of a whole answer: the candidate is well, and its session stays with it.

        Args:
            plan: the request's.
            index: who answered.
            routing: whether sessions stay at all.
            takes_session: False if somebody else was skipped only because of what this one request needs.
        """
        provider, model = plan.providers[index], plan.resolution.candidates[index].model
        if provider.id in self._noted:
            await self._clear(provider, model)
        if takes_session and routing.session_affinity and len(plan.providers) > 1:
            await self._keep_session(plan, provider)

    async def _clear(self, provider: Provider, model: str) -> None:
        """Take back what a success disproves."""
        self._noted.discard(provider.id)
        health_key, cooldown_key = _health_key(provider.id), _cooldown_key(provider.id, model)
        health, cooldown = await self._store.read([health_key, cooldown_key])
        if health is not None:
            await self._signal(provider, Signal.SUCCESS)
        rest = decode_cooldown(cooldown)
        if rest is not None and rest.is_over(self._now()):
            # One that is not over has begun after this request was sent: it may be a quota of hours.
            await self._store.replace(cooldown_key, None, instead_of=cooldown, expires_in_seconds=0)

    async def failed(
        self,
        provider: Provider,
        model: str,
        failure: Failure,
        *,
        is_probe: bool,
        seconds_ago: float,
        longest_cooldown_seconds: float,
    ) -> Tried:
        """Take note of a failure that ended the asking of one candidate; returns the record of it.

        Args:
            provider: who was asked.
            model: the upstream's model id.
            failure: the last one, after repairs and repeats.
            is_probe: whether the one probe of a half-open breaker was claimed for this.
            seconds_ago: when the attempt began that failed last.
            longest_cooldown_seconds: the limit of cooldowns that the upstream did not ask for.
        """
        kind = failure.kind
        self._note(provider)
        resting_until = await self._cool_down(provider, model, failure, longest_cooldown_seconds)
        if kind is FailureKind.CREDENTIALS_REJECTED:
            await self._signal(provider, Signal.KEY_REFUSED, kind)
        elif FAILURES[kind].trips_breaker:
            health = await self._signal(provider, Signal.FAILURE, kind, asked_at=self._now() - seconds_ago)
            shut_until = available_at(health, self._now())
            resting_until = max(filter(None, (resting_until, shut_until)), default=None)
        elif is_probe:
            await self.release_probe(provider)  # it answered, which is no verdict on its health
        return Tried(provider=provider.name, failure=failure, available_at=resting_until)

    async def probe_answers(self, provider: Provider) -> None:
        """Take note that a probe shows content: others need not wait until its answer is whole."""
        await self._signal(provider, Signal.SUCCESS)

    async def check_passed(self, provider: Provider) -> None:
        """Take note of a health check that went well; a refused key stays refused."""
        await self._signal(provider, Signal.SUCCESS)

    async def check_failed(self, provider: Provider, failure: Failure) -> None:
        """Take note of a health check that found the provider ill."""
        self._note(provider)
        await self._signal(provider, Signal.FAILURE, failure.kind)

    def answered_after(self, provider: Provider, model: str, seconds: float) -> None:
        """Take note of how long a candidate took to show its first content."""
        self._latencies.note(provider.id, model, seconds, self._now())

    async def can_serve(self, providers: Sequence[Provider]) -> bool:
        """Tell whether any of these providers may be asked at this moment."""
        return bool(await self.available(providers))

    async def available(self, providers: Sequence[Provider]) -> list[Provider]:
        """Return those that may be asked at this moment, for all that is known of their health."""
        if self._restored:
            await self._start_afresh()
        now = self._now()
        states = await self._store.read([_health_key(provider.id) for provider in providers])
        return [
            provider
            for provider, state in zip(providers, states, strict=True)
            if admission(decode_health(state), now) is not Admission.SHUT
        ]

    async def conditions(self, providers: Sequence[tuple[Provider, Collection[str]]]) -> list[Condition]:
        """Return how each of several providers fares.

        Args:
            providers: each with the models it lists. The rest of another is known if this process gave it.
        """
        if self._restored:
            await self._start_afresh()
        ids = {provider.id for provider, _ in providers}
        targets = [(provider.id, model) for provider, models in providers for model in models]
        targets += [target for target in self._rested.copy() if target[0] in ids]
        values = await self._store.read(
            [
                *(_health_key(provider.id) for provider, _ in providers),
                *(_cooldown_key(*target) for target in targets),
            ]
        )
        now = self._now()
        rests: dict[str, dict[str, Cooldown]] = {provider_id: {} for provider_id in ids}
        for (provider_id, model), value in zip(targets, values[len(providers) :], strict=True):
            rest = decode_cooldown(value)
            if rest is not None and not rest.is_over(now):
                rests[provider_id][model] = rest
        return [
            Condition(health=decode_health(value), rests=rests[provider.id])
            for (provider, _), value in zip(providers, values[: len(providers)], strict=True)
        ]

    def passed_over(self, plan: Plan, passed: Passed) -> Tried:
        """Return the record of a candidate that was not asked."""
        provider = plan.providers[passed.index]
        return _passed_over(provider, passed.kind, passed.available_at, passed.refusal)

    def _note(self, provider: Provider) -> None:
        """Remember that a success of this provider would be news; a forgotten one is noted when asked."""
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted.add(provider.id)

    def _next_turn(self, providers: Sequence[Provider]) -> int:
        """Count the requests that the same providers could serve: every such set takes turns of its own."""
        among = tuple(provider.id for provider in providers)
        turn = self._turns.get(among, 0)
        if len(self._turns) >= _MOST_TURNS:
            self._turns.clear()
        self._turns[among] = turn + 1
        return turn

    async def _keep_session(self, plan: Plan, provider: Provider) -> None:
        await self._store.write(
            _affinity_key(plan), provider.id.encode(), expires_in_seconds=_AFFINITY_SECONDS
        )

    async def _cool_down(
        self, provider: Provider, model: str, failure: Failure, longest_seconds: float
    ) -> float | None:
        """Let a candidate rest as its failure demands; returns until when, None for not at all."""
        key = _cooldown_key(provider.id, model)
        for _ in range(_MOST_CLASHES):
            stored = (await self._store.read([key]))[0]
            before, now = decode_cooldown(stored), self._now()
            after = next_cooldown(before, failure, longest_seconds=longest_seconds, now=now)
            if after is None:
                return None
            if after == before or await self._store.replace(
                key,
                encode_cooldown(after),
                instead_of=stored,
                expires_in_seconds=after.expires_in_seconds(now),
            ):
                self._note_rest(provider, model)
                return None if after.is_over(now) else after.until
        return None

    def _note_rest(self, provider: Provider, model: str) -> None:
        if len(self._rested) >= _MOST_RESTED:
            self._rested.clear()
        self._rested[provider.id, model] = None

    async def _signal(
        self,
        provider: Provider,
        signal: Signal,
        kind: FailureKind | None = None,
        asked_at: float | None = None,
    ) -> ProviderHealth:
        """Give a provider's state one signal; returns the state it is in then."""
        key = _health_key(provider.id)
        health = HEALTHY
        for _ in range(_MOST_CLASHES):
            before = (await self._store.read([key]))[0]
            if after := await self._change(provider, key, before, signal, kind, self._now(), asked_at):
                return after
            health = decode_health(before)
        return health

    async def _change(
        self,
        provider: Provider,
        key: str,
        before: bytes | None,
        signal: Signal,
        kind: FailureKind | None,
        now: float,
        asked_at: float | None = None,
    ) -> ProviderHealth | None:
        """Move a provider's state on; None when another verdict came in between."""
        health = decode_health(before)
        after = next_health(health, signal, now=now, kind=kind, asked_at=asked_at)
        if after == health:
            return after
        value = None if after == HEALTHY else encode_health(after)
        if not await self._store.replace(
            key, value, instead_of=before, expires_in_seconds=health_expires_in_seconds(after)
        ):
            return None
        if after.breaker is not health.breaker:
            self._audit.breaker(provider.name, health.breaker.value, after.breaker.value, kind)
            if after.breaker is Breaker.REJECTED:
                self._audit.key_refused(provider.name)
        return after


def _passed_over(
    provider: Provider, kind: FailureKind, at: float | None, refusal: Refusal | None = None
) -> Tried:
    failure = Failure(
        kind=kind,
        message=FAILURES[kind].text,
        status=refusal.status if refusal is not None else None,
        error_object=refusal.error_object if refusal is not None else None,
    )
    return Tried(provider=provider.name, failure=failure, was_asked=False, available_at=at)


def _health_key(provider_id: str) -> str:
    return f"health:{provider_id}"


def _cooldown_key(provider_id: str, model: str) -> str:
    return f"cooldown:{provider_id}:{model}"


def _affinity_key(plan: Plan) -> str:
    """Name a session at its model: caches and reasoning are per model, and so may be who serves it."""
    text = f"{plan.resolution.candidates[0].model}\0{plan.session}"
    return f"affinity:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
