"""How hard the model thinks: vocabularies, precedence, and what each model allows (wire-mapping 1.6, 10.5).

Pure tables. Efforts are ordered from weakest to strongest; every list of allowed efforts keeps that order.
"""

import re

from packyproxy.errors import InvalidRequest

__all__ = [
    "EFFORTS",
    "allowed_efforts",
    "budget_effort",
    "check_effort",
    "clamp_effort",
    "requested_effort",
    "searching_effort",
    "split_effort_suffix",
    "step_effort",
]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every value of ``reasoning.effort``, weakest first."""

_RANK = {effort: rank for rank, effort in enumerate(EFFORTS)}

_BUDGETS = ((512, "minimal"), (1024, "low"), (8192, "medium"), (24576, "high"))
_ADAPTIVE_EFFORT = "high"

_DATE = r"(?:-\d{4}-\d{2}-\d{2})?"
_ALLOWED: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), tuple(efforts.split()))
    for pattern, efforts in (
        (rf"gpt-5(?:-mini|-nano)?{_DATE}", "minimal low medium high"),
        (r"gpt-5-codex.*", "low medium high"),
        (rf"gpt-5\.1-codex(?:-mini)?{_DATE}", "low medium high"),
        (rf"gpt-5\.1-codex-max{_DATE}", "low medium high xhigh"),
        (rf"gpt-5\.1{_DATE}", "none low medium high"),
        (r"gpt-5\.[2-5]-codex.*", "low medium high xhigh"),
        (r"gpt-5\.[2-5](?:-.*)?", "none low medium high xhigh"),
        (r"gpt-5\.(?:[6-9]|\d\d)(?:\D.*)?", "none low medium high xhigh max"),
        (r"gpt-(?:[6-9]|\d\d)(?:\D.*)?", "none low medium high xhigh max"),
    )
)
_ALLOWED_OTHERWISE = ("low", "medium", "high")

_WORDS = "|".join(EFFORTS)
_SUFFIX = re.compile(rf"(?P<base>.+?)(?:-(?P<dashed>{_WORDS})|\((?P<bracketed>{_WORDS})\))", re.IGNORECASE)
_PROTECTED_END = "codex-max"


def check_effort(effort: str | None, field: str) -> str | None:
    """Return an effort that must be a word of either vocabulary, or None.

    Raises:
        InvalidRequest: it is another word.
    """
    if effort is None or effort in EFFORTS:
        return effort
    raise InvalidRequest(f"must be one of {', '.join(EFFORTS)}", field=field)


def budget_effort(budget_tokens: int) -> str:
    """Name the effort that a thinking budget stands for."""
    return next((effort for limit, effort in _BUDGETS if budget_tokens <= limit), "xhigh")


def requested_effort(
    *,
    suffix: str | None,
    thinking_type: str | None,
    budget_tokens: int | None,
    output_effort: str | None,
    default: str | None,
) -> str | None:
    """Choose the effort a request asks for, by the precedence of wire-mapping 1.6; None when nothing says.

    Args:
        suffix: the effort in the model name.
        thinking_type: ``thinking.type`` of the request.
        budget_tokens: ``thinking.budget_tokens``; counts with type ``enabled`` only.
        output_effort: the last ``output_config.effort``.
        default: the effort of the alias or of the provider's defaults.
    """
    if suffix is not None:
        return suffix
    if thinking_type == "disabled":
        return "none"
    if output_effort is not None:
        return output_effort
    if thinking_type == "enabled" and budget_tokens is not None:
        return budget_effort(budget_tokens)
    if thinking_type in {"adaptive", "between_tools"}:
        return _ADAPTIVE_EFFORT
    return default


def clamp_effort(effort: str, allowed: tuple[str, ...]) -> str:
    """Move an effort to the nearest allowed one below, or to the lowest allowed one if none is below."""
    rank = _RANK[effort]
    below = [value for value in allowed if _RANK[value] <= rank]
    if below:
        return max(below, key=_RANK.__getitem__)
    return min(allowed, key=_RANK.__getitem__, default=effort)


def searching_effort(effort: str | None, allowed: tuple[str, ...]) -> str | None:
    """Raise ``minimal`` to ``low`` for a request with a web search: upstreams refuse the pair with a 400.

    "The following tools cannot be used with reasoning.effort 'minimal': web_search" (openai/codex issue 3559,
    read 2026-11-21). Claude Code's searches say ``thinking: disabled``, which is ``minimal`` on gpt-5.
    """
    return "low" if effort == "minimal" and "low" in allowed else effort


def step_effort(effort: str, allowed: tuple[str, ...]) -> str | None:
    """Choose what to try after ``effort`` was refused: one down, up from the bottom, None when alone."""
    others = sorted({*allowed, effort}, key=_RANK.__getitem__)
    index = others.index(effort)
    if index > 0:
        return others[index - 1]
    return others[1] if len(others) > 1 else None


def allowed_efforts(model: str) -> tuple[str, ...]:
    """Look up which efforts a model takes, weakest first; configuration may override this table."""
    return next((efforts for pattern, efforts in _ALLOWED if pattern.fullmatch(model)), _ALLOWED_OTHERWISE)


def split_effort_suffix(model: str) -> tuple[str, str | None]:
    """Split ``gpt-5-high`` or ``gpt-5(high)`` into the base and the effort, None without a suffix.

    Ids that end in ``codex-max`` are models of their own and stay whole. Only one suffix is taken.
    """
    if model.lower().endswith(_PROTECTED_END):
        return model, None
    found = _SUFFIX.fullmatch(model)
    if found is None:
        return model, None
    return found["base"], (found["dashed"] or found["bracketed"]).lower()
