"""Mount single components over one runtime, and decide yourself who may use them.

Run: python examples/starlette_components.py     (asks itself; nothing leaves the process)
For real use write ``Runtime("config.yaml", authorize=is_known)``. The hook sees what your own middleware has
put into the scope, ``scope["user"]`` for example, and may be an ``async def``.
"""

from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from packyproxy.asgi import Gateway, Models  # there are also Status, Management and Validator
from packyproxy.runtime import Runtime
from packyproxy.testing import FakeUpstream, StreamingASGITransport

CONFIG = {
    "packycode": {
        "enabled": True,
        "base-url": "https://provider.example/v1",
        "credentials": {"openai-api-key": "sk-example"},
    }
}
UPSTREAM = FakeUpstream("Hello from the gateway")


def is_known(scope: dict[str, Any]) -> bool:
    """Tell whether a request may use the models; else it gets a 401 in its protocol's own shape."""
    return Headers(scope=scope).get("x-badge") == "4711"


runtime = Runtime(CONFIG, authorize=is_known, transport=StreamingASGITransport(UPSTREAM))
llm = [Route("/v1/models{rest:path}", Models(runtime)), Mount("/", Gateway(runtime))]
app = Starlette(routes=[Mount("/llm", routes=llm)], lifespan=runtime.running)


def main() -> None:
    """Ask with and without a badge."""
    question = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
    with TestClient(app) as client:
        print(client.post("/llm/v1/chat/completions", json=question).json()["error"]["message"])
        client.headers["x-badge"] = "4711"
        answer = client.post("/llm/v1/chat/completions", json=question).json()
        print(answer["choices"][0]["message"]["content"])
        print(len(client.get("/llm/v1/models").json()["data"]), "models")


if __name__ == "__main__":
    main()
