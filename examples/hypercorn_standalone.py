"""Serve the proxy on its own from Python, under hypercorn; ``packyproxy serve`` does this and more.

Run: python examples/hypercorn_standalone.py     (serves on a free port, asks itself one question, and stops)
For real use write ``proxy = PackyProxy("config.yaml")``, set ``config.bind`` to the address you want, and
leave out ``shutdown_trigger``: hypercorn then serves until a signal comes.
"""

import asyncio
import socket

import httpx
from hypercorn.asyncio import serve
from hypercorn.config import Config

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, StreamingASGITransport

CONFIG = {
    "packycode": {
        "enabled": True,
        "base-url": "https://provider.example/v1",
        "credentials": {"openai-api-key": "sk-example"},
    }
}
UPSTREAM = FakeUpstream("Hello over HTTP")

proxy = PackyProxy(CONFIG, transport=StreamingASGITransport(UPSTREAM))


async def main() -> None:
    """Serve until the question is answered."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    done = asyncio.Event()
    serving = asyncio.create_task(serve(proxy, config, shutdown_trigger=done.wait))

    question = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
    async with httpx.AsyncClient() as client:
        answer = (await client.post(url, json=question)).json()
    print(answer["choices"][0]["message"]["content"])

    done.set()
    await serving


if __name__ == "__main__":
    asyncio.run(main())
