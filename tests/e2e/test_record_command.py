"""``packyproxy record``: what a provider answered over a network plays again in a test."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.testing import Answer, Call, FakeUpstream, Fault, Framing, Turn
from packyproxy.testing.cassettes.cassette import Cassette
from tests.support.servers import COMMAND, END_SECONDS, Listener, run_command, write_config

pytestmark = pytest.mark.e2e

REQUEST = {
    "model": "claude-sonnet-5",
    "max_tokens": 100,
    "stream": True,
    "messages": [{"role": "user", "content": "What is the scheme?"}],
    "tools": [{"name": "ls", "input_schema": {"type": "object"}}],
}
ASKING = f"""
import json, os, urllib.request
url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
headers = {{"content-type": "application/json", "authorization": "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"]}}
for _ in range(2):
    request = urllib.request.Request(url, {json.dumps(REQUEST)!r}.encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        print(response.read().decode())
"""
ANSWERS: list[Answer] = [
    Turn(
        "The secret scheme.",
        reasoning="Hmm.",
        calls=[Call("ls", {"path": "/secret"})],
        delta_characters=40,
        framing=Framing(cut_every=333),
    ),
    Fault.html(502),
    Turn("Another secret: é €."),
]


def sizes(streams: str) -> list[tuple[str, int]]:
    """Return the events of streams with their sizes; sizes of ids, which differ, aside."""
    datas = re.findall(r"^data: (.*)$", streams, re.MULTILINE)
    return [(json.loads(data)["type"], len(data)) for data in datas]


async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the asking program over a command, and wait for its end."""
    return await asyncio.to_thread(run_command, *arguments, "--", sys.executable, "-c", ASKING)


def serve(*arguments: str) -> subprocess.Popen[str]:
    """Start to record without a program."""
    return subprocess.Popen(
        [COMMAND, "record", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


async def test_a_recording_plays_again(upstream: FakeUpstream, listener: Listener, tmp_path: Path) -> None:
    """The client gets the same events of the same sizes, and no word of the original is in the file."""
    upstream.script = ANSWERS
    config = str(write_config(tmp_path, listener.url))
    file = tmp_path / "c.jsonl"
    original = await run("record", "-o", str(file), "--config", config)
    assert f"packyproxy: recorded 3 exchanges in {file}" in original.stderr
    assert "secret scheme" in original.stdout
    text = file.read_text()
    assert not re.search("secret|scheme|Hmm|sk-provider|127.0.0.1", text)
    cassette = await asyncio.to_thread(Cassette.load, file)
    assert not cassette.has_content()
    posts = [each for each in cassette.exchanges if each.request.method == "POST"]
    assert [200, 502, 200] == [each.answer.status for each in posts if each.answer]
    assert {"complete"} == {each.end for each in posts}

    async def play(scope: Any, receive: Any, send: Any) -> None:
        await player(scope, receive, send)

    player = cassette.upstream()
    other = Listener()
    async with other.serving(play):
        (tmp_path / "again").mkdir()
        replayed = await run("run", "--config", str(write_config(tmp_path / "again", other.url)))
    other.close()
    assert sizes(original.stdout) == sizes(replayed.stdout)


async def test_a_server_records_until_it_is_stopped(
    upstream: FakeUpstream, listener: Listener, tmp_path: Path
) -> None:
    """Ctrl-C ends it in order, and what was asked is in the file."""
    upstream.script = "A secret."
    file = tmp_path / "c.jsonl"
    process = serve("-o", str(file), "--config", str(write_config(tmp_path, listener.url)))
    assert process.stdout
    first = await asyncio.to_thread(process.stdout.readline)
    url = first.split()[-1]
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        assert 200 == (await client.post("/v1/messages", json=REQUEST)).status_code
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.to_thread(process.communicate, None, END_SECONDS)
    assert 0 == process.returncode
    assert f"recorded 1 exchange in {file}" in err
    assert 1 == len((await asyncio.to_thread(Cassette.load, file)).exchanges)
