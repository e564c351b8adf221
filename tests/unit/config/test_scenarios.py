"""What users do with providers, from an absent file to the choice among several."""

from pathlib import Path

import pytest

from packyproxy.config import Ambient, Config, config_from_mapping, load_config, parse_config
from packyproxy.config.codex_files import CodexProvider, CodexReading
from packyproxy.config.schema import ProviderConfig
from packyproxy.config.secret import Secret
from packyproxy.errors import ConfigError, NoProvider
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import resolve

URL = "https://a.example/v1"
BLOCK = f"""
packycode:
  enabled: true
  base-url: "{URL}"
  credentials: {{openai-api-key: "sk-a"}}
"""
ENTRIES = """
tppc:
  providers:
    - {name: b, enabled: true, base-url: "https://b.example/v1", api-key: sk-b}
    - {name: c, enabled: true, base-url: "https://c.example/v1", api-key: sk-c, priority: 5}
    - {name: d, enabled: false}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        parse_config(text)
    return [str(problem) for problem in refusal.value.problems]


def asked_first(config: Config, model: str = "gpt-5") -> str:
    """Return the provider that a request for a model would go to first."""
    registry = Registry.build(config.routing_order, config.model_map)
    return resolve(model, registry).candidates[0].provider


def test_load(tmp_path: Path) -> None:
    """A file on disk becomes its providers, with what it says and where that came from."""
    path = tmp_path / "config.yaml"
    path.write_text(BLOCK)
    config = load_config(path)
    expected = ProviderConfig(
        kind="packycode",
        name="packycode",
        enabled=True,
        base_url=URL,
        api_key=Secret("sk-a"),
        sources=dict.fromkeys(("enabled", "base-url", "credentials.openai-api-key"), "config.yaml"),
    )
    assert ((expected,), str(path)) == (config.providers, config.source)


def test_absent(tmp_path: Path) -> None:
    """A file that is not there is one problem that names it and the next step."""
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError) as refusal:
        load_config(path)
    expected = (
        f"config.yaml: {path} cannot be read (no such file or directory): "
        "check the path, or write the file with packyproxy init"
    )
    assert [expected] == [str(problem) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "{}", "packycode:\ntppc:\n", "tppc: {providers: []}"]
)
def test_empty(text: str) -> None:
    """A file that says nothing is valid, and has no provider."""
    assert () == parse_config(text).enabled_providers


@pytest.mark.parametrize("text", [BLOCK, ENTRIES])
def test_enabled(text: str) -> None:
    """A complete provider that is switched on serves, whichever section it stands in."""
    config = parse_config(text)
    assert config.enabled_providers
    assert asked_first(config) in {provider.name for provider in config.enabled_providers}


@pytest.mark.parametrize("url", ["", "base-url: ''", "base-url: '   '", "base-url: null"])
def test_missing_url(url: str) -> None:
    """An enabled provider without a URL is told where to put one."""
    text = f"packycode:\n  enabled: true\n  credentials: {{openai-api-key: k}}\n  {url}\n"
    expected = (
        "packycode.base-url: is missing: add the provider's URL, "
        'such as base-url: "https://codex-api.packycode.com/v1"'
    )
    assert [expected] == problems_of(text)


@pytest.mark.parametrize("key", ["''", "'  '", "null"])
def test_missing_key(key: str) -> None:
    """An enabled provider needs a key that is more than blanks, unless it says that it takes none."""
    block = f"packycode: {{enabled: true, base-url: '{URL}', credentials: {{openai-api-key: {key}}}}}"
    entry = f"tppc: {{providers: [{{name: b, enabled: true, base-url: '{URL}', api-key: {key}}}]}}"
    expected = [
        (
            "packycode.credentials.openai-api-key: is missing: add your provider's key, "
            "or set packycode.requires-openai-auth: false if it takes none"
        ),
        "tppc.providers[0].api-key: is missing: add the provider's key, or set enabled: false",
    ]
    assert expected == problems_of(f"{block}\n{entry}")
    keyless = [
        text.replace("enabled: true", "enabled: true, requires-openai-auth: false") for text in (block, entry)
    ]
    assert 2 == len(parse_config("\n".join(keyless)).enabled_providers)


def test_disabled() -> None:
    """A provider that is switched off may be incomplete and is not asked, but must not be malformed."""
    config = parse_config("packycode: {enabled: false}\n" + ENTRIES)
    assert ["c", "b"] == [provider.name for provider in config.routing_order]
    assert ["packycode.base-url: not an http(s) URL: add https://"] == problems_of(
        "packycode: {base-url: a.example}"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("a.example/v1", "not an http(s) URL: add https://"),
        ("ftp://a.example", "not an http(s) URL: use https://"),
        ("https://", "has no host: write it as https://host/v1"),
        ("https:///v1", "has no host: write it as https://host/v1"),
        ("https://a.example:port/v1", "its host or port cannot be read: write it as https://host or https://host:port"),
        ("https://a.example/v1?x=1", "holds a query or fragment: end the URL with its path, usually /v1"),
        ("https://u:p@a.example/v1", "holds a user name or password: remove it and put the key into its own setting"),
        ("https://a.example/v1/responses", "ends with /responses: remove /responses: it is added to each request"),
        ("https://a b.example", "holds blanks or characters that a URL cannot carry: write them percent-encoded, or remove them"),
    ],
)  # fmt: skip
def test_invalid_url(url: str, said: str) -> None:
    """A URL that cannot be asked is refused in words that mend it, wherever it stands."""
    texts = (BLOCK.replace(URL, url), ENTRIES.replace("https://b.example/v1", url))
    assert [f"packycode.base-url: {said}", f"tppc.providers[0].base-url: {said}"] == [
        problem for text in texts for problem in problems_of(text)
    ]


def test_several_enabled() -> None:
    """The block and any number of entries serve side by side, each under its own name and with its own key."""
    config = parse_config(BLOCK + ENTRIES)
    keys = {provider.name: provider.api_key for provider in config.enabled_providers}
    assert {"packycode": Secret("sk-a"), "b": Secret("sk-b"), "c": Secret("sk-c")} == keys
    assert ["c", "packycode", "b"] == [provider.name for provider in config.routing_order]


def test_credential_order(tmp_path: Path) -> None:
    """A provider with a key of its own is asked before one whose key is Codex CLI's, whatever their priorities."""
    codex = CodexProvider(
        name="relay", base_url=URL, key=Secret("codex"), model=None, effort=None, requires_key=True
    )
    path = tmp_path / "config.yaml"
    path.write_text("packycode: {enabled: true, priority: 1000}\n" + ENTRIES)
    ambient = Ambient({}, CodexReading(provider=codex))
    config = load_config(path, ambient=ambient)
    assert ["c", "b", "packycode"] == [provider.name for provider in config.routing_order]
    config = load_config(path, ambient=Ambient({"PACKYCODE_API_KEY": "own"}, ambient.codex))
    assert ["packycode", "c", "b"] == [provider.name for provider in config.routing_order]


