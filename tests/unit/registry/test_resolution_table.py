"""Who serves a name when several providers could: the resolution table, row by row."""

import pytest

from packyproxy.config import ModelConfig, ProviderConfig
from packyproxy.config.schema import Defaults
from packyproxy.errors import InvalidRequest
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import Resolution, resolve

OPEN = ProviderConfig(kind="packycode", name="packycode", enabled=True)
SHOP = ProviderConfig(
    kind="tppc",
    name="Shop",
    enabled=True,
    defaults=Defaults(model="big-low", effort="medium", small_model="tiny"),
    models=(
        ModelConfig(id="GPT-5", aliases=("both", "shop-only", "clash"), efforts=("low", "high")),
        ModelConfig(id="big", aliases=("at-once",)),
        ModelConfig(id="tiny"),
        ModelConfig(id="vendor/odd"),
        ModelConfig(id="new-*", context_window=5000),
    ),
)
MART = ProviderConfig(
    kind="tppc",
    name="mart",
    enabled=True,
    defaults=Defaults(model="gpt-5", effort=None),
    models=(
        ModelConfig(id="gpt-5-high", aliases=("both",)),
        ModelConfig(id="gpt-5"),
        ModelConfig(id="clash"),
        ModelConfig(id="huge", aliases=("big",)),
    ),
)
CLOSED = (SHOP, MART)

Shape = tuple[str, str, str | None, str | None]


def ask(
    name: str,
    *providers: ProviderConfig,
    model_map: dict[str, str] | None = None,
    disabled: tuple[str, ...] = (),
) -> Resolution:
    built = Registry.build(providers or CLOSED, tuple((model_map or {}).items()), disabled=disabled)
    return resolve(name, built)


def shapes(found: Resolution) -> list[Shape]:
    """Return provider, model, demanded effort and default effort of each candidate."""
    return [
        (candidate.provider, candidate.model, candidate.suffix_effort, candidate.default_effort)
        for candidate in found.candidates
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5", [("Shop", "GPT-5", None, "medium"), ("mart", "gpt-5", None, None)]),
        (" Gpt-5[1M] ", [("Shop", "GPT-5", None, "medium"), ("mart", "gpt-5", None, None)]),
        ("tiny", [("Shop", "tiny", None, "medium")]),
        ("clash", [("mart", "clash", None, None)]),
        ("big", [("Shop", "big", None, "medium")]),
        ("both", [("Shop", "GPT-5", None, "medium"), ("mart", "gpt-5", None, "high")]),
        ("shop-only", [("Shop", "GPT-5", None, "medium")]),
        ("anthropic-GPT-5", [("Shop", "GPT-5", None, "medium"), ("mart", "gpt-5", None, None)]),
        ("openai/both", [("Shop", "GPT-5", None, "medium"), ("mart", "gpt-5", None, "high")]),
        ("anthropic/big", [("Shop", "big", None, "medium")]),
        ("gpt-5-low", [("Shop", "GPT-5", "low", "medium"), ("mart", "gpt-5", "low", None)]),
        ("both(xhigh)", [("Shop", "GPT-5", "xhigh", "medium"), ("mart", "gpt-5", "xhigh", "high")]),
        ("anthropic-big-low", [("Shop", "big", "low", "medium")]),
        ("claude-opus-5", [("Shop", "big", None, "low"), ("mart", "gpt-5", None, None)]),
        ("claude-opus-5-max", [("Shop", "big", "max", "low"), ("mart", "gpt-5", "max", None)]),
        ("haiku", [("Shop", "tiny", None, "medium"), ("mart", "gpt-5", None, "low")]),
        ("new-thing", [("Shop", "new-thing", None, "medium")]),
    ],
    ids=[
        "2 in both lists",
        "1 trimmed, any case",
        "2 in one list",
        "2 before an alias elsewhere",
        "2 before an alias at a later one",
        "3 alias in both, each with its target",
        "3 alias in one",
        "4 prefixed id",
        "4 prefixed alias",
        "4 prefixed id before an alias elsewhere",
        "5 suffixed id",
        "5 suffixed alias",
        "5 suffixed prefix",
        "6 each with its own default",
        "6 defaults at a demanded effort",
        "6 small model or the default at low",
        "7 a glob admits it",
    ],
)
def test_the_first_row_that_hits_makes_the_candidates(name: str, expected: list[Shape]) -> None:
    """Every provider at which that row hits can serve the name, as what it means there."""
    found = ask(name)
    assert (expected, False) == (shapes(found), found.is_pinned)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5.1", ["packycode", "again"]),
        ("gpt-99", ["packycode", "again"]),
        ("gpt-99-low", ["packycode", "again"]),
        ("huge", ["mart"]),
        ("new-one", ["packycode", "Shop", "again"]),
        ("sonnet", ["packycode", "Shop", "mart", "again"]),
    ],
)
def test_candidates_keep_the_order_of_the_registry(name: str, expected: list[str]) -> None:
    """Each provider comes once, where the caller has put it; a listed id beats passing it on."""
    again = ProviderConfig(kind="tppc", name="again", enabled=True)
    found = ask(name, OPEN, SHOP, MART, again)
    assert expected == [candidate.provider for candidate in found.candidates]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mart/gpt-5", ("mart", "gpt-5", None, None)),
        ("SHOP/gpt-5", ("Shop", "GPT-5", None, "medium")),
        ("mart/big", ("mart", "huge", None, None)),
        ("mart/both-low", ("mart", "gpt-5", "low", "high")),
        ("mart/anthropic-gpt-5[1m]", ("mart", "gpt-5", None, None)),
        ("shop/clash", ("Shop", "GPT-5", None, "medium")),
        ("shop/claude-opus-5", ("Shop", "big", None, "low")),
        ("mart/haiku", ("mart", "gpt-5", None, "low")),
        ("shop/new-thing-high", ("Shop", "new-thing", "high", "medium")),
        ("packycode/gpt-99", ("packycode", "gpt-99", None, "high")),
        ("packycode/mart/gpt-5", ("packycode", "mart/gpt-5", None, "high")),
        ("packycode/tiny", ("packycode", "tiny", None, "high")),
    ],
    ids=[
        "id",
        "any case",
        "alias that is an id elsewhere",
        "alias at an effort",
        "prefix",
        "alias beside an id elsewhere",
        "claude name",
        "small name",
        "glob",
        "any id",
        "a pin is taken once",
        "an id listed elsewhere",
    ],
)
def test_a_pin_leaves_one_candidate(name: str, expected: Shape) -> None:
    """The rest of the name means what it means at that provider, whatever others list."""
    found = ask(name, OPEN, *CLOSED)
    assert ([expected], True) == (shapes(found), found.is_pinned)


