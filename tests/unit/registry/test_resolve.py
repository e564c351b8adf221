"""What a requested name means: every row of the resolution table."""

from typing import Any

import pytest

from packyproxy.config import ModelConfig, ProviderConfig, config_from_mapping
from packyproxy.config.schema import Defaults
from packyproxy.errors import InvalidRequest, NoProvider
from packyproxy.registry.catalogue import CATALOGUE
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import resolve

OPEN = ProviderConfig(kind="packycode", name="packycode", enabled=True)
CLOSED = ProviderConfig(
    kind="packycode",
    name="relay",
    enabled=True,
    defaults=Defaults(model="gpt-5.1-codex-low", effort="medium", small_model="gpt-5-mini"),
    models=(
        ModelConfig(id="gpt-5.1-codex", aliases=("claude-opus-4-8", "Big")),
        ModelConfig(id="gpt-5-mini-high", aliases=("quick",)),
        ModelConfig(id="Relay/Own-Model", efforts=("low", "high"), context_window=64_000),
        ModelConfig(id="gpt-5.2-high"),
        ModelConfig(id="gpt-6*"),
    ),
)


def read(name: str, *providers: ProviderConfig, model_map: dict[str, str] | None = None) -> tuple[Any, ...]:
    registry = Registry.build(providers or (OPEN,), tuple((model_map or {}).items()))
    found = resolve(name, registry).candidates[0]
    assert found.reasons
    return found.model, found.suffix_effort, found.default_effort


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gpt-5.1-codex", None), ("quick", "high"), ("mapped", "low"), ("gpt-5.1-codex-low", None)],
)
def test_named_effort(name: str, expected: str | None) -> None:
    """The effort that goes with a name is told apart from the provider's defaults, and from a suffix."""
    registry = Registry.build((CLOSED,), (("mapped", "gpt-5.1-codex-low"),))
    assert expected == resolve(name, registry).candidates[0].named_effort


def refusal_of(
    name: str, *providers: ProviderConfig, model_map: dict[str, str] | None = None
) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        resolve(name, Registry.build(providers, tuple((model_map or {}).items())))
    return refusal.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (" gpt-5 ", ("gpt-5", None, "high")),
        ("gpt-5[1m]", ("gpt-5", None, "high")),
        ("GPT-5 [1M]", ("gpt-5", None, "high")),
        ("packycode/gpt-5", ("gpt-5", None, "high")),
        ("PackyCode/new-model-low", ("new-model", "low", "high")),
        ("anthropic-gpt-5.1", ("gpt-5.1", None, "high")),
        ("Anthropic/gpt-5.1", ("gpt-5.1", None, "high")),
        ("openai/gpt-5.1-low", ("gpt-5.1", "low", "high")),
        ("gpt-5-HIGH", ("gpt-5", "high", "high")),
        ("gpt-5(minimal)", ("gpt-5", "minimal", "high")),
        ("gpt-5.1-codex-max", ("gpt-5.1-codex-max", None, "high")),
        ("gpt-5.1-codex-max-high", ("gpt-5.1-codex-max", "high", "high")),
        ("claude-opus-4-8", ("gpt-5", None, "high")),
        ("claude-haiku-4-5-20251001", ("gpt-5", None, "low")),
        ("haiku", ("gpt-5", None, "low")),
        ("opus", ("gpt-5", None, "high")),
        ("Sonnet", ("gpt-5", None, "high")),
        ("default", ("gpt-5", None, "high")),
        ("sonnet-low", ("gpt-5", "low", "high")),
        ("claude-sonnet-5(max)", ("gpt-5", "max", "high")),
        ("claude-low", ("gpt-5", None, "high")),
        ("o9-preview", ("o9-preview", None, "high")),
        ("Vendor/Model-xhigh", ("Vendor/Model", "xhigh", "high")),
    ],
)
def test_names_at_a_provider_without_a_list(name: str, expected: tuple[str, str | None, str | None]) -> None:
    """The catalogue, prefixes, suffixes and built-in globs apply; any other id is passed on."""
    assert expected == read(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-opus-4-8", ("gpt-5.1-codex", None, "medium")),
        ("big-xhigh", ("gpt-5.1-codex", "xhigh", "medium")),
        ("anthropic/BIG", ("gpt-5.1-codex", None, "medium")),
        ("quick", ("gpt-5-mini", None, "high")),
        ("quick-low", ("gpt-5-mini", "low", "high")),
        ("relay/own-model", ("Relay/Own-Model", None, "medium")),
        ("relay/gpt-5.1-codex", ("gpt-5.1-codex", None, "medium")),
        ("gpt-5.2-high", ("gpt-5.2-high", None, "medium")),
        ("gpt-5.2-high-low", ("gpt-5.2-high", "low", "medium")),
        ("gpt-6-sol", ("gpt-6-sol", None, "medium")),
        ("gpt-6-new-max", ("gpt-6-new", "max", "medium")),
        ("claude-sonnet-5", ("gpt-5.1-codex", None, "low")),
        ("claude-haiku-9", ("gpt-5-mini", None, "medium")),
    ],
)
def test_names_at_a_provider_with_a_list(name: str, expected: tuple[str, str | None, str | None]) -> None:
    """Configured ids are sent as written, aliases and defaults may carry an effort, globs admit new ids."""
    assert expected == read(name, CLOSED)


