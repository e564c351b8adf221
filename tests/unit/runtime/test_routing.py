"""What routing remembers of providers, and how that changes who is asked."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from packyproxy.config.schema import RoutingConfig
from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.provider import Provider
from packyproxy.registry.resolve import Candidate, Resolution
from packyproxy.runtime.plan import Plan
from packyproxy.runtime.routing import Routing
from packyproxy.store.memory import MemoryStore
from packyproxy.translate.protocols import PROTOCOLS

FILL_FIRST = RoutingConfig()


class Clock:
    """Unix seconds that move when they are told to."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def plan_of(*names: str, session: str = "s1") -> Plan:
    """Return a plan with one candidate for each name."""
    candidates = tuple(
        Candidate(provider=name, model="gpt-5", efforts=("low",), context_window=1000, reasons=())
        for name in names
    )
    providers = tuple(
        Provider(id=f"id-{name}", name=name, base_url="http://x", api_key=None, reasoning_scope="x")
        for name in names
    )
    return Plan(
        protocol=PROTOCOLS["messages"](),
        resolution=Resolution(requested="gpt-5", candidates=candidates),
        providers=providers,
        session=session,
    )


@pytest.fixture
def clock() -> Clock:
    """Return a clock that a test moves."""
    return Clock()


@pytest.fixture
def routing(clock: Clock) -> Routing:
    """Return a routing that knows nothing yet."""
    return Routing(MemoryStore(clock=clock), now=clock)


async def fail(
    routing: Routing, plan: Plan, index: int, kind: FailureKind, *, is_probe: bool = False
) -> None:
    """Report a failure of one candidate."""
    await routing.failed(
        plan.providers[index],
        "gpt-5",
        Failure(kind=kind),
        is_probe=is_probe,
        seconds_ago=0.0,
        longest_cooldown_seconds=30,
    )


async def order(routing: Routing, plan: Plan, config: RoutingConfig = FILL_FIRST) -> list[str]:
    """Return the names of who would be asked."""
    choice = await routing.choose(plan, config)
    return [plan.providers[index].name for index in choice.order]


async def test_a_cooldown_ends(routing: Routing, clock: Clock) -> None:
    """A candidate that failed is passed over for a second, after a second failure for two."""
    plan = plan_of("a", "b", session="")
    without_affinity = RoutingConfig(session_affinity=False)
    for seconds in (1, 2, 4):
        await fail(routing, plan, 0, FailureKind.SERVER_ERROR)
        clock.now += seconds - 0.1
        assert ["b"] == await order(routing, plan, without_affinity)
        clock.now += 0.1
        assert ["a", "b"] == await order(routing, plan, without_affinity)


async def test_a_success_clears_the_record(routing: Routing, clock: Clock) -> None:
    """After a success the next failure is a first one again."""
    plan = plan_of("a")
    for _ in range(4):
        await fail(routing, plan, 0, FailureKind.SERVER_ERROR)
        clock.now += 60
    await routing.succeeded(plan, 0, FILL_FIRST)
    tried = await routing.failed(
        plan.providers[0],
        "gpt-5",
        Failure(kind=FailureKind.SERVER_ERROR),
        is_probe=False,
        seconds_ago=0.0,
        longest_cooldown_seconds=30,
    )
    assert clock.now + 1 == tried.available_at


async def test_a_success_leaves_a_running_rest_alone(routing: Routing, clock: Clock) -> None:
    """It was sent before the rest began, so it says nothing about a quota that was used up since."""
    plan = plan_of("a")
    await fail(routing, plan, 0, FailureKind.QUOTA)
    await routing.succeeded(plan, 0, FILL_FIRST)
    assert [] == await order(routing, plan)


async def test_the_breaker_holds_for_all_models(routing: Routing, clock: Clock) -> None:
    """Five failures shut the provider, and the record says until when."""
    plan = plan_of("a")
    for _ in range(5):
        await fail(routing, plan, 0, FailureKind.UNREACHABLE)
    choice = await routing.choose(plan, FILL_FIRST)
    assert () == choice.order
    assert clock.now + 30 == routing.passed_over(plan, choice.passed[0]).available_at
    assert not await routing.can_serve(plan.providers)


async def test_one_probe_at_a_time(routing: Routing, clock: Clock) -> None:
    """Of two requests that could probe a provider one does; a dropped probe leaves room for the next."""
    plan = plan_of("a")
    provider = plan.providers[0]
    for _ in range(5):
        await fail(routing, plan, 0, FailureKind.UNREACHABLE)
    clock.now += 30
    assert frozenset({0}) == (await routing.choose(plan, FILL_FIRST)).probes
    assert await routing.claim_probe(provider) is None
    refused = await routing.claim_probe(provider)
    assert refused is not None
    assert (False, FailureKind.UNREACHABLE) == (refused.was_asked, refused.failure.kind)
    await routing.release_probe(provider)
    assert await routing.claim_probe(provider) is None
    await routing.succeeded(plan, 0, FILL_FIRST)
    assert frozenset() == (await routing.choose(plan, FILL_FIRST)).probes


