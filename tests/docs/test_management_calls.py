"""Every call that the documents of the management API show is made, in their order, and answered as they say."""

import asyncio
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from packyproxy.testing import FakeUpstream, StreamingASGITransport
from tests.support.block_kinds import MANAGEMENT_PAGES, Kind, blocks_of
from tests.support.documented_calls import Call, calls, differences, text_differences
from tests.support.documents import read_page
from tests.support.servers import Listener, ServeProcess

pytestmark = pytest.mark.e2e

KEY = re.compile(r'^export KEY="(.+)"$', re.MULTILINE)
"""The management key, which the documents export."""
HOSTS = ("https://codex-api.packycode.com", "https://provider-b.example.com")
"""Of the documented providers."""
REFUSED_KEY = b"sk-wrong"
"""How a key begins that no provider of the documents takes."""


CURL_SETTINGS = 'dump-header = "headers"\nmax-time = 20\n'
"""Of curl: where the last answer's head goes; with ``fail``, every call of a command must succeed."""


class Provider:
    """A provider that takes any key but one."""

    def __init__(self) -> None:
        self._upstream = FakeUpstream("Hello.")
        self._refusing = FakeUpstream("Hello.", api_key="sk-any-other")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_refused = REFUSED_KEY in dict(scope.get("headers", ())).get(b"authorization", b"")
        await (self._refusing if is_refused else self._upstream)(scope, receive, send)


