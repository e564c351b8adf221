"""Whether the configured address is free, or who answers there."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.findings import Finding
from packyproxy.cli.server import bind, local_url
from packyproxy.config import Config

__all__ = ["port_finding", "running_version"]

_ANSWER_SECONDS: Final = 2.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_LONGEST_VERSION: Final = 32


def port_finding(config: Config) -> tuple[Finding, bool]:
    """Try to listen where ``serve`` would, and look who is there when that fails.

    Returns:
        What was found, and whether it is a running packyproxy.
    """
    subject = f"{config.host} port {config.port}"
    try:
        bind(config.host, config.port).close()
    except CommandFailed as error:
        if version := running_version(config.host, config.port):
            return Finding(mark="ok", subject=subject, text=f"packyproxy {version} answers there"), True
        return Finding(mark="failed", subject=subject, text=str(error)), False
    return Finding(mark="ok", subject=subject, text="free"), False


def running_version(host: str, port: int) -> str | None:
    """Return the version of the packyproxy that answers at an address; None when none does."""
    address = urlsplit(local_url(host, port))
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        answer = json.loads(connection.getresponse().read(_MAX_ANSWER_BYTES))
        if answer["name"] != "packyproxy":
            return None
        return "".join(filter(str.isprintable, str(answer["version"])))[:_LONGEST_VERSION] or "?"
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
