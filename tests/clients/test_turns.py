"""Turns of the real Claude Code that go well: texts, tools, reasoning, searches."""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing import Call, Citation, FakeUpstream, ReceivedRequest, Search, Turn

pytestmark = pytest.mark.client

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
WORD_SERVER = Path(__file__).with_name("word_server.py")
WORD_TOOL = "mcp__words__say_a_word_under_a_name_that_is_longer_than_any_responses_api_would_ever_accept"


def outputs(request: ReceivedRequest) -> list[Any]:
    """Return the outputs of the tool calls in a request."""
    return [item["output"] for item in request.input if item["type"] == "function_call_output"]


def tool_names(request: ReceivedRequest) -> list[str]:
    return [tool["name"] for tool in request.body["tools"]]


async def test_hello(upstream: FakeUpstream, claude: Any) -> None:
    """One prompt gives one request and one result, with the tokens that the upstream counted."""
    upstream.script = "Hello from the other side."
    run = await claude.run("Say hello.")
    assert (0, "Hello from the other side.") == (run.exit_code, run.result["result"])
    assert (False, "end_turn") == (run.result["is_error"], run.result["stop_reason"])
    assert run.result["usage"]["input_tokens"] > 1000
    assert len(upstream.requests) == 1


async def test_nothing_of_claude_reaches_the_upstream(upstream: FakeUpstream, claude: Any) -> None:
    """The upstream sees no Claude header, no client key and no billing line that would spoil its prompt cache."""
    await claude.run("Say hello.")
    request = upstream.last_request
    strange = ("anthropic", "x-stainless", "x-claude", "x-app", "x-api-key", "cookie")
    assert [name for name in request.headers if name.startswith(strange)] == []
    assert "any-value" not in str(request.headers)
    assert "x-anthropic-billing-header" not in request.body["instructions"]
    assert "Claude Code" in request.body["instructions"]


async def test_a_file_is_read_and_edited(upstream: FakeUpstream, claude: Any) -> None:
    """A loop of Read, Edit and a last word changes a file on disk."""
    file = claude.work / "a.txt"
    file.write_text("alpha\n")
    edit = {"file_path": str(file), "old_string": "alpha", "new_string": "beta"}
    upstream.script = [
        Turn(calls=[Call("Read", {"file_path": str(file), "pages": ""})]),
        Turn(calls=[Call("Edit", edit)]),
        "Edited.",
    ]
    run = await claude.run("Replace alpha with beta.")
    assert ("Edited.", "beta\n") == (run.result["result"], file.read_text())
    assert ["Read", "Edit"] == [block["name"] for block in run.blocks("tool_use")]
    assert "alpha" in outputs(upstream.last_request)[0]


async def test_parallel_tools_run_in_one_turn(upstream: FakeUpstream, claude: Any) -> None:
    """Two calls of one answer, mixed on the wire, both run, and both outputs come back in one request."""
    (claude.work / "a.txt").write_text("content of a\n")
    calls = [
        Call("Bash", {"command": "echo from the shell"}, id="call_shell"),
        Call("Read", {"file_path": str(claude.work / "a.txt")}, id="call_file"),
    ]
    upstream.script = [Turn(calls=calls, interleaves=True), "Both done."]
    run = await claude.run("Do both.")
    assert ("Both done.", 2) == (run.result["result"], len(upstream.requests))
    items = upstream.last_request.input
    by_call = {item["call_id"]: item["output"] for item in items if item["type"] == "function_call_output"}
    assert ("from the shell", True) == (by_call["call_shell"], "content of a" in by_call["call_file"])


async def test_reasoning_comes_back_on_the_next_turn(upstream: FakeUpstream, claude: Any) -> None:
    """After ``--continue`` the upstream gets the very reasoning item that it had issued, before its own answer."""
    upstream.script = [Turn("First answer.", reasoning=["Thinking **hard**."]), "Second answer."]
    first = await claude.run("One.")
    second = await claude.run("Two.", "--continue")
    (thinking,) = first.blocks("thinking")
    (reasoning,) = [item for item in upstream.last_request.input if item["type"] == "reasoning"]
    assert ("Thinking **hard**.", "Second answer.") == (thinking["thinking"], second.result["result"])
    assert thinking["signature"].endswith("." + reasoning["encrypted_content"])
    assert upstream.requests[0].body["prompt_cache_key"] == upstream.last_request.body["prompt_cache_key"]


async def test_a_tool_with_a_long_name_is_called(upstream: FakeUpstream, claude: Any) -> None:
    """An MCP tool whose name no upstream accepts is offered under a short one, and really called."""

    def script(request: ReceivedRequest) -> Turn:
        if outputs(request):
            return Turn("Said.")
        (name,) = [name for name in tool_names(request) if name.startswith("mcp__words__")]
        return Turn(calls=[Call(name, {"word": "kiwi"})])

    upstream.script = script
    run = await claude.run("Say kiwi.", "--mcp-config", _mcp_config(claude.work))
    (use,) = run.blocks("tool_use")
    assert ("Said.", WORD_TOOL, len(WORD_TOOL) > 64) == (run.result["result"], use["name"], True)
    assert "The word is kiwi." in str(outputs(upstream.last_request))


