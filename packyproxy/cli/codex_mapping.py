"""What the files of the Codex CLI say, and which keys of ``config.yaml`` say the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packyproxy.cli.tables import print_line, print_table
from packyproxy.config.codex_files import CodexProvider, CodexReading
from packyproxy.config.secret import MASK

__all__ = ["KEY_PATHS", "print_mapping", "what_is_missing"]

KEY_PATHS: Final = {"packycode": ("credentials", "openai-api-key"), "tppc": ("api-key",)}
"""Where a provider's key stands in its block."""


def print_mapping(reading: CodexReading, provider: CodexProvider, place: str, kind: str) -> None:
    """Show a provider of the Codex CLI as a table, secrets masked; ``place`` is the block it belongs to."""
    print_line(f"found in {reading.config_path or 'the files of the Codex CLI'}:")
    rows = [(theirs, f"{place}.{ours}", value) for theirs, ours, value in _rows(provider, kind)]
    print_table(rows, headings=("Codex CLI", "config.yaml", "value"), indent=2)
    for note in reading.notes:
        print_line(f"note: {note}", "warning")


def what_is_missing(reading: CodexReading) -> str:
    """Return why the files of the Codex CLI name no provider that could be used."""
    if reading.notes:
        return "; ".join(reading.notes)
    folder = reading.config_path.parent if reading.config_path else Path("~/.codex")
    return f"there is no config.toml in {folder}: set $CODEX_HOME if it is elsewhere"


def _rows(provider: CodexProvider, kind: str) -> Iterator[tuple[str, str, str]]:
    yield "base_url", "base-url", provider.base_url
    if provider.key is not None:
        yield "its key", ".".join(KEY_PATHS[kind]), str(provider.key)
    elif provider.requires_key:
        yield "its key", ".".join(KEY_PATHS[kind]), "(not found)"
    else:
        yield "needs no key", "requires-openai-auth", "false"
    if provider.model:
        yield "model", "defaults.model", provider.model
    if provider.effort:
        yield "model_reasoning_effort", "defaults.model-reasoning-effort", provider.effort
    for name in provider.headers:
        yield f"http_headers.{name}", f"headers.{name}", MASK
