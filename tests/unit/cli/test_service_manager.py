"""What a service manager is told, and that nobody else is."""

import secrets
import socket
import sys
from pathlib import Path

import pytest

from packyproxy.cli.service_manager import tell_service_manager


@pytest.mark.parametrize("kind", ["a path", "a name that is in no folder"])
def test_a_manager_that_asks_is_told(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words arrive at the socket that the variable names, as one datagram each."""
    if kind != "a path" and sys.platform != "linux":
        pytest.skip("only Linux has such names")
    address = str(tmp_path / "notify") if kind == "a path" else f"@{secrets.token_hex(8)}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind(address.replace("@", "\0"))
        tell_service_manager("READY=1")
        tell_service_manager("STOPPING=1")
        assert [b"READY=1", b"STOPPING=1"] == [manager.recv(64), manager.recv(64)]


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "/nowhere/notify"])
def test_where_nobody_listens_nothing_happens(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable, and with one that leads nowhere, the service goes on."""
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    tell_service_manager("READY=1")
