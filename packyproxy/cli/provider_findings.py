"""What ``doctor`` says of one provider, line by line, from its diagnosis."""

from collections.abc import Iterator, Mapping
from typing import Final

from packyproxy.cli.findings import Finding
from packyproxy.errors import FailureKind
from packyproxy.runtime.examination.connection import Step
from packyproxy.runtime.examination.diagnosis import Diagnosis
from packyproxy.runtime.examination.trial import Trial

__all__ = ["provider_findings"]

_HTTP_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_UNREACHED: Final = frozenset({FailureKind.UNREACHABLE, FailureKind.CONNECT_TIMEOUT, FailureKind.TLS})
_SUBJECTS: Final = {"dns": "name", "tcp": "connection", "tls": "TLS"}


def provider_findings(diagnosis: Diagnosis, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what was found out, in the order in which a request meets it.

    Args:
        diagnosis: of the provider.
        environ: names the HTTP proxy that was not asked; empty for a provider with a ``proxy-url``.
    """
    for step in diagnosis.steps:
        yield _step(step)
    if diagnosis.trial is not None:
        yield _key(diagnosis)
        if diagnosis.models_listed is not None:
            yield Finding(
                mark="ok", subject="models", text=f"{diagnosis.models_listed} listed by the provider"
            )
        yield _answer(diagnosis, diagnosis.trial)
    elif not diagnosis.steps:
        yield Finding(mark="failed", subject="model", text=diagnosis.failure_text)
    for quirk in diagnosis.quirks:
        yield Finding(mark="note", subject="quirk", text=quirk)
    if diagnosis.next_step:
        yield Finding(mark="note", subject="what to do", text=diagnosis.next_step)
    if diagnosis.failure is not None and diagnosis.failure.kind in _UNREACHED:
        name = next((name for name in _HTTP_PROXIES if environ.get(name, "").strip()), None)
        if name is not None:
            text = "set here and not used: set the provider's proxy-url to it if that is the way out"
            yield Finding(mark="note", subject=name, text=text)


def _step(step: Step) -> Finding:
    subject = _SUBJECTS[step.name]
    if step.problem is not None:
        return Finding(mark="failed", subject=subject, text=step.problem)
    text = "an address, so there is nothing to look up" if step.seconds is None else _duration(step.seconds)
    return Finding(mark="ok", subject=subject, text=text)


def _key(diagnosis: Diagnosis) -> Finding:
    match diagnosis.key:
        case "refused":
            return Finding(mark="failed", subject="key", text="refused")
        case "unknown":
            return Finding(
                mark="note", subject="key", text="not known: the provider failed for another reason"
            )
        case _:
            return Finding(mark="ok", subject="key", text=diagnosis.key)


def _answer(diagnosis: Diagnosis, trial: Trial) -> Finding:
    asked = f"{diagnosis.model} at effort {trial.effort}" if trial.effort else diagnosis.model
    if diagnosis.failure is not None:
        status = f"HTTP {diagnosis.failure.status}: " if diagnosis.failure.status else ""
        return Finding(mark="failed", subject="answer", text=f"{asked}: {status}{diagnosis.failure_text}")
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
