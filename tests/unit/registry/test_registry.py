"""Which models exist and who serves them, and what discovery adds."""

import pytest

from packyproxy.config import ModelConfig, ProviderConfig
from packyproxy.config.schema import Defaults
from packyproxy.registry.catalogue import CATALOGUE
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import resolve

OPEN = ProviderConfig(kind="packycode", name="open", enabled=True)
LISTED = ProviderConfig(
    kind="tppc",
    name="listed",
    enabled=True,
    models=(
        ModelConfig(id="GPT-5", aliases=("fast",), efforts=("low",), context_window=1000),
        ModelConfig(id="own"),
    ),
)
GLOBBED = ProviderConfig(
    kind="tppc",
    name="globbed",
    enabled=True,
    models=(ModelConfig(id="gpt-5-codex*"), ModelConfig(id="o?-*", efforts=("low", "high"))),
)
CATALOGUE_IDS = [model.id for model in CATALOGUE]


def added(
    ids: tuple[str, ...], *providers: ProviderConfig, model_map: dict[str, str] | None = None
) -> list[str]:
    """Return the models that a registry has only because its first provider lists these ids."""
    pairs = tuple((model_map or {}).items())
    plain = Registry.build(providers, pairs)
    found = Registry.build(providers, pairs, {providers[0].name: ids})
    assert plain.models() == found.models()[: len(plain.models())]
    return [model.id for model in found.models()[len(plain.models()) :]]


def providers_of(model_id: str, registry: Registry) -> tuple[str, ...]:
    """Return who lists a model; nobody, where it is not listed."""
    model = registry.served.get(model_id.lower())
    return () if model is None else model.providers


def test_a_model_of_several_providers_is_one_entry() -> None:
    """It names them in their order, and shows what the first one says of it."""
    registry = Registry.build((LISTED, OPEN))
    models = {model.id: model for model in registry.models()}
    assert ("listed", "open") == models["GPT-5"].providers
    assert (("low",), 1000) == (models["GPT-5"].efforts, models["GPT-5"].context_window)
    assert "gpt-5" not in models
    assert ("listed",) == models["own"].providers
    assert ("open",) == models["gpt-5.1"].providers


def test_models_come_in_the_order_of_the_providers() -> None:
    """First those of the first provider, as its list has them, then what the next one adds."""
    ids = [model.id for model in Registry.build((LISTED, OPEN)).models()]
    assert ["GPT-5", "own", *(model_id for model_id in CATALOGUE_IDS if model_id != "gpt-5")] == ids


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("gpt-5", ("open", "listed")),
        ("Own", ("listed",)),
        ("gpt-5-codex-mini", ("open", "globbed")),
        ("fast", ()),
        ("o3-new", ()),
    ],
    ids=["both", "any case", "glob over the catalogue", "an alias is no id", "unlisted"],
)
def test_who_lists_a_model(model_id: str, expected: tuple[str, ...]) -> None:
    """Names of providers, in their order; none for a name that is no listed id."""
    assert expected == providers_of(model_id, Registry.build((OPEN, LISTED, GLOBBED)))


def test_registering_twice_changes_nothing() -> None:
    """Registries built from the same facts are equal, patterns and discovered ids included."""
    once, twice = (
        Registry.build(
            (OPEN, LISTED, GLOBBED), (("claude-*", "fast"),), {"open": ("gpt-99",)}, disabled=("off",)
        )
        for _ in range(2)
    )
    assert once == twice


@pytest.mark.parametrize(
    "other",
    [
        Registry.build((LISTED, OPEN), (("a*", "gpt-5"),)),
        Registry.build((OPEN, LISTED), (("b*", "gpt-5"),)),
        Registry.build((OPEN, LISTED), (("a*", "gpt-5"),), {"open": ("gpt-99",)}),
        Registry.build((OPEN, LISTED), (("a*", "gpt-5"),), disabled=("off",)),
    ],
    ids=["order", "glob", "discovered", "disabled"],
)
def test_other_facts_give_another_registry(other: Registry) -> None:
    """Equality sees the order, the map, what was discovered and what is off."""
    assert other != Registry.build((OPEN, LISTED), (("a*", "gpt-5"),))


@pytest.mark.parametrize(
    ("provider", "expected"),
    [(OPEN, ["gpt-99", "o3-new"]), (GLOBBED, ["o3-new"]), (LISTED, [])],
    ids=["without a list", "with globs", "with a list"],
)
def test_discovered_ids_count_where_they_would_be_taken(
    provider: ProviderConfig, expected: list[str]
) -> None:
    """A ``models`` list decides what is served; its globs leave room."""
    assert expected == added(("gpt-99", "o3-new"), provider)


@pytest.mark.parametrize(
    "model_id",
    [
        "FAST",
        "fast-low",
        "gpt-5-high",
        "own(high)",
        "openai/gpt-5",
        "anthropic/own-low",
        "claude-opus-9",
        "Haiku",
        "default",
        "best-of-all",
        "best",
        "listed/anything",
    ],
)
def test_a_discovered_id_takes_no_name(model_id: str) -> None:
    """What is an alias, a variant, a mapped name or a pin stays that, whatever the upstream lists."""
    model_map = {"best*": "gpt-5"}
    assert [] == added((model_id,), OPEN, LISTED, model_map=model_map)


def test_discovery_removes_nothing() -> None:
    """An upstream that lists little, or nothing, leaves the catalogue as it is."""
    assert [] == added((), OPEN)
    assert [] == added(("GPT-5",), OPEN)


def test_a_discovered_id_joins_the_providers_of_a_listed_one() -> None:
    """A model that one provider is configured with and another one lists of itself has both."""
    registry = Registry.build((OPEN, LISTED), (), {"open": ("OWN",)})
    assert ("open", "listed") == providers_of("own", registry)
    assert ["OWN", "own"] == [candidate.model for candidate in resolve("own", registry).candidates]


def test_a_discovered_id_leads_to_whoever_has_it() -> None:
    """It is a listed id from then on: providers that would only pass it on are left out."""
    passing = ProviderConfig(kind="tppc", name="passing", enabled=True)
    before = resolve("gpt-99-low", Registry.build((passing, OPEN)))
    after = resolve("gpt-99-low", Registry.build((passing, OPEN), (), {"open": ("GPT-99",)}))
    assert ["passing", "open"] == [candidate.provider for candidate in before.candidates]
    assert [("open", "GPT-99", "low")] == [
        (candidate.provider, candidate.model, candidate.suffix_effort) for candidate in after.candidates
    ]


def test_a_discovered_id_of_a_glob_is_described_by_its_item() -> None:
    """Efforts of the glob hold for the ids that it admits."""
    registry = Registry.build((GLOBBED,), (), {"globbed": ("o3-new",)})
    assert ("low", "high") == registry.models()[-1].efforts


def test_what_an_unknown_provider_lists_is_ignored() -> None:
    """Facts about a provider that has gone change nothing."""
    assert Registry.build((OPEN,)) == Registry.build((OPEN,), (), {"gone": ("gpt-99",)})


def test_defaults_do_not_make_a_model() -> None:
    """``defaults.model`` is served for Claude names, and not listed where ``models`` leaves it out."""
    provider = ProviderConfig(
        kind="tppc", name="p", enabled=True, defaults=Defaults(model="hidden"), models=LISTED.models
    )
    assert () == providers_of("hidden", Registry.build((provider,)))
