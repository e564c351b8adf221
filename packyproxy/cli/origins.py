"""Where the settings of a configuration came from, in words."""

from collections.abc import Mapping

from packyproxy.config.schema import Source

__all__ = ["describe_sources"]


def describe_sources(sources: Mapping[str, Source]) -> str:
    """Name the one source of all settings, or each source with its settings; empty for defaults alone."""
    by_source: dict[Source, list[str]] = {}
    for path, source in sources.items():
        by_source.setdefault(source, []).append(path)
    if len(by_source) < 2:
        return next(iter(by_source), "")
    return "; ".join(f"{source}: {', '.join(paths)}" for source, paths in by_source.items())
