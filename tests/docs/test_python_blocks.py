"""What README and documentation show works as it stands there: each block of Python is run, each application asked."""

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.authentication import SimpleUser
from starlette.testclient import TestClient

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream
from packyproxy.testing.privacy import proof
from tests.support import django_site
from tests.support.block_kinds import Kind, blocks_of, blocks_to_run
from tests.support.documents import Block, read_page
from tests.support.servers import Listener, write_config

pytestmark = pytest.mark.e2e

QUESTION = {
    "model": "claude-sonnet-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}


def place(block: Block) -> str:
    return block.place


applications = pytest.mark.parametrize("block", blocks_to_run(Kind.APPLICATION), ids=place)
scripts = pytest.mark.parametrize("block", blocks_to_run(Kind.SCRIPT), ids=place)


class Recognised:
    """An application behind a middleware of the host's that has recognised a user."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app({**scope, "user": SimpleUser("somebody")}, receive, send)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Frameworks set up logging; undo that."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """Where the provider of the ``config.yaml`` in the working directory listens."""
    listener = Listener()
    write_config(tmp_path, listener.url)
    monkeypatch.chdir(tmp_path)
    yield listener
    listener.close()


def run(block: Block) -> dict[str, Any]:
    """Return the names of a block."""
    names: dict[str, Any] = {"__name__": "documented"}
    exec(compile(block.text, block.place, "exec"), names)
    return names


def statuses_and_answers(app: Any, provider: Listener, badges: Sequence[str]) -> list[tuple[int, Any]]:
    """Return what a running application answers below ``/llm`` to who shows these badges."""

    def ask() -> list[tuple[int, Any]]:
        with TestClient(app) as client:
            answers = [
                client.post("/llm/v1/messages", json=QUESTION, headers={"x-badge": badge}) for badge in badges
            ]
        return [(answer.status_code, answer.json()) for answer in answers]

    async def serve() -> list[tuple[int, Any]]:
        async with provider.serving(FakeUpstream("Hello.")):
            return await asyncio.to_thread(ask)

    return asyncio.run(serve())


@applications
def test_an_application_serves_the_proxy_below_llm(block: Block, provider: Listener) -> None:
    """Each application starts, answers a question below ``/llm``, and stops."""
    django_site.application()
    app = Recognised(run(block)["app"])
    [(status, answer)] = statuses_and_answers(app, provider, ["badge-1"])
    assert (200, [{"type": "text", "text": "Hello."}]) == (status, answer.get("content"))


@pytest.fixture
def _proven_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the proof of privacy take no time; ``tests/laws`` play all of it."""

    async def proven(make_proxy: object) -> proof.Proof:
        assert make_proxy is PackyProxy
        return proof.Proof(ok=True, scenarios=0, seconds=0.0, looks=())

    monkeypatch.setattr(proof, "prove", proven)


@scripts
@pytest.mark.usefixtures("_proven_already")
def test_a_script_runs(block: Block, provider: Listener) -> None:
    """Each block that is no application does what its assertions say; what it loads was recorded before."""
    if "Cassette.load" in block.text:
        example = next(block for block in read_page("docs/cassettes.md").blocks if block.language == "json")
        Path("cassette.jsonl").write_text(example.text, "utf-8")
    run(block)


def test_the_tests_pass(tmp_path: Path) -> None:
    """The documented tests pass in a folder of their own, by the plugin alone."""
    for block in blocks_to_run(Kind.TEST):
        name = re.sub(r"\W", "_", block.place)
        (tmp_path / f"test_{name}.py").write_text(block.text, "utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_costs_are_billed(provider: Listener) -> None:
    """The documented bill names the team whose member asked, and leaves out who was not let in."""
    block = next(block for block in blocks_of(Kind.APPLICATION) if re.search(r"\bbill\[", block.text))
    names = run(block)
    answers = statuses_and_answers(names["app"], provider, ["badge-2", "wrong", "badge-2"])
    assert [200, 401, 200] == [status for status, _ in answers]
    assert ["blue"] == list(names["bill"])
