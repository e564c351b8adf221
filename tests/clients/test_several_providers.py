"""The clients before several providers: they never notice which one serves them, nor that one has failed."""

from pathlib import Path

import pytest

from packyproxy.testing import Answer, Call, Fault, Turn
from tests.clients.codex_cli import CodexCli
from tests.clients.conftest import ClaudeCode, Pair
from tests.support.servers import Listener, ServeProcess, free_port

pytestmark = pytest.mark.client

FAULTS = [
    pytest.param(Fault.unauthorized(), id="401"),
    pytest.param(Fault.status(503), id="503"),
    pytest.param(Fault.usage_limit(), id="quota"),
    pytest.param(Fault.html(), id="HTML"),
    pytest.param(Fault.empty(), id="empty"),
    pytest.param(Fault.failed(), id="failed"),
]


@pytest.fixture
def proxy(pair: Pair) -> ServeProcess:
    """The proxy before both, where the clients are pointed."""
    return pair.proxy


@pytest.mark.parametrize("fault", FAULTS)
async def test_failover_is_not_noticed(pair: Pair, claude: ClaudeCode, fault: Answer) -> None:
    """The turn succeeds with the answer of the other provider."""
    pair.upstreams["a"].script = fault
    run = await claude.run("Say hello.")
    assert (0, "Hello from b.") == (run.exit_code, run.result["result"])


async def test_failover_in_the_middle_of_a_tool_loop(pair: Pair, claude: ClaudeCode) -> None:
    """The provider that asked for a tool fails; the other one gets the result, without foreign reasoning."""
    (claude.work / "note.txt").write_text("forty-two", "utf-8")
    read = Turn(
        reasoning=["I shall read it."],
        calls=[Call("Read", {"file_path": str(claude.work / "note.txt")})],
    )
    pair.upstreams["a"].script = [read, Fault.status(503), Fault.status(503)]
    pair.upstreams["b"].script = "It says forty-two."
    run = await claude.run("What does note.txt say?")
    assert (0, "It says forty-two.") == (run.exit_code, run.result["result"])
    items = pair.upstreams["b"].last_request.body["input"]
    assert [] == [item for item in items if item["type"] == "reasoning"]
    assert "forty-two" in next(item["output"] for item in items if item["type"] == "function_call_output")


async def test_both_fail(pair: Pair, claude: ClaudeCode) -> None:
    """The user reads who was tried, and why that was in vain."""
    pair.upstreams["a"].script = Fault.usage_limit(resets_in_seconds=7200)
    pair.upstreams["b"].script = Fault.usage_limit(resets_in_seconds=3600)
    run = await claude.run("Say hello.", CLAUDE_CODE_MAX_RETRIES="10")
    shown = run.result["result"]
    assert shown.startswith(
        "API Error: Request rejected (429) · usage limit reached for b (plan plus); resets at "
    )
    assert "also tried: a (" in shown
    assert {"a": 1, "b": 1} == pair.calls()


async def test_a_session_stays_where_it_began(pair: Pair, claude: ClaudeCode) -> None:
    """Turns of a continued session go to one provider, so that its prompt cache and reasoning are of use."""
    pair.save(routing={"strategy": "round-robin"})
    await claude.run("Say hello.")
    await claude.run("Again.", "--continue")
    await claude.run("And again.", "--continue")
    assert [0, 3] == sorted(pair.calls().values())


async def test_disabling_takes_effect_with_the_next_turn(pair: Pair, claude: ClaudeCode) -> None:
    """A provider that is disabled in the file gets no further request; restored, it is asked again."""
    heard = []
    for disabled in ("", "a", ""):
        pair.save(disabled=disabled)
        heard.append((await claude.run("Say hello.")).result["result"])
    assert ["Hello from a.", "Hello from b.", "Hello from a."] == heard


async def test_nobody_listens_at_the_first(binary: str, tmp_path: Path) -> None:
    """A provider that is down costs the user nothing but a moment."""
    listener = Listener()
    pair = Pair(tmp_path, {"a": f"http://127.0.0.1:{free_port()}", "b": listener.url})
    try:
        async with listener.serving(pair.upstreams["b"]):
            run = await ClaudeCode(binary, tmp_path, pair.proxy.url).run("Say hello.")
    finally:
        pair.proxy.close()
        listener.close()
    assert (0, "Hello from b.") == (run.exit_code, run.result["result"])


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_codex_cli_does_not_notice_failover(pair: Pair, codex: CodexCli, fault: Answer) -> None:
    """The turn succeeds with the answer of the other provider, and nothing is shown of the first."""
    pair.upstreams["a"].script = fault
    run = await codex.run("Say hello.")
    assert (0, "Hello from b.", []) == (run.exit_code, run.text, run.troubles)


async def test_failover_in_the_middle_of_a_tool_loop_of_the_codex_cli(pair: Pair, codex: CodexCli) -> None:
    """The provider that asked for a tool fails; the other one gets the result, without foreign reasoning."""
    pair.upstreams["a"].script = [
        Turn(reasoning=["I shall look."], calls=[Call("exec_command", {"cmd": "echo forty-two"})]),
        Fault.status(503),
        Fault.status(503),
    ]
    pair.upstreams["b"].script = "It says forty-two."
    run = await codex.run("Look.")
    assert (0, "It says forty-two.", []) == (run.exit_code, run.text, run.troubles)
    request = pair.upstreams["b"].last_request
    assert (200, []) == (request.status, [item for item in request.input if item["type"] == "reasoning"])
    assert "forty-two" in next(
        item["output"] for item in request.input if item["type"] == "function_call_output"
    )
