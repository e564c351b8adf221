"""Valid configurations: what they mean, and their defaults."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from packyproxy.config import (
    Config,
    ModelConfig,
    ProviderConfig,
    Secret,
    Source,
    StreamingConfig,
    config_from_mapping,
    parse_config,
)
from packyproxy.config.document import Document
from packyproxy.config.secret import HeaderMap
from packyproxy.config.section import Findings
from packyproxy.config.validate import read_config
from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError
from packyproxy.translate.contract import Capabilities

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"
FREE_MAPPINGS = ("headers", "model-map")


def problems_of(mapping: dict[Any, Any]) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        config_from_mapping(mapping)
    return [str(problem) for problem in refusal.value.problems]


def enabled_packycode(**more: Any) -> dict[str, Any]:
    block = {"enabled": True, "base-url": "https://a.example/v1", "credentials": {"openai-api-key": "k"}}
    return {"packycode": block | more}


def test_an_empty_file_is_the_built_in_defaults() -> None:
    """Every key has a default, so nothing has to be said."""
    assert Config(source="text") == parse_config("")


@pytest.mark.parametrize(
    "text", ["packycode:\ntppc:\nmodel-map:\napi-keys:\n", "tppc: {providers: }\nstreaming:\n"]
)
def test_sections_without_content_count_as_empty(text: str) -> None:
    """A section whose keys are all commented out is no problem."""
    assert () == parse_config(text).api_keys


def test_a_packycode_block_becomes_the_first_provider() -> None:
    """The block is read in full and stands before the tppc entries, whose order is kept."""
    config = parse_config(
        """
        tppc:
          providers:
            - {name: b, enabled: true, base-url: "http://b.example/v1", api-key: kb}
            - {name: c}
        packycode:
          enabled: yes
          base-url: "HTTPS://Codex-API.Example:8443/V1/"
          requires-openai-auth: false
          defaults: {model: gpt-5-codex, model-reasoning-effort: medium, small-model: gpt-5-mini}
          models: [gpt-5-codex, {id: gpt-5-mini, aliases: [tiny], efforts: [high, low], context-window: 128000}]
          headers: {X-Team: blue}
          proxy-url: "http://user:pass@proxy.example:3128"
          priority: 5
          weight: 2
          profile: {sampling: true, web-search: false, phase: on, system-as: developer, compact: off, reasoning-scope: s}
          compat: {buffer-tools: [Read, Edit], chat-reasoning: false}
        """
    )
    expected = ProviderConfig(
        kind="packycode",
        name="packycode",
        enabled=True,
        base_url="https://codex-api.example:8443/V1",
        requires_openai_auth=False,
        defaults=config.providers[0].defaults,
        models=(
            ModelConfig(id="gpt-5-codex"),
            ModelConfig(id="gpt-5-mini", aliases=("tiny",), efforts=("low", "high"), context_window=128_000),
        ),
        headers=HeaderMap({"X-Team": "blue"}),
        proxy_url=Secret("http://user:pass@proxy.example:3128"),
        priority=5,
        weight=2,
        capabilities=Capabilities(sampling=True, web_search=False, phase="on", system_as="developer"),
        compact=False,
        reasoning_scope="s",
        buffer_tools=frozenset({"Read", "Edit"}),
        chat_reasoning=False,
    )
    assert expected == replace(config.providers[0], sources={})
    assert ["packycode", "b", "c"] == [provider.name for provider in config.providers]
    assert ["packycode", "b"] == [provider.name for provider in config.enabled_providers]
    defaults = config.providers[0].defaults
    assert ("gpt-5-codex", "medium", "gpt-5-mini") == (defaults.model, defaults.effort, defaults.small_model)


def test_top_level_settings_are_read() -> None:
    """Every scalar of the file reaches its attribute."""
    config = config_from_mapping(
        {
            "host": "::1",
            "port": 0,
            "api-keys": ["a", "b"],
            "request-retry": 0,
            "streaming": {"commit-deadline": 0, "keepalive-seconds": 0.5, "idle-timeout": 7},
            "model-map": {"claude-*": "gpt-5.1-codex-high", "z*": "packycode/gpt-5"},
            "cors-origins": ["*", "https://a.example:444"],
            "max-body-bytes": 2048,
            "log-format": "json",
            "expose-route-headers": False,
            "request-log": True,
            "debug": True,
        }
    )
    expected = Config(
        host="::1",
        port=0,
        api_keys=(Secret("a"), Secret("b")),
        request_retry=0,
        streaming=StreamingConfig(commit_deadline=0.0, keepalive_seconds=0.5, idle_timeout=7.0),
        model_map=(("claude-*", "gpt-5.1-codex-high"), ("z*", "packycode/gpt-5")),
        cors_origins=("*", "https://a.example:444"),
        max_body_bytes=2048,
        log_format="json",
        expose_route_headers=False,
        request_log=True,
        debug=True,
        source="dict",
    )
    assert expected == config


def test_the_product_sample_is_valid() -> None:
    """A block with the placeholder key of the documentation passes: whether a key works only the upstream knows."""
    config = parse_config(
        """
        packycode:
          enabled: true
          base-url: "https://codex-api.packycode.com/v1"
          requires-openai-auth: true
          wire-api: "responses"
          privacy: {disable-response-storage: true}
          defaults: {model: "gpt-5", model-reasoning-effort: "high"}
          credentials: {openai-api-key: "sk-..."}
        """
    )
    assert "sk-..." == (config.providers[0].api_key or Secret("")).reveal()


def test_from_mapping_judges_python_values() -> None:
    """What YAML cannot hold is a problem too, not a crash."""
    problems = problems_of({"port": object(), 5: 1, "host": b"x", "api-keys": {"a"}, "packycode": {None: 1}})
    expected = [
        "host: is a Python bytes, not text: write one text value",
        "port: is a Python object, not a whole number: write decimal digits, without quotes",
        "api-keys: is a Python set, not a list: write each item on a line of its own after a dash",
        "packycode: a key is not text: put the key in quotes",
        "config.yaml: a key is not text: put the key in quotes",
    ]
    assert expected == problems


def test_a_disabled_provider_may_be_incomplete() -> None:
    """Switched off, a provider needs neither URL nor key nor name."""
    config = config_from_mapping(
        {"packycode": {"enabled": False, "credentials": {"openai-api-key": " "}}, "tppc": {"providers": [{}]}}
    )
    assert () == config.enabled_providers


def test_a_tppc_entry_may_be_called_packycode_while_the_block_is_off() -> None:
    """Names must be unique among enabled providers only."""
    entry = {"name": "packycode", "enabled": True, "base-url": "https://a.example", "api-key": "k"}
    config = config_from_mapping({"packycode": {"enabled": False}, "tppc": {"providers": [entry]}})
    assert ["tppc"] == [provider.kind for provider in config.enabled_providers]


def test_without_auth_no_key_is_asked_for() -> None:
    """``requires-openai-auth: false`` makes the key optional."""
    config = config_from_mapping(
        {
            "packycode": {
                "enabled": True,
                "base-url": "http://localhost:8000/v1",
                "requires-openai-auth": False,
            }
        }
    )
    assert config.providers[0].api_key is None


def test_problems_know_their_line() -> None:
    """A missing key is placed at the mapping that lacks it, a wrong value at its own line."""
    with pytest.raises(ConfigError) as refusal:
        parse_config("debug: 1\n\npackycode:\n  enabled: true\n  base-url: x\n")
    assert [("debug", 1), ("packycode.base-url", 5), ("packycode.credentials.openai-api-key", 3)] == sorted(
        (problem.field, problem.line) for problem in refusal.value.problems
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("aliases", ["x y"]), ("efforts", ["ultra"]), ("context-window", "big")],
    ids=["alias", "effort", "window"],
)
def test_wrong_members_of_model_items_are_found(key: str, value: Any) -> None:
    """Each member of a ``models`` item is judged under its own path."""
    (problem,) = problems_of({"packycode": {"models": [{"id": "m", key: value}]}})
    assert problem.startswith(f"packycode.models[0].{key}")


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"model-map": {1: "a"}}, "model-map: a key is not text: put the key in quotes"),
        ({"model-map": {"a": " "}}, "model-map.a: is blank: name a model, or remove the line"),
        (
            {"packycode": {"base-url": "https://a_b!/v1"}},
            "packycode.base-url: its host or port cannot be read",
        ),
        ({"packycode": {"headers": {"x-a": None}}}, "packycode.headers.x-a: has no value"),
        ({"packycode": {"profile": {"phase": 1}}}, "packycode.profile.phase: is a number, not true or false"),
        ({"tppc": {"providers": [None]}}, "tppc.providers[0]: is nothing, not a mapping"),
        (
            {"tppc": {"providers": [{"credentials": {}}]}},
            "tppc.providers[0].credentials: unknown key: did you mean api-key?",
        ),
        ({"x" * 41: 1}, "***: unknown key"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_rarer_mistakes_are_problems_too(mapping: dict[Any, Any], expected: str) -> None:
    """One mistake, one problem."""
    (problem,) = problems_of(mapping)
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("phase", "expected"),
    [("auto", "auto"), (None, "auto"), (True, "on"), ("on", "on"), (False, "off"), ("off", "off")],
    ids=str,
)
def test_three_way_switches_take_yaml_truth_values(phase: Any, expected: str) -> None:
    """A bare ``on`` is true for YAML, and meant all the same."""
    assert (
        expected
        == config_from_mapping({"packycode": {"profile": {"phase": phase}}}).providers[0].capabilities.phase
    )


def test_secrets_never_show() -> None:
    """No rendering of a configuration shows a key, a proxy password or a header's value."""
    mapping = enabled_packycode(
        credentials={"openai-api-key": "sk-canary-provider"},
        headers={"x-token": "canary-header"},
        **{"proxy-url": "http://u:canary-proxy@p.example"},
    )
    config = config_from_mapping(
        mapping
        | {"api-keys": ["canary-client-key"], "remote-management": {"secret-key": "canary-management"}}
    )
    shown = [repr(config), str(config), format(config.api_keys[0]), repr(pickle.dumps(config.api_keys))]
    assert not [text for text in shown if "canary" in text]