def test_a_single_hit_is_no_pin() -> None:
    """Who serves a name alone today may be joined by another provider tomorrow."""
    assert not ask("tiny").is_pinned


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [("openai/gpt-5", "openai", "gpt-5"), ("Anthropic/gpt-5", "anthropic", "gpt-5")],
)
def test_a_pin_wins_over_a_prefix(name: str, provider: str, model: str) -> None:
    """A provider that is called like a prefix is meant by it."""
    openai = ProviderConfig(kind="tppc", name="openai", enabled=True)
    anthropic = ProviderConfig(kind="tppc", name="anthropic", enabled=True)
    found = ask(name, OPEN, openai, anthropic)
    assert ([(provider, model, None, "high")], True) == (shapes(found), found.is_pinned)


def test_a_listed_id_wins_over_a_pin() -> None:
    """An id that looks like a pin is that id, at every provider that lists it."""
    vendor = ProviderConfig(kind="tppc", name="vendor", enabled=True)
    found = ask("Vendor/ODD", vendor, SHOP)
    assert ([("Shop", "vendor/odd", None, "medium")], False) == (shapes(found), found.is_pinned)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mart/tiny", "mart/tiny is not served by mart; nearest: mart/big"),
        ("shop/gpt-99", "shop/gpt-99 is not served by Shop; nearest: Shop/GPT-5"),
        ("mart/", "mart/ is not served by mart; nearest: mart/"),
        ("market/tiny", "market/tiny is not known here; nearest: tiny"),
    ],
)
def test_a_pin_that_misses_names_what_its_provider_has(name: str, message: str) -> None:
    """No other provider is tried, and what is proposed can be asked for as written."""
    with pytest.raises(InvalidRequest) as refusal:
        ask(name)
    assert (404, "model_not_found") == (refusal.value.status, refusal.value.code)
    assert refusal.value.reason.startswith(message)


@pytest.mark.parametrize("name", ["gone/gpt-5", "GONE/gpt-5-low[1m]", "gone/"])
def test_a_pin_to_a_disabled_provider_goes_nowhere(name: str) -> None:
    """A provider that takes any id does not get what was meant for the one that is off."""
    with pytest.raises(InvalidRequest) as refusal:
        ask(name, OPEN, disabled=("Gone", ""))
    assert " names a provider that is disabled; nearest: gpt-5" in refusal.value.reason
    assert 404 == refusal.value.status


def test_a_disabled_entry_hides_no_enabled_one() -> None:
    """The block called like a third-party entry may be off while the entry serves."""
    assert ask("packycode/gpt-5", OPEN, disabled=("packycode",)).is_pinned


def test_a_slash_before_anything_else_is_no_pin() -> None:
    """A disabled entry without a name does not claim ``/x``."""
    assert [("packycode", "/x", None, "high")] == shapes(ask("/x", OPEN, disabled=("",)))