@pytest.mark.virtual_time
async def test_a_claim_that_is_cancelled_keeps_no_probe(clock: Clock) -> None:
    """The client may leave while the store answers; then the next request may probe."""

    class SlowStore(MemoryStore):
        async def replace(self, *args: Any, **options: Any) -> bool:
            is_set = await super().replace(*args, **options)
            await asyncio.sleep(1)
            return is_set

    routing, plan = Routing(SlowStore(clock=clock), now=clock), plan_of("a")
    for _ in range(5):
        await fail(routing, plan, 0, FailureKind.UNREACHABLE)
    clock.now += 30
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await routing.claim_probe(plan.providers[0])
    assert await routing.claim_probe(plan.providers[0]) is None


async def test_a_probe_that_is_answered_otherwise_is_no_verdict(routing: Routing, clock: Clock) -> None:
    """A quota at the probe leaves the breaker half-open, and the next request may probe."""
    plan = plan_of("a")
    for _ in range(5):
        await fail(routing, plan, 0, FailureKind.UNREACHABLE)
    clock.now += 30
    await routing.claim_probe(plan.providers[0])
    await fail(routing, plan, 0, FailureKind.INVALID_REQUEST, is_probe=True)
    assert await routing.claim_probe(plan.providers[0]) is None


async def test_a_refused_key_shuts_for_good(routing: Routing, clock: Clock) -> None:
    """Neither time, nor a health check, nor an answer that began before lifts a rejected key."""
    plan = plan_of("a")
    await fail(routing, plan, 0, FailureKind.CREDENTIALS_REJECTED)
    clock.now += 86_400
    await routing.check_passed(plan.providers[0])
    await routing.succeeded(plan, 0, FILL_FIRST)
    choice = await routing.choose(plan, FILL_FIRST)
    assert [(FailureKind.CREDENTIALS_REJECTED, None)] == [
        (passed.kind, passed.available_at) for passed in choice.passed
    ]


async def test_failed_health_checks_open_the_breaker(routing: Routing) -> None:
    """They count as failures of requests do."""
    plan = plan_of("a", "b")
    for _ in range(5):
        await routing.check_failed(plan.providers[0], Failure(kind=FailureKind.UNREACHABLE))
    assert ["b"] == await order(routing, plan)


@pytest.mark.parametrize(
    ("is_kept", "expected"), [(True, ["b", "a"]), (False, ["a", "b"])], ids=["affinity", "none"]
)
async def test_affinity_is_an_option(routing: Routing, is_kept: bool, expected: list[str]) -> None:
    """A session returns to who served it last, unless that is switched off."""
    plan, config = plan_of("a", "b"), RoutingConfig(session_affinity=is_kept)
    await routing.choose(plan, config)
    await routing.succeeded(plan, 1, config)
    assert expected == await order(routing, plan, config)


async def test_failures_together_are_one(routing: Routing, clock: Clock) -> None:
    """Requests that were under way when the first of them failed do not shut the provider between them."""
    provider = plan_of("a").providers[0]
    for number in range(9):
        clock.now += 0.1
        await routing.failed(
            provider,
            "gpt-5",
            Failure(kind=FailureKind.UNREACHABLE),
            is_probe=False,
            seconds_ago=number * 0.1 + 0.05,
            longest_cooldown_seconds=0,
        )
    assert await routing.can_serve([provider])


async def test_a_provider_that_comes_back_starts_afresh(routing: Routing) -> None:
    """Switched on again, it is asked, whatever was the verdict; a rest that it asked for is kept."""
    plan = plan_of("a", "b")
    await fail(routing, plan, 0, FailureKind.CREDENTIALS_REJECTED)
    await fail(routing, plan, 1, FailureKind.QUOTA)
    assert [] == await order(routing, plan)
    routing.restore(plan.providers)
    assert await routing.can_serve(plan.providers)
    assert ["a"] == await order(routing, plan)


async def test_sessions_that_lose_their_provider_take_turns(routing: Routing) -> None:
    """They do not all fall on the same one."""
    config = RoutingConfig(strategy="round-robin")
    plans = [plan_of("a", "b", "c", session=f"s{number}") for number in range(4)]
    for plan in plans:
        await routing.succeeded(plan, 2, config)
    await fail(routing, plans[0], 2, FailureKind.SERVER_ERROR)
    assert ["a", "b", "a", "b"] == [(await order(routing, plan, config))[0] for plan in plans]


async def test_affinity_lasts_an_hour_after_the_last_use(routing: Routing, clock: Clock) -> None:
    """Each use begins the hour anew; then the session is like a new one."""
    plan = plan_of("a", "b")
    await routing.succeeded(plan, 1, FILL_FIRST)
    clock.now += 3599
    assert ["b", "a"] == await order(routing, plan)
    await routing.succeeded(plan, 1, FILL_FIRST)
    clock.now += 3599
    assert ["b", "a"] == await order(routing, plan)
    clock.now += 3600
    assert ["a", "b"] == await order(routing, plan)