class Shell:
    """Runs documented commands where the documented names lead to servers of this test."""

    def __init__(self, folder: Path, proxy: ServeProcess, key: str, names: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = folder / ".curlrc"
        self._names = {
            "http://127.0.0.1:8317": proxy.url,
            "127.0.0.1:8317": f"127.0.0.1:{proxy.port}",
            **names,
        }
        self._environment = {"PATH": os.environ["PATH"], "PACKYPROXY": proxy.url, "KEY": key}
        self._environment |= {"HOME": str(folder), "CURL_HOME": str(folder)}

    async def run(self, call: Call) -> tuple[int, dict[str, str], str]:
        """Return status and headers of the last answer, and what the command wrote."""
        command = call.command
        for documented, real in self._names.items():
            command = command.replace(documented, real)
        self._settings.write_text(CURL_SETTINGS + ("fail\n" if call.status == 200 else ""))
        shell = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-ec",
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await shell.communicate()
        assert (0, b"") == (shell.returncode, errors), command
        status, *lines = (self._folder / "headers").read_text().splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        text = output.decode()
        if text.startswith("HTTP/"):  # curl -i
            text = text.partition("\r\n\r\n")[2]
        for documented, real in reversed(self._names.items()):
            text = text.replace(real, documented)
        return int(status.split()[1]), headers, text


@pytest.fixture
def listeners() -> Iterator[dict[str, Listener]]:
    """Where each of the documented providers listens in this test."""
    listeners = {host: Listener() for host in HOSTS}
    yield listeners
    for listener in listeners.values():
        listener.close()


def opening(page: str) -> tuple[str, str]:
    """Return the configuration and the management key that a document begins with."""
    config, exports, *_ = read_page(page).blocks
    key = KEY.search(exports.text)
    assert config.path == "config.yaml"
    assert key is not None
    return config.text, key[1]


def mismatches(call: Call, status: int, headers: Mapping[str, str], output: str) -> list[str]:
    """Return in what an answer is not as documented."""
    found = [] if status == call.status else [f"the status is {status}, not {call.status}"]
    found += [f"there is no header {name}" for name in call.headers if name not in headers]
    if call.answer is not None and call.form == "json":
        found += differences(msgspec.json.decode(call.answer), msgspec.json.decode(output))
    elif call.answer is not None:
        found += text_differences(call.answer, output)
    return [f"{MANAGEMENT_PAGES[0]}:{call.line}: {mismatch}" for mismatch in found]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the document's calls need curl")
async def test_documented_calls_are_answered_as_documented(
    listeners: dict[str, Listener], tmp_path: Path
) -> None:
    """Each curl call of the document gets the status, the members and the lasting values that it shows."""
    page = MANAGEMENT_PAGES[0]  # its twin holds the same calls, as a test below says
    text, key = opening(page)
    names = {host: listener.url for host, listener in listeners.items()}
    for documented, real in names.items():
        text = text.replace(documented, real)
    file = tmp_path / "config.yaml"
    file.write_text(text, "utf-8")
    found = []
    async with AsyncExitStack() as stack:
        for listener in listeners.values():
            await stack.enter_async_context(listener.serving(Provider()))
        proxy = stack.enter_context(ServeProcess(file))
        shell = Shell(tmp_path, proxy, key, names)
        for call in calls(page):
            found += mismatches(call, *await shell.run(call))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", MANAGEMENT_PAGES)
def test_the_components_of_the_documents_can_be_mounted(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document's own application serves each component where its comment says."""
    text, key = opening(page)
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    example = next(block for block in read_page(page).blocks if block.language == "python")
    names: dict[str, Any] = {}
    exec(example.text, names)
    expected = {"/llm/v1/messages": 405, "/admin/v0/management/status": 200, "/config/validate": 405}

    async def ask() -> dict[str, int]:
        transport = StreamingASGITransport(names["app"])
        headers = {"authorization": f"Bearer {key}"}
        async with (
            names["proxy"],
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            return {path: (await client.get(path, headers=headers)).status_code for path in expected}

    assert expected == asyncio.run(ask())


@pytest.mark.parametrize("page", MANAGEMENT_PAGES)
def test_each_block_is_a_call_or_its_answer(page: str) -> None:
    """Of the blocks that are no configuration and no Python none is left out; two variables are set before."""
    lines = {line for call in calls(page) for line in (call.line, call.answer_line)}
    others = [block for block in blocks_of(Kind.CALL) if block.page == page and block.line not in lines]
    assert [] == [block.place for block in others if not re.fullmatch(r'(export \w+=".*"\n)+', block.text)]


def test_both_documents_hold_the_same_calls() -> None:
    """The Chinese document shows the same commands and answers as the English one, byte for byte."""
    english, chinese = (
        [(call.command, call.status, call.answer) for call in calls(page)] for page in MANAGEMENT_PAGES
    )
    assert english == chinese


@pytest.mark.parametrize(
    ("documented", "actual", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["answer.a is 2, not 1"]),
        ({"a": 1}, {"a": True}, ["answer.a is true, not 1"]),
        ({"a": 1.5}, {"a": 2.5}, []),
        ({"a": 1}, {}, ["answer.a is not answered"]),
        ({}, {"a": 1}, ["answer.a is not documented"]),
        ({"...": "..."}, {"a": 1}, []),
        ({"a": "b…"}, {"a": "bc"}, []),
        ({"a": "b…d"}, {"a": "bc"}, ['answer.a is "bc", not "b\\u2026d"']),
        ({"a": "2026-11-21T15:00:00.000Z"}, {"a": "2027-01-01T00:00:00Z"}, []),
        (
            {"a": "2026-11-21T15:00:00.000Z"},
            {"a": None},
            ['answer.a is null, not "2026-11-21T15:00:00.000Z"'],
        ),
        ([1], [1, 2], []),
        ([1, 2], [1], ["answer has 1 elements, not 2"]),
        ([], [1], ["answer has 1 elements, not 0"]),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, ['answer.a[0].b is "y", not "x"']),
    ],
)
def test_answers_that_differ_are_noticed(documented: Any, actual: Any, expected: list[str]) -> None:
    """An answer may end a list later than documented, and vary in times and fractions; all else is a difference."""
    assert expected == differences(documented, actual)


def test_lines_that_differ_are_noticed() -> None:
    """A text must hold the documented lines in their order, whatever its numbers."""
    text = "# HELP a\na 1.5\nb 2\n"
    assert [] == text_differences("a 7\n...\nb 3\n", text)
    assert ["missing: a 1"] == text_differences("b 2\na 1\n", text)