def test_none_enabled() -> None:
    """Nobody to ask is a valid configuration; a request then learns that there is no provider."""
    config = parse_config(BLOCK.replace("true", "false"))
    assert () == config.routing_order
    with pytest.raises(NoProvider):
        asked_first(config)


@pytest.mark.parametrize(
    ("changed", "model", "expected"),
    [
        ({}, "gpt-5", "packycode"),
        ({"b": {"priority": 1}}, "gpt-5", "b"),
        ({"packycode": {"enabled": False}}, "gpt-5", "b"),
        ({"packycode": {"priority": -1}}, "gpt-5", "b"),
        ({}, "b/gpt-5", "b"),
        ({"packycode": {"models": ["gpt-5-codex"]}}, "gpt-5", "b"),
    ],
    ids=["order of the file", "priority", "disabled", "low priority", "pinned", "not its model"],
)
def test_choice(changed: dict[str, dict[str, object]], model: str, expected: str) -> None:
    """A pin decides, then who has the model, then priority, then the order of the file."""
    block = {"enabled": True, "base-url": URL, "credentials": {"openai-api-key": "k"}}
    entry = {"name": "b", "enabled": True, "base-url": "https://b.example/v1", "api-key": "k"}
    config = config_from_mapping(
        {
            "packycode": block | changed.get("packycode", {}),
            "tppc": {"providers": [entry | changed.get("b", {})]},
        }
    )
    assert expected == asked_first(config, model)
