"""Put the proxy around any ASGI application; what it does not own goes there untouched.

Run: python examples/any_asgi_middleware.py     (asks itself; nothing leaves the process)
For real use write ``app = PackyProxyMiddleware(host, "config.yaml", prefix="/llm")`` and serve ``app``.
FastAPI and Starlette: ``app.add_middleware(PackyProxyMiddleware, config="config.yaml", prefix="/llm")``.
"""

import asyncio
from typing import Any

import httpx

from packyproxy import PackyProxyMiddleware
from packyproxy.testing import FakeUpstream, StreamingASGITransport

CONFIG = {
    "packycode": {
        "enabled": True,
        "base-url": "https://provider.example/v1",
        "credentials": {"openai-api-key": "sk-example"},
    }
}
UPSTREAM = FakeUpstream("Hello from below /llm")


async def host(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Be the application that was there before: plain ASGI, without a framework and without a lifespan."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"the host's own page"})


app = PackyProxyMiddleware(host, CONFIG, prefix="/llm", transport=StreamingASGITransport(UPSTREAM))


async def main() -> None:
    """Ask the host, then the proxy around it, whose answer comes event by event."""
    question = {
        "model": "claude-sonnet-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }
    way = StreamingASGITransport(app)
    async with app.proxy, httpx.AsyncClient(transport=way, base_url="http://host.example") as client:
        print((await client.get("/")).text)
        async with client.stream("POST", "/llm/v1/messages", json=question) as answer:
            async for text in answer.aiter_text():
                print(text, end="")


if __name__ == "__main__":
    asyncio.run(main())
