"""The model lists in both shapes."""

import json
from typing import Any

import pytest

from packyproxy.config import ModelConfig, ProviderConfig
from packyproxy.errors import InvalidRequest
from packyproxy.registry.listing import list_models, show_model
from packyproxy.registry.registry import Registry
from packyproxy.translate.contract import Family

REGISTRY = Registry.build(
    (
        ProviderConfig(
            kind="packycode",
            name="packycode",
            enabled=True,
            models=(
                ModelConfig(id="gpt-5", aliases=("claude-opus-4-8", "big")),
                ModelConfig(id="own", efforts=("low", "high"), context_window=1000),
            ),
        ),
    )
)
EMPTY = Registry.build(())
OPENAI_IDS = [
    "gpt-5",
    "gpt-5-minimal",
    "gpt-5-low",
    "gpt-5-medium",
    "gpt-5-high",
    "own",
    "own-low",
    "own-high",
]
ANTHROPIC_IDS = ["claude-opus-4-8", "anthropic-gpt-5", "anthropic-own", *OPENAI_IDS, "big"]


def anthropic(**query: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(list_models(REGISTRY, "anthropic", query))
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    return [model["id"] for model in answer["data"]]


def test_the_openai_list_holds_models_variants_and_aliases() -> None:
    """Each model is followed by its efforts; aliases come last; nothing is paged."""
    answer = json.loads(list_models(REGISTRY, "openai", {"limit": "1"}))
    assert "list" == answer["object"]
    assert [*OPENAI_IDS, "claude-opus-4-8", "big"] == ids(answer)
    assert {"id": "gpt-5", "object": "model", "created": 1754524800, "owned_by": "openai"} == answer["data"][
        0
    ]


def test_models_that_the_catalogue_does_not_know_have_a_fixed_date() -> None:
    """Their creation time is not invented per request."""
    assert 1735689600 == json.loads(show_model(REGISTRY, "openai", "own"))["created"]


def test_the_anthropic_list_begins_with_what_claude_code_shows() -> None:
    """Claude aliases, then ``anthropic-`` names, then everything by its own name."""
    assert ANTHROPIC_IDS == ids(anthropic(limit="1000"))


def test_an_anthropic_entry_has_every_field() -> None:
    """The shape of the Anthropic SDK's ModelInfo."""
    expected = {
        "type": "model",
        "id": "claude-opus-4-8",
        "display_name": "claude-opus-4-8 → gpt-5",
        "created_at": "2025-08-07T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 272000,
        "max_tokens": 128000,
    }
    assert expected == anthropic()["data"][0]


@pytest.mark.parametrize(
    ("query", "expected", "has_more"),
    [
        ({"limit": "2"}, ANTHROPIC_IDS[:2], True),
        ({"limit": "2", "after_id": ANTHROPIC_IDS[1]}, ANTHROPIC_IDS[2:4], True),
        ({"limit": "2", "before_id": ANTHROPIC_IDS[4]}, ANTHROPIC_IDS[2:4], True),
        ({"limit": "9", "before_id": ANTHROPIC_IDS[1]}, ANTHROPIC_IDS[:1], False),
        ({"after_id": ANTHROPIC_IDS[1], "before_id": ANTHROPIC_IDS[4]}, ANTHROPIC_IDS[2:4], False),
        ({"lifecycle": "deprecated", "limit": "1"}, ANTHROPIC_IDS[:1], True),
        ({"after_id": ANTHROPIC_IDS[-1]}, [], False),
    ],
    ids=["first", "after", "before", "before start", "between", "lifecycle ignored", "past the end"],
)
def test_the_anthropic_list_is_paged(query: dict[str, str], expected: list[str], has_more: bool) -> None:
    """``after_id`` and ``before_id`` are exclusive; the page tells whether there is more in its direction."""
    answer = anthropic(**query)
    assert (expected, has_more) == (ids(answer), answer["has_more"])
    ends = (expected[0], expected[-1]) if expected else (None, None)
    assert ends == (answer["first_id"], answer["last_id"])


def test_the_default_page_has_twenty_models() -> None:
    """Without ``limit`` a page holds twenty."""
    registry = Registry.build((ProviderConfig(kind="packycode", name="p", enabled=True),))
    assert 20 == len(json.loads(list_models(registry, "anthropic", {}))["data"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "²"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"after_id": "none"}, "after_id"),
        ({"before_id": "none"}, "before_id"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_wrong_queries_are_refused(query: dict[str, str], field: str) -> None:
    """A 400 that names the parameter."""
    with pytest.raises(InvalidRequest) as refusal:
        anthropic(**query)
    assert (400, field) == (refusal.value.status, refusal.value.field)


def test_without_providers_the_lists_are_empty() -> None:
    """An empty page has null ends."""
    assert {"object": "list", "data": []} == json.loads(list_models(EMPTY, "openai", {}))
    expected = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert expected == json.loads(list_models(EMPTY, "anthropic", {}))


@pytest.mark.parametrize("model_id", [*ANTHROPIC_IDS, "GPT-5-High"])
def test_every_listed_model_can_be_shown(model_id: str) -> None:
    """What the list names, the single route knows, whatever the case."""
    assert model_id.lower() == json.loads(show_model(REGISTRY, "anthropic", model_id))["id"]


def test_an_unlisted_model_is_not_found() -> None:
    """404 with the code that SDKs know."""
    with pytest.raises(InvalidRequest) as refusal:
        show_model(REGISTRY, "openai", "gpt-4")
    assert (404, "model_not_found") == (refusal.value.status, refusal.value.code)


def test_variants_do_not_hide_models() -> None:
    """A model whose id looks like another's variant is listed once, as itself."""
    models = (ModelConfig(id="gpt-5"), ModelConfig(id="gpt-5-high", context_window=5000))
    registry = Registry.build((ProviderConfig(kind="packycode", name="p", enabled=True, models=models),))
    listed = ids(json.loads(list_models(registry, "openai", {})))
    assert 1 == listed.count("gpt-5-high")
    assert 5000 == json.loads(show_model(registry, "anthropic", "gpt-5-high"))["max_input_tokens"]


def test_several_providers_are_one_list() -> None:
    """A model or alias of two providers is one entry, as the first one serves it; who sells it is not shown."""
    first = ProviderConfig(
        kind="packycode", name="a", models=(ModelConfig(id="m", context_window=1000, efforts=("low",)),)
    )
    second = ProviderConfig(
        kind="tppc", name="b", models=(ModelConfig(id="M", aliases=("claude-x",), efforts=("max",)),)
    )
    third = ProviderConfig(
        kind="tppc", name="c", models=(ModelConfig(id="o", aliases=("Claude-X", "m"), efforts=("low",)),)
    )
    registry = Registry.build((first, second, third))
    answer = json.loads(list_models(registry, "openai", {}))
    assert ["m", "m-low", "o", "o-low", "claude-x"] == ids(answer)
    assert {"id", "object", "created", "owned_by"} == set(answer["data"][0])
    assert 1000 == json.loads(show_model(registry, "anthropic", "M"))["max_input_tokens"]


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_no_id_is_listed_twice(family: Family) -> None:
    """An alias that is called like an effort variant or like an ``anthropic-`` name stands for itself alone."""
    models = (
        ModelConfig(id="gpt-5", aliases=("gpt-5-HIGH", "Anthropic-own")),
        ModelConfig(id="own", context_window=1000),
    )
    registry = Registry.build((ProviderConfig(kind="packycode", name="p", enabled=True, models=models),))
    listed = [name.lower() for name in ids(json.loads(list_models(registry, family, {"limit": "1000"})))]
    assert sorted(set(listed)) == sorted(listed)
    assert 272000 == json.loads(show_model(registry, "anthropic", "anthropic-own"))["max_input_tokens"]


def test_a_model_id_wins_over_the_same_alias_elsewhere() -> None:
    """What one provider calls its model and another an alias is listed as the model."""
    first = ProviderConfig(kind="packycode", name="a", models=(ModelConfig(id="m", aliases=("n", "o")),))
    second = ProviderConfig(kind="tppc", name="b", models=(ModelConfig(id="N"),))
    registry = Registry.build((first, second))
    assert ["o"] == [alias.name for alias in registry.aliases()]
