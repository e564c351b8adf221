"""Where the settings of a configuration came from, in words."""

from collections.abc import Mapping

from packyproxy.config.schema import Source

__all__ = ["describe_sources", "list_by_source"]


def describe_sources(sources: Mapping[str, Source]) -> str:
    """Name the one source of all settings, or each source with its settings; empty for defaults alone."""
    names = set(sources.values())
    return list_by_source(sources) if len(names) > 1 else "".join(names)


def list_by_source(sources: Mapping[str, Source]) -> str:
    """Name each source with its settings, in the order of the settings."""
    by_source: dict[Source, list[str]] = {}
    for path, source in sources.items():
        by_source.setdefault(source, []).append(path)
    return "; ".join(f"{source}: {', '.join(paths)}" for source, paths in by_source.items())
