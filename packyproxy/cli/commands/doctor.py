"""``packyproxy doctor``: look at everything between a client and an answer, and say what to do about it.

Each enabled provider is asked for two words, which costs a few tokens; nothing else is changed or sent
anywhere. No key is shown, and nothing of an answer.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from msgspec import Struct

from packyproxy.cli.advice import warnings
from packyproxy.cli.banner import claude_code_exports
from packyproxy.cli.claude_settings import variables_in_settings
from packyproxy.cli.client_findings import client_findings, leads_here
from packyproxy.cli.findings import Finding
from packyproxy.cli.origins import describe_sources
from packyproxy.cli.port_check import port_finding
from packyproxy.cli.provider_findings import provider_findings
from packyproxy.cli.rewriting import command_line
from packyproxy.cli.server import local_url
from packyproxy.cli.tables import Cell, Tone, print_json, print_line, print_table, waiting
from packyproxy.config import Config, ProviderConfig
from packyproxy.config.reading import Loaded, discover_config, found_file
from packyproxy.errors import ConfigError, Problem
from packyproxy.runtime.examination.diagnosis import Diagnosis, diagnose
from packyproxy.runtime.runtime import Runtime

__all__ = ["doctor"]

_TONES: Final[dict[str, Tone]] = {"ok": "good", "note": "warning", "failed": "bad"}


class _Section(Struct, frozen=True, kw_only=True):
    """What belongs together."""

    title: str
    findings: tuple[Finding, ...]

    @property
    def has_failed(self) -> bool:
        """Whether there is something to mend."""
        return any(finding.mark == "failed" for finding in self.findings)


class _Report(Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    ok: bool
    problems: tuple[Problem, ...] = ()
    sections: tuple[_Section, ...] = ()
    providers: tuple["_ProviderReport", ...] = ()


class _ProviderReport(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The figures of one provider, for programs."""

    name: str
    ok: bool
    model: str
    effort: str | None
    dns_ms: float | None
    tcp_ms: float | None
    tls_ms: float | None
    first_token_ms: float | None
    input_tokens: int
    output_tokens: int
    key: str
    models_listed: int | None
    quirks: tuple[str, ...]
    failure: str | None
    status: int | None
    next_step: str


def doctor(path: str | None, *, as_json: bool) -> int:
    """Examine the configuration, the providers, the port and this shell; 0 when nothing has failed.

    Raises:
        ConfigError: there is no configuration at all.
    """
    try:
        loaded = discover_config(path)
    except ConfigError as error:
        return _refuse(path, error, as_json=as_json)
    with _working(loaded.config, is_shown=not as_json):
        diagnoses, runtime = _examine(loaded.config)
    address, is_running = port_finding(loaded.config)
    settings = variables_in_settings(os.environ)
    clients = client_findings(os.environ, loaded.config, settings)
    sections = (
        _Section(title="configuration", findings=tuple(_configuration(loaded, runtime))),
        *(
            _Section(
                title=f"provider {diagnosis.provider}", findings=tuple(_provider(diagnosis, loaded.config))
            )
            for diagnosis in diagnoses
        ),
        _Section(title="address", findings=(address,)),
        _Section(title="clients in this shell", findings=clients),
    )
    failures = [section.title for section in sections if section.has_failed]
    if as_json:
        figures = tuple(map(_figures, diagnoses))
        print_json(_Report(ok=not failures, sections=sections, providers=figures))
        return 1 if failures else 0
    _show(sections)
    if failures:
        print_line(f"something to mend: {', '.join(failures)}", "bad")
        return 1
    print_line("all is well", "good")
    _show_next(loaded, is_running=is_running, is_led=leads_here(os.environ, loaded.config, settings))
    return 0


def _refuse(path: str | None, error: ConfigError, *, as_json: bool) -> int:
    file = found_file(path)
    if as_json:
        print_json(_Report(ok=False, problems=error.problems))
        return 2
    if file is None:
        raise error
    print_line("configuration", "strong")
    rows = [(Cell("failed", "bad"), str(problem)) for problem in error.problems]
    print_table([("", str(file)), *rows], indent=2)
    return 2


