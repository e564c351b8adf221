"""The built-in models: one table, with the release day of each row (wire-mapping 10).

A model that is missing here still works with a provider that has no ``models`` list; it is only not listed.
Context windows are those of codex back ends, which take 272 000 tokens whatever the model takes elsewhere;
only a smaller one is written down. Which efforts a model takes is the table of wire-mapping 1.6,
``translate.effort``.
"""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from packyproxy.config.schema import DEFAULT_CONTEXT_WINDOW

__all__ = ["CATALOGUE", "MAX_OUTPUT_TOKENS", "UNKNOWN_CREATED", "CatalogueModel"]

MAX_OUTPUT_TOKENS: Final = 128_000
"""What every model of this family can write at most."""

UNKNOWN_CREATED: Final = 1_735_689_600
"""Creation time listed for models that the catalogue does not know: 2025-01-01."""


class CatalogueModel(Struct, frozen=True, kw_only=True):
    """A model that OpenAI has published."""

    id: str
    created: int
    """Unix seconds of its release day."""
    context_window: int = DEFAULT_CONTEXT_WINDOW


def _model(model_id: str, released: str, context_window: int = DEFAULT_CONTEXT_WINDOW) -> CatalogueModel:
    day = datetime.fromisoformat(released).replace(tzinfo=UTC)
    return CatalogueModel(id=model_id, created=int(day.timestamp()), context_window=context_window)


# The days are approximate: gathered on 2026-11-21 from release notes of the models and of clients, not from
# one list. Clients only show them, as ``created``; nothing here depends on them.
CATALOGUE: Final = (
    _model("gpt-5", "2025-08-07"),
    _model("gpt-5-mini", "2025-08-07"),
    _model("gpt-5-nano", "2025-08-07"),
    _model("gpt-5-codex", "2025-09-23"),
    _model("gpt-5-codex-mini", "2025-11-07"),
    _model("codex-mini-latest", "2025-05-16", 200_000),
    _model("gpt-5.1", "2025-11-13"),
    _model("gpt-5.1-codex", "2025-11-13"),
    _model("gpt-5.1-codex-mini", "2025-11-13"),
    _model("gpt-5.1-codex-max", "2025-11-19"),
    _model("gpt-5.2", "2025-12-11"),
    _model("gpt-5.2-codex", "2026-01-14"),
    _model("gpt-5.3-codex", "2026-02-05"),
    _model("gpt-5.3-codex-spark", "2026-02-12", 128_000),
    _model("gpt-5.4", "2026-03-05"),
    _model("gpt-5.4-mini", "2026-03-17"),
    _model("gpt-5.5", "2026-04-23"),
    _model("gpt-5.6-sol", "2026-07-09"),
    _model("gpt-5.6-terra", "2026-07-09"),
    _model("gpt-5.6-luna", "2026-07-09"),
    _model("gpt-6-astra", "2026-09-07"),
    _model("gpt-6-sol", "2026-09-22"),
    _model("gpt-6-luna", "2026-09-22"),
    _model("gpt-6.1-sol", "2026-09-29"),
)
