"""Who a provider is and what it is told about an attempt (wire-mapping 0.2, 2.2)."""

from typing import Any

import pytest

from packyproxy.config.schema import ProviderConfig
from packyproxy.config.secret import HeaderMap, Secret
from packyproxy.providers.provider import Provider
from packyproxy.translate.contract import Capabilities
from packyproxy.translate.reasoning import scope_of

_KEY = "sk-canary-0123456789"


def _provider(**changes: Any) -> Provider:
    facts: dict[str, Any] = {
        "kind": "packycode",
        "name": "packycode",
        "enabled": True,
        "base_url": "https://h.example/v1",
        "api_key": Secret(_KEY),
    }
    return Provider.from_config(ProviderConfig(**(facts | changes)))


def test_id_is_stable() -> None:
    """Registering the same provider twice gives the same id, however its URL is written."""
    assert _provider().id == _provider(base_url="https://H.example/v1/", enabled=False).id


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"kind": "tppc"}, id="kind"),
        pytest.param({"name": "other"}, id="name"),
        pytest.param({"base_url": "https://h.example/v2"}, id="url"),
        pytest.param({"api_key": Secret("sk-other")}, id="key"),
        pytest.param({"api_key": None}, id="no-key"),
    ],
)
def test_id_tells_providers_apart(change: dict[str, Any]) -> None:
    """Kind, name, base URL and key all count."""
    assert _provider().id != _provider(**change).id


def test_repr_shows_no_secret() -> None:
    """A provider may be logged."""
    provider = _provider(headers=HeaderMap({"x-token": "canary"}))
    assert f"Provider(id={provider.id!r}, name='packycode')" == repr(provider)


def test_secrets_are_the_key_and_headers_that_look_like_one() -> None:
    """What must be masked in upstream texts."""
    provider = _provider(headers=HeaderMap({"X-Api-Token": "t-1", "originator": "codex_exec"}))
    assert (_KEY, "t-1") == provider.secrets


@pytest.mark.parametrize(
    ("configured", "scope"),
    [(None, "https://h.example/v1"), ("shared", "shared")],
    ids=["base-url", "configured"],
)
def test_target_scope(configured: str | None, scope: str) -> None:
    """Reasoning belongs to the base URL unless the operator says otherwise, and to the model."""
    target = _provider(reasoning_scope=configured).target("gpt-5", ("low", "high"))
    assert scope_of(scope, "gpt-5") == target.scope


def test_target_carries_the_attempt() -> None:
    """A target says all that the translation must know of this provider."""
    capabilities = Capabilities(sampling=True)
    target = _provider(capabilities=capabilities, buffer_tools=frozenset({"Edit"})).target(
        "gpt-5",
        ("low",),
        suffix_effort="low",
        default_effort="high",
        named_effort="medium",
        prompt_cache_key="k",
    )
    assert ("gpt-5", ("low",), "low", "high", "medium", capabilities, frozenset({"Edit"}), "k") == (
        target.model,
        target.efforts,
        target.suffix_effort,
        target.default_effort,
        target.named_effort,
        target.capabilities,
        target.buffered_tools,
        target.prompt_cache_key,
    )


def test_target_for_a_provider_that_refused_instructions() -> None:
    """Then system text goes into a developer message, and nothing else changes."""
    target = _provider(capabilities=Capabilities(sampling=True)).target("gpt-5", (), uses_developer=True)
    assert Capabilities(sampling=True, system_as="developer") == target.capabilities


def test_a_key_of_codex_cli_comes_last() -> None:
    """Whatever the priorities, a provider with a borrowed key is asked after those that are configured."""
    borrowed = ProviderConfig(
        kind="packycode", name="packycode", priority=1000, sources={"credentials.openai-api-key": "codex-cli"}
    )
    configured = ProviderConfig(kind="tppc", name="b", priority=-1000)
    assert Provider.from_config(borrowed).priority < Provider.from_config(configured).priority
