"""Warnings about valid configurations: what is told of which settings."""

from typing import Any

import pytest

from packyproxy.cli.advice import warnings
from packyproxy.config import config_from_mapping
from packyproxy.registry.registry import Registry

PACKYCODE = {
    "enabled": True,
    "base-url": "https://a.example/v1",
    "credentials": {"openai-api-key": "sk-a-key"},
}
TPPC = {"name": "b", "enabled": True, "base-url": "https://b.example/v1", "api-key": "sk-b-key"}


def advise(mapping: dict[str, Any]) -> list[str]:
    config = config_from_mapping(mapping)
    registry = Registry.build(
        config.routing_order,
        config.model_map,
        disabled=[provider.name for provider in config.providers if not provider.enabled],
    )
    return [str(warning) for warning in warnings(config, registry)]


@pytest.mark.parametrize(
    "mapping",
    [
        {"packycode": PACKYCODE},
        {"packycode": PACKYCODE, "tppc": {"providers": [TPPC]}, "model-map": {"claude-*": "b/gpt-5-high"}},
        {"packycode": PACKYCODE, "model-map": {"fast": "gpt-5-low"}},
        {"packycode": PACKYCODE, "host": "0.0.0.0", "api-keys": ["client-key"]},
        {"packycode": PACKYCODE, "host": "::1"},
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
    ],
)
def test_what_is_hardly_meant_is_warned_about(mapping: dict[str, Any], expected: str) -> None:
    """The warning has the setting's path, what is wrong, and how to mend it."""
    assert [expected] == advise(mapping)


def test_disabled_providers_may_say_anything() -> None:
    """The defaults of a provider that serves nobody are not judged."""
    disabled = {**TPPC, "enabled": False, "models": ["gpt-5"], "defaults": {"model": "gpt-7"}}
    assert [] == advise({"packycode": PACKYCODE, "tppc": {"providers": [disabled]}})
