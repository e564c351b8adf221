"""What a runtime refuses to be made of."""

from typing import Any

import httpx
import pytest

from packyproxy.runtime import Runtime

TRANSPORT = httpx.MockTransport(lambda _: httpx.Response(200))


class Elsewhere:
    """A client of another library."""


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "synchronous client": (
        {"client": httpx.Client()},
        "client must be an httpx.AsyncClient, not a httpx.Client",
    ),
    "other client": ({"client": Elsewhere()}, "client must be an httpx.AsyncClient, not a tests.Elsewhere"),
    "transport for a client": (
        {"client": TRANSPORT},
        "client must be an httpx.AsyncClient, not a httpx.MockTransport",
    ),
    "synchronous transport": (
        {"transport": httpx.HTTPTransport()},
        "transport must be an httpx.AsyncBaseTransport, not a httpx.HTTPTransport",
    ),
    "both": (
        {"client": httpx.AsyncClient(), "transport": TRANSPORT},
        "there may be a client or a transport, not both: a client has a transport of its own",
    ),
}


@pytest.mark.parametrize(("given", "problem"), WRONG.values(), ids=WRONG)
def test_a_way_that_leads_nowhere_is_refused(given: dict[str, Any], problem: str) -> None:
    """At once, and not by the first request."""
    with pytest.raises(TypeError) as refused:
        Runtime({}, **given)
    assert problem == str(refused.value)
