"""``count_tokens`` through the whole proxy."""

from collections.abc import Callable
from typing import Any

from packyproxy.testing import Fault, Turn

Setting = Callable[..., Any]

THINKING = {"type": "adaptive"}


async def count(scene: Any, **fields: Any) -> int:
    """Count one request."""
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], **fields}
    answer = await scene.client.post("/v1/messages/count_tokens", json=body)
    tokens: int = answer.json()["input_tokens"]
    return tokens


async def test_the_example_of_the_contract(stage: Setting) -> None:
    """Base, message and one token of text (wire-mapping 9); the upstream is not asked."""
    scene = stage("never asked")
    assert 8 == await count(scene)
    assert [] == scene.upstream.requests


async def test_refused_reasoning_does_not_count(stage: Setting) -> None:
    """What the next request will leave out is not in its estimate either."""
    scene = stage([Turn(reasoning=["Hm."], text="hello"), Fault.refused_reasoning(), "second"])
    first = (await scene.ask(model="gpt-5", thinking=THINKING)).json()
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": "again"},
    ]
    before = await count(scene, messages=history)
    await scene.ask(model="gpt-5", thinking=THINKING, messages=history)
    after = await count(scene, messages=history)
    assert after < before


async def test_context_management_is_echoed(stage: Setting) -> None:
    """A client that asked for edits learns that none changed the count."""
    scene = stage()
    body = {
        "model": "gpt-5",
        "messages": [{"role": "user", "content": "hi"}],
        "context_management": {"edits": []},
    }
    answer = await scene.client.post("/v1/messages/count_tokens", json=body)
    assert {"input_tokens": 8, "context_management": {"original_input_tokens": 8}} == answer.json()
