"""What ``doctor`` says of one provider, line by line, from its report."""

from collections.abc import Iterator
from typing import Final

from packyproxy.cli.client_findings import Finding
from packyproxy.runtime.examination.connection import Step
from packyproxy.runtime.examination.diagnosis import ProbeReport
from packyproxy.runtime.examination.trial import Trial

__all__ = ["provider_findings"]

_SUBJECTS: Final = {"dns": "name", "tcp": "connection", "tls": "TLS"}


def provider_findings(report: ProbeReport) -> Iterator[Finding]:
    """Yield what was found out, in the order in which a request meets it."""
    for step in report.steps:
        yield _step(step)
    if report.trial is not None:
        yield _key(report)
        if report.models_listed is not None:
            yield Finding(mark="ok", subject="models", text=f"{report.models_listed} listed by the provider")
        yield _answer(report, report.trial)
    elif not report.steps:
        yield Finding(mark="failed", subject="model", text=report.failure_text)
    for quirk in report.quirks:
        yield Finding(mark="note", subject="quirk", text=quirk)
    if report.next_step:
        yield Finding(mark="note", subject="what to do", text=report.next_step)


def _step(step: Step) -> Finding:
    subject = _SUBJECTS[step.name]
    if step.problem is not None:
        return Finding(mark="failed", subject=subject, text=step.problem)
    text = "an address, so there is nothing to look up" if step.seconds is None else _duration(step.seconds)
    return Finding(mark="ok", subject=subject, text=text)


def _key(report: ProbeReport) -> Finding:
    match report.key:
        case "refused":
            return Finding(mark="failed", subject="key", text="refused")
        case "unknown":
            return Finding(
                mark="note", subject="key", text="not known: the provider failed for another reason"
            )
        case _:
            return Finding(mark="ok", subject="key", text=report.key)


def _answer(report: ProbeReport, trial: Trial) -> Finding:
    asked = f"{report.model} at effort {trial.effort}" if trial.effort else report.model
    if report.failure is not None:
        status = f"HTTP {report.failure.status}: " if report.failure.status else ""
        return Finding(mark="failed", subject="answer", text=f"{asked}: {status}{report.failure_text}")
    first = (
        "no content"
        if trial.first_token_seconds is None
        else f"first token after {_duration(trial.first_token_seconds)}"
    )
    cost = f"{trial.input_tokens} + {trial.output_tokens} tokens"
    return Finding(mark="ok", subject="answer", text=f"{asked}: {first}, {cost}")


def _duration(seconds: float) -> str:
    ms = seconds * 1000
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"
