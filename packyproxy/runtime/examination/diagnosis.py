"""Examine a provider, from the name of its host to the first token, and say what was found.

Unlike a health check this asks for an answer, which costs a few tokens.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import Failure, FailureKind, InvalidRequest
from packyproxy.providers.next_steps import NEXT_STEPS
from packyproxy.providers.provider import Provider
from packyproxy.providers.quirks import learned_quirks
from packyproxy.runtime.examination.connection import Step, trace_connection
from packyproxy.runtime.examination.trial import TRIED_MODEL, Trial, tried_candidate, try_out
from packyproxy.runtime.model_list import ModelList, fetch_models
from packyproxy.runtime.runtime import Runtime
from packyproxy.translate.failure_table import FAILURES

__all__ = ["Diagnosis", "KeyVerdict", "diagnose"]

KeyVerdict = Literal["accepted", "refused", "not needed", "unknown"]

_STEP_FAILURES: Final = {
    "dns": FailureKind.UNREACHABLE,
    "tcp": FailureKind.UNREACHABLE,
    "tls": FailureKind.TLS,
}


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What was found out about one provider; holds no secret and no content."""

    provider: str
    model: str
    """What was asked for, by the upstream's id."""
    steps: tuple[Step, ...] = ()
    """The way to the provider, as far as it leads."""
    key: KeyVerdict = "unknown"
    models_listed: int | None = None
    """How many models it lists itself; None when it lists none."""
    trial: Trial | None = None
    """The request for an answer; None when the way does not lead that far."""
    quirks: tuple[str, ...] = ()
    """What is unusual about the provider; packyproxy lives with all of it."""
    failure: Failure | None = None

    @property
    def failure_text(self) -> str:
        """The failure in words, the provider's own where it had any; empty when there is none."""
        if self.failure is None:
            return ""
        return self.failure.message or FAILURES[self.failure.kind].text or self.failure.kind.value

    @property
    def next_step(self) -> str:
        """What to do about the failure; empty when there is none."""
        return "" if self.failure is None else NEXT_STEPS[self.failure.kind]


async def diagnose(runtime: Runtime, provider: Provider) -> Diagnosis:
    """Examine a provider; takes a minute and a half at worst, and raises for nothing that the provider does.

    What is asked for is the model that ``claude-*`` names get there, at the lowest effort that it takes.

    Args:
        runtime: whose connections are used, and whose memory of refusals is added to.
        provider: one of the runtime's snapshot.
    """
    try:
        candidate = tried_candidate(runtime.snapshot, provider.name)
    except InvalidRequest as error:
        unknown = Failure(kind=FailureKind.MODEL_NOT_FOUND, message=error.reason)
        return Diagnosis(provider=provider.name, model=TRIED_MODEL, failure=unknown)
    proxy_url = provider.proxy_url.reveal() if provider.proxy_url else None
    steps = await trace_connection(provider.base_url, proxy_url)
    diagnosis = Diagnosis(provider=provider.name, model=candidate.model, steps=steps)
    if problem := steps[-1].problem:
        return replace(diagnosis, failure=Failure(kind=_STEP_FAILURES[steps[-1].name], message=problem))
    listed = await fetch_models(runtime.upstream(provider), provider, version=runtime.version)
    trial = await try_out(runtime, provider, candidate)
    learned = learned_quirks(runtime.learned, provider.id, candidate.model, candidate.efforts)
    return replace(
        diagnosis,
        key=_key_verdict(provider, listed, trial.failure),
        models_listed=(len(listed.models) or None) if isinstance(listed, ModelList) else None,
        trial=trial,
        quirks=(*learned, *trial.quirks),
        failure=trial.failure,
    )


def _key_verdict(provider: Provider, listed: ModelList | Failure, failure: Failure | None) -> KeyVerdict:
    """Say what became of the key; a model list proves nothing, since some relays show it to everybody."""
    if not provider.requires_openai_auth:
        return "not needed"
    if failure is None:
        return "accepted"
    refusals = (failure, listed)
    if any(isinstance(it, Failure) and it.kind is FailureKind.CREDENTIALS_REJECTED for it in refusals):
        return "refused"
    return "unknown"
