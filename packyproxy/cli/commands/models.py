"""``packyproxy models``: every model that clients can ask for, who serves it, and under which other names."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from packyproxy.cli.failures import WrongUsage
from packyproxy.cli.tables import Cell, print_json, print_line, print_table
from packyproxy.config import Config, ProviderConfig
from packyproxy.config.reading import discover_config
from packyproxy.registry.registry import Registry
from packyproxy.registry.resolve import resolve
from packyproxy.translate.effort import clamp_effort

__all__ = ["models"]

State = Literal["enabled", "disabled"]

_STANDING_FOR_DEFAULTS: Final = ("claude-*", "claude-*haiku*")
"""Read as names, these mean what every name means that they match."""


class _Alias(Struct, frozen=True, kw_only=True):
    name: str
    effort: str | None = None


class _Row(Struct, frozen=True, kw_only=True, rename="kebab"):
    id: str
    providers: tuple[str, ...]
    efforts: tuple[str, ...]
    context_window: int
    state: State
    """``disabled``: only providers that are switched off have it."""
    aliases: tuple[_Alias, ...] = ()


class _Pattern(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Names that stand for a model without being its aliases."""

    pattern: str
    origin: str
    """The provider whose defaults say so, or ``model-map``, which is asked first."""
    stands_for: str


class _Models(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``--json`` prints."""

    models: tuple[_Row, ...]
    patterns: tuple[_Pattern, ...]
    takes_any: tuple[str, ...]
    """Providers that get an id which nobody lists as it is."""


def models(path: str | None, *, provider: str | None = None, as_json: bool = False) -> int:
    """Print the models of all providers, or of one, which may be a disabled one.

    Raises:
        ConfigError: the configuration cannot be used.
        WrongUsage: no provider has that name.
    """
    config = discover_config(path).config
    chosen = _chosen(config, provider)
    enabled = tuple(item for item in chosen if item.enabled)
    disabled = tuple(item for item in chosen if not item.enabled)
    registry = Registry.build(enabled)
    rows = _rows(registry, "enabled")
    listed = {row.id.lower() for row in rows}
    rows += [row for row in _rows(Registry.build(disabled), "disabled") if row.id.lower() not in listed]
    found = _Models(
        models=tuple(rows),
        patterns=_patterns(config.model_map, registry),
        takes_any=tuple(item.name for item in registry.providers if item.takes_any),
    )
    if as_json:
        print_json(found)
    else:
        _show(found, discovers=config.discover_models)
    return 0


def _chosen(config: Config, name: str | None) -> Sequence[ProviderConfig]:
    """Return the providers to look at, in the order in which they are asked, the disabled ones last."""
    known = (*config.routing_order, *(item for item in config.providers if not item.enabled and item.name))
    if name is None:
        return known
    chosen = [item for item in known if item.name.casefold() == name.casefold()]
    if not chosen:
        names = ", ".join(item.name for item in known) or "none is configured"
        raise WrongUsage(f"no provider is called {name}; there is: {names}")
    return chosen


def _rows(registry: Registry, state: State) -> list[_Row]:
    aliases: dict[str, list[_Alias]] = {}
    for alias in registry.aliases():
        aliases.setdefault(alias.model.id.lower(), []).append(_Alias(name=alias.name, effort=alias.effort))
    return [
        _Row(
            id=model.id,
            providers=model.providers,
            efforts=model.efforts,
            context_window=model.context_window,
            state=state,
            aliases=tuple(aliases.get(model.id.lower(), ())),
        )
        for model in registry.models()
    ]


def _patterns(model_map: Sequence[tuple[str, str]], registry: Registry) -> tuple[_Pattern, ...]:
    """Return what names mean that no list holds; a map in ``registry`` would hide what else they mean."""
    patterns = [_Pattern(pattern=glob, origin="model-map", stands_for=target) for glob, target in model_map]
    mapped = {glob.lower() for glob, _ in model_map}
    for pattern in _STANDING_FOR_DEFAULTS if registry.providers else ():
        if pattern in mapped:
            continue
        for candidate in resolve(pattern, registry).candidates:
            effort = candidate.default_effort
            at = f" at effort {clamp_effort(effort, candidate.efforts)}" if effort else ""
            patterns.append(
                _Pattern(pattern=pattern, origin=candidate.provider, stands_for=candidate.model + at)
            )
    return tuple(patterns)


def _show(found: _Models, *, discovers: bool) -> None:
    if not found.models:
        print_line("there are no models, since no provider is configured: packyproxy init begins one")
        return
    rows = [_cells(row) for row in found.models]
    headings = ("model", "providers", "efforts", "context", "state", "aliases")
    # An empty column would take room from the others, which is short on a terminal.
    count = len(headings) if any(row.aliases for row in found.models) else len(headings) - 1
    print_table([row[:count] for row in rows], headings=headings[:count])
    others = [(pattern.pattern, pattern.origin, pattern.stands_for) for pattern in found.patterns]
    others += [("any other id", provider, "passed on as it is") for provider in found.takes_any]
    if others:
        print_line()
        print_table(others, headings=("name", "by", "stands for"))
    if discovers:
        print_line("\ndiscover-models is on: a running proxy may list more", "quiet")


def _cells(row: _Row) -> tuple[str | Cell, ...]:
    return (
        row.id,
        ", ".join(row.providers),
        " ".join(row.efforts),
        str(row.context_window),
        Cell(row.state, "good" if row.state == "enabled" else "quiet"),
        ", ".join(f"{alias.name} ({alias.effort})" if alias.effort else alias.name for alias in row.aliases),
    )
