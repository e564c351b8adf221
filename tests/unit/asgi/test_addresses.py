"""Where a request comes from."""

from typing import Any

import pytest

from packyproxy.asgi.addresses import client_address, is_local


@pytest.mark.parametrize(
    ("client", "address", "local"),
    [
        pytest.param(("127.0.0.1", 50000), "127.0.0.1", True, id="loopback"),
        pytest.param(("127.8.9.10", 50000), "127.8.9.10", True, id="whole-block"),
        pytest.param(("::1", 50000), "::1", True, id="loopback-ipv6"),
        pytest.param(("::ffff:127.0.0.1", 50000), "127.0.0.1", True, id="loopback-mapped"),
        pytest.param(["127.0.0.1", 50000], "127.0.0.1", True, id="list"),
        pytest.param(("10.0.0.7", 50000), "10.0.0.7", False, id="private"),
        pytest.param(("::ffff:10.0.0.7", 50000), "10.0.0.7", False, id="mapped"),
        pytest.param(("2001:DB8::0:7", 50000), "2001:db8::7", False, id="ipv6"),
        pytest.param(("fe80::1%eth0", 50000), "fe80::1%eth0", False, id="link-local"),
        pytest.param(("0.0.0.0", 50000), "0.0.0.0", False, id="unspecified"),
        pytest.param(("testclient", 50000), None, False, id="no-address"),
        pytest.param(("", 0), None, False, id="empty"),
        pytest.param(None, None, False, id="unix-socket"),
    ],
)
def test_loopback_is_local_however_it_is_written(client: Any, address: str | None, *, local: bool) -> None:
    """A peer is local if its address is loopback, in whichever way the server writes that."""
    scope = {"client": client}
    assert (address, local) == (client_address(scope), is_local(scope, {}))


def test_a_peer_that_nobody_names_is_not_local() -> None:
    """ASGI lets a server leave the client out: such a request is not known to be local."""
    assert (None, False) == (client_address({}), is_local({}, {}))


@pytest.mark.parametrize(
    "header",
    ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host", "x-forwarded-proto", "via"],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "", "for=10.0.0.7"])
def test_what_a_proxy_passes_on_is_not_local(header: str, value: str) -> None:
    """What a proxy on this machine passes on may come from anywhere, whatever its header claims."""
    assert not is_local({"client": ("127.0.0.1", 50000)}, {header: value})


def test_a_claim_makes_nothing_local() -> None:
    """A remote peer that says it speaks for loopback stays remote."""
    assert not is_local({"client": ("10.0.0.7", 50000)}, {"x-forwarded-for": "127.0.0.1"})
