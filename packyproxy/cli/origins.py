"""Where a configuration came from: its file, and the source of each setting."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from packyproxy.config.schema import Source
from packyproxy.config.yaml_file import find_config

__all__ = ["describe_sources", "found_file"]


def found_file(explicit: str | None) -> Path | None:
    """Return the file that commands of this process use, whether it exists or not; None for no file."""
    home: Path | None = None
    with suppress(RuntimeError):  # no $HOME, and no such user: a container may run under any number
        home = Path.home()
    return find_config(explicit, os.environ, Path.cwd(), home)


def describe_sources(sources: Mapping[str, Source]) -> str:
    """Name the one source of all settings, or each source with its settings; empty for defaults alone."""
    by_source: dict[Source, list[str]] = {}
    for path, source in sources.items():
        by_source.setdefault(source, []).append(path)
    if len(by_source) < 2:
        return next(iter(by_source), "")
    return "; ".join(f"{source}: {', '.join(paths)}" for source, paths in by_source.items())
