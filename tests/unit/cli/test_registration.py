"""``--packycode`` and ``--tppc``: which models are registered of a source, and what if there is none."""

from typing import Any

import pytest

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
    """All that are missing are named at once."""
    with pytest.raises(ConfigError) as caught:
        register(Config(), ("packycode", "tppc"))
    assert ["packycode", "tppc.providers"] == [problem.field for problem in caught.value.problems]