@pytest.mark.parametrize(
    "name", ["gpt-5", "gpt-5.1-codexx", "relay/nothing", "relay/", "other/gpt-5.1-codex"]
)
def test_names_off_the_list_are_unknown(name: str) -> None:
    """A provider with a ``models`` list serves nothing else."""
    refusal = refusal_of(name, CLOSED)
    assert (404, "model_not_found", "model") == (refusal.status, refusal.code, refusal.field)


@pytest.mark.parametrize("name", ["", "   ", "[1m]", "a b", "a\nb", "ü", "x" * 257], ids=repr)
def test_names_that_no_header_can_carry_are_unknown(name: str) -> None:
    """A provider that takes any id still takes no blank, line break or novel."""
    assert 404 == refusal_of(name, OPEN).status


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    """The refusal helps with a typing error."""
    message = refusal_of("relay-own-model", CLOSED).message
    assert (
        "model: relay-own-model is not known here; nearest: Relay/Own-Model (GET /v1/models lists all)"
        == message
    )


def test_an_unknown_name_is_compared_with_a_bounded_number() -> None:
    """Only the first five hundred names are looked at, so that a refusal costs a few milliseconds at most."""
    models = tuple(ModelConfig(id=f"{number:04}") for number in range(500))
    for last, nearest in ((models[:499], "zebra"), (models, "0000, 0001, 0002")):
        provider = ProviderConfig(
            kind="tppc", name="p", enabled=True, models=(*last, ModelConfig(id="zebra"))
        )
        assert f"; nearest: {nearest} (" in refusal_of("zebr", provider).message


def test_an_unknown_name_is_quoted_short_and_printable() -> None:
    """At most 128 characters of the client's string come back, and none that could do harm."""
    message = refusal_of("a\x1b\n" + "x" * 5000, CLOSED).message
    assert "model: a" + "x" * 125 + " is not known here" == message.partition(";")[0]


def test_without_any_provider_nothing_can_be_resolved() -> None:
    """That is the operator's matter, not an unknown model."""
    with pytest.raises(NoProvider):
        resolve("gpt-5", Registry.build(()))


def test_the_operators_map_comes_before_the_built_in_globs() -> None:
    """The first glob that matches decides; its effort is a default that the client may override."""
    model_map = {
        "claude-*-4-8": "gpt-5.1-codex-max-xhigh",
        "claude-opus*": "gpt-5-mini",
        "GPT-X?": "openai/gpt-5-low",
    }
    assert ("gpt-5.1-codex-max", None, "xhigh") == read("Claude-Opus-4-8", model_map=model_map)
    assert ("gpt-5-mini", None, "high") == read("claude-opus-5", model_map=model_map)
    assert ("gpt-5", None, "low") == read("gpt-x1", model_map=model_map)
    assert ("gpt-5.1-codex-max", "low", "xhigh") == read("claude-opus-4-8-low", model_map=model_map)


