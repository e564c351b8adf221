"""A real client, ``packyproxy serve`` and a scripted upstream: three programs on loopback.

Each client gets a home of its own in a temporary folder, so it reads no settings of this machine's user and leaves none.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from packyproxy.testing import FakeUpstream
from tests.clients.codex_cli import CodexCli
from tests.support.servers import Listener, ServeProcess, write_config

RUN_SECONDS = 60.0
MISSING = "needs {name}: npm install -g {package}, or set {variable} to its binary"
UNASKED = "scripts/test-clients drives {name}"


def find_client(name: str, program: str, package: str, variable: str) -> str:
    """Return the path of a client that somebody asked to have driven; another is left alone, and its tests skipped.

    Whoever runs all tests may have a client for their work: of any release, and each says some things otherwise.
    """
    named = os.environ.get(variable)
    if os.environ.get("PACKYPROXY_REAL_CLIENTS") != "1":
        return named or pytest.skip(UNASKED.format(name=name))
    found = named or shutil.which(program)
    return found or pytest.fail(MISSING.format(name=name, package=package, variable=variable))


@pytest.fixture(scope="session")
def binary() -> str:
    """The path of Claude Code."""
    return find_client("Claude Code", "claude", "@anthropic-ai/claude-code", "PACKYPROXY_CLAUDE")


@pytest.fixture(scope="session")
def codex_binary() -> str:
    """The path of the Codex CLI."""
    return find_client("the Codex CLI", "codex", "@openai/codex", "PACKYPROXY_CODEX")


class Run:
    """What one run of Claude Code has printed."""

    def __init__(self) -> None:
        self.exit_code = -1
        self.errors = ""
        self.events: list[dict[str, Any]] = []

    @property
    def result(self) -> dict[str, Any]:
        """The last event: the result; its ``result`` is the text that the user sees."""
        assert self.events, f"Claude Code printed nothing but: {self.errors}"
        assert self.events[-1]["type"] == "result", self.events[-1]
        return self.events[-1]

    def blocks(self, kind: str) -> list[dict[str, Any]]:
        """Return the content blocks of one type, in the order in which they were shown."""
        return [
            block
            for event in self.events
            if event["type"] in {"assistant", "user"}
            for block in event["message"]["content"]
            if isinstance(block, dict) and block["type"] == kind
        ]


class ClaudeCode:
    """Claude Code in a home and a working folder of its own, pointed at a proxy."""

    def __init__(self, binary: str, folder: Path, url: str) -> None:
        self._binary = binary
        self.work = folder / "work"
        self.work.mkdir()
        home = folder / "home"
        home.mkdir()
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CLAUDE_CONFIG_DIR": str(home / ".claude"),
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": "any-value",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "IS_SANDBOX": "1",  # lets root skip the questions about permissions
        }

    async def run(
        self,
        prompt: str,
        *arguments: str,
        on_event: Callable[[dict[str, Any]], None] | None = None,
        **environment: str,
    ) -> Run:
        """Run one prompt to its end; ``on_event`` sees every event as it is printed."""
        run = Run()
        process = await asyncio.create_subprocess_exec(
            self._binary,
            *("--print", prompt, "--output-format", "stream-json", "--verbose"),
            *("--dangerously-skip-permissions", *arguments),
            cwd=self.work,
            env=self._environment | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        try:
            async with asyncio.timeout(RUN_SECONDS):
                async for line in process.stdout:
                    event: dict[str, Any] = json.loads(line)
                    run.events.append(event)
                    if on_event is not None:
                        on_event(event)
                run.errors = (await errors).decode()
                run.exit_code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            errors.cancel()
        return run


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    """Where the upstream listens."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def proxy(listener: Listener, tmp_path: Path) -> Iterator[ServeProcess]:
    """The proxy of this test: what it has learned of a provider is not for the next one."""
    with ServeProcess(write_config(tmp_path, listener.url)) as proxy:
        yield proxy


@pytest.fixture
async def upstream(listener: Listener) -> AsyncIterator[FakeUpstream]:
    """The upstream of this test."""
    upstream = FakeUpstream("Hello.")
    async with listener.serving(upstream):
        yield upstream


class Pair:
    """Two providers, and the proxy before them."""

    def __init__(self, folder: Path, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._path = folder / "config.yaml"
        self.upstreams = {name: FakeUpstream(f"Hello from {name}.") for name in urls}
        self.save()
        self.proxy = ServeProcess(self._path)

    def save(self, *, disabled: str = "", **settings: Any) -> None:
        """Write the configuration, with one provider disabled if need be."""
        providers = [
            {"name": name, "enabled": name != disabled, "base-url": f"{url}/v1", "api-key": f"sk-{name}-0123"}
            for name, url in self._urls.items()
        ]
        self._path.write_text(json.dumps({"tppc": {"providers": providers}, **settings}), "utf-8")

    def calls(self) -> dict[str, int]:
        """Return how many requests each provider has had."""
        return {name: len(upstream.requests) for name, upstream in self.upstreams.items()}


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Both providers at work."""
    listeners = {name: Listener() for name in ("a", "b")}
    pair = Pair(tmp_path, {name: listener.url for name, listener in listeners.items()})
    async with AsyncExitStack() as stack:
        for name, listener in listeners.items():
            await stack.enter_async_context(listener.serving(pair.upstreams[name]))
        yield pair
        pair.proxy.close()
    for listener in listeners.values():
        listener.close()


@pytest.fixture
def claude(binary: str, proxy: ServeProcess, tmp_path: Path) -> ClaudeCode:
    """Claude Code, never used before."""
    return ClaudeCode(binary, tmp_path, proxy.url)


@pytest.fixture
def codex(codex_binary: str, proxy: ServeProcess, tmp_path: Path) -> CodexCli:
    """The Codex CLI, never used before."""
    return CodexCli(codex_binary, tmp_path, proxy.url)
