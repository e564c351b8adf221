"""Play every scenario under the eyes of every watcher, and say what was seen.

First every watcher is shown a leak: one that overlooks it would find nothing later either.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from msgspec import Struct

from packyproxy.testing.privacy.canaries import canary_text
from packyproxy.testing.privacy.gateway_scenarios import GATEWAY_SCENARIOS
from packyproxy.testing.privacy.hook_scenarios import HOOK_SCENARIOS
from packyproxy.testing.privacy.operator_scenarios import OPERATOR_SCENARIOS
from packyproxy.testing.privacy.planted import PLANTED, leaking, unheard
from packyproxy.testing.privacy.process import exception_texts, look_into_files, watching_process
from packyproxy.testing.privacy.stage import MakeProxy, Scenario, ScenarioFailed, Stage
from packyproxy.testing.privacy.watch import PLACES, Place, Watch

__all__ = ["SCENARIOS", "Failed", "Leak", "Look", "Played", "Proof", "overlooked", "play", "prove"]

SCENARIOS: Final = (*GATEWAY_SCENARIOS, *HOOK_SCENARIOS, *OPERATOR_SCENARIOS)
"""All of them; their names are unique."""

_OPTIONAL: Final[Mapping[Place, tuple[str, str]]] = {
    "metrics": ("prometheus_client", "prometheus-client is not installed"),
    "OpenTelemetry": ("opentelemetry", "OpenTelemetry is not installed"),
}
_MISSING: Final = {place: note for place, (package, note) in _OPTIONAL.items() if find_spec(package) is None}
"""The places that there are not, for want of an optional package."""
_AT_ONCE: Final = 8
_LONGEST_SECONDS: Final = 60.0


class Leak(Struct, frozen=True, order=True, kw_only=True):
    """A canary where it does not belong; never the text around it."""

    scenario: str
    """Where its owner appears; ``""`` where it cannot be told."""
    place: Place
    kind: str
    """What leaked: a member of ``canaries.KINDS``, or what else is wrong."""


class Failed(Struct, frozen=True, kw_only=True):
    """A scenario that did not come out as it is told, so that it proves nothing."""

    scenario: str
    reason: str


class Look(Struct, frozen=True, kw_only=True):
    """How much was looked at in one place."""

    place: Place
    count: int
    note: str = ""
    """Why it is nothing."""


class Proof(Struct, frozen=True, kw_only=True):
    """What came of it."""

    ok: bool
    scenarios: int
    seconds: float
    looks: tuple[Look, ...]
    leaks: tuple[Leak, ...] = ()
    failed: tuple[Failed, ...] = ()
    blind: tuple[Place, ...] = ()
    """Where a planted leak was overlooked."""


class Played(Struct, frozen=True, kw_only=True):
    """What was seen while scenarios were played."""

    looks: Mapping[Place, int]
    """How many things were looked at."""
    leaks: tuple[Leak, ...]
    failed: tuple[Failed, ...]
    """In the order of the scenarios."""


async def prove(make_proxy: MakeProxy, *, progress: Callable[[int], None] | None = None) -> Proof:
    """Play everything and return what leaked; asks nobody outside this process, and uses no key of anybody.

    Logging, warnings, output and environment of the process are changed meanwhile, and put back.

    Args:
        make_proxy: makes the proxy; ``packyproxy.PackyProxy``.
        progress: told how many scenarios have ended.
    """
    began_at = time.perf_counter()
    blind = await overlooked(make_proxy)
    played = await play(make_proxy, SCENARIOS, progress=progress)
    return Proof(
        ok=not (played.leaks or played.failed or blind),
        scenarios=len(SCENARIOS),
        seconds=round(time.perf_counter() - began_at, 2),
        looks=tuple(
            Look(place=place, count=played.looks[place], note=_MISSING.get(place, "")) for place in PLACES
        ),
        leaks=played.leaks,
        failed=played.failed,
        blind=blind,
    )


async def overlooked(make_proxy: MakeProxy) -> tuple[Place, ...]:
    """Leak something in every place that there is, and return where that was not seen."""
    with unheard():
        played = await play(leaking(make_proxy), (PLANTED,))
    seen = {leak.place for leak in played.leaks}
    return tuple(place for place in PLACES if place not in seen and place not in _MISSING)


async def play(
    make_proxy: MakeProxy,
    scenarios: Sequence[Scenario],
    *,
    progress: Callable[[int], None] | None = None,
) -> Played:
    """Play scenarios, several at once, and look at everything meanwhile."""
    watch = Watch()
    failed: dict[int, Failed] = {}
    turns = asyncio.Semaphore(_AT_ONCE)
    done = 0
    made = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="packyproxy-privacy-")
    folder = Path(made.name)

    async def play_one(index: int, scenario: Scenario) -> None:
        nonlocal done
        async with turns:
            place = folder / str(index)
            await asyncio.to_thread(place.mkdir)
            stage = Stage(scenario, _owner(index), make_proxy=make_proxy, watch=watch, folder=place)
            if (reason := await _outcome(scenario, stage)) is not None:
                failed[index] = Failed(scenario=scenario.name, reason=reason)
            done += 1
            if progress is not None:
                progress(done)

    try:
        with _surroundings(folder), watching_process(watch) as written:
            async with asyncio.TaskGroup() as group:
                for index, scenario in enumerate(scenarios):
                    group.create_task(play_one(index, scenario))
        await asyncio.to_thread(look_into_files, watch, written, folder)
    finally:
        await asyncio.to_thread(made.cleanup)
    leaks = {
        Leak(scenario=_name(scenarios, seen.owner), place=seen.place, kind=seen.kind)
        for seen in watch.sightings
    }
    return Played(
        looks=watch.looks, leaks=tuple(sorted(leaks)), failed=tuple(failed[index] for index in sorted(failed))
    )


async def _outcome(scenario: Scenario, stage: Stage) -> str | None:
    """Play one scenario; return None if it came out as it is told, else how it did."""
    try:
        async with stage.open(), asyncio.timeout(_LONGEST_SECONDS):
            await scenario.play(stage)
    except ScenarioFailed as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - the proxy has raised into its host, which it must not do
        stage.watch.see("exceptions", *exception_texts(error))
        return f"{type(error).__name__} was raised"
    return None


def _owner(index: int) -> int:
    """Return whose canaries a scenario uses: two numbers each, the first two are nobody's."""
    return 2 + 2 * index


def _name(scenarios: Sequence[Scenario], owner: int) -> str:
    return scenarios[owner // 2 - 1].name if owner >= 2 else ""


@contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """Keep the user's environment out of it, and put a management password of ours in."""
    ours = {
        "MANAGEMENT_PASSWORD": canary_text("MANAGEMENT_PASSWORD", 0),
        "CODEX_HOME": str(folder / "no-codex"),
        "XDG_CONFIG_HOME": str(folder / "no-config"),
    }
    before = dict(os.environ)
    for variable in before:
        if variable.startswith(("PACKYCODE_", "PACKYPROXY_")):
            del os.environ[variable]
    os.environ.update(ours)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