@pytest.mark.parametrize(
    ("target", "expected", "is_pinned"),
    [
        ("gpt-5", [("Shop", "GPT-5", None, "medium"), ("mart", "gpt-5", None, None)], False),
        ("gpt-5-low", [("Shop", "GPT-5", None, "low"), ("mart", "gpt-5", None, "low")], False),
        ("both", [("Shop", "GPT-5", None, "medium"), ("mart", "gpt-5", None, "high")], False),
        ("new-x-high", [("Shop", "new-x", None, "high")], False),
        ("mart/gpt-5-low", [("mart", "gpt-5", None, "low")], True),
        ("MART/big", [("mart", "huge", None, None)], True),
        ("vendor/odd", [("Shop", "vendor/odd", None, "medium")], False),
    ],
    ids=["id", "id at an effort", "alias", "glob", "pin at an effort", "pinned alias", "id with a slash"],
)
def test_the_map_leads_to_whoever_serves_its_target(
    target: str, expected: list[Shape], is_pinned: bool
) -> None:
    """A target is read like a request, and pins when it names a provider; its effort is a default."""
    vendor = ProviderConfig(kind="tppc", name="vendor", enabled=True, models=())
    found = ask("best", SHOP, MART, vendor, model_map={"b?st": target})
    assert (expected, is_pinned) == (shapes(found), found.is_pinned)


@pytest.mark.parametrize(
    ("name", "effort"),
    [("best-low", "low"), ("pro-low", None), ("best", None)],
    ids=["base", "whole", "none"],
)
def test_a_suffix_counts_when_the_glob_matches_without_it(name: str, effort: str | None) -> None:
    """A glob that needs the suffix has taken it as a part of the name."""
    [first] = ask(name, model_map={"best*": "tiny", "pro-*": "tiny"}).candidates
    assert effort == first.suffix_effort


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mart/claude-opus-5", ("mart", "clash", None, None)),
        ("shop/claude-opus-5", ("Shop", "tiny", None, "medium")),
        ("packycode/claude-opus-5", ("packycode", "gpt-5", None, "high")),
    ],
    ids=["the glob pins it", "the glob pins it by another rule", "no glob leads there"],
)
def test_a_glob_that_leads_elsewhere_does_not_count_for_a_pin(name: str, expected: Shape) -> None:
    """The client's pin is kept; the next glob, or the provider's own default, decides."""
    model_map = {"claude-o*": "mart/clash", "claude-op*": "shop/tiny", "claude-*": "gone/gpt-5"}
    found = ask(name, OPEN, *CLOSED, model_map=model_map, disabled=("gone",))
    assert ([expected], True) == (shapes(found), found.is_pinned)


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("best", "gpt-99", "best is mapped by model-map to gpt-99, which no provider here serves;"),
        ("best", "mart/tiny", "best is mapped by model-map to mart/tiny, which mart does not serve;"),
        ("best", "Gone/gpt-5", "best is mapped by model-map to Gone/gpt-5, a provider that is disabled;"),
        ("mart/best", "tiny", "best is mapped by model-map to tiny, which mart does not serve;"),
    ],
    ids=["nobody", "not the pinned one", "disabled", "not the client's pin"],
)
def test_a_map_to_an_unserved_target_says_why(name: str, target: str, message: str) -> None:
    """The operator's mistake is named instead of hidden behind the next rule."""
    with pytest.raises(InvalidRequest) as refusal:
        ask(name, model_map={"best": target}, disabled=("gone",))
    assert 404 == refusal.value.status
    assert refusal.value.reason.startswith(message)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("Own/gpt-5-low", ("own", "gpt-5", None, "low")), ("mart/clash", ("own", "mart/clash", None, "high"))],
    ids=["its own", "another one's"],
)
def test_a_default_may_name_its_own_provider_only(target: str, expected: Shape) -> None:
    """A default is always sent to the provider whose default it is."""
    own = ProviderConfig(kind="tppc", name="own", enabled=True, defaults=Defaults(model=target))
    assert expected == shapes(ask("opus", own, MART))[0]


def test_what_is_known_of_a_model_is_known_per_provider() -> None:
    """Efforts and context window of a candidate are those of its own provider."""
    shop, mart = ask("gpt-5").candidates
    assert (("low", "high"), ("minimal", "low", "medium", "high")) == (shop.efforts, mart.efforts)
    assert 5000 == ask("new-one", OPEN, SHOP).candidates[1].context_window


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5", [("GPT-5 is a model of Shop",), ("gpt-5 is a model of mart",)]),
        (
            "both[1m]",
            [
                ("[1m] is left out", "both is an alias of GPT-5 at Shop"),
                ("[1m] is left out", "both is an alias of gpt-5 at effort high at mart"),
            ],
        ),
        ("shop/openai/tiny", [("Shop/ pins the provider", "openai/ is a prefix", "tiny is a model of Shop")]),
        (
            "opus-low",
            [
                (
                    "suffix: effort low",
                    "defaults.model of Shop is big-low",
                    "suffix: effort low",
                    "big is a model of Shop",
                ),
                ("suffix: effort low", "defaults.model of mart is gpt-5", "gpt-5 is a model of mart"),
            ],
        ),
        ("new-x", [("Shop takes ids that are not listed",)]),
    ],
    ids=["id", "alias", "pin", "defaults", "glob"],
)
def test_each_candidate_has_its_reasons(name: str, expected: list[tuple[str, ...]]) -> None:
    """How the name was read is told for every provider, outermost step first."""
    assert expected == [candidate.reasons for candidate in ask(name).candidates]