def test_secrets_encode_masked() -> None:
    """msgspec refuses a secret, and writes the mask when given ``str`` as its hook."""
    secret = Secret("sk-canary-secret")
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)
    assert "***cret" == json.loads(msgspec.json.encode(secret, enc_hook=str))
    assert Secret("***cret") == pickle.loads(pickle.dumps(secret))


@pytest.mark.parametrize(
    ("value", "mask"),
    [("", "***"), ("elevenchars", "***"), ("twelve-chars", "***hars")],
    ids=["empty", "11", "12"],
)
def test_masks_show_four_characters_of_long_secrets_only(value: str, mask: str) -> None:
    """Short secrets show nothing of themselves."""
    assert mask == str(Secret(value))


def test_secrets_compare_copy_and_reveal() -> None:
    """A secret is a value: equal by content, and its copies are whole."""
    secret = Secret("value")
    assert "value" == copy.deepcopy(secret).reveal() == copy.copy(secret).reveal()
    assert {Secret("value")} == {secret}
    assert secret != "value"
    assert not Secret("")


def test_settings_say_where_they_came_from() -> None:
    """Each value that the configuration gives is named by its path in the block; defaults and blanks are not."""
    block = {
        "enabled": True,
        "base-url": "https://a.example/v1",
        "credentials": {"openai-api-key": "k"},
        "proxy-url": "",
        "models": [],
        "headers": {"x-a": "1"},
        "defaults": {"model": "gpt-5", "small-model": " "},
    }
    (provider,) = config_from_mapping({"packycode": block}).providers
    paths = ["enabled", "base-url", "credentials.openai-api-key", "headers", "defaults.model"]
    assert dict.fromkeys(paths, "config.yaml") == provider.sources


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (
            {"credentials.openai-api-key": "codex-cli", "base-url": "env", "enabled": "config.yaml"},
            "codex-cli",
        ),
        ({"api-key": "config.yaml", "base-url": "env"}, "config.yaml"),
        ({"base-url": "env", "enabled": "config.yaml"}, "env"),
        ({"enabled": "env"}, "env"),
        ({"weight": "config.yaml"}, None),
        ({}, None),
    ],
    ids=["key", "tppc key", "url", "enabled", "other", "nothing"],
)
def test_the_key_decides_the_effective_source(sources: dict[str, Source], expected: Source | None) -> None:
    """Where the key came from matters most, then where the URL did."""
    assert expected == ProviderConfig(kind="packycode", name="p", sources=sources).effective_source


