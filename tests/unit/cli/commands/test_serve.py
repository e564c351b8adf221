"""What ``serve`` checks before it serves, what it says, and what it keeps through reloads."""

import logging
from typing import Any

import pytest
from msgspec.structs import replace

from packyproxy.cli.banner import banner
from packyproxy.cli.commands.serve import follow_logging
from packyproxy.cli.overrides import Overrides
from packyproxy.cli.registration import Kind, register
from packyproxy.config import Config, config_from_mapping
from packyproxy.errors import ConfigError

PACKYCODE = {
    "enabled": True,
    "base-url": "https://packy.test/v1",
    "credentials": {"openai-api-key": "sk-canary-packycode"},
}


def entry(name: str, **settings: Any) -> dict[str, Any]:
    """Return an entry of ``tppc.providers``."""
    return {
        "name": name,
        "enabled": True,
        "base-url": f"https://{name}.test/v1",
        "api-key": f"sk-canary-{name}",
        **settings,
    }


def config(*, packycode: dict[str, Any] | None = None, tppc: list[dict[str, Any]] | None = None) -> Config:
    """Return a configuration with these providers."""
    settings: dict[str, Any] = {}
    if packycode is not None:
        settings["packycode"] = packycode
    if tppc is not None:
        settings["tppc"] = {"providers": tppc}
    return config_from_mapping(settings)


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


REGISTERED: dict[str, tuple[Config, tuple[Kind, ...], list[str]]] = {
    "not asked for": (config(packycode=PACKYCODE), (), []),
    "enabled": (
        config(packycode={**PACKYCODE, "models": ["gpt-5", "gpt-5-codex"]}),
        ("packycode",),
        ["packycode: 2 models are registered, of packycode"],
    ),
    "disabled": (
        config(packycode={"enabled": False}),
        ("packycode",),
        [
            "packycode: no model is registered, disabled: packycode; enabled: true brings them in without a restart"
        ],
    ),
    "some disabled": (
        config(tppc=[entry("a", models=["m"]), entry("b", enabled=False), {"enabled": False}]),
        ("tppc",),
        ["tppc: 1 model is registered, of a; disabled: b, (unnamed)"],
    ),
    "both": (
        config(packycode={**PACKYCODE, "models": ["m"]}, tppc=[entry("a", models=["m"])]),
        ("packycode", "tppc"),
        ["packycode: 1 model is registered, of packycode", "tppc: 1 model is registered, of a"],
    ),
}


@pytest.mark.parametrize(("settings", "kinds", "expected"), REGISTERED.values(), ids=REGISTERED.keys())
def test_what_is_registered_is_said(settings: Config, kinds: tuple[Kind, ...], expected: list[str]) -> None:
    """A line for each source that was asked for; one that is disabled is no problem."""
    assert expected == register(settings, kinds)


def test_every_source_that_is_missing_is_a_problem() -> None:
    """All of them at once."""
    with pytest.raises(ConfigError) as caught:
        register(Config(), ("packycode", "tppc"))
    assert ["packycode", "tppc.providers"] == [problem.field for problem in caught.value.problems]


def test_the_banner_names_providers_in_routing_order() -> None:
    """With their URLs, where their settings came from, the models, what is off, and how to use it."""
    lines = banner(
        config(packycode=PACKYCODE, tppc=[entry("b", priority=5), entry("c", enabled=False)]),
        "http://127.0.0.1:8317",
    ).splitlines()
    assert "  provider   1. b at https://b.test/v1 (config.yaml)" in lines
    assert "  provider   2. packycode at https://packy.test/v1 (config.yaml)" in lines
    assert "  disabled   c" in lines
    assert any(line.startswith("  models     ") and "registered; claude-*" in line for line in lines)
    assert "  export ANTHROPIC_BASE_URL=http://127.0.0.1:8317" in lines
    assert "canary" not in "".join(lines)


def test_the_banner_says_where_each_setting_came_from() -> None:
    """As soon as one of them is not the file's."""
    settings = config(packycode=PACKYCODE)
    sources = {
        "enabled": "config.yaml",
        "base-url": "env",
        "defaults.model": "config.yaml",
        "credentials.openai-api-key": "codex-cli",
    }
    provider = replace(settings.providers[0], sources=sources)
    lines = banner(
        replace(settings, providers=(provider,)), "http://x", notes=["of the Codex CLI"]
    ).splitlines()
    assert "  provider   packycode at https://packy.test/v1 (codex-cli)" in lines
    assert (
        "             from config.yaml: enabled, defaults.model; env: base-url; "
        "codex-cli: credentials.openai-api-key"
    ) in lines
    assert "  note       of the Codex CLI" in lines


@pytest.mark.parametrize(("workers", "is_said"), [(1, False), (2, True)])
def test_the_banner_says_what_workers_do_not_share(workers: int, is_said: bool) -> None:
    """Cooldowns, breakers, affinity and what was learned are each worker's own."""
    text = banner(Config(), "http://x", workers=workers)
    assert is_said == (f"{workers} processes" in text and "cooldowns" in text)


def test_the_banner_names_what_has_no_effect_yet() -> None:
    """A key of a later release is valid."""
    assert "without effect in this release: metrics" in banner(Config(metrics=True), "http://x")


def test_without_a_provider_the_banner_says_what_to_do() -> None:
    """The proxy serves, but is not ready."""
    assert "none is enabled: set packycode.enabled: true" in banner(Config(), "http://x")


def test_the_log_follows_the_configuration() -> None:
    """``debug`` holds from the reload on."""
    found = []
    for debug in (True, False):
        follow_logging(Config(debug=debug))
        found.append(logging.getLogger("packyproxy").level)
    assert [logging.DEBUG, logging.INFO] == found
