"""In which order the candidates of a request are asked, and which are passed over for now; pure.

What a provider is known for comes first: one that rests, or whose breaker is open, is not asked. A lone
candidate is, if its rest is only our own: there is nobody to prefer meanwhile. Of the others, the one that
serves the session goes first while it is well; then the higher priority counts, and the strategy decides
between equals. Whoever comes later in the order is asked when those before have failed.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from math import gcd
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from packyproxy.config.schema import RoutingStrategy
from packyproxy.errors import FailureKind
from packyproxy.providers.health import (
    HEALTHY,
    Admission,
    Cooldown,
    ProviderHealth,
    Refusal,
    admission,
    available_at,
)

__all__ = ["Choice", "Passed", "Standing", "choose"]

_MOST_ROUNDS: Final = 64
"""Sets of weights whose rounds are kept; there is one for each group of providers that can serve together."""


class Standing(Struct, frozen=True, kw_only=True):
    """What is known of one candidate when a request comes."""

    provider: str
    """The provider's id."""
    name: str
    priority: int = 0
    weight: int = 1
    """At least 1."""
    latency_seconds: float | None = None
    """To first content, lately; None if nobody knows."""
    health: ProviderHealth = HEALTHY
    cooldown: Cooldown | None = None


class Passed(Struct, frozen=True, kw_only=True):
    """A candidate that is not asked this time."""

    index: int
    """Among the standings."""
    kind: FailureKind
    """What it is passed over for."""
    available_at: float | None
    """Unix seconds from which it is worth asking; None where only a change of its configuration helps."""
    refusal: Refusal | None = None
    """How its upstream asked for the rest, as far as that is known."""


class Choice(Struct, frozen=True, kw_only=True):
    """Who is asked; every standing is in ``order`` or in ``passed``."""

    order: tuple[int, ...]
    """Indexes among the standings, first to last."""
    passed: tuple[Passed, ...] = ()
    probes: frozenset[int] = frozenset()
    """Those of ``order`` that may only be asked by who has claimed the one probe of their breaker."""


def choose(
    standings: Sequence[Standing], *, strategy: RoutingStrategy, preferred: str | None, turn: int, now: float
) -> Choice:
    """Decide who is asked for a request, and in which order.

    Args:
        standings: the candidates; under ``fill-first``, and wherever nothing else decides, in this order.
        strategy: who comes first among candidates of equal priority.
        preferred: id of the provider that has served the session so far. A provider that needs a probe is not
            preferred: it is no longer well, and its place is that of any other.
        turn: the number of the request, counted by the caller for the strategies that take turns.
        now: Unix seconds.
    """
    able: list[int] = []
    passed: list[Passed] = []
    probes: list[int] = []
    for index, standing in enumerate(standings):
        admitted = admission(standing.health, now)
        cooldown = standing.cooldown
        is_resting = (
            cooldown is not None
            and not cooldown.is_over(now)
            and not (cooldown.is_own and len(standings) == 1)
        )
        if is_resting or admitted is Admission.SHUT:
            passed.append(_passed(index, standing, now))
            continue
        able.append(index)
        if admitted is Admission.PROBE:
            probes.append(index)
    if len(able) > 1:
        able = _in_order(able, standings, strategy, turn)
        first = next((i for i in able if standings[i].provider == preferred and i not in probes), None)
        if first is not None:
            able.remove(first)
            able.insert(0, first)
    return Choice(order=tuple(able), passed=tuple(passed), probes=frozenset(probes))


def _passed(index: int, standing: Standing, now: float) -> Passed:
    """Say why a candidate is passed over: for whichever of its breaker and its rest keeps it longest."""
    health, cooldown = standing.health, standing.cooldown
    is_shut = admission(health, now) is Admission.SHUT
    opens_at = available_at(health, now)
    if (
        cooldown is None
        or cooldown.is_over(now)
        or (is_shut and (opens_at is None or opens_at > cooldown.until))
    ):
        return Passed(index=index, kind=health.kind or FailureKind.UNAVAILABLE, available_at=opens_at)
    return Passed(index=index, kind=cooldown.kind, available_at=cooldown.until, refusal=cooldown.refusal)


def _in_order(
    able: list[int], standings: Sequence[Standing], strategy: RoutingStrategy, turn: int
) -> list[int]:
    """Order those that can serve: by priority, and within one by strategy."""

    def priority(index: int) -> int:
        return -standings[index].priority

    arrange = _ARRANGEMENTS[strategy]
    ordered: list[int] = []
    for _, group in groupby(sorted(able, key=priority), key=priority):
        equals = list(group)
        ordered += arrange(equals, standings, turn) if len(equals) > 1 else equals
    return ordered


def _as_given(equals: list[int], _: Sequence[Standing], __: int) -> list[int]:
    return equals


def _rotated(equals: list[int], _: Sequence[Standing], turn: int) -> list[int]:
    start = turn % len(equals)
    return equals[start:] + equals[:start]


def _by_weight(equals: list[int], standings: Sequence[Standing], turn: int) -> list[int]:
    """Give each its share of the first places; the heavier then go before the lighter."""
    weights = tuple(standings[index].weight for index in equals)
    places = _round(weights)
    first = equals[places[turn % len(places)]]
    rest = [index for index in equals if index != first]
    return [first, *sorted(rest, key=lambda index: -standings[index].weight)]


@lru_cache(_MOST_ROUNDS)
def _round(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return one round of turns: each candidate as often as it weighs, and its turns spread evenly.

    The k-th of w turns is wished for at (k + 1/2) / w of the round; who wishes earlier is first.
    """
    unit = gcd(*weights)
    wishes = [
        ((2 * turn + 1) / weight, place)
        for place, weight in enumerate(weight // unit for weight in weights)
        for turn in range(weight)
    ]
    return tuple(place for _, place in sorted(wishes))


def _by_latency(equals: list[int], standings: Sequence[Standing], _: int) -> list[int]:
    """Put the quickest first, and before it those that have yet to show how quick they are."""
    return sorted(equals, key=lambda index: standings[index].latency_seconds or 0.0)


_ARRANGEMENTS: Final[Mapping[RoutingStrategy, Callable[[list[int], Sequence[Standing], int], list[int]]]] = (
    MappingProxyType(
        {
            "fill-first": _as_given,
            "round-robin": _rotated,
            "weighted-round-robin": _by_weight,
            "least-latency": _by_latency,
        }
    )
)
