"""What a user is told at start."""

import pytest
from msgspec.structs import replace

from packyproxy.cli.banner import banner
from packyproxy.config import Config, config_from_mapping

CONFIG = config_from_mapping(
    {
        "packycode": {
            "enabled": True,
            "base-url": "https://packy.test/v1",
            "credentials": {"openai-api-key": "sk-canary-packycode"},
        },
        "tppc": {
            "providers": [
                {
                    "name": "b",
                    "enabled": True,
                    "base-url": "https://b.test/v1",
                    "api-key": "sk-canary-b",
                    "priority": 5,
                },
                {"name": "c", "enabled": False},
            ]
        },
    }
)


def test_the_banner_names_providers_in_routing_order() -> None:
    """With their URLs, where their settings came from, the models, what is off, and how to use it."""
    lines = banner(CONFIG, "http://127.0.0.1:8317").splitlines()
    assert "  provider   1. b at https://b.test/v1 (config.yaml)" in lines
    assert "  provider   2. packycode at https://packy.test/v1 (config.yaml)" in lines
    assert "  disabled   c" in lines
    assert any(line.startswith("  models     ") and "registered; claude-*" in line for line in lines)
    assert "  export ANTHROPIC_BASE_URL=http://127.0.0.1:8317" in lines
    assert "canary" not in "".join(lines)


def test_the_banner_says_where_each_setting_came_from() -> None:
    """As soon as one of them is not the file's."""
    sources = {
        "enabled": "config.yaml",
        "base-url": "env",
        "defaults.model": "config.yaml",
        "credentials.openai-api-key": "codex-cli",
    }
    provider = replace(CONFIG.providers[0], sources=sources)
    config = replace(CONFIG, providers=(provider,))
    lines = banner(config, "http://x", notes=["of the Codex CLI"]).splitlines()
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


def test_the_banner_tells_clients_where_to_go() -> None:
    """Each family has its own form of the address."""
    text = banner(Config(), "http://127.0.0.1:8317")
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:8317\n" in text
    assert "the Codex CLI and OpenAI's SDK: base URL http://127.0.0.1:8317/v1" in text