async def test_a_new_session_holds_its_provider_at_once(routing: Routing) -> None:
    """Requests that run at the same time go where the first one of their session went."""
    config = RoutingConfig(strategy="round-robin")
    assert [["a", "b"]] * 2 == [await order(routing, plan_of("a", "b"), config) for _ in range(2)]
    assert ["b", "a"] == await order(routing, plan_of("a", "b", session="s2"), config)


async def test_the_quickest_is_asked_first(routing: Routing) -> None:
    """Under least-latency the measured times decide."""
    plan = plan_of("a", "b")
    config = RoutingConfig(strategy="least-latency", session_affinity=False)
    routing.answered_after(plan.providers[0], "gpt-5", 2.0)
    routing.answered_after(plan.providers[1], "gpt-5", 1.0)
    assert ["b", "a"] == await order(routing, plan, config)


async def test_no_verdict_is_lost_when_two_come_at_once(clock: Clock) -> None:
    """A store in which somebody always writes first still ends up with both failures counted."""

    class Contested(MemoryStore):
        """A store where another worker reports a failure before our first writing."""

        intruder: Callable[..., object] | None = None

        async def replace(
            self, key: str, value: bytes | None, *, instead_of: bytes | None, expires_in_seconds: float
        ) -> bool:
            intruder, self.intruder = self.intruder, None
            if intruder is not None:
                await other.check_failed(provider, Failure(kind=FailureKind.UNREACHABLE))
            return await super().replace(
                key, value, instead_of=instead_of, expires_in_seconds=expires_in_seconds
            )

    store = Contested(clock=clock)
    ours, other = Routing(store, now=clock), Routing(store, now=clock)
    provider = plan_of("a").providers[0]
    for _ in range(3):
        await ours.check_failed(provider, Failure(kind=FailureKind.UNREACHABLE))
    store.intruder = print
    await ours.check_failed(provider, Failure(kind=FailureKind.UNREACHABLE))
    assert not await ours.can_serve([provider])


@pytest.fixture
def workers(clock: Clock) -> tuple[Routing, Routing]:
    """Return the routings of two processes that share nothing but a store."""
    store = MemoryStore(clock=clock)
    return Routing(store, now=clock), Routing(store, now=clock)


async def test_workers_share_rests(workers: tuple[Routing, Routing], clock: Clock) -> None:
    """Who rests for one rests for the other; a success that either sees ends the counting for both."""
    one, other = workers
    plan = plan_of("a", "b", session="")
    without_affinity = RoutingConfig(session_affinity=False)
    await fail(one, plan, 0, FailureKind.SERVER_ERROR)
    assert ["b"] == await order(other, plan, without_affinity)
    clock.now += 1
    assert ["a", "b"] == await order(other, plan, without_affinity)
    await other.succeeded(plan, 0, without_affinity)
    await fail(one, plan, 0, FailureKind.SERVER_ERROR)
    clock.now += 1
    assert ["a", "b"] == await order(one, plan, without_affinity)


async def test_workers_share_the_breaker_and_its_probe(
    workers: tuple[Routing, Routing], clock: Clock
) -> None:
    """Failures count together whoever sees them, and only one of the two may probe."""
    one, other = workers
    plan = plan_of("a")
    for number in range(5):
        await fail(workers[number % 2], plan, 0, FailureKind.UNREACHABLE)
    assert [False, False] == [await each.can_serve(plan.providers) for each in workers]
    clock.now += 30
    assert await one.claim_probe(plan.providers[0]) is None
    assert await other.claim_probe(plan.providers[0]) is not None
    await one.probe_answers(plan.providers[0])
    assert ["a"] == await order(other, plan)


async def test_workers_share_sessions(workers: tuple[Routing, Routing]) -> None:
    """A session returns to its provider whichever process gets its next request."""
    one, other = workers
    plan = plan_of("a", "b")
    await one.succeeded(plan, 1, FILL_FIRST)
    assert ["b", "a"] == await order(other, plan)


async def test_workers_share_what_an_upstream_said(workers: tuple[Routing, Routing]) -> None:
    """Who meets a rest that another process began can tell the error that it began with."""
    one, other = workers
    plan = plan_of("a")
    failure = Failure(kind=FailureKind.QUOTA, status=429, error_object=b'{"type":"usage_limit_reached"}')
    await one.failed(
        plan.providers[0], "gpt-5", failure, is_probe=False, seconds_ago=0.0, longest_cooldown_seconds=30
    )
    choice = await other.choose(plan, FILL_FIRST)
    told = other.passed_over(plan, choice.passed[0]).failure
    assert (429, b'{"type":"usage_limit_reached"}') == (told.status, told.error_object)
