"""What the command line of ``serve`` says over the file, at the start and after reloads."""

import pytest
from msgspec.structs import replace

from packyproxy.cli.overrides import Overrides
from packyproxy.config import Config, config_from_mapping
from packyproxy.errors import ConfigError


def test_the_command_line_stands_over_the_file() -> None:
    """Host and port are those of the command line, whatever the file says."""
    overrides = Overrides("127.0.0.9", 9)
    for port in (1, 2):
        applied = overrides.apply(Config(host="127.0.0.1", port=port))
        assert ("127.0.0.9", 9) == (applied.host, applied.port)


def test_what_the_command_line_leaves_open_is_the_files() -> None:
    """Without ``--host`` and ``--port`` nothing changes."""
    assert Config(port=5) == Overrides().apply(Config(port=5))


def test_a_host_that_is_none_is_a_problem() -> None:
    """It is named as the argument it came from."""
    with pytest.raises(ConfigError, match="--host"):
        Overrides("no host")


@pytest.mark.parametrize(
    ("overrides", "settings"),
    [(Overrides("0.0.0.0"), Config()), (Overrides(), Config(host="10.0.0.1"))],
    ids=["the command line's host", "the file's host"],
)
def test_an_open_proxy_does_not_listen_beyond_loopback(overrides: Overrides, settings: Config) -> None:
    """It is refused, with the setting that is missing."""
    with pytest.raises(ConfigError) as caught:
        overrides.apply(settings)
    assert ["api-keys"] == [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("overrides", "settings"),
    [
        (Overrides("0.0.0.0"), config_from_mapping({"api-keys": ["k-12345678"]})),
        (Overrides("127.0.0.1"), Config(host="0.0.0.0")),
        (Overrides("0.0.0.0", allow_open=True), Config()),
    ],
    ids=["keys", "loopback", "allowed"],
)
def test_what_is_not_open_may_listen(overrides: Overrides, settings: Config) -> None:
    """Keys, a loopback address or the user's word are enough."""
    assert settings.api_keys == overrides.apply(settings).api_keys


def test_keys_cannot_be_taken_away_from_an_address_that_stays() -> None:
    """The server listens where it began to, also when the file names loopback by now."""
    overrides = Overrides()
    with_keys = config_from_mapping({"host": "0.0.0.0", "api-keys": ["k-12345678"]})
    overrides.apply(with_keys)
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0 can be reached from other machines"):
        overrides.apply(Config(host="127.0.0.1"))
    assert "127.0.0.1" == overrides.apply(replace(with_keys, host="127.0.0.1")).host
