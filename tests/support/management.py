"""The management API over a configuration file, before scripted upstreams."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from packyproxy.app import PackyProxy
from packyproxy.testing import FakeUpstream, StreamingASGITransport

__all__ = ["CONFIG", "KEYS", "PASSWORD", "Console"]

PASSWORD = "a-management-password"
"""To be set as ``MANAGEMENT_PASSWORD``."""

KEYS = {"packycode": "sk-packycode-0123456789", "b": "sk-b-0123456789", "c": "sk-c-0123456789"}
"""What each upstream accepts."""

CONFIG = f"""\
# our proxy
api-keys: ["sk-client-0123456789"]      # for the team
packycode:
  enabled: true
  base-url: "http://packycode.test/v1"  # bought in May
  credentials: {{openai-api-key: "{KEYS["packycode"]}"}}
tppc:
  providers:
    - name: "b"
      enabled: false                    # the spare one
      base-url: "http://b.test/v1"
      api-key: "{KEYS["b"]}"
    - name: "unfinished"
      enabled: false
      base-url: "http://c.test/v1"
request-retry: 0
"""


class _Network(httpx.AsyncBaseTransport):
    """The upstreams by host; nobody listens at any other."""

    def __init__(self, upstreams: Mapping[str, FakeUpstream]) -> None:
        self._hosts = {
            f"{name}.test": StreamingASGITransport(upstream) for name, upstream in upstreams.items()
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host not in self._hosts:
            raise httpx.ConnectError("connection refused", request=request)
        return await self._hosts[request.url.host].handle_async_request(request)


class Console:
    """A client of the management API, the proxy, its file and its upstreams."""

    def __init__(self, path: Path, text: str = CONFIG) -> None:
        self.path = path
        path.write_text(text)
        self.upstreams = {name: FakeUpstream(f"This is {name}.", api_key=key) for name, key in KEYS.items()}
        self.proxy = PackyProxy(path, transport=_Network(self.upstreams))
        self.client = httpx.AsyncClient(
            transport=StreamingASGITransport(self.proxy), base_url="http://proxy.test", timeout=None
        )

    @property
    def text(self) -> str:
        """The text of the file."""
        return self.path.read_text()

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request to a path below ``/v0/management``."""
        headers = {"x-management-key": PASSWORD, **options.pop("headers", {})}
        return await self.client.request(method, f"/v0/management{path}", headers=headers, **options)

    async def get(self, path: str) -> Any:
        """Return the JSON of a successful GET."""
        return await self.answer("GET", path)

    async def answer(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of a request that succeeds."""
        response = await self.call(method, path, **({} if body is None else {"json": body}))
        assert 200 == response.status_code, response.text
        return response.json()

    async def refusal(self, method: str, path: str, body: Any, **options: Any) -> dict[str, Any]:
        """Return the JSON of a request that is refused, having seen that the file stays as it is."""
        before = self.path.read_bytes()
        response = await self.call(method, path, content=json.dumps(body), **options)
        assert before == self.path.read_bytes()
        found: dict[str, Any] = response.json()
        return {"status": response.status_code, **found}

    async def ask(self, model: str = "claude-sonnet-4-5") -> str | None:
        """Send one Messages request, and return the name of the provider that answered."""
        response = await self.client.post(
            "/v1/messages",
            json={"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]},
            headers={"x-api-key": "sk-client-0123456789"},
        )
        name: str | None = response.headers.get("x-packyproxy-provider")
        return name

    async def aclose(self) -> None:
        """Close what was opened."""
        await self.client.aclose()
        await self.proxy.runtime.aclose()
