"""What holds for every name and every set of providers."""

import json

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from packyproxy.config import ModelConfig, ProviderConfig
from packyproxy.config.schema import Defaults
from packyproxy.errors import InvalidRequest
from packyproxy.registry.listing import list_models
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import Candidate, Resolution, resolve
from packyproxy.translate.contract import Family

PROVIDER_NAMES = ("packycode", "Shop", "openai", "off")
IDS = ("gpt-5", "GPT-5", "gpt-5-high", "gpt-5.1-codex-max", "own", "vendor/own", "Big", "new-1")
ALIASES = ("big", "claude-opus-5", "opus", "quick", "own", "best")
TARGETS = (*IDS, "big", "own-low", "shop/gpt-5", "OFF/own", "packycode/own-max", "nobody")
STEMS = (*IDS, *ALIASES, "claude-haiku-9", "sonnet", "nothing", "default")

models = st.builds(
    ModelConfig,
    id=st.sampled_from((*IDS, "gpt-*", "new-?")),
    aliases=st.lists(st.sampled_from(ALIASES), max_size=2, unique=True).map(tuple),
    efforts=st.sampled_from((None, ("low", "high"))),
    context_window=st.sampled_from((None, 1000, 2000)),
)
defaults = st.builds(
    Defaults,
    model=st.sampled_from(TARGETS),
    effort=st.sampled_from((None, "medium")),
    small_model=st.sampled_from((None, *TARGETS)),
)


@st.composite
def provider_lists(draw: st.DrawFn) -> tuple[ProviderConfig, ...]:
    names = draw(st.lists(st.sampled_from(PROVIDER_NAMES[:3]), min_size=1, unique=True))
    return tuple(
        ProviderConfig(
            kind="tppc",
            name=name,
            enabled=True,
            models=draw(st.none() | st.lists(models, max_size=3).map(tuple)),
            defaults=draw(defaults),
        )
        for name in names
    )


model_maps = st.lists(
    st.tuples(st.sampled_from(("claude-*", "best", "*us", "n*")), st.sampled_from(TARGETS)), max_size=2
).map(tuple)
discoveries = st.dictionaries(
    st.sampled_from(PROVIDER_NAMES), st.lists(st.sampled_from(STEMS), unique_by=str.lower).map(tuple)
)
model_names = st.builds(
    "{}{}{}".format,
    st.sampled_from(("", "", "anthropic-", "Anthropic/")),
    st.sampled_from(STEMS),
    st.sampled_from(("", "", "-high", "(low)", "-LOW", "[1m]", "-max[1M]")),
)
names = st.builds("{}{}".format, st.sampled_from(("", "openai/", "shop/", "off/", "packycode/")), model_names)
facts = st.builds(
    Registry.build, provider_lists(), model_maps, discoveries, disabled=st.just(PROVIDER_NAMES[3:])
)


def ask(name: str, registry: Registry) -> Resolution | None:
    """Return what a name means, None when it is refused as unknown."""
    try:
        return resolve(name, registry)
    except InvalidRequest:
        return None


@given(names | st.text(), facts)
def test_resolution_is_total(name: str, registry: Registry) -> None:
    """Every name gives candidates with reasons, each provider once and in order, or a 404."""
    found = ask(name, registry)
    if found is None:
        return
    order = [provider.name for provider in registry.providers]
    positions = [order.index(candidate.provider) for candidate in found.candidates]
    assert positions
    assert sorted(set(positions)) == positions
    assert len(positions) == 1 or not found.is_pinned
    assert all(candidate.reasons and candidate.efforts for candidate in found.candidates)


@given(model_names, facts)
def test_a_pin_changes_nothing_for_its_provider(name: str, registry: Registry) -> None:
    """Each candidate of a name is what ``provider/name`` gives, pinned and alone."""
    found = ask(name, registry)
    for candidate in found.candidates if found else ():
        pinned = resolve(f"{candidate.provider}/{name}", registry)
        [alone] = pinned.candidates
        reasons = tuple(reason for reason in alone.reasons if not reason.endswith("/ pins the provider"))
        assert pinned.is_pinned
        assert candidate == replace(alone, reasons=reasons)


@given(names, provider_lists(), model_maps, discoveries)
def test_discovery_removes_no_candidate(
    name: str,
    providers: tuple[ProviderConfig, ...],
    model_map: tuple[tuple[str, str], ...],
    discovered: dict[str, tuple[str, ...]],
) -> None:
    """Who serves a name as a model that was listed before serves it as the same one afterwards."""
    before = ask(name, Registry.build(providers, model_map))
    if before is None or not all(_is_listed(candidate) for candidate in before.candidates):
        return
    after = resolve(name, Registry.build(providers, model_map, discovered))
    assert set(before.candidates) <= set(after.candidates)


def _is_listed(candidate: Candidate) -> bool:
    return " is a model of " in candidate.reasons[-1] or " is an alias of " in candidate.reasons[-1]


@given(facts, st.sampled_from(("openai", "anthropic")))
def test_every_listed_name_resolves(registry: Registry, family: Family) -> None:
    """What the lists show can be asked for, and is described as its first candidate serves it."""
    listed = json.loads(list_models(registry, family, {"limit": "1000"}))["data"]
    for model in listed:
        first = resolve(model["id"], registry).candidates[0]
        assert first.context_window == model.get("max_input_tokens", first.context_window)
