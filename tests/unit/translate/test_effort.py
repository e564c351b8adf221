"""Efforts: vocabularies, precedence, clamp, suffix."""

import pytest

from packyproxy.translate.effort import (
    EFFORTS,
    allowed_efforts,
    budget_effort,
    clamp_effort,
    requested_effort,
    searching_effort,
    split_effort_suffix,
    step_effort,
)

LMH = ("low", "medium", "high")


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (0, "minimal"), (512, "minimal"), (513, "low"), (1024, "low"), (1025, "medium"), (8192, "medium"),
        (8193, "high"), (24576, "high"), (24577, "xhigh"), (31999, "xhigh"),
    ],
)  # fmt: skip
def test_budget_thresholds(budget: int, expected: str) -> None:
    """Each threshold belongs to the weaker effort."""
    assert expected == budget_effort(budget)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"suffix": "low", "thinking_type": "disabled", "output_effort": "max"}, "low"),
        ({"thinking_type": "disabled", "output_effort": "high", "default": "low"}, "none"),
        ({"thinking_type": "enabled", "budget_tokens": 512, "output_effort": "medium"}, "medium"),
        ({"thinking_type": "enabled", "budget_tokens": 8000, "default": "low"}, "medium"),
        ({"thinking_type": "enabled", "default": "low"}, "low"),
        ({"thinking_type": "adaptive", "budget_tokens": 1, "default": "low"}, "high"),
        ({"thinking_type": "between_tools"}, "high"),
        ({"default": "xhigh"}, "xhigh"),
        ({}, None),
    ],
    ids=[
        "suffix",
        "disabled",
        "output_config",
        "budget",
        "no budget",
        "adaptive",
        "between",
        "default",
        "none",
    ],
)
def test_the_first_source_wins(sources: dict, expected: str | None) -> None:
    """The sources rank as in the table."""
    nothing = dict.fromkeys(("suffix", "thinking_type", "budget_tokens", "output_effort", "default"))
    assert expected == requested_effort(**nothing | sources)


@pytest.mark.parametrize(
    ("effort", "model", "expected"),
    [
        ("max", "gpt-5-codex", "high"), ("none", "gpt-5-codex", "low"), ("none", "gpt-5", "minimal"),
        ("xhigh", "gpt-5.1-codex-max", "xhigh"), ("minimal", "gpt-5.1", "none"), ("max", "gpt-5.6", "max"),
    ],
)  # fmt: skip
def test_clamp_goes_down_then_up(effort: str, model: str, expected: str) -> None:
    """The nearest allowed effort below counts, else the lowest above."""
    assert expected == clamp_effort(effort, allowed_efforts(model))


def test_clamp_without_a_list_changes_nothing() -> None:
    """A model for which nothing is known is asked for what the client wants."""
    assert clamp_effort("high", ()) == "high"


@pytest.mark.parametrize(
    ("effort", "allowed", "expected"),
    [("high", LMH, "medium"), ("low", LMH, "medium"), ("low", ("low",), None), ("max", LMH, "high")],
    ids=["down", "up at the bottom", "alone", "outside the list"],
)
def test_step_after_a_refusal(effort: str, allowed: tuple[str, ...], expected: str | None) -> None:
    """One value down, up when at the bottom."""
    assert expected == step_effort(effort, allowed)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5", "minimal low medium high"), ("gpt-5-mini", "minimal low medium high"),
        ("gpt-5-nano-2025-08-07", "minimal low medium high"), ("gpt-5-codex", "low medium high"),
        ("gpt-5-codex-mini", "low medium high"), ("gpt-5.1-codex", "low medium high"),
        ("gpt-5.1-codex-mini", "low medium high"), ("gpt-5.1", "none low medium high"),
        ("gpt-5.1-2025-11-13", "none low medium high"), ("gpt-5.1-codex-max", "low medium high xhigh"),
        ("gpt-5.2", "none low medium high xhigh"), ("gpt-5.3-codex", "low medium high xhigh"),
        ("gpt-5.5-mini", "none low medium high xhigh"), ("gpt-5.6-codex", " ".join(EFFORTS).replace("minimal ", "")),
        ("gpt-6", "none low medium high xhigh max"), ("gpt-10.1", "none low medium high xhigh max"),
        ("o3", "low medium high"), ("GPT-5", "minimal low medium high"),
    ],
)  # fmt: skip
def test_built_in_efforts(model: str, expected: str) -> None:
    """Each family of models has its list."""
    assert tuple(expected.split()) == allowed_efforts(model)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5.1-codex-max-high", ("gpt-5.1-codex-max", "high")), ("gpt-5-codex-low", ("gpt-5-codex", "low")),
        ("gpt-5.1-codex-max", ("gpt-5.1-codex-max", None)), ("gpt-5(high)", ("gpt-5", "high")),
        ("GPT-5-HIGH", ("GPT-5", "high")), ("gpt-5-max", ("gpt-5", "max")), ("gpt-5-xhigh", ("gpt-5", "xhigh")),
        ("gpt-5-high-low", ("gpt-5-high", "low")), ("Claude-X", ("Claude-X", None)), ("high", ("high", None)),
        ("-high", ("-high", None)), ("(high)", ("(high)", None)), ("gpt-5.1-Codex-Max", ("gpt-5.1-Codex-Max", None)),
    ],
)  # fmt: skip
def test_suffix_is_split_once(model: str, expected: tuple[str, str | None]) -> None:
    """One suffix is taken, and ids that end in codex-max stay whole."""
    assert expected == split_effort_suffix(model)


@pytest.mark.parametrize(
    ("effort", "allowed", "expected"),
    [
        ("minimal", ("minimal", "low", "medium"), "low"),
        ("minimal", ("minimal",), "minimal"),
        ("none", ("none", "low"), "none"),
        ("high", ("low", "high"), "high"),
        (None, ("minimal", "low"), None),
    ],
)
def test_a_search_needs_more_than_minimal_effort(
    effort: str | None, allowed: tuple[str, ...], expected: str | None
) -> None:
    """``minimal`` is raised to ``low`` where the model takes it; nothing else changes."""
    assert expected == searching_effort(effort, allowed)