def test_known_models_are_not_mapped() -> None:
    """A glob does not touch what is configured by its id."""
    assert ("gpt-5", None, "high") == read("gpt-5", model_map={"*": "gpt-5-mini"})


def test_the_map_may_name_new_models_and_providers() -> None:
    """A target is resolved like a request, but is not mapped again."""
    assert ("gpt-9", None, "max") == read("best", model_map={"best": "packycode/gpt-9-max"})
    assert ("worst", None, "high") == read("best", model_map={"best": "worst", "worst": "gpt-5"})


def test_a_map_to_an_unserved_model_says_so() -> None:
    """The refusal names the operator's mistake instead of hiding it behind the next rule."""
    message = refusal_of("claude-opus-5", CLOSED, model_map={"claude-*": "gpt-4"}).message
    assert "model: claude-opus-5 is mapped by model-map to gpt-4, which no provider here serves" in message


def test_a_default_that_the_list_forgets_is_served() -> None:
    """``defaults.model`` outside ``models`` is used for Claude names all the same."""
    provider = ProviderConfig(
        kind="packycode", name="p", enabled=True, models=(ModelConfig(id="gpt-5-mini"),)
    )
    assert ("gpt-5", None, "high") == read("claude-opus-5", provider)
    assert 404 == refusal_of("gpt-5", provider).status


def test_a_provider_called_openai_is_a_pin() -> None:
    """``openai/x`` pins a provider of that name instead of being a prefix."""
    openai = ProviderConfig(kind="tppc", name="OpenAI", enabled=True)
    assert "OpenAI" == resolve("openai/gpt-5", Registry.build((OPEN, openai))).candidates[0].provider
    assert "packycode" == resolve("gpt-5", Registry.build((OPEN, openai))).candidates[0].provider


def test_the_first_provider_that_has_a_model_serves_it() -> None:
    """An exact id at a later provider beats passing the id on to an earlier one."""
    assert "relay" == resolve("big", Registry.build((OPEN, CLOSED))).candidates[0].provider


def test_what_is_known_of_the_model_comes_along() -> None:
    """Efforts and context window are those of the configuration, the catalogue or the tables."""
    registry = Registry.build((CLOSED,))
    own, six = (resolve(name, registry).candidates[0] for name in ("relay/own-model", "gpt-6-luna"))
    assert (("low", "high"), 64_000) == (own.efforts, own.context_window)
    assert (("none", "low", "medium", "high", "xhigh", "max"), 272_000) == (six.efforts, six.context_window)
    spark = resolve("gpt-5.3-codex-spark", Registry.build((OPEN,))).candidates[0]
    assert 128_000 == spark.context_window


def test_the_requested_string_is_kept() -> None:
    """The answer will echo it as it was."""
    assert " GPT-5[1m] " == resolve(" GPT-5[1m] ", Registry.build((OPEN,))).requested


def test_reasons_tell_the_way() -> None:
    """Each step that was taken is named, outermost first."""
    expected = (
        "suffix: effort low",
        "model-map maps claude-* to big",
        "Big is an alias of gpt-5.1-codex at relay",
    )
    registry = Registry.build((CLOSED,), (("claude-*", "big"),))
    assert expected == resolve("claude-x-low", registry).candidates[0].reasons


def test_the_catalogue_has_each_model_once() -> None:
    """Ids are unique and in the case they are sent."""
    ids = [model.id for model in CATALOGUE]
    assert sorted({model_id.lower() for model_id in ids}) == sorted(ids)


def test_a_configuration_feeds_the_registry() -> None:
    """What the file says arrives in the resolution."""
    config = config_from_mapping(
        {
            "packycode": {
                "enabled": True,
                "base-url": "https://a.example",
                "credentials": {"openai-api-key": "k"},
                "models": ["gpt-5", {"id": "gpt-5-codex", "aliases": ["claude-opus-4-8"]}],
            },
            "model-map": {"x": "gpt-5-low"},
        }
    )
    registry = Registry.build(config.routing_order, config.model_map)
    assert ("gpt-5-codex", "gpt-5") == tuple(
        resolve(name, registry).candidates[0].model for name in ("claude-opus-4-8", "x")
    )
