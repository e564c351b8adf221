"""Laws: what the management API shows and takes is the file, seen and written through one key hole."""

from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from packyproxy.config import Ambient, Config, ProviderConfig, Secret, config_from_mapping, parse_config
from packyproxy.config.codex_files import CodexProvider, CodexReading
from packyproxy.config.masking import masked_text, restore_masks
from packyproxy.config.merging import config_text, patch_value, put_value
from packyproxy.config.view import config_view, packycode_view
from packyproxy.errors import ConfigError, Problem
from tests.laws.config_strategies import Values, configs, packycode_blocks, providers
from tests.laws.request_strategies import json_values
from tests.support.yaml_writing import YamlWriter

Path = tuple[str, ...]

paths = st.sampled_from(
    [
        (),
        ("packycode",),
        ("tppc",),
        ("api-keys",),
        ("request-retry",),
        ("debug",),
        ("routing", "strategy"),
        ("model-map",),
        ("remote-management",),
    ]
)
"""Places that the management API has a route for, and two more."""
styles = st.randoms(use_true_random=False).map(YamlWriter)
NO_BLOCK = ProviderConfig(kind="packycode", name="packycode")
CODEX = CodexProvider(
    name="relay",
    base_url="https://a.example/v1",
    key=Secret("codex-canary-0001"),
    model="codex-model",
    effort="low",
    headers={"x-codex": "codex-header-0001"},
)
ambients = st.builds(
    Ambient,
    st.fixed_dictionaries(
        {},
        optional={
            "PACKYCODE_ENABLED": st.sampled_from(["yes", "no"]),
            "PACKYCODE_BASE_URL": st.sampled_from(["https://env.example", "https://a.example/v1"]),
            "PACKYCODE_API_KEY": st.sampled_from(["env-canary-0001", "k1"]),
            "PACKYCODE_MODEL": st.just("env-model"),
        },
    ),
    st.sampled_from([CodexReading(), CodexReading(provider=CODEX)]),
)


def shown(config: Config, path: Path = ()) -> Any:
    """Return what a client is shown at a path, as it would send it back; no block is shown as defaults."""
    value = msgspec.json.decode(msgspec.json.encode(config_view(config)))
    value.setdefault("packycode", msgspec.json.decode(msgspec.json.encode(packycode_view(NO_BLOCK))))
    for name in path:
        value = value[name]
    return value


def writable(view: Values) -> Values:
    """Return a view without what depends on where values came from."""
    for key in ("effective-source", "sources"):
        view.get("packycode", {}).pop(key, None)
    return view


def same(config: Config) -> Config:
    """Return a configuration without where it came from; a block of defaults is none."""
    bare = [replace(provider, sources={}) for provider in config.providers]
    return replace(config, source="", providers=tuple(provider for provider in bare if provider != NO_BLOCK))


def revealed(config: Config) -> list[str]:
    """Return every secret of a configuration, in its order."""
    keys = [config.remote_management.secret_key, *config.api_keys]
    for provider in config.providers:
        keys += [provider.api_key, provider.proxy_url, *map(Secret, provider.headers.values())]
    return [key.reveal() if key else "" for key in keys]


@given(values=configs, style=styles, path=paths)
def test_what_was_shown_and_is_sent_back_changes_nothing(
    values: Values, style: YamlWriter, path: Path
) -> None:
    """PUT and PATCH of a GET's answer leave every byte of the file as it is, at every path."""
    text = style.text(values)
    config = parse_config(text)
    view = shown(config, path)
    assert text == put_value(text, path, view, in_force=config)
    assert text == patch_value(text, path, view, in_force=config)


@given(values=configs, style=styles, ambient=ambients, path=paths)
def test_what_comes_from_elsewhere_stays_out_of_the_file(
    values: Values, style: YamlWriter, ambient: Ambient, path: Path
) -> None:
    """The same holds for what the environment and the Codex CLI have filled in, keys included."""
    text = style.text(values)
    try:
        config = parse_config(text, ambient=ambient)
    except ConfigError:
        assume(False)
    view = shown(config, path)
    assert text == put_value(text, path, view, in_force=config)
    assert text == patch_value(text, path, view, in_force=config)


@given(values=configs, style=styles, wanted=configs)
def test_a_file_says_what_was_put(values: Values, style: YamlWriter, wanted: Values) -> None:
    """Whatever the file said, in whatever style: then it says what was sent, and sending it again is idle."""
    text = style.text(values)
    new = put_value(text, (), wanted, in_force=parse_config(text))
    assert same(config_from_mapping(wanted)) == same(parse_config(new))
    assert new == put_value(new, (), wanted, in_force=parse_config(new))


