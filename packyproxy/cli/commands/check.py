"""``packyproxy check``: every problem of the configuration, or what it amounts to and what is odd in it."""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from packyproxy.cli.advice import warnings
from packyproxy.cli.banner import claude_names
from packyproxy.cli.origins import describe_sources
from packyproxy.cli.oversight import management_keys, management_text, metrics_text
from packyproxy.cli.tables import Cell, print_json, print_line, print_table
from packyproxy.config import Config
from packyproxy.config.reading import discover_config, found_file
from packyproxy.config.schema import RoutingStrategy, Source
from packyproxy.errors import ConfigError, Problem
from packyproxy.runtime.snapshot import Snapshot

__all__ = ["check"]


class _ProviderReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    name: str
    enabled: bool
    base_url: str
    has_key: bool
    effective_source: Source | None
    sources: dict[str, Source]
    priority: int
    weight: int
    models: int


class _Report(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What ``--json`` prints of a valid configuration."""

    ok: bool = True
    source: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...]
    providers: tuple[_ProviderReport, ...]
    """The enabled ones in the order in which they are asked, then the others."""
    strategy: RoutingStrategy
    session_affinity: bool
    models: int
    api_keys: int
    management: bool
    """Whether the management API is on."""
    metrics: bool
    notes: tuple[str, ...]


class _Refusal(Struct, frozen=True, kw_only=True):
    """What ``--json`` prints of an unusable one."""

    ok: bool = False
    source: str | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def check(path: str | None, *, as_json: bool = False) -> int:
    """Validate the configuration and print the result; 0 when it is usable, also without an enabled provider.

    Raises:
        ConfigError: there is nothing to check.
    """
    try:
        loaded = discover_config(path)
    except ConfigError as error:
        return _refuse(found_file(path), error, as_json=as_json)
    report = _report(loaded.config, loaded.notes)
    if as_json:
        print_json(report)
    else:
        _show(report, loaded.config)
    return 0


def _refuse(file: Path | None, error: ConfigError, *, as_json: bool) -> int:
    problems = error.problems
    if as_json:
        print_json(_Refusal(source=str(file) if file else None, problems=problems))
        return 2
    if file is None:
        raise error
    for problem in problems:
        print_line(str(problem), "bad")
    print_line(f"{file}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
    return 2


def _report(config: Config, notes: Sequence[str]) -> _Report:
    registry = Snapshot.build(config).registry
    listed = {provider.name: len(provider.models) for provider in registry.providers}
    disabled = tuple(provider for provider in config.providers if not provider.enabled)
    return _Report(
        source=config.source,
        warnings=warnings(config, registry, os.environ),
        providers=tuple(
            _ProviderReport(
                name=provider.name,
                enabled=provider.enabled,
                base_url=provider.base_url,
                has_key=bool(provider.api_key),
                effective_source=provider.effective_source,
                sources=dict(provider.sources),
                priority=provider.priority,
                weight=provider.weight,
                models=listed[provider.name] if provider.enabled else 0,
            )
            for provider in (*config.routing_order, *disabled)
        ),
        strategy=config.routing.strategy,
        session_affinity=config.routing.session_affinity,
        models=len(registry.models()),
        api_keys=len(config.api_keys),
        management=bool(management_keys(config, os.environ)),
        metrics=config.metrics,
        notes=tuple(notes),
    )


def _show(report: _Report, config: Config) -> None:
    print_line("the configuration is valid", "good")
    affinity = "; a session stays with its provider" if report.session_affinity else ""
    facts = [
        ("config", report.source),
        ("listens", f"{config.host} port {config.port}"),
        (
            "api-keys",
            f"{report.api_keys} configured"
            if report.api_keys
            else "none: everybody who can connect is let in",
        ),
        ("models", f"{report.models} listed{claude_names(config.routing_order)}"),
        ("routing", report.strategy + affinity),
        ("management", management_text(config, os.environ)),
        ("metrics", metrics_text(config)),
    ]
    facts += [("note", note) for note in report.notes]
    print_table(facts, indent=2)
    if report.providers:
        print_line("\nproviders, in the order in which they are asked:")
        rows = [_provider_row(provider) for provider in report.providers]
        print_table(rows, headings=("name", "state", "models", "base-url", "settings from"), indent=2)
    if report.warnings:
        print_line()
        for warning in report.warnings:
            print_line(f"warning: {warning}", "warning")


def _provider_row(provider: _ProviderReport) -> tuple[str | Cell, ...]:
    return (
        provider.name or "(unnamed)",
        Cell("enabled", "good") if provider.enabled else Cell("disabled", "quiet"),
        str(provider.models) if provider.enabled else "-",
        provider.base_url or "-",
        describe_sources(provider.sources) or "-",
    )