@pytest.mark.parametrize(
    ("providers", "expected"),
    [
        ([("a", 0, True), ("b", 0, True)], "ab"),
        ([("a", 0, True), ("b", 5, True), ("c", -1, True)], "bac"),
        ([("a", 9, False), ("b", 0, True)], "b"),
        ([("a", 9, "codex-cli"), ("b", -9, True)], "ba"),
        ([("a", 0, "env"), ("b", 1, True)], "ba"),
    ],
    ids=["order of the file", "priority", "disabled", "key of the Codex CLI", "key of the environment"],
)
def test_providers_are_asked_in_routing_order(providers: list[tuple[str, int, Any]], expected: str) -> None:
    """Own keys come before one of the Codex CLI, then the priority counts, then the order of the file."""
    config = Config(
        providers=tuple(
            ProviderConfig(
                kind="packycode",
                name=name,
                priority=priority,
                enabled=bool(state),
                sources={} if isinstance(state, bool) else {"credentials.openai-api-key": state},
            )
            for name, priority, state in providers
        )
    )
    assert expected == "".join(provider.name for provider in config.routing_order)


def read_example() -> tuple[Document, Findings, Config]:
    document = read_text(EXAMPLE.read_bytes())
    findings = Findings(document)
    return document, findings, read_config(findings, document.root, "example")