def _examine(config: Config) -> tuple[Sequence[Diagnosis], Runtime]:
    runtime = Runtime(config)

    async def diagnose_all() -> Sequence[Diagnosis]:
        try:
            providers = runtime.snapshot.providers.values()
            return await asyncio.gather(*(diagnose(runtime, provider) for provider in providers))
        finally:
            await runtime.aclose()

    return asyncio.run(diagnose_all()), runtime


def _working(config: Config, *, is_shown: bool) -> AbstractContextManager[object]:
    names = ", ".join(provider.name for provider in config.routing_order)
    if not (names and is_shown):
        return nullcontext()
    return waiting(f"asking {names} for two words (a few tokens)")


def _configuration(loaded: Loaded, runtime: Runtime) -> Iterator[Finding]:
    config = loaded.config
    yield Finding(mark="ok", subject="source", text=config.source)
    for provider in config.providers:
        yield Finding(mark="ok", subject=provider.name or "(unnamed)", text=_origins(provider))
    if not config.enabled_providers:
        text = "none is enabled, so no request can be served: packyproxy init, or packyproxy check"
        yield Finding(mark="failed", subject="providers", text=text)
    for warning in warnings(config, runtime.snapshot.registry, os.environ):
        if config.enabled_providers or warning.field:
            yield Finding(mark="note", subject="warning", text=str(warning))
    for note in loaded.notes:
        yield Finding(mark="note", subject="Codex CLI", text=note)


def _provider(diagnosis: Diagnosis, config: Config) -> Iterator[Finding]:
    has_proxy = any(it.proxy_url for it in config.enabled_providers if it.name == diagnosis.provider)
    yield from provider_findings(diagnosis, {} if has_proxy else os.environ)


def _origins(provider: ProviderConfig) -> str:
    state = "enabled" if provider.enabled else "disabled"
    sources = describe_sources(provider.sources)
    return f"{state}; {sources}" if sources else state


def _figures(diagnosis: Diagnosis) -> _ProviderReport:
    steps = {step.name: step.seconds for step in diagnosis.steps}
    trial = diagnosis.trial
    return _ProviderReport(
        name=diagnosis.provider,
        ok=diagnosis.failure is None,
        model=diagnosis.model,
        effort=trial.effort if trial else None,
        dns_ms=_ms(steps.get("dns")),
        tcp_ms=_ms(steps.get("tcp")),
        tls_ms=_ms(steps.get("tls")),
        first_token_ms=_ms(trial.first_token_seconds if trial else None),
        input_tokens=trial.input_tokens if trial else 0,
        output_tokens=trial.output_tokens if trial else 0,
        key=diagnosis.key,
        models_listed=diagnosis.models_listed,
        quirks=diagnosis.quirks,
        failure=diagnosis.failure.kind.value if diagnosis.failure else None,
        status=diagnosis.failure.status if diagnosis.failure else None,
        next_step=diagnosis.next_step,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _show(sections: Sequence[_Section]) -> None:
    for section in sections:
        print_line(section.title, "strong")
        print_table(
            [
                (Cell(finding.mark, _TONES[finding.mark]), finding.subject, finding.text)
                for finding in section.findings
            ],
            indent=2,
        )
        print_line()


def _show_next(loaded: Loaded, *, is_running: bool, is_led: bool) -> None:
    """Say what is left to do until a client has its first answer."""
    config = loaded.config
    if not is_running:
        line = command_line("serve", loaded.path) if loaded.path else "packyproxy serve"
        print_line(f"\nnext:\n  {line}")
    elif not is_led:
        exports = claude_code_exports(config, local_url(config.host, config.port))
        print_line(f"\nnext, in the shell where Claude Code runs:\n{exports}\n  claude")
