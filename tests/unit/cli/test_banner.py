"""What a user is told at start."""

import pytest
from msgspec.structs import replace

from packyproxy.cli.banner import banner
from packyproxy.config import Config, config_from_mapping
from packyproxy.config.password_hash import hash_password

HASH = hash_password("canary", b"0123456789abcdef")

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
    lines = banner(CONFIG, "http://127.0.0.1:8317", environment={}).splitlines()
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
    lines = banner(config, "http://x", environment={}, notes=["of the Codex CLI"]).splitlines()
    assert "  provider   packycode at https://packy.test/v1 (codex-cli)" in lines
    assert (
        "             from config.yaml: enabled, defaults.model; env: base-url; "
        "codex-cli: credentials.openai-api-key"
    ) in lines
    assert "  note       of the Codex CLI" in lines


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ("uvloop", "  loop       uvloop"),
        (
            "asyncio",
            (
                "  loop       asyncio; uvloop, where it runs, needs less CPU for each event: "
                "pip install 'packyproxy[fast]'"
            ),
        ),
    ],
)
def test_the_banner_says_which_event_loop_runs(loop: str, expected: str) -> None:
    """And how to get the quicker one, where it is not installed."""
    assert expected in banner(Config(), "http://x", environment={}, loop=loop).splitlines()


@pytest.mark.parametrize(("workers", "is_said"), [(1, False), (2, True)])
def test_the_banner_says_what_workers_do_not_share(workers: int, is_said: bool) -> None:
    """Cooldowns, breakers, affinity, what was learned, the numbers and bans are each worker's own."""
    text = banner(Config(), "http://x", environment={}, workers=workers)
    assert is_said == (f"{workers} processes" in text and "cooldowns" in text and "bans" in text)


@pytest.mark.parametrize(
    ("mapping", "environment", "expected"),
    [
        ({}, {}, "management off: it needs remote-management.secret-key, or $MANAGEMENT_PASSWORD"),
        ({}, {"MANAGEMENT_PASSWORD": " "}, "management off: it needs"),
        (
            {},
            {"MANAGEMENT_PASSWORD": "canary"},
            "management http://x/v0/management (key: $MANAGEMENT_PASSWORD)",
        ),
        (
            {"secret-key": "canary-management-key", "allow-remote": True},
            {},
            (
                "management http://x/v0/management (key: remote-management.secret-key; its hash replaces it in the "
                "file at the start; open to other machines)"
            ),
        ),
        (
            {"secret-key": HASH},
            {"MANAGEMENT_PASSWORD": "canary"},
            "management http://x/v0/management (key: remote-management.secret-key or $MANAGEMENT_PASSWORD)",
        ),
    ],
    ids=["off", "blank password", "password", "plain key", "hash and password"],
)
def test_the_banner_says_what_opens_the_management_api(
    mapping: dict[str, object], environment: dict[str, str], expected: str
) -> None:
    """Where it is, where its key stands, and who may try; or how to switch it on. No key is shown."""
    config = config_from_mapping({"remote-management": mapping})
    text = banner(config, "http://x", environment=environment)
    assert f"  {expected}" in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("is_on", "expected"), [(False, None), (True, "  metrics    http://x/metrics")], ids=["off", "on"]
)
def test_the_banner_says_where_metrics_are(is_on: bool, expected: str | None) -> None:
    """Nothing is said of metrics that are off."""
    lines = banner(Config(metrics=is_on), "http://x", environment={}).splitlines()
    assert expected == next((line for line in lines if line.startswith("  metrics")), None)


def test_without_a_provider_the_banner_says_what_to_do() -> None:
    """The proxy serves, but is not ready."""
    assert "none is enabled: set packycode.enabled: true" in banner(Config(), "http://x", environment={})


def test_the_banner_tells_clients_where_to_go() -> None:
    """Each family has its own form of the address."""
    text = banner(Config(), "http://127.0.0.1:8317", environment={})
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:8317\n" in text
    assert "the Codex CLI and OpenAI's SDK: base URL http://127.0.0.1:8317/v1" in text
