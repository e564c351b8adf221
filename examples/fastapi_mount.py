"""Mount the proxy in a FastAPI application.

Run: python examples/fastapi_mount.py     (asks itself one question; nothing leaves the process)
For real use write ``proxy = PackyProxy("config.yaml")`` and serve ``app`` as you always do.
"""

from fastapi import FastAPI
from fastapi.testclient import TestClient

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, StreamingASGITransport

CONFIG = {
    "packycode": {
        "enabled": True,
        "base-url": "https://provider.example/v1",
        "credentials": {"openai-api-key": "sk-example"},
    }
}
UPSTREAM = FakeUpstream("Hello from below /llm")

proxy = PackyProxy(CONFIG, transport=StreamingASGITransport(UPSTREAM))
app = FastAPI(lifespan=proxy.lifespan)
app.mount("/llm", proxy)


@app.get("/")
async def home() -> str:
    """Answer for the host application."""
    return "the host's own page"


def main() -> None:
    """Ask the host, and the proxy in it."""
    question = {
        "model": "claude-sonnet-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
    }
    with TestClient(app) as client:
        print(client.get("/").json())
        print(client.post("/llm/v1/messages", json=question).json()["content"][0]["text"])


if __name__ == "__main__":
    main()
