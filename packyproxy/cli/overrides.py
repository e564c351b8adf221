"""What the command line of ``serve`` says over the configuration file, at the start and at each reload."""

from msgspec.structs import replace

from packyproxy.cli.server import is_loopback
from packyproxy.config import Config
from packyproxy.config.rules import check_host
from packyproxy.errors import ConfigError, Problem

__all__ = ["Overrides"]


class Overrides:
    """The address, and whether it may be open to everybody.

    Args:
        host: instead of the file's; None leaves it to the file.
        port: likewise.
        allow_open: without api-keys, listen beyond loopback all the same.

    Raises:
        ConfigError: the host is none.
    """

    def __init__(self, host: str | None = None, port: int | None = None, *, allow_open: bool = False) -> None:
        if host is not None and (complaint := check_host(host)):
            message, fix = complaint
            raise ConfigError((Problem(field="--host", code="invalid", message=message, fix=fix),))
        self._host = host
        self._port = port
        self._allow_open = allow_open
        self._listens_on: str | None = None

    def apply(self, config: Config) -> Config:
        """Return the configuration with what the command line says.

        The first one decides where the server listens: the address stays until a restart, whatever a later
        one says.

        Raises:
            ConfigError: it would let other machines in without a key.
        """
        config = replace(
            config,
            host=config.host if self._host is None else self._host,
            port=config.port if self._port is None else self._port,
        )
        listens_on = self._listens_on or config.host
        if not (config.api_keys or self._allow_open or is_loopback(listens_on)):
            raise ConfigError((_open_to_others(listens_on),))
        self._listens_on = listens_on
        return config


def _open_to_others(host: str) -> Problem:
    return Problem(
        field="api-keys",
        code="open_to_others",
        message=f"none is configured, and {host} can be reached from other machines",
        fix="add at least one, or pass --allow-open if everybody who can connect may use your provider's key",
    )