@given(values=configs, style=styles, wanted=configs)
def test_a_view_that_is_put_is_shown(values: Values, style: YamlWriter, wanted: Values) -> None:
    """A whole view, defaults and all, is shown again as it was sent, if its secrets are stored ones."""
    view = shown(config_from_mapping(wanted))
    text = style.text(values)
    codes = []
    try:
        new = put_value(text, (), view, in_force=parse_config(text))
    except ConfigError as refused:
        codes = [problem.code for problem in refused.problems if problem.code != "masked"]
    else:
        assert writable(view) == writable(shown(parse_config(new)))
    assert [] == codes


@given(values=configs, style=styles, block=packycode_blocks)
def test_a_block_that_is_put_leaves_all_others(values: Values, style: YamlWriter, block: Values) -> None:
    """Only the block changes, and it says what was sent."""
    assume(not any(entry["name"] == "packycode" for entry in values.get("tppc", {}).get("providers", [])))
    text = style.text(values)
    new = parse_config(put_value(text, ("packycode",), block, in_force=parse_config(text)))
    assert same(config_from_mapping({**values, "packycode": block})) == same(new)


@given(values=configs, style=styles, entries=providers)
def test_providers_that_are_patched_are_found_by_name(
    values: Values, style: YamlWriter, entries: list[Values]
) -> None:
    """What was sent holds, what was not sent stays, and nobody is added whose name is known."""
    names = [entry["name"].casefold() for entry in entries]
    assume(len(names) == len(set(names)))
    text = style.text(values)
    before = parse_config(text)
    new = patch_value(text, ("tppc",), {"providers": entries}, in_force=before)
    stored = shown(before)["tppc"]["providers"]
    known = {entry["name"].casefold() for entry in stored}
    try:
        after = shown(parse_config(new))["tppc"]["providers"]
    except ConfigError:
        return  # two of one name are enabled now, or one without a key is
    assert len(stored) + len(set(names) - known) == len(after)
    for entry in entries:
        (expected,) = shown(config_from_mapping({"tppc": {"providers": [entry]}}))["tppc"]["providers"]
        candidates = [found for found in after if found["name"].casefold() == entry["name"].casefold()]
        assert any(all(expected[key] == found[key] for key in plain_keys(entry)) for found in candidates)


def plain_keys(entry: Values) -> list[str]:
    """Return the keys of a provider whose value replaces what was there."""
    merged = {"name", "defaults", "headers", "profile", "compat"}
    return [key for key in entry if key not in merged]


@given(values=configs, style=styles, path=paths, value=json_values, is_patch=st.booleans())
def test_any_json_gives_a_text_or_a_refusal(
    values: Values, style: YamlWriter, path: Path, value: object, is_patch: bool
) -> None:
    """Nothing that can be sent is an error of ours, and what is written can be judged."""
    text = style.text(values)
    merge = patch_value if is_patch else put_value
    problems: tuple[Problem, ...] = ()
    try:
        parse_config(merge(text, path, value, in_force=parse_config(text)))
    except ConfigError as refused:
        problems = refused.problems
    assert [] == [problem for problem in problems if problem.code == "cannot_edit"]


@given(values=configs, style=styles)
def test_masks_in_a_text_are_secrets_again(values: Values, style: YamlWriter) -> None:
    """The text that was shown comes back as it was, byte for byte; with a line more, every secret does."""
    text = style.text(values)
    assert text == restore_masks(masked_text(text), text)
    assume("metrics" not in values)
    restored = restore_masks(masked_text(text) + "metrics: true\n", text)
    assert revealed(parse_config(text)) == revealed(parse_config(restored))


@given(values=configs)
def test_a_configuration_without_a_file_has_a_text(values: Values) -> None:
    """The text that is made for it says the same."""
    config = config_from_mapping(values)
    assert same(config) == same(parse_config(config_text(config)))


def test_strategies_reach_far() -> None:
    """The configurations of these laws have providers, secrets and comments; else the laws said little."""
    seen: set[str] = set()

    @settings(max_examples=500)  # one in twenty or thirty has an enabled packycode block
    @given(values=configs, style=styles)
    def look(values: Values, style: YamlWriter) -> None:
        text = style.text(values)
        config = parse_config(text)
        seen.update(provider.kind for provider in config.enabled_providers)
        seen.update({"secret"} if any(revealed(config)) else ())
        seen.update({"comment"} if "#" in text else ())

    look()
    assert {"packycode", "tppc", "secret", "comment"} == seen
