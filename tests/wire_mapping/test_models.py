"""The tables of efforts and models, 1.6 and 10: each model of a row, each step of a rule, each name that is listed."""

import json
import re
from typing import Any

import pytest

from packyproxy.config import ModelConfig, ProviderConfig
from packyproxy.config.schema import Defaults
from packyproxy.errors import InvalidRequest
from packyproxy.registry.listing import list_models
from packyproxy.registry.names import FAMILY_PREFIXES, MAIN_GLOBS, SMALL_GLOBS
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import resolve
from packyproxy.translate.effort import (
    EFFORTS,
    allowed_efforts,
    budget_effort,
    requested_effort,
    split_effort_suffix,
)
from tests.wire_mapping.page import Row, names, section, spans

SOURCES, MODELS = section("1.6").tables

EXAMPLES: dict[str, dict[str, str]] = {
    "`gpt-5`": dict.fromkeys(["gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-2025-08-07"], ""),
    "`gpt-5-codex*`": dict.fromkeys(
        ["gpt-5-codex", "gpt-5-codex-mini", "gpt-5.1-codex", "gpt-5.1-codex-mini"], ""
    ),
    "`gpt-5.1`": dict.fromkeys(["gpt-5.1", "gpt-5.1-2025-11-13"], ""),
    "`gpt-5.1-codex-max`": {"gpt-5.1-codex-max": ""},
    "families `gpt-5.2` to `gpt-5.5`": {
        **dict.fromkeys(["gpt-5.2", "gpt-5.5", "gpt-5.4-mini"], ""),
        **dict.fromkeys(["gpt-5.2-codex", "gpt-5.3-codex-spark"], "codex"),
    },
    "`gpt-5.6*`": dict.fromkeys(["gpt-5.6-sol", "gpt-6-astra", "gpt-6.1-sol", "gpt-12"], ""),
    "anything else": dict.fromkeys(["codex-mini-latest", "o3", "vendor/odd"], ""),
}
"""Models of each row; of which part of it, where it has two."""


@pytest.mark.parametrize(("row", "start"), list(zip(MODELS, EXAMPLES, strict=True)), ids=list(EXAMPLES))
def test_allowed_efforts(row: Row, start: str) -> None:
    """The models of a row take the efforts of that row."""
    assert row[0].startswith(start)
    first, _, codex = row[1].partition("; their codex variants ")
    wanted = {model: tuple((codex if part else first).split()) for model, part in EXAMPLES[start].items()}
    assert wanted == {model: allowed_efforts(model) for model in EXAMPLES[start]}


@pytest.mark.parametrize("name", [name for row in MODELS for name in names(row[0]) if "*" not in name])
def test_named_models_are_examples(name: str) -> None:
    """A model that a row names is tried."""
    assert any(model.startswith(name) for models in EXAMPLES.values() for model in models)


def test_vocabulary() -> None:
    """The words for efforts are those of the code, in that order, and the refusal quotes them."""
    listed = re.search(r"knows the efforts `([^`]+)`", section("1.6").prose)
    refused = re.search(r"must be one of ([\w, ]+)`", section("1.6").prose)
    assert listed
    assert refused
    assert (tuple(listed[1].split(", ")), tuple(refused[1].split(", "))) == (EFFORTS, EFFORTS)


def test_budgets() -> None:
    """A budget up to a limit of row 4 is its effort, one above it the next."""
    steps = re.findall(r"≤ (\d+) `(\w+)`", SOURCES[3][2])
    last = re.search(r"more `(\w+)`", SOURCES[3][2])
    assert last
    following = [word for _, word in steps[1:]] + [last[1]]
    assert [(word, after) for (_, word), after in zip(steps, following, strict=True)] == [
        (budget_effort(int(limit)), budget_effort(int(limit) + 1)) for limit, _ in steps
    ]


GIVEN: list[dict[str, Any]] = [
    {"suffix": "max"},
    {"thinking_type": "disabled"},
    {"output_effort": "low"},
    {"thinking_type": "enabled", "budget_tokens": 1},
    {"thinking_type": "adaptive"},
    {"default": "medium"},
    {},
]
"""What gives a value in each row of 1.6."""

VALUES = ["max", "none", "low", "minimal", "high", "medium", None]