def test_the_example_names_every_key_and_no_other() -> None:
    """``config.example.yaml`` and the schema agree, both ways."""
    document, findings, _ = read_example()
    written = {path for path in document.lines if path and not path.endswith("]")}
    known = {
        path for path in findings.known_paths if not any(f".{name}." in f".{path}" for name in FREE_MAPPINGS)
    }
    item = "tppc.providers[0].models[0].id"
    assert known - {
        item,
        *(f"tppc.providers[0].models[0].{key}" for key in ("aliases", "efforts", "context-window")),
    } == (written)


def test_the_example_shows_the_defaults() -> None:
    """But for the sample tppc entry, the example says nothing that is not so anyway."""
    _, findings, config = read_example()
    assert [] == findings.problems
    packycode = ProviderConfig(kind="packycode", name="packycode", sources=config.providers[0].sources)
    assert Config(providers=(packycode, *config.providers[1:]), source="example") == config


def test_every_line_of_the_example_has_its_comment() -> None:
    """Each top-level setting and each packycode setting is explained where it stands."""
    lines = EXAMPLE.read_text().partition("tppc:")[0].splitlines()
    silent = [line for line in lines if ":" in line and "#" not in line and not line.endswith(":")]
    assert [] == silent


@pytest.mark.parametrize(("written", "expected"), [(1.5, 1.5), (None, None)], ids=["seconds", "null"])
def test_hedging_is_off_unless_it_has_a_time(written: float | None, expected: float | None) -> None:
    """The setting is read, and null leaves it unset."""
    config = config_from_mapping({"routing": {"hedge-after": written}})
    assert expected == config.routing.hedge_after
