"""Warnings about valid configurations: what is told of which settings."""

from collections.abc import Mapping
from typing import Any

import pytest

from packyproxy.cli import oversight
from packyproxy.cli.advice import warnings
from packyproxy.config import config_from_mapping
from packyproxy.config.password_hash import hash_password
from packyproxy.registry.registry import Registry

PACKYCODE = {
    "enabled": True,
    "base-url": "https://a.example/v1",
    "credentials": {"openai-api-key": "sk-a-key"},
}
TPPC = {"name": "b", "enabled": True, "base-url": "https://b.example/v1", "api-key": "sk-b-key"}


def advise(mapping: dict[str, Any], environment: Mapping[str, str] | None = None) -> list[str]:
    config = config_from_mapping(mapping)
    registry = Registry.build(
        config.routing_order,
        config.model_map,
        disabled=[provider.name for provider in config.providers if not provider.enabled],
    )
    return [str(warning) for warning in warnings(config, registry, environment or {})]


@pytest.mark.parametrize(
    "mapping",
    [
        {"packycode": PACKYCODE},
        {"packycode": PACKYCODE, "tppc": {"providers": [TPPC]}, "model-map": {"claude-*": "b/gpt-5-high"}},
        {"packycode": PACKYCODE, "model-map": {"fast": "gpt-5-low"}},
        {"packycode": PACKYCODE, "host": "0.0.0.0", "api-keys": ["client-key"]},
        {"packycode": PACKYCODE, "host": "::1"},
        {
            "packycode": PACKYCODE,
            "remote-management": {"secret-key": "sixteen-letters!", "allow-remote": True},
        },
        {"packycode": PACKYCODE, "metrics": True},
        {"packycode": {**PACKYCODE, "weight": 2}, "routing": {"strategy": "weighted-round-robin"}},
        {"packycode": {**PACKYCODE, "defaults": {"model": "gpt-5-codex-low", "small-model": "gpt-5-mini"}}},
        {"packycode": {**PACKYCODE, "models": ["mine"], "defaults": {"model": "packycode/mine-high"}}},
        {
            "packycode": {
                **PACKYCODE,
                "models": [{"id": "gpt-5-high", "aliases": ["best"]}],
                "defaults": {"model": "best"},
            }
        },
    ],
    ids=[
        "plain",
        "pinned target",
        "target with effort",
        "open with keys",
        "loopback",
        "management by a long key",
        "metrics",
        "weights that count",
        "known defaults",
        "default in the list",
        "default is an alias",
    ],
)
def test_a_sound_configuration_has_no_warnings(mapping: dict[str, Any]) -> None:
    """What means what it says is not warned about."""
    assert [] == advise(mapping)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            {},
            (
                "config.yaml: no provider is enabled, so no request can be served and /readyz answers 503: "
                "set packycode.enabled to true"
            ),
        ),
        (
            {"packycode": {"enabled": False}, "tppc": {"providers": [{"name": "b"}]}},
            (
                "config.yaml: no provider is enabled, so no request can be served and /readyz answers 503: "
                "set packycode.enabled or tppc.providers[0].enabled to true"
            ),
        ),
        (
            {"packycode": PACKYCODE, "host": "0.0.0.0"},
            (
                "api-keys: none is configured, and 0.0.0.0 can be reached from other machines: "
                "add at least one; without, serve refuses to start unless it is given --allow-open"
            ),
        ),
        (
            {"packycode": {**PACKYCODE, "base-url": "http://localhost:9000/v1"}, "port": 9000},
            (
                "packycode.base-url: port 9000 of this machine is where the proxy itself listens: "
                "set the provider's own address, or another port"
            ),
        ),
        (
            {"packycode": {**PACKYCODE, "credentials": {"openai-api-key": "${MY_KEY}"}}},
            (
                "packycode.credentials.openai-api-key: looks like a variable, and none is replaced in this file: "
                "write the key itself, or remove the line and set $PACKYCODE_API_KEY"
            ),
        ),
        (
            {"tppc": {"providers": [{**TPPC, "api-key": "sk-..."}]}},
            (
                "tppc.providers[0].api-key: looks like the placeholder of an example: "
                "write the key that you got from the provider"
            ),
        ),
        (
            {"packycode": {**PACKYCODE, "defaults": {"model": "gpt5"}}},
            (
                "packycode.defaults.model: gpt5 is no model known here; it is sent upstream as it is: "
                "correct it, or list it under models if this provider has it"
            ),
        ),
        (
            {
                "tppc": {
                    "providers": [
                        {"name": "a"},
                        {**TPPC, "models": ["gpt-5"], "defaults": {"small-model": "gpt-5-nano"}},
                    ]
                }
            },
            (
                "tppc.providers[1].defaults.small-model: gpt-5-nano is not in the models list; "
                "it is sent upstream as it is: correct it, or list it under models if this provider has it"
            ),
        ),
        (
            {"packycode": {**PACKYCODE, "weight": 2}},
            (
                "packycode.weight: has no effect with routing.strategy fill-first: "
                "set that to weighted-round-robin, or remove this line"
            ),
        ),
        (
            {
                "tppc": {"providers": [{**TPPC, "models": ["gpt-5"]}]},
                "model-map": {"x": "gpt-5", "y*": "gpt-6"},
            },
            (
                "model-map.y*: no enabled provider serves gpt-6, so what the pattern matches gets a 404: "
                "name one of those that packyproxy models lists"
            ),
        ),
        (
            {
                "packycode": PACKYCODE,
                "tppc": {"providers": [{"name": "b", "enabled": False}]},
                "model-map": {"y*": "b/gpt-5"},
            },
            (
                "model-map.y*: no enabled provider serves b/gpt-5, so what the pattern matches gets a 404: "
                "name one of those that packyproxy models lists"
            ),
        ),
        (
            {"packycode": PACKYCODE, "remote-management": {"allow-remote": True}},
            (
                "remote-management.allow-remote: has no effect: without a key there is no management API: "
                "set remote-management.secret-key, or remove this line"
            ),
        ),
        (
            {"packycode": PACKYCODE, "remote-management": {"secret-key": "fifteen-letters"}},
            (
                "remote-management.secret-key: is shorter than 16 characters, so it may be guessed: "
                "use a random one, as from: openssl rand -hex 24"
            ),
        ),
        (
            {
                "packycode": PACKYCODE,
                "api-keys": ["shared"],
                "remote-management": {"secret-key": "shared"},
            },
            (
                "remote-management.secret-key: is one of the api-keys, so every client may change this "
                "configuration: use a key of its own"
            ),
        ),
    ],
    ids=[
        "nothing configured",
        "all disabled",
        "open to others",
        "the proxy as its own provider",
        "variable as a key",
        "key of an example",
        "unknown default",
        "default outside the list",
        "idle weight",
        "target nobody has",
        "target of a disabled provider",
        "management without a key",
        "short management key",
        "management key of clients",
    ],
)
def test_what_is_hardly_meant_is_warned_about(mapping: dict[str, Any], expected: str) -> None:
    """The warning has the setting's path, what is wrong, and how to mend it."""
    assert [expected] == advise(mapping)


def test_disabled_providers_may_say_anything() -> None:
    """The defaults of a provider that serves nobody are not judged."""
    disabled = {**TPPC, "enabled": False, "models": ["gpt-5"], "defaults": {"model": "gpt-7"}}
    assert [] == advise({"packycode": PACKYCODE, "tppc": {"providers": [disabled]}})


def test_a_management_password_makes_up_for_a_key() -> None:
    """With one in the environment, ``allow-remote`` has an effect."""
    mapping = {"packycode": PACKYCODE, "remote-management": {"allow-remote": True}}
    assert [] == advise(mapping, {"MANAGEMENT_PASSWORD": "password"})


def test_a_hashed_management_key_is_not_judged_by_its_length() -> None:
    """What it was made of is not known here."""
    stored = hash_password("short", b"0123456789abcdef")
    assert [] == advise({"packycode": PACKYCODE, "remote-management": {"secret-key": stored}})


def test_metrics_need_their_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched on without it, the warning is the command that installs it."""
    monkeypatch.setattr(oversight, "find_spec", lambda _: None)
    expected = "metrics: is on, but prometheus_client is not installed: pip install 'packyproxy[metrics]'"
    assert [expected] == advise({"packycode": PACKYCODE, "metrics": True})