@pytest.mark.parametrize("first", range(len(GIVEN)))
def test_the_first_row_that_gives_a_value_wins(first: int) -> None:
    """With all rows from one on, its value counts."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("suffix", "thinking_type", "budget_tokens", "output_effort", "default")
    )
    given = dict(nothing)
    for row in reversed(GIVEN[first:]):
        given.update(row)
    assert (len(GIVEN), VALUES[first]) == (len(SOURCES), requested_effort(**given))


@pytest.mark.parametrize("row", [1, 4])
def test_values_that_rows_name(row: int) -> None:
    """A row that names a value gives that one."""
    quoted = spans(SOURCES[row][2])[0]
    assert quoted == VALUES[row]


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("form", ["gpt-5-{}", "gpt-5({})"])
def test_suffixes(form: str, effort: str) -> None:
    """Each effort is a suffix, in both forms and in any case."""
    told = re.findall(r"`-(\w+)`", section("10.5").prose)
    assert (list(EFFORTS), ("gpt-5", effort)) == (
        told[: len(EFFORTS)],
        split_effort_suffix(form.format(effort.upper())),
    )


@pytest.mark.parametrize(
    "example", re.findall(r"`(gpt-5[^`]*)`", section("10.5").prose.partition("In any case")[0])
)
def test_examples_of_suffixes(example: str) -> None:
    """The examples of 10.5 are names with an effort."""
    assert split_effort_suffix(example)[1] is not None


def test_protected_names() -> None:
    """A model that ends in what looks like an effort stays whole."""
    ids = re.findall(r"`(gpt-5\.1[^`]*)`", section("10.5").prose)
    assert [(ids[0], None), (ids[0], "high")] == [split_effort_suffix(name) for name in ids[:2]]


SERVED = ProviderConfig(
    kind="packycode",
    name="packycode",
    enabled=True,
    defaults=Defaults(model="gpt-5.1-codex"),
    models=(ModelConfig(id="gpt-5", aliases=("claude-x", "fast")), ModelConfig(id="gpt-5.1-codex")),
)
OPEN = ProviderConfig(kind="tppc", name="shop", enabled=True)
REGISTRY = Registry.build([SERVED, OPEN], (("thing-*", "gpt-5"),), disabled=["gone"])

STEPS: dict[str, tuple[str, str, int] | None] = {
    "1": ("gpt-5[1M]", "gpt-5", 2),
    "2": ("GPT-5", "gpt-5", 2),
    "2a": ("shop/new-model", "new-model", 1),
    "3": ("Fast", "gpt-5", 1),
    "4": ("anthropic-gpt-5", "gpt-5", 2),
    "5": ("gpt-5-low", "gpt-5", 2),
    "6": ("thing-7", "gpt-5", 2),
    "6a": ("claude-sonnet-9", "gpt-5.1-codex", 2),
    "7": ("brand-new", "brand-new", 1),
    "8": None,
}
"""By number of the step: a name that it resolves, to which model first, and how many serve it; None for a 404."""


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in section("10.4").table()])
def test_steps_of_resolution(row: Row) -> None:
    """A name is found by the step that is for it."""
    step = STEPS[row[0]]
    if step is None:
        with pytest.raises(InvalidRequest) as refused:
            resolve("gone/x", REGISTRY)
        assert str(refused.value.status) in row[1]
        return
    name, model, count = step
    found = resolve(name, REGISTRY).candidates
    assert (model, count) == (found[0].model, len(found))


def test_every_step_is_tried() -> None:
    """The tests know all steps."""
    assert list(STEPS) == [row[0] for row in section("10.4").table()]


def test_built_in_names() -> None:
    """The names that stand for defaults, and the prefixes that are left out, are those of 10.4."""
    steps = {row[0]: row[1] for row in section("10.4").table()}
    small, _, main = steps["6a"].partition("; ")
    prefixes = [span.removesuffix("X") for span in spans(steps["4"])]
    assert ([glob.text for glob in (*SMALL_GLOBS,)], [glob.text for glob in MAIN_GLOBS], FAMILY_PREFIXES) == (
        spans(small.partition(" give ")[0]),
        spans(main.partition(" give ")[0]),
        tuple(prefixes),
    )


def listed(family: Any) -> list[str]:
    return [model["id"] for model in json.loads(list_models(REGISTRY, family, {"limit": "1000"}))["data"]]


def test_what_is_listed_to_openai_clients() -> None:
    """Models with their efforts, then aliases, as 10.2 says; its examples are real names."""
    ids = listed("openai")
    sentence = section("10.2").prose.partition("effort variants (")[2].partition(")")[0]
    examples = [span for span in spans(sentence) if not span.endswith("…")]
    assert (ids[:5], ids[-2:], []) == (
        ["gpt-5", "gpt-5-minimal", "gpt-5-low", "gpt-5-medium", "gpt-5-high"],
        ["claude-x", "fast"],
        [example for example in examples if example not in ids],
    )


def test_what_is_listed_to_anthropic_clients() -> None:
    """First aliases that begin with claude, then each model with the prefix, then the plain ids, as 10.3 says."""
    ids = listed("anthropic")
    prefixed = [name for name in ids if name.startswith("anthropic-")]
    assert (["claude-x"], ids[1 : len(prefixed) + 1], "gpt-5") == (ids[:1], prefixed, ids[len(prefixed) + 1])
