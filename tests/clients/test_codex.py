"""The real Codex CLI through the proxy: its turns, its tools, and what its user reads when something goes wrong."""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

import pytest

from packyproxy.testing import (
    Answer,
    Call,
    Citation,
    Compaction,
    FakeUpstream,
    Fault,
    Item,
    ReceivedRequest,
    Search,
    Turn,
    Usage,
)
from tests.clients.codex_cli import BASE_URL, PROVIDER, CodexCli
from tests.support.servers import COMMAND, Listener, ServeProcess, free_port, write_config

pytestmark = pytest.mark.client

WITH_METADATA = "gpt-5.5"
"""A model that this Codex CLI knows: it then brings its patch tool, and finds MCP tools by a search."""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
WORD_SERVER = f"""
[mcp_servers.words]
command = {json.dumps(sys.executable)}
args = [{json.dumps(str(Path(__file__).with_name("word_server.py")))}]
"""
WORD_TOOL = "say_a_word_under_a_name_that_is_longer_than_any_responses_api_would_ever_accept"
WORDS = "mcp__words"
NO_ROOM = "Codex ran out of room in the model's context window"


def shell(command: str, call_id: str | None = None) -> Call:
    """Return a call of the shell."""
    return Call("exec_command", {"cmd": command}, id=call_id)


def script(code: str) -> Call:
    """Return a call of the tool that runs JavaScript, from which the newest models use all others."""
    return Call("exec", code, kind="custom", namespace="functions")


def outputs(request: ReceivedRequest) -> list[str]:
    """Return the outputs of the tool calls in a request."""
    return [str(item["output"]) for item in request.input if item["type"].endswith("_call_output")]


def kinds(request: ReceivedRequest) -> list[str]:
    """Return the types of the input items of a request."""
    return [item["type"] for item in request.input]


@pytest.mark.parametrize("way", [PROVIDER, BASE_URL], ids=["provider", "base-url"])
async def test_hello(upstream: FakeUpstream, codex: CodexCli, way: str) -> None:
    """One prompt gives one request and one message; where it tries a websocket first, nobody waits for that."""
    upstream.script = "Hello from the other side."
    codex.set_up(way)
    run = await codex.run("Say hello.")
    assert (0, "Hello from the other side.", []) == (run.exit_code, run.text, run.troubles)
    assert run.usage["input_tokens"] > 1000
    assert 1 == len(upstream.requests)


async def test_a_websocket_costs_nothing(upstream: FakeUpstream, codex: CodexCli) -> None:
    """A provider that is said to speak websockets is used over HTTP after one refusal."""
    codex.set_up(settings="supports_websockets = true")
    run = await codex.run("Say hello.")
    assert (0, "Hello.", []) == (run.exit_code, run.text, run.troubles)


