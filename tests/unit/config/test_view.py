"""The configuration as it may be shown."""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml

from packyproxy.config import Config, ModelConfig, ProviderConfig, Secret, config_from_mapping, load_config
from packyproxy.config.secret import HeaderMap
from packyproxy.config.view import (
    READ_ONLY_KEYS,
    ConfigView,
    Effort,
    ModelView,
    PackycodeView,
    TppcView,
    config_document,
    config_view,
    packycode_view,
    tppc_view,
)
from packyproxy.translate.effort import EFFORTS

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"
KEYS = {"enabled": True, "base-url": "https://a.test/v1"}


def shown(view: object) -> Any:
    """Return a view as it is sent."""
    return msgspec.json.decode(msgspec.json.encode(view))


def key_paths(value: object, path: str = "") -> set[str]:
    """Return the path of every key, list indexes left out."""
    found: set[str] = set()
    if isinstance(value, dict):
        for name, item in value.items():
            inner = f"{path}.{name}".lstrip(".")
            found |= {inner} | key_paths(item, inner)
    elif isinstance(value, list):
        found = {key for item in value for key in key_paths(item, path)}
    return found


def test_every_key_of_a_file_is_shown_and_no_other() -> None:
    """The view has the keys of the example file, which has all there are; and what is read-only."""
    documented = key_paths(yaml.safe_load(EXAMPLE.read_text()))
    extra = {f"packycode.{key}" for key in READ_ONLY_KEYS}
    view = shown(config_view(load_config(EXAMPLE)))
    sources = {path for path in key_paths(view) if path.startswith("packycode.sources.")}
    assert documented == key_paths(view) - extra - sources


def test_the_example_is_shown_as_it_says() -> None:
    """What is not set is shown as a file would say it, so the example's own values come back."""
    written = yaml.safe_load(EXAMPLE.read_text())
    view = shown(config_view(load_config(EXAMPLE)))
    for key in READ_ONLY_KEYS:
        del view["packycode"][key]
    written["tppc"]["providers"][0]["api-key"] = "***"
    assert written == view


def test_keys_stand_in_the_order_of_the_example() -> None:
    """Whoever compares the two has them side by side."""
    written = yaml.safe_load(EXAMPLE.read_text())
    view = shown(config_view(load_config(EXAMPLE)))
    assert list(written) == list(view)
    assert [*written["packycode"], "effective-source", "sources"] == list(view["packycode"])
    assert list(written["tppc"]["providers"][0]) == list(view["tppc"]["providers"][0])


SECRETS = config_from_mapping(
    {
        "api-keys": ["client-canary-0001", "canary"],
        "remote-management": {"secret-key": "manage-canary-0002"},
        "packycode": {
            **KEYS,
            "credentials": {"openai-api-key": "sk-canary-0003"},
            "headers": {"x-team": "canary"},
            "proxy-url": "http://user:canary@proxy.test:3128",
        },
        "tppc": {
            "providers": [
                {"name": "b", "api-key": "canary-canary-0004", "headers": {"x": "canary-canary-0005"}}
            ]
        },
    }
)


def test_secrets_are_masks() -> None:
    """Keys, proxy URLs and header values, in every view."""
    view = shown(config_view(SECRETS))
    block, entry = view["packycode"], view["tppc"]["providers"][0]
    assert ["***0001", "***"] == view["api-keys"]
    assert "***0002" == view["remote-management"]["secret-key"]
    assert ["***0003", {"x-team": "***"}, "***3128"] == [
        block["credentials"]["openai-api-key"],
        block["headers"],
        block["proxy-url"],
    ]
    assert ["***0004", {"x": "***0005"}] == [entry["api-key"], entry["headers"]]
    for one in (config_view(SECRETS), packycode_view(SECRETS.providers[0]), tppc_view(SECRETS)):
        assert "canary" not in json.dumps(shown(one)) + repr(one)


def test_the_document_of_a_configuration_shows_no_secret() -> None:
    """It holds them, and a traceback or log that shows it does not."""
    document = config_document(SECRETS)
    assert "canary" not in repr(document)
    assert Secret("sk-canary-0003") == document["packycode"]["credentials"]["openai-api-key"]


def test_what_is_not_set_is_empty() -> None:
    """An empty secret is no mask: nobody could tell that there is none."""
    view = shown(packycode_view(ProviderConfig(kind="packycode", name="packycode")))
    assert ["", "", "", {}, []] == [
        view["base-url"],
        view["credentials"]["openai-api-key"],
        view["proxy-url"],
        view["headers"],
        view["models"],
    ]
    assert view["effective-source"] is None
    assert "packycode" not in shown(config_view(Config()))


def test_sources_are_told() -> None:
    """Where each value of the packycode block came from, and what counts of it."""
    provider = ProviderConfig(
        kind="packycode",
        name="packycode",
        sources={"base-url": "env", "credentials.openai-api-key": "codex-cli"},
    )
    view = shown(packycode_view(provider))
    assert "codex-cli" == view["effective-source"]
    assert {"base-url": "env", "credentials.openai-api-key": "codex-cli"} == view["sources"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (ModelConfig(id="gpt-5*"), "gpt-5*"),
        (ModelConfig(id="m", aliases=("a",)), {"id": "m", "aliases": ["a"]}),
        (
            ModelConfig(id="m", efforts=("low",), context_window=1000),
            {"id": "m", "aliases": [], "efforts": ["low"], "context-window": 1000},
        ),
    ],
    ids=["id", "aliases", "all"],
)
def test_a_model_is_shown_as_short_as_it_is_written(model: ModelConfig, expected: object) -> None:
    """An id of which nothing is said stands alone; what is built in is not shown as if it were set."""
    provider = ProviderConfig(kind="packycode", name="packycode", models=(model,))
    assert [expected] == shown(packycode_view(provider))["models"]


def test_lists_without_order_have_one() -> None:
    """Sets are shown sorted, so that the same configuration is shown alike."""
    provider = ProviderConfig(kind="packycode", name="packycode", buffer_tools=frozenset({"b", "a", "c"}))
    assert ["a", "b", "c"] == shown(packycode_view(provider))["compat"]["buffer-tools"]


def test_times_are_shown_as_they_are_written() -> None:
    """Whole seconds have no point; others keep theirs."""
    view = config_view(config_from_mapping({"max-retry-interval": 2.5}))
    assert b'"max-retry-interval":2.5' in msgspec.json.encode(view)
    assert b'"idle-timeout":300,' in msgspec.json.encode(view)


def test_the_words_for_efforts_are_those_of_the_protocols() -> None:
    """A new effort has to be added to the view."""
    assert EFFORTS == get_args(Effort)


@pytest.mark.parametrize("view", [ConfigView, PackycodeView, TppcView, ModelView])
def test_views_have_a_schema(view: type) -> None:
    """The contract of the management API is made from these structs; each says what it is."""
    _, components = msgspec.json.schema_components([view])
    assert all(schema["description"] for schema in components.values())
    assert view.__name__ in components


def test_headers_that_a_program_gave_are_masked() -> None:
    """Whatever mapping holds them."""
    provider = ProviderConfig(kind="packycode", name="packycode", headers=HeaderMap({"a": ""}))
    assert {"a": ""} == shown(packycode_view(provider))["headers"]