async def test_a_deferred_tool_is_found_and_called(upstream: FakeUpstream, claude: Any) -> None:
    """With tool search, a tool is offered upstream only once its reference is in the history, and then it works."""

    def script(request: ReceivedRequest) -> Turn:
        done = len(outputs(request))
        if done == 0:
            return Turn(calls=[Call("ToolSearch", {"query": f"select:{WORD_TOOL}", "max_results": 5})])
        if done == 1:
            (name,) = [name for name in tool_names(request) if name.startswith("mcp__words__")]
            return Turn(calls=[Call(name, {"word": "plum"})])
        return Turn("Said.")

    upstream.script = script
    config = _mcp_config(claude.work)
    run = await claude.run("Say plum.", "--mcp-config", config, ENABLE_TOOL_SEARCH="true")
    assert "Said." == run.result["result"]
    assert [False, True, True] == [
        any(name.startswith("mcp__words__") for name in tool_names(request)) for request in upstream.requests
    ]
    assert "The word is plum." in str(outputs(upstream.last_request))


def _mcp_config(folder: Path) -> str:
    path = folder / "mcp.json"
    server = {"command": sys.executable, "args": [str(WORD_SERVER)]}
    path.write_text(json.dumps({"mcpServers": {"words": server}}))
    return str(path)


async def test_an_image_reaches_the_upstream(upstream: FakeUpstream, claude: Any) -> None:
    """Reading a picture sends it on as an image in the tool's output."""
    (claude.work / "pixel.png").write_bytes(PIXEL)
    upstream.script = [Turn(calls=[Call("Read", {"file_path": str(claude.work / "pixel.png")})]), "A pixel."]
    run = await claude.run("Look.")
    (output,) = outputs(upstream.last_request)
    assert "A pixel." == run.result["result"]
    assert ["input_image"] == [part["type"] for part in output]
    assert output[0]["image_url"].startswith("data:image/")


async def test_a_web_search_shows_its_links(upstream: FakeUpstream, claude: Any) -> None:
    """Claude Code's WebSearch becomes a hosted search; title and address of the page come back to the model."""
    url = "https://news.example/python"

    def script(request: ReceivedRequest) -> Turn:
        if any(tool["type"] == "web_search" for tool in request.body.get("tools", [])):
            text = "Python is out."
            citation = Citation(url, "Python news", text)
            return Turn(text, searches=[Search("python news", sources=[url])], citations=[citation])
        return (
            Turn("Found it.")
            if outputs(request)
            else Turn(calls=[Call("WebSearch", {"query": "python news"})])
        )

    upstream.script = script
    run = await claude.run("Search.")
    (output,) = outputs(upstream.last_request)
    assert ("Found it.", 3) == (run.result["result"], len(upstream.requests))
    assert f'Links: [{{"title":"Python news","url":"{url}"}}]' in output
    assert [1] == [usage["webSearchRequests"] for usage in run.result["modelUsage"].values()]


async def test_a_sub_agent_works(upstream: FakeUpstream, claude: Any) -> None:
    """A sub-agent asks through the same proxy; its answer comes as a tool's output, or as a notice (2.1.330)."""

    def script(request: ReceivedRequest) -> Turn:
        if "OUTER TASK" not in json.dumps(request.input):
            return Turn("The inner answer.")
        if outputs(request):
            return Turn("The outer answer.")
        task = {"description": "inner", "prompt": "INNER TASK", "subagent_type": "general-purpose"}
        return Turn(calls=[Call("Agent", task)])

    upstream.script = script
    run = await claude.run("OUTER TASK")
    assert "The outer answer." == run.result["result"]
    assert any("The inner answer." in json.dumps(request.input) for request in upstream.requests)


async def test_structured_output_is_read(upstream: FakeUpstream, claude: Any) -> None:
    """``--json-schema`` gives the object that the model filled in."""
    upstream.script = Turn(calls=[Call("StructuredOutput", {"count": 3})])
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    run = await claude.run("Count.", "--json-schema", json.dumps(schema))
    assert run.result["structured_output"] == {"count": 3}


async def test_an_answer_that_was_cut_for_length_is_continued(upstream: FakeUpstream, claude: Any) -> None:
    """Claude Code recognises ``max_tokens`` and asks the upstream to go on."""
    upstream.script = [Turn("The first half,", incomplete="max_output_tokens"), "and the second."]
    run = await claude.run("Write.")
    texts = [block["text"] for block in run.blocks("text")]  # 2.1.330 shows what it asks in between, too
    assert ("The first half,", "and the second.") == (texts[0], texts[-1])
    assert ("and the second.", 2) == (run.result["result"], len(upstream.requests))


@pytest.mark.parametrize(
    ("model", "effort"), [("claude-opus-4-8", "high"), ("claude-haiku-4-5", "high"), ("gpt-5-low", "low")]
)
async def test_any_model_name_works(upstream: FakeUpstream, claude: Any, model: str, effort: str) -> None:
    """Claude names, small ones too, and OpenAI ids are served; Claude Code's own effort beats a name's default."""
    run = await claude.run("Say hello.", "--model", model)
    body = upstream.last_request.body
    assert ("Hello.", "gpt-5", effort) == (run.result["result"], body["model"], body["reasoning"]["effort"])


async def test_context_is_counted_by_the_proxy(upstream: FakeUpstream, claude: Any) -> None:
    """``/context`` shows counted tokens for the tools, and asks the upstream nothing."""
    run = await claude.run("/context")
    rows = [line.split("|") for line in run.result["result"].splitlines() if line.startswith("| ")]
    tokens = {row[1].strip(): row[2].strip() for row in rows}
    assert upstream.requests == []
    assert tokens["System tools"].endswith("k")
    assert tokens["System prompt"] not in {"0", "-"}
