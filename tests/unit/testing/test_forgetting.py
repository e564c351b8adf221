"""A proxy that forgets asks an upstream again, whatever it has done before."""

import httpx
import pytest

from packyproxy import PackyProxy
from packyproxy.testing import FakeUpstream, Fault, StreamingASGITransport, forget_failures
from packyproxy.testing.forgetting import ForgetfulStore
from tests.support.settings import provider

ASKED = {"model": "gpt-5", "input": "hi", "stream": True}


@pytest.mark.parametrize(("forgets", "reached"), [(True, 8), (False, 1)], ids=["forgetting", "as it comes"])
async def test_a_rest_that_was_asked_for_is_forgotten(forgets: bool, reached: int) -> None:
    """Every request reaches the upstream, where without forgetting the first refusal keeps all others away."""
    upstream = FakeUpstream(Fault.usage_limit())
    proxy = PackyProxy({"packycode": provider()}, transport=StreamingASGITransport(upstream))
    if forgets:
        forget_failures(proxy.runtime)
    async with httpx.AsyncClient(transport=StreamingASGITransport(proxy), base_url="http://test") as client:
        statuses = {(await client.post("/v1/responses", json=ASKED)).status_code for _ in range(8)}
    assert ({429}, reached) == (statuses, len(upstream.requests))


async def test_the_store_keeps_nothing() -> None:
    """What is written is gone; a change succeeds for who expects nothing there, as everybody must."""
    store = ForgetfulStore()
    await store.write("key", b"value", expires_in_seconds=60)
    assert [None, None] == await store.read(["key", "other"])
    assert await store.replace("key", b"value", instead_of=None, expires_in_seconds=60)
    assert not await store.replace("key", b"value", instead_of=b"value", expires_in_seconds=60)
