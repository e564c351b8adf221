"""The Codex CLI as a program of a test: a home and a working folder of its own, pointed at a proxy."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUN_SECONDS = 60.0
PROVIDER = """\
model_provider = "packyproxy"
[model_providers.packyproxy]
name = "packyproxy"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "PACKYPROXY_KEY"
"""
"""A provider of its own, as `docs` and README show it."""
BASE_URL = 'openai_base_url = "{url}/v1"\n'
"""OpenAI's place taken: the Codex CLI then does what it does with OpenAI alone, such as trying a websocket."""


class CodexRun:
    """What one run of the Codex CLI has printed."""

    def __init__(self, exit_code: int, output: str, errors: str) -> None:
        self.exit_code = exit_code
        self.errors = errors
        self.events: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]

    def items(self, kind: str) -> list[dict[str, Any]]:
        """Return the finished items of one type, in the order in which they were shown."""
        return [
            event["item"]
            for event in self.events
            if event["type"] == "item.completed" and event["item"]["type"] == kind
        ]

    @property
    def text(self) -> str:
        """The last message of the model; empty when there is none."""
        messages = self.items("agent_message")
        return str(messages[-1]["text"]) if messages else ""

    @property
    def failure(self) -> str:
        """What the user reads when the turn has failed; empty when it has not."""
        last = self.events[-1]
        return str(last["error"]["message"]) if last["type"] == "turn.failed" else ""

    @property
    def troubles(self) -> list[str]:
        """What the user reads of troubles on the way, such as reconnections."""
        return [str(event["message"]) for event in self.events if event["type"] == "error"]

    @property
    def usage(self) -> dict[str, int]:
        """The tokens of a turn that has ended well."""
        last = self.events[-1]
        assert last["type"] == "turn.completed", last
        usage: dict[str, int] = last["usage"]
        return usage


class CodexCli:
    """A Codex CLI that was never used before.

    Args:
        binary: the program.
        folder: where its home and its working folder are made.
        url: of the proxy.
    """

    def __init__(self, binary: str, folder: Path, url: str) -> None:
        self._binary = binary
        self._url = url
        self.work = folder / "codex-work"
        self.work.mkdir()
        self._home = folder / "codex-home"
        self._home.mkdir()
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "CODEX_HOME": str(self._home),
            "PACKYPROXY_KEY": "any-value",
            "CODEX_API_KEY": "any-value",
        }
        self.set_up()

    def move(self, url: str) -> None:
        """Lead it to a proxy at another address, as it is set up in the beginning."""
        self._url = url
        self.set_up()

    def set_up(self, way: str = PROVIDER, *, model: str | None = "gpt-5", settings: str = "") -> None:
        """Write its configuration.

        Args:
            way: how it finds the proxy: ``PROVIDER`` or ``BASE_URL``.
            model: what it asks for; None leaves that to it.
            settings: further tables of the configuration, in TOML.
        """
        named = f'model = "{model}"\n' if model else ""
        text = f"{named}{way.format(url=self._url)}{settings}\n[analytics]\nenabled = false\n"
        (self._home / "config.toml").write_text(text, "utf-8")

    async def run(
        self, prompt: str, *arguments: str, resumes: bool = False, under: Sequence[str] = ()
    ) -> CodexRun:
        """Run one prompt to its end.

        Args:
            prompt: what is asked.
            arguments: further ones.
            resumes: goes on with the session before.
            under: the words of a program that runs it.
        """
        command = ("exec", "resume", "--last") if resumes else ("exec",)
        process = await asyncio.create_subprocess_exec(
            *(*under, self._binary, *command),
            *("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
            *(*arguments, "--", prompt),
            cwd=self.work,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(RUN_SECONDS):
                output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return CodexRun(process.returncode, output.decode(), errors.decode())
