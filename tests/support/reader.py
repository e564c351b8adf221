"""A reader of a document, who types its commands one after the other into one shell, beside a running proxy.

The shell is bash with ``-eu``, with a home and a folder of its own. There are a ``config.yaml``, as ``packyproxy
init`` writes it with a key in it, and the files of the tree; the proxy that the page speaks of serves it, and the
hosts of providers lead to fake ones. What a test cannot have, such as ``claude`` or ``docker``, is played by
:mod:`tests.support.stand_ins.programs`.
"""

import asyncio
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, Self

import httpx

from packyproxy.config.reading import text_revision
from packyproxy.testing import FakeUpstream
from tests.support.block_kinds import PROXY_ADDRESS
from tests.support.documents import ROOT, Block
from tests.support.servers import COMMAND, PROVIDER_KEY, Listener, ServeProcess, free_port
from tests.support.stand_ins.installers import IN_VENVS
from tests.support.stand_ins.programs import NAMES
from tests.support.stand_ins.world import World

__all__ = ["CommandFailed", "Printed", "Reader"]

_SECONDS = 60.0
"""The longest that one block may take."""
_HOME = "/home/you"
"""As documents write it."""
_END = b"\x1e"
_SHELL = f"""
set -eu
while IFS= read -r -d '' -u 9 block; do
  eval "$block" 9<&-
  printf '\\{_END[0]:03o}'
  printf '\\{_END[0]:03o}' >&2
done
"""
_MANAGEMENT_KEY = "b1946ac92492d2347c6235b4d2611184b1946ac92492d234"
_STAND_IN = """import sys
sys.path.insert(0, sys.argv[1])
from tests.support.stand_ins.programs import main
sys.exit(main(*sys.argv[2:]))"""
_FOREIGN_HOST = re.compile(r"https://(?!github\.com|pypi\.org)[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_COPIED = ("examples", "config.example.yaml")
"""What commands may write to."""
_LINKED = (
    "docs",
    "tests",
    "benchmarks",
    "packyproxy",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)


class Printed(NamedTuple):
    """What a block of commands has printed."""

    output: str
    errors: str


class CommandFailed(Exception):
    """A command of a document did not end well; the text has its output."""


class Reader:
    """An async context manager; ``blocks`` are the commands and files of one page, in their order."""

    def __init__(self, folder: Path, blocks: Iterable[Block]) -> None:
        self._blocks = tuple(blocks)
        self.home = folder / "home"
        self.folder = self.home / "packyproxy"
        self._programs = folder / "bin"
        self._listeners: dict[str, Listener] = {}
        self._stack = AsyncExitStack()
        self._proxy: ServeProcess
        self._shell: Process
        self._to_shell: int
        self._config = ""
        self._free_port = free_port()

    async def __aenter__(self) -> Self:
        template = (ROOT / "packyproxy" / "cli" / "templates" / "packycode.yaml").read_text("utf-8")
        texts = (template, *(block.text for block in self._blocks))
        for host in sorted({host for text in texts for host in _FOREIGN_HOST.findall(text)}):
            self._listeners[host] = Listener()
            self._stack.callback(self._listeners[host].close)
            await self._stack.enter_async_context(self._listeners[host].serving(FakeUpstream("Hello.")))
        self._furnish(
            self._real(template).replace('openai-api-key: "" ', f'openai-api-key: "{PROVIDER_KEY}" ')
        )
        environment = self._environment()
        served = environment | {"MANAGEMENT_PASSWORD": _MANAGEMENT_KEY}
        self._proxy = ServeProcess(self.folder / "config.yaml", env=served)
        self._stack.callback(self._proxy.close)
        await self._open_shell(environment | self._tell_stand_ins())
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self._to_shell)
        try:
            await asyncio.wait_for(self._shell.wait(), 5)
        except TimeoutError:
            self._shell.kill()
            await self._shell.wait()
        await self._stack.aclose()

    def put(self, block: Block) -> None:
        """Write a block into the file that its first line names."""
        assert block.path is not None
        path = Path(block.path.replace("~", str(self.home), 1)) if block.path[0] == "~" else Path(block.path)
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._real(block.text), "utf-8")
        path.chmod(0o600)  # it may hold a key

    async def run(self, block: Block) -> Printed:
        """Run a block of commands, or of Python, and return what it prints, in the names of the document.

        Raises:
            CommandFailed: one of them failed, or they took too long.
        """
        await self._let_the_proxy_follow()
        text = self._real(block.text)
        if block.language == "python":
            (self.folder / "block.py").write_text(text, "utf-8")
            text = "python block.py"
        os.write(self._to_shell, text.encode() + b"\0")
        reading = (self._printed(self._shell.stdout), self._printed(self._shell.stderr))
        try:
            (output, has_ended), (errors, _) = await asyncio.wait_for(asyncio.gather(*reading), _SECONDS)
        except TimeoutError:
            raise CommandFailed(f"it did not end within {_SECONDS:g} s") from None
        if not has_ended:
            raise CommandFailed(output + errors)
        return Printed(output, errors)

    async def _printed(self, stream: asyncio.StreamReader | None) -> tuple[str, bool]:
        """Return what is printed until the mark behind a block, and whether that came."""
        assert stream is not None
        try:
            text = (await stream.readuntil(_END))[:-1]
        except asyncio.IncompleteReadError as error:
            return self._documented(error.partial.decode()), False
        return self._documented(text.decode()), True

    def _real(self, text: str) -> str:
        for documented, real in self._names().items():
            text = text.replace(documented, real)
        return text

    def _documented(self, text: str) -> str:
        for documented, real in self._names().items():
            text = text.replace(real, documented)
        return re.sub(
            rf"\b(?:{self._proxy.port}|{self._free_port})\b", PROXY_ADDRESS.rpartition(":")[2], text
        )

    def _names(self) -> Mapping[str, str]:
        names = {host: listener.url for host, listener in self._listeners.items()} | {_HOME: str(self.home)}
        proxy = getattr(self, "_proxy", None)
        return names | ({} if proxy is None else {PROXY_ADDRESS: f"127.0.0.1:{proxy.port}"})

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{self._programs}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
        }

    def _furnish(self, config: str) -> None:
        """Make home, folder and programs."""
        self.folder.mkdir(parents=True)
        self._programs.mkdir()
        self._config = config
        (self.folder / "config.yaml").write_text(config, "utf-8")
        (self.folder / "config.yaml").chmod(0o600)
        for name in _LINKED:
            (self.folder / name).symlink_to(ROOT / name)
        for name in _COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.folder / name)
        for name in NAMES:
            self._put_program((self.folder if "/" in name else self._programs) / name, name)
        for name in IN_VENVS:  # as scripts/venv makes it
            self._put_program(self.folder / ".venv" / "bin" / name, name)

    @staticmethod
    def _put_program(path: Path, name: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        stand_in = f"exec {sys.executable} -ESc '{_STAND_IN}' {ROOT} {name}"
        path.write_text(f'#!/bin/sh\n{stand_in} "$@"\n', "utf-8")
        path.chmod(0o755)

    def _tell_stand_ins(self) -> dict[str, str]:
        """Write what they need to know; returns the variables by which they find it."""
        world = World(
            folder=str(self.folder),
            programs=str(self._programs),
            packyproxy=str(COMMAND),
            python=sys.executable,
            names=tuple(self._names().items()),
            config=self._config,
            provider_key=PROVIDER_KEY,
            management_key=_MANAGEMENT_KEY,
            port=self._proxy.port,
            free_port=self._free_port,
        )
        return world.write(self._programs / "world.json")

    async def _open_shell(self, environment: Mapping[str, str]) -> None:
        blocks, self._to_shell = os.pipe()
        self._shell = await asyncio.create_subprocess_exec(
            *("bash", "--norc", "-c", f"exec 9<&{blocks} {blocks}<&-\n{_SHELL}"),
            cwd=self.folder,
            env=environment,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=(blocks,),
            limit=1 << 24,
        )
        os.close(blocks)

    async def _let_the_proxy_follow(self) -> None:
        """Wait until the configuration that was written is in force, or has been refused."""
        file = self.folder / "config.yaml"
        if not file.exists() or file.read_text("utf-8") == self._config:
            return
        self._config = file.read_text("utf-8")
        revision = text_revision(self._config.encode())
        headers = {"x-management-key": _MANAGEMENT_KEY}
        async with (
            asyncio.timeout(_SECONDS),
            httpx.AsyncClient(base_url=self._proxy.url, headers=headers) as http,
        ):
            while True:
                status = (await http.get("/v0/management/status")).json()
                if status["applied"]["revision"] == revision or status["on-disk"] not in {"same", "pending"}:
                    return
