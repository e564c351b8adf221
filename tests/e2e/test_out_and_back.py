"""Taking a provider out of service and bringing it back as README says, by the clock: far under a minute each."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal

import httpx
import pytest

from packyproxy.testing import FakeUpstream
from tests.support.documents import read_page
from tests.support.servers import PROVIDER_KEY, Listener, ServeProcess

pytestmark = pytest.mark.e2e

ASKED: Final = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
SECONDS: Final = 5.0
"""Of the minute that is promised; a machine that is busy with other tests needs some of them."""
MANAGEMENT_KEY: Final = "management-key-0123456789"
DOCUMENTED_ADDRESS: Final = "127.0.0.1:8317"

CONFIG: Final = """\
packycode:
  enabled: true
  base-url: "{first}/v1"
  credentials: {{openai-api-key: "{key}"}}
tppc:
  providers:
    - name: "provider-b"
      enabled: true
      base-url: "{second}/v1"
      api-key: "{key}"
routing:
  session-affinity: false
"""


class TwoProviders:
    """A running proxy over two providers, and the ways to switch the first one."""

    def __init__(self, path: Path, proxy: ServeProcess) -> None:
        self._path = path
        self._proxy = proxy

    async def save(self, enabled: bool) -> None:
        """Change the word in the file, as an editor does."""
        text = self._path.read_text("utf-8")
        block = f"packycode:\n  enabled: {str(not enabled).lower()}\n"
        assert block in text
        self._path.write_text(
            text.replace(block, f"packycode:\n  enabled: {str(enabled).lower()}\n"), "utf-8"
        )

    async def call(self, enabled: bool) -> None:
        """Run the command of README's block, in the shell that it is written for."""
        (block,) = (
            block.text for block in read_page("README.md").blocks if '-X PATCH -d \'{"enabled"' in block.text
        )
        lines = block.splitlines()
        define = next(line for line in lines if line.startswith("manage()"))
        wanted = f'"enabled": {str(enabled).lower()}'
        (command,) = [line for line in lines if line.startswith("manage /") and wanted in line]
        script = f"{define}\n{command}".replace(DOCUMENTED_ADDRESS, self._proxy.url.removeprefix("http://"))
        environment = {**os.environ, "MANAGEMENT_PASSWORD": MANAGEMENT_KEY}
        shell = await asyncio.create_subprocess_exec(
            "bash", "-euc", script, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        assert 0 == await shell.wait()

    async def seconds_until(self, provider: str, began: float) -> float:
        """Return how long after ``began`` an answer comes from a provider."""
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=self._proxy.url, timeout=20) as http:
            while True:
                answer = await http.post("/v1/messages", json=ASKED)
                assert 200 == answer.status_code
                if answer.headers["x-packyproxy-provider"] == provider:
                    return time.monotonic() - began


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[TwoProviders]:
    """Both at work, and the first one asked first."""
    listeners = [Listener(), Listener()]
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(first=listeners[0].url, second=listeners[1].url, key=PROVIDER_KEY), "utf-8")
    async with AsyncExitStack() as stack:
        for listener in listeners:
            stack.callback(listener.close)
            await stack.enter_async_context(listener.serving(FakeUpstream("Hello.")))
        proxy = ServeProcess(path, env={**os.environ, "MANAGEMENT_PASSWORD": MANAGEMENT_KEY})
        stack.callback(proxy.close)
        yield TwoProviders(path, proxy)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("save", id="by saving the file"),
        pytest.param(
            "call",
            marks=pytest.mark.skipif(shutil.which("curl") is None, reason="README's call needs curl"),
            id="by the management API",
        ),
    ],
)
async def test_out_and_back(way: Literal["save", "call"], providers: TwoProviders) -> None:
    """Requests go to the other provider soon after, and come back as soon; no request fails meanwhile."""
    await providers.seconds_until("packycode", time.monotonic())
    for enabled, answering in ((False, "provider-b"), (True, "packycode")):
        began = time.monotonic()
        await (providers.save(enabled) if way == "save" else providers.call(enabled))
        seconds = await providers.seconds_until(answering, began)
        assert seconds < SECONDS
