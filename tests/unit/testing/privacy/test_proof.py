"""The proof: it covers every protocol, names what leaks and what fails, and cannot pass by blindness."""

import logging
import os
from collections.abc import Mapping

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.config import Secret
from packyproxy.errors import Failure
from packyproxy.testing.privacy import proof
from packyproxy.testing.privacy.canaries import KINDS, canary_text, find_canaries
from packyproxy.testing.privacy.planted import PLANTED, leaking, unheard
from packyproxy.testing.privacy.proof import SCENARIOS, Failed, Leak, overlooked, play, prove
from packyproxy.testing.privacy.requests import SURFACES, client_headers
from packyproxy.testing.privacy.stage import Scenario, ScenarioFailed, Stage
from packyproxy.testing.privacy.watch import Place, Watch
from packyproxy.translate.protocols import PROTOCOLS

pytestmark = pytest.mark.virtual_time


async def do_nothing(_: Stage) -> None:
    """Play nothing."""


QUIET = Scenario(name="quiet", play=do_nothing)


def test_every_protocol_has_its_scenarios() -> None:
    """One that is added is not forgotten; names are unique, and there are owners for all."""
    assert set(PROTOCOLS) == {surface.protocol for surface in SURFACES}
    assert len(SCENARIOS) == len({scenario.name for scenario in SCENARIOS})
    assert 2 + 2 * len(SCENARIOS) <= 36 * 36


def test_every_kind_of_content_of_a_client_is_in_some_request() -> None:
    """A canary that is never sent proves nothing."""
    sent = {
        canary.kind
        for surface in SURFACES
        for body in (surface.request(2), *(make(2) for make in surface.mistakes.values()))
        for canary in find_canaries(repr(body))
    } | {canary.kind for canary in find_canaries(repr(client_headers(2)))}
    others = {kind for kind in KINDS if kind.startswith(("output", "upstream"))}
    others |= {"citation", "exception text", "client version"}
    assert {kind for kind, category in KINDS.items() if category == "content"} - others == sent - others


async def test_a_leak_is_named_and_not_quoted() -> None:
    """By its scenario, its place and its kind."""

    async def leak(stage: Stage) -> None:
        stage.watch.see("metrics", canary_text("user text", stage.owner))

    played = await play(PackyProxy, [QUIET, Scenario(name="loud", play=leak)])
    assert (Leak(scenario="loud", place="metrics", kind="user text"),) == played.leaks


async def test_a_scenario_that_goes_wrong_is_named() -> None:
    """And so is one in which the proxy raises into its host."""

    async def go_wrong(_: Stage) -> None:
        raise ScenarioFailed("answered with 500")

    async def explode(stage: Stage) -> None:
        raise ValueError(canary_text("user text", stage.owner))

    scenarios = [Scenario(name="wrong", play=go_wrong), Scenario(name="raised", play=explode)]
    played = await play(PackyProxy, scenarios)
    failed = (
        Failed(scenario="wrong", reason="answered with 500"),
        Failed(scenario="raised", reason="ValueError was raised"),
    )
    assert (failed, (Leak(scenario="raised", place="exceptions", kind="user text"),)) == (
        played.failed,
        played.leaks,
    )


async def test_a_proxy_that_talks_does_not_pass() -> None:
    """One that puts canaries of others into its answers is found out at once."""
    with unheard():
        played = await play(leaking(PackyProxy), [PLANTED])
    places = {leak.place for leak in played.leaks}
    assert {"answers to clients", "management answers", "metrics", "log records"} <= places


def log_the_message(error: Exception, _: str) -> None:
    logging.getLogger("packyproxy").error("bug: %s", error)


def log_the_traceback(error: Exception, _: str) -> None:
    logging.getLogger("packyproxy").error("bug", exc_info=error)


def keep_the_texts(failure: Failure, _: object) -> Failure:
    return failure


def reveal(secret: Secret) -> str:
    return secret.reveal()


@pytest.mark.parametrize(
    ("place", "mistake", "scenario", "expected"),
    [
        ("packyproxy.asgi.dispatch.log_bug", log_the_message, "chat: a bug before the answer", "log records"),
        ("packyproxy.asgi.dispatch.log_bug", log_the_traceback, "chat: a bug in the middle", "log records"),
        (
            "packyproxy.runtime.serving.attempt.mask_secrets",
            keep_the_texts,
            "responses, whole: failed at once",
            "answers to clients",
        ),
        ("packyproxy.config.secret.Secret.__repr__", reveal, "a websocket", "objects"),
        (
            "packyproxy.config.secret.Secret.__str__",
            reveal,
            "configuration: every secret changes",
            "log records",
        ),
        (
            "packyproxy.config.secret.Secret.__str__",
            reveal,
            "messages, whole: answered",
            "management answers",
        ),
    ],
)
async def test_mistakes_are_found(
    place: str, mistake: object, scenario: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as could be made in the proxy any day."""
    monkeypatch.setattr(place, mistake)
    (chosen,) = [each for each in SCENARIOS if each.name == scenario]
    played = await play(PackyProxy, [chosen])
    assert expected in {leak.place for leak in played.leaks}


async def test_a_blind_watcher_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planted for it is not seen, and so nothing is proved."""
    see = Watch.see

    def look_away(self: Watch, place: Place, *texts: str | bytes, **more: object) -> None:
        if place != "warnings":
            see(self, place, *texts, **more)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(Watch, "see", look_away)
    monkeypatch.setattr(proof, "SCENARIOS", (QUIET,))
    assert ("warnings",) == await overlooked(PackyProxy)
    found = await prove(PackyProxy)
    assert (False, ("warnings",)) == (found.ok, found.blind)


async def test_a_proof_says_what_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many things in each place, and why there are none where a package is missing."""
    monkeypatch.setattr(proof, "SCENARIOS", (QUIET, QUIET))
    monkeypatch.setattr(proof, "_MISSING", {"OpenTelemetry": "OpenTelemetry is not installed"})
    done: list[int] = []
    found = await prove(PackyProxy, progress=done.append)
    looks = {look.place: look for look in found.looks}
    assert (True, 2, [1, 2]) == (found.ok, found.scenarios, done)
    assert (2, "") == (looks["metrics"].count, looks["metrics"].note)
    assert "OpenTelemetry is not installed" == looks["OpenTelemetry"].note


async def test_the_surroundings_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the user's is not used, and their variables are there again afterwards."""
    monkeypatch.setenv("PACKYCODE_API_KEY", "the user's")
    monkeypatch.setenv("MANAGEMENT_PASSWORD", "the user's")
    seen: list[Mapping[str, str]] = []

    def make(config: str | Mapping[str, object], /, *, transport: httpx.AsyncBaseTransport) -> PackyProxy:
        seen.append(dict(os.environ))
        return PackyProxy(config, transport=transport)

    await play(make, [QUIET])
    assert ("PACKYCODE_API_KEY" in seen[0], canary_text("MANAGEMENT_PASSWORD", 0)) == (
        False,
        seen[0]["MANAGEMENT_PASSWORD"],
    )
    assert ("the user's", "the user's") == (
        os.environ["PACKYCODE_API_KEY"],
        os.environ["MANAGEMENT_PASSWORD"],
    )