async def test_the_upstream_sees_the_codex_cli(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Its headers and its cache key travel as they are; its key for the proxy does not."""
    await codex.run("Say hello.")
    request = upstream.last_request
    assert "codex_exec" == request.headers["originator"]
    assert request.headers["user-agent"].startswith("codex_exec/")
    assert request.body["prompt_cache_key"] == request.headers["session-id"]
    assert "any-value" not in str(request.headers)
    assert {"session_id", "conversation_id", "openai-beta"}.isdisjoint(request.headers)


async def test_a_file_is_read_and_edited(upstream: FakeUpstream, codex: CodexCli) -> None:
    """A loop of a command, a patch and a look at the result changes a file on disk."""
    file = codex.work / "a.txt"
    file.write_text("alpha\n")
    patch = "*** Begin Patch\n*** Update File: a.txt\n@@\n-alpha\n+beta\n*** End Patch\n"
    upstream.script = [
        Turn(reasoning=["I look first."], calls=[shell("cat a.txt")]),
        Turn(calls=[Call("apply_patch", patch, kind="custom")]),
        Turn("Now it is beta.", calls=[shell("cat a.txt")]),
        "Edited.",
    ]
    codex.set_up(model=WITH_METADATA)
    run = await codex.run("Replace alpha with beta.")
    assert (0, "Edited.", "beta\n") == (run.exit_code, run.text, file.read_text())
    assert ["alpha\n", "beta\n"] == [item["aggregated_output"] for item in run.items("command_execution")]
    assert [[{"path": str(file), "kind": "update"}]] == [item["changes"] for item in run.items("file_change")]
    assert 4 == len(upstream.requests)


@pytest.mark.parametrize("way", [PROVIDER, BASE_URL], ids=["provider", "base-url"])
async def test_its_default_model_edits_a_file(upstream: FakeUpstream, codex: CodexCli, way: str) -> None:
    """The model that it takes by itself gets its tools in an item and runs them from scripts; a break is mended."""
    file = codex.work / "a.txt"
    file.write_text("alpha\n")
    edit = Turn("I write beta.", calls=[script('await tools.exec_command({cmd: "echo beta > a.txt"});')])
    upstream.script = [
        Turn(calls=[script('const {output} = await tools.exec_command({cmd: "cat a.txt"}); text(output);')]),
        Fault.cut(edit, after_events=6),
        edit,
        "Edited.",
    ]
    codex.set_up(way, model=None)
    run = await codex.run("Replace alpha with beta.")
    assert (0, "Edited.", "beta\n") == (run.exit_code, run.text, file.read_text())
    assert "alpha" in outputs(upstream.last_request)[0]
    first = upstream.requests[0].body
    assert ("additional_tools", False) == (first["input"][0]["type"], first["parallel_tool_calls"])
    assert [200, 200, 200, 200] == [request.status for request in upstream.requests]


async def test_parallel_calls_run_in_one_turn(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Two calls of one answer, mixed on the wire, both run, and both outputs come back in one request."""
    calls = [shell("echo one", "call_one"), shell("echo two", "call_two")]
    upstream.script = [Turn(calls=calls, interleaves=True), "Both done."]
    run = await codex.run("Do both.")
    assert ("Both done.", 2) == (run.text, len(upstream.requests))
    by_call = {item["call_id"]: item["output"] for item in upstream.last_request.input if "output" in item}
    assert ("one" in by_call["call_one"], "two" in by_call["call_two"]) == (True, True)


async def test_a_session_is_resumed(upstream: FakeUpstream, codex: CodexCli) -> None:
    """The upstream gets back the very reasoning that it had issued, under the same cache key."""
    upstream.script = [Turn("First answer.", reasoning=["Thinking **hard**."]), "Second answer."]
    first = await codex.run("One.")
    second = await codex.run("Two.", resumes=True)
    assert ("First answer.", "Second answer.") == (first.text, second.text)
    assert ["Thinking **hard**."] == [item["text"] for item in first.items("reasoning")]
    assert "reasoning" in kinds(upstream.last_request)
    assert [200, 200] == [request.status for request in upstream.requests]
    assert 1 == len({request.body["prompt_cache_key"] for request in upstream.requests})


async def test_a_tool_of_a_namespace_is_called(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Tools of an MCP server are grouped; a call names its group, and a name of any length passes."""
    upstream.script = [Turn(calls=[Call(WORD_TOOL, {"word": "zebra"}, namespace=WORDS)]), "It said zebra."]
    codex.set_up(settings=WORD_SERVER)
    run = await codex.run("Say zebra.")
    tools = {tool["name"]: tool for tool in upstream.last_request.body["tools"] if "name" in tool}
    assert [WORD_TOOL] == [tool["name"] for tool in tools[WORDS]["tools"]]
    assert (0, "It said zebra.") == (run.exit_code, run.text)
    assert "The word is zebra." in outputs(upstream.last_request)[0]


async def test_a_tool_is_found_by_a_search(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Item types that the proxy knows nothing of pass both ways: the search for a tool, and what it found."""
    search = {
        "type": "tool_search_call",
        "call_id": "call_search",
        "status": "completed",
        "execution": "client",
        "arguments": {"query": "say a word"},
    }
    upstream.script = [
        Turn(output=[Item(search)]),
        Turn(calls=[Call(WORD_TOOL, {"word": "zebra"}, namespace=WORDS)]),
        "It said zebra.",
    ]
    codex.set_up(model=WITH_METADATA, settings=WORD_SERVER)
    run = await codex.run("Say zebra.")
    assert (0, "It said zebra.") == (run.exit_code, run.text)
    found = next(item for item in upstream.last_request.input if item["type"] == "tool_search_output")
    assert WORDS in [tool["name"] for tool in found["tools"]]
    assert "The word is zebra." in outputs(upstream.last_request)[-1]


async def test_a_sub_agent_runs(upstream: FakeUpstream, codex: CodexCli) -> None:
    """A sub-agent asks through the same proxy, marked as one, and what it says reaches its parent."""
    agents = "multi_agent_v1"

    def answer(request: ReceivedRequest) -> Answer:
        if "x-openai-subagent" in request.headers:
            return "The word is zebra."
        told = outputs(request)
        if not told:
            return Turn(calls=[Call("spawn_agent", {"message": "Find a word."}, namespace=agents)])
        if len(told) == 1:
            targets = [json.loads(told[0])["agent_id"]]
            return Turn(calls=[Call("wait_agent", {"targets": targets}, namespace=agents)])
        return "It found zebra."

    upstream.script = answer
    run = await codex.run("Let somebody find a word.")
    assert (0, "It found zebra.", 4) == (run.exit_code, run.text, len(upstream.requests))
    assert "The word is zebra." in outputs(upstream.last_request)[1]


async def test_a_sub_agent_of_its_default_model_runs(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Agents of that model write to each other in items of their own kind, which pass as they are."""
    agents = "collaboration"

    def answer(request: ReceivedRequest) -> Answer:
        if "x-openai-subagent" in request.headers:
            return "The word is zebra."
        told = len(outputs(request))
        if not told:
            task = {"message": "Find a word.", "task_name": "find"}
            return Turn(calls=[Call("spawn_agent", task, namespace=agents)])
        return Turn(calls=[Call("wait_agent", {}, namespace=agents)]) if told == 1 else "It found zebra."

    upstream.script = answer
    codex.set_up(model=None)
    run = await codex.run("Let somebody find a word.")
    assert (0, "It found zebra.") == (run.exit_code, run.text)
    assert {200} == {request.status for request in upstream.requests}
    (said,) = [item for item in upstream.last_request.input if item["type"] == "agent_message"]
    assert ("/root/find", "/root") == (said["author"], said["recipient"])
    assert said["content"][0]["text"].endswith("The word is zebra.")


async def test_a_broken_stream_is_asked_for_again(upstream: FakeUpstream, codex: CodexCli) -> None:
    """In the middle of a task a stream breaks off; the Codex CLI sends on what it had, and the task is done."""
    half = Turn("This half is thrown away.", reasoning=["I remember."])
    upstream.script = [
        Turn(calls=[shell("echo one > a.txt")]),
        Fault.cut(half, after_events=14),
        Turn(calls=[shell("echo two >> a.txt")]),
        "Both written.",
    ]
    run = await codex.run("Write both.")
    assert (0, "Both written.") == (run.exit_code, run.text)
    assert "one\ntwo\n" == (codex.work / "a.txt").read_text()
    assert ["reasoning"] == kinds(upstream.requests[2])[-1:]
    assert [200, 200, 200, 200] == [request.status for request in upstream.requests]
    (trouble,) = run.troubles
    assert trouble.startswith("Reconnecting... 1/5 (")


async def test_a_break_before_the_first_word_is_invisible(upstream: FakeUpstream, codex: CodexCli) -> None:
    """A connection that breaks before any content is asked for again by the proxy."""
    upstream.script = [Fault.cut("Never shown.", after_events=2), "Hello again."]
    run = await codex.run("Say hello.")
    assert (0, "Hello again.", [], 2) == (run.exit_code, run.text, run.troubles, len(upstream.requests))


async def test_a_search_of_the_web_is_shown(upstream: FakeUpstream, codex: CodexCli) -> None:
    """What the upstream has searched for, and the text about it."""
    cited = (Citation("https://example.com/a", "A", "found"),)
    upstream.script = Turn("I found it.", searches=[Search("the thing")], citations=cited)
    run = await codex.run("Search.")
    assert ("I found it.", ["the thing"]) == (run.text, [item["query"] for item in run.items("web_search")])


async def test_a_search_is_run_by_the_client(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Newer Codex CLIs search by a request of their own, which is passed on and answered with a document."""
    search = {"search_query": [{"q": "the thing"}]}
    upstream.script = [Turn(calls=[Call("run", search, namespace="web")]), "It is blue.", "I know: blue."]
    codex.set_up(BASE_URL, model=WITH_METADATA, settings="[features]\nstandalone_web_search = true")
    run = await codex.run("Search.")
    assert (0, "I know: blue.") == (run.exit_code, run.text)
    assert ["/v1/responses", "/v1/alpha/search", "/v1/responses"] == [each.path for each in upstream.requests]
    assert "It is blue." in outputs(upstream.last_request)[0]


async def test_a_long_history_is_compacted(upstream: FakeUpstream, codex: CodexCli) -> None:
    """The encrypted history that the upstream made takes the place of the old one, and the task goes on."""
    upstream.script = [
        Turn(calls=[shell("echo one > a.txt")]),
        Turn(output=[Compaction()]),
        "Written.",
    ]
    codex.set_up(BASE_URL, model=WITH_METADATA, settings="model_auto_compact_token_limit = 1000")
    run = await codex.run("Write.")
    assert (0, "Written.") == (run.exit_code, run.text)
    assert "compaction_trigger" == kinds(upstream.requests[1])[-1]
    assert "compaction" in kinds(upstream.requests[2])
    assert [200, 200, 200] == [request.status for request in upstream.requests]


async def test_a_long_history_is_summed_up(upstream: FakeUpstream, codex: CodexCli) -> None:
    """Before a provider of another name the Codex CLI asks for a summary itself, with an empty list of tools."""
    used = Usage(input_tokens=50_000, output_tokens=10)
    upstream.script = [Turn(calls=[shell("echo one > a.txt")], usage=used), "One is written.", "Written."]
    codex.set_up("model_auto_compact_token_limit = 1000\n" + PROVIDER)
    run = await codex.run("Write.")
    assert (0, "Written.", []) == (run.exit_code, run.text, run.troubles)
    assert [] == upstream.requests[1].body["tools"]
    assert "One is written." in str(upstream.last_request.input[-1]["content"])


async def test_a_session_outlives_the_proxy(codex_binary: str, listener: Listener, tmp_path: Path) -> None:
    """It goes on through a proxy that was started anew, with the reasoning that the upstream had issued before."""
    upstream = FakeUpstream([Turn("First answer.", reasoning=["I think."]), "Second answer."])
    config = write_config(tmp_path, listener.url)
    async with listener.serving(upstream):
        with ServeProcess(config) as proxy:
            codex = CodexCli(codex_binary, tmp_path, proxy.url)
            first = await codex.run("One.")
        with ServeProcess(config) as proxy:
            codex.move(proxy.url)
            second = await codex.run("Two.", resumes=True)
    assert ("First answer.", "Second answer.", []) == (first.text, second.text, second.troubles)
    assert [200, 200] == [request.status for request in upstream.requests]
    assert "reasoning" in kinds(upstream.last_request)


async def test_a_model_at_an_effort_is_no_other_model(upstream: FakeUpstream, codex: CodexCli) -> None:
    """The upstream names its model in a header; the user is not told that the account was flagged."""
    upstream.script = Turn("Hello.", headers={"openai-model": "gpt-5"})
    codex.set_up(model="gpt-5-low")
    run = await codex.run("Say hello.")
    assert (0, "Hello.", "low") == (
        run.exit_code,
        run.text,
        upstream.last_request.body["reasoning"]["effort"],
    )
    assert [] == [item for item in run.items("error") if "rerouted" in item["message"]]


async def test_an_answer_keeps_its_schema(upstream: FakeUpstream, codex: CodexCli) -> None:
    """``--output-schema`` reaches the upstream as it is."""
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    path = codex.work / "schema.json"
    path.write_text(json.dumps(schema))
    upstream.script = '{"name":"zebra"}'
    run = await codex.run("Name it.", "--output-schema", str(path))
    form = upstream.last_request.body["text"]["format"]
    assert ('{"name":"zebra"}', schema, True) == (run.text, form["schema"], form["strict"])


async def test_an_image_reaches_the_upstream(upstream: FakeUpstream, codex: CodexCli) -> None:
    """As a data URL, in the message of the user."""
    path = codex.work / "pixel.png"
    path.write_bytes(PIXEL)
    run = await codex.run("What is this?", "--image", str(path))
    parts = upstream.last_request.input[-1]["content"]
    assert (0, True) == (run.exit_code, any(part["type"] == "input_image" for part in parts))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(
            Fault.usage_limit(resets_at=int(time.time()) + 7200),
            "You\N{RIGHT SINGLE QUOTATION MARK}ve hit your usage limit",
            id="quota",
        ),
        pytest.param(Fault.context_overflow(), NO_ROOM, id="context"),
        pytest.param(Fault.failed("context_length_exceeded", "Too long."), NO_ROOM, id="context-in-stream"),
        pytest.param(Fault.failed("usage_not_included", "No."), "upgrade to Plus", id="plan"),
    ],
)
async def test_a_final_failure_ends_the_turn(
    upstream: FakeUpstream, codex: CodexCli, fault: Fault, words: str
) -> None:
    """The Codex CLI knows such a failure for what it is, tells its user in its own words, and does not ask again."""
    upstream.script = fault
    run = await codex.run("Say hello.")
    assert (1, 1) == (run.exit_code, len(upstream.requests))
    assert words in run.failure


async def test_a_usage_limit_says_when_it_ends(upstream: FakeUpstream, codex: CodexCli) -> None:
    """The time is in the upstream's own error object, which is passed on; also for a provider that rests."""
    upstream.script = Fault.usage_limit(resets_at=int(time.time()) + 7200)
    runs = [await codex.run("Say hello."), await codex.run("Say it again.")]
    assert [True, True] == ["try again at" in run.failure for run in runs]
    assert 1 == len(upstream.requests)


@pytest.mark.parametrize(
    "fault",
    [Fault.detail(429, "usage limit reached"), Fault.failed("usage_limit_reached", "Used up.")],
    ids=["detail", "failed"],
)
async def test_a_usage_limit_in_any_form_is_understood(
    upstream: FakeUpstream, codex: CodexCli, fault: Fault
) -> None:
    """Also where the upstream does not tell it as the Codex CLI expects, its user reads what it is."""
    upstream.script = fault
    run = await codex.run("Say hello.")
    assert (1, 1) == (run.exit_code, len(upstream.requests))
    assert "hit your usage limit" in run.failure


async def test_a_usage_limit_that_comes_late_is_understood(
    codex_binary: str, listener: Listener, tmp_path: Path
) -> None:
    """A limit told when the status line is spent is asked for again, and then said in so many words."""
    upstream = FakeUpstream(
        Fault.usage_limit(resets_at=int(time.time()) + 7200), pace=lambda _: asyncio.sleep(2)
    )
    config = write_config(tmp_path, listener.url, streaming={"commit-deadline": 0.5})
    async with listener.serving(upstream):
        with ServeProcess(config) as proxy:
            run = await CodexCli(codex_binary, tmp_path, proxy.url).run("Say hello.")
    assert "try again at" in run.failure
    assert "usage limit reached for packycode (plan plus)" in run.troubles[0]
    assert 1 == len(upstream.requests)


async def test_a_slow_answer_is_waited_for(codex_binary: str, listener: Listener, tmp_path: Path) -> None:
    """While the upstream is silent the connection shows life, and nothing of that is seen."""
    upstream = FakeUpstream("Hello at last.", pace=lambda number: asyncio.sleep(2 if number == 0 else 0))
    config = write_config(
        tmp_path, listener.url, streaming={"commit-deadline": 0.3, "keepalive-seconds": 0.3}
    )
    async with listener.serving(upstream):
        with ServeProcess(config) as proxy:
            run = await CodexCli(codex_binary, tmp_path, proxy.url).run("Say hello.")
    assert (0, "Hello at last.", []) == (run.exit_code, run.text, run.troubles)


async def test_the_state_of_a_turn_comes_back_to_who_gave_it(upstream: FakeUpstream, codex: CodexCli) -> None:
    """What the upstream marks the turn with is repeated to it, as it was; the next turn knows nothing of it."""
    marked = Turn(calls=[shell("echo one")], headers={"x-codex-turn-state": "state-1"})
    upstream.script = [marked, "Done.", "Again."]
    await codex.run("Do it.")
    await codex.run("Again.", resumes=True)
    assert [None, "state-1", None] == [each.headers.get("x-codex-turn-state") for each in upstream.requests]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(Fault.forbidden(), "This group only allows Codex official clients", id="restricted"),
        pytest.param(Fault.unauthorized(), "rejected the gateway's credentials", id="provider-key"),
    ],
)
async def test_the_cause_is_shown(upstream: FakeUpstream, codex: CodexCli, fault: Fault, words: str) -> None:
    """The Codex CLI asks again after any other failure; then it shows what it was told."""
    upstream.script = fault
    codex.set_up(settings="request_max_retries = 0\nstream_max_retries = 0")
    run = await codex.run("Say hello.")
    assert 1 == run.exit_code
    assert words in run.failure


async def test_it_runs_over_a_private_proxy(
    upstream: FakeUpstream, codex: CodexCli, listener: Listener, tmp_path: Path
) -> None:
    """``packyproxy run`` needs nothing of its configuration, and wins over a provider that leads elsewhere."""
    elsewhere = PROVIDER.replace("{url}", f"http://127.0.0.1:{free_port()}").replace("packyproxy", "relay")
    codex.set_up(elsewhere)
    command = (str(COMMAND), "run", "--config", str(write_config(tmp_path, listener.url)), "--")
    run = await codex.run("Say hello.", under=command)
    assert (0, "Hello.", []) == (run.exit_code, run.text, run.troubles)
