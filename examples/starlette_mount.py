"""Mount the proxy in a Starlette application; the host owns the lifespan.

Run: python examples/starlette_mount.py     (asks itself one question and ends)
With a real provider, hand PackyProxy your config.yaml instead of SETTINGS, and leave ``transport`` out.
"""

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, StreamingASGITransport

SETTINGS = {
    "packycode": {
        "enabled": True,
        "base-url": "https://provider.example/v1",
        "credentials": {"openai-api-key": "sk-example"},
    }
}


async def home(_: Request) -> PlainTextResponse:
    """Answer for the host application."""
    return PlainTextResponse("the host's own page")


proxy = PackyProxy(SETTINGS, transport=StreamingASGITransport(FakeUpstream("Hello from below /llm")))
app = Starlette(routes=[Route("/", home), Mount("/llm", app=proxy)], lifespan=proxy.lifespan)


async def main() -> None:
    """Ask the mounted proxy."""
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
    }
    transport = StreamingASGITransport(app)
    async with proxy, httpx.AsyncClient(transport=transport, base_url="http://host.example") as client:
        print((await client.get("/")).text)
        print((await client.post("/llm/v1/messages", json=body)).json()["content"][0]["text"])


if __name__ == "__main__":
    asyncio.run(main())
