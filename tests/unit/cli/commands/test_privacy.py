"""``packyproxy doctor --privacy``: what it prints, and how it ends. The proof itself is tested on its own."""

import asyncio
import io
import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from packyproxy.cli.commands import privacy
from packyproxy.cli.main import main
from packyproxy.testing.privacy.proof import SCENARIOS, Failed, Leak, Look, Proof

CLEAN = Proof(
    ok=True,
    scenarios=396,
    seconds=4.25,
    looks=(
        Look(place="log records", count=2420),
        Look(place="OpenTelemetry", count=0, note="OpenTelemetry is not installed"),
    ),
)
LEAKING = replace(
    CLEAN,
    ok=False,
    leaks=(Leak(scenario="chat, whole: failover", place="log records", kind="user text"),),
)
FAILING = replace(CLEAN, ok=False, failed=(Failed(scenario="a websocket", reason="nothing was answered"),))
BLIND = replace(CLEAN, ok=False, blind=("log records",))

Show = Callable[[Proof, list[str]], tuple[int, str]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    """Run the command with a proof that came out as is said."""

    def run(proof: Proof, options: list[str]) -> tuple[int, str]:
        async def prove(_: object, *, progress: Callable[[int], None] | None = None) -> Proof:
            if progress is not None:
                progress(37)
                await asyncio.sleep(0.2)  # a terminal is redrawn twelve times a second
            return proof

        monkeypatch.setattr(privacy, "prove", prove)
        code = main(["doctor", "--privacy", *options])
        return code, capsys.readouterr().out

    return run


def test_a_clean_proof_says_what_was_looked_at(show: Show) -> None:
    """A line for each place, with the reason where there was nothing to look at; exit code 0."""
    code, out = show(CLEAN, [])
    lines = out.splitlines()
    assert 0 == code
    assert "  ok    log records    2,420 looked at" in lines
    assert "  note  OpenTelemetry  OpenTelemetry is not installed" in lines
    assert "396 scenarios in 4.2 s: nothing has leaked, and every planted leak was found" == lines[-1]


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        pytest.param(
            LEAKING,
            [
                "  failed  log records    2,420 looked at, 1 leak",
                "found in log records",
                "  user text (chat, whole: failover)",
            ],
            id="leak",
        ),
        pytest.param(
            replace(LEAKING, leaks=(Leak(scenario="", place="log records", kind="a connection"),)),
            ["  a connection (where cannot be told)"],
            id="leak of nobody",
        ),
        pytest.param(
            FAILING, ["did not come out as told", "  a websocket: nothing was answered"], id="failed scenario"
        ),
        pytest.param(BLIND, ["  failed  log records    a planted leak was overlooked"], id="blind watcher"),
    ],
)
def test_what_is_wrong_is_named(proof: Proof, expected: list[str], show: Show) -> None:
    """Place, kind and scenario; exit code 1, and what to do about it."""
    code, out = show(proof, [])
    lines = out.splitlines()
    assert (1, []) == (code, [line for line in expected if line not in lines])
    assert lines[-1].endswith("this is a bug of packyproxy, please report it with these lines")


def test_of_many_leaks_the_first_are_shown(show: Show) -> None:
    """And how many more there are."""
    leaks = tuple(Leak(scenario=str(number), place="log records", kind="user text") for number in range(60))
    _, out = show(replace(LEAKING, leaks=leaks), [])
    assert (50, True) == (out.count("user text"), "  and 10 more" in out.splitlines())


@pytest.mark.parametrize(("proof", "code"), [(CLEAN, 0), (LEAKING, 1)], ids=["clean", "leaking"])
def test_json_is_the_proof(proof: Proof, code: int, show: Show) -> None:
    """Nothing else is on stdout, and the exit code is the same."""
    ended, out = show(proof, ["--json"])
    found = json.loads(out)
    assert (code, proof.ok) == (ended, found["ok"])
    assert [leak.kind for leak in proof.leaks] == [leak["kind"] for leak in found["leaks"]]


class Terminal(io.StringIO):
    """Says that it is a terminal, and keeps what is written."""

    def isatty(self) -> bool:
        return True


def test_progress_is_counted_on_a_terminal(monkeypatch: pytest.MonkeyPatch, show: Show) -> None:
    """How many scenarios of how many have been played; elsewhere nothing is counted."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", terminal)
    show(CLEAN, [])
    assert f"37 of {len(SCENARIOS)} scenarios" in terminal.getvalue()
