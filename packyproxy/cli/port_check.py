"""Whether the configured address is free, or who answers there."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from packyproxy.cli.failures import CommandFailed
from packyproxy.cli.findings import Finding
from packyproxy.cli.server import bind, local_url
from packyproxy.config import Config

__all__ = ["port_finding"]

_ANSWER_SECONDS: Final = 2.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_LONGEST_VERSION: Final = 32


def port_finding(config: Config) -> Finding:
    """Try to listen where ``serve`` would, and look who is there when that fails."""
    subject = f"{config.host} port {config.port}"
    try:
        bind(config.host, config.port).close()
    except CommandFailed as error:
        name, version = _who_answers(local_url(config.host, config.port))
        if name == "packyproxy":
            return Finding(mark="ok", subject=subject, text=f"packyproxy {version} answers there")
        return Finding(mark="failed", subject=subject, text=str(error))
    return Finding(mark="ok", subject=subject, text="free")


def _who_answers(url: str) -> tuple[str, str]:
    """Return name and version that a server gives for itself; empty when it is no packyproxy."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        answer = json.loads(connection.getresponse().read(_MAX_ANSWER_BYTES))
        return str(answer["name"]), "".join(filter(str.isprintable, str(answer["version"])))[
            :_LONGEST_VERSION
        ]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return "", ""
    finally:
        connection.close()
