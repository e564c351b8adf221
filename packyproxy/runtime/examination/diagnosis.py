"""Examine a provider, from the name of its host to the first token, and say what was found.

Unlike a health check this asks for an answer, which costs a few tokens.
"""

from collections.abc import Sequence
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
from packyproxy.translate.failure_table import FAILURES, LIMITS
from packyproxy.translate.failure_texts import reset_second, rfc3339

__all__ = ["Diagnosis", "KeyVerdict", "diagnose"]

KeyVerdict = Literal["accepted", "refused", "not needed", "unknown"]

_STEP_FAILURES: Final = {
    "dns": FailureKind.UNREACHABLE,
    "tcp": FailureKind.UNREACHABLE,
    "tls": FailureKind.TLS,
}
_USUAL_PATH: Final = "/v1"
_SUCCESS: Final = range(200, 300)
_WRONG_ADDRESS: Final = frozenset({FailureKind.WRONG_URL, FailureKind.REDIRECT})
_STRANGE_ANSWER: Final = frozenset({FailureKind.SERVER_ERROR, FailureKind.BAD_STREAM, FailureKind.TRUNCATED})
"""What a web page, or anything else that is not the API, looks like where it comes as a success."""

_PERHAPS_THE_MODEL: Final = frozenset(
    {
        FailureKind.MODEL_NOT_FOUND,
        FailureKind.INVALID_REQUEST,
        FailureKind.FORBIDDEN,
        FailureKind.UNAVAILABLE,
        FailureKind.SERVER_ERROR,
        FailureKind.UPSTREAM_REFUSED,
    }
)
"""How relays refuse a model that they do not have."""
_MOST_MODELS: Final = 5


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
    remedy: str = ""
    """What to do about the failure, where more is known than what its kind says."""

    @property
    def failure_text(self) -> str:
        """The failure in words, the provider's own where it had any; empty when there is none."""
        if self.failure is None:
            return ""
        return self.failure.message or FAILURES[self.failure.kind].text or self.failure.kind.value

    @property
    def next_step(self) -> str:
        """What to do about the failure; empty when there is none."""
        return self.remedy or ("" if self.failure is None else NEXT_STEPS[self.failure.kind])


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
    last = steps[-1]
    if last.problem is not None:
        failed = Failure(kind=_STEP_FAILURES[last.name], message=last.problem)
        return replace(diagnosis, failure=failed, remedy=last.remedy)
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
        remedy=""
        if trial.failure is None
        else await _remedy(runtime, provider, diagnosis.model, trial.failure, listed),
    )


async def _remedy(
    runtime: Runtime, provider: Provider, model: str, failure: Failure, listed: ModelList | Failure
) -> str:
    """Say what to do where more is known than the kind of the failure; empty where that says it."""
    if failure.kind in LIMITS:
        second = reset_second(failure, runtime.now())
        return "" if second is None else f"wait until {rfc3339(second)}, or enable another provider"
    if isinstance(listed, ModelList) and failure.kind in _PERHAPS_THE_MODEL and listed.models:
        return "" if model in listed.models else _other_models(model, listed.models)
    is_page = isinstance(listed, Failure) and listed.status in _SUCCESS
    if failure.kind not in _WRONG_ADDRESS and not (failure.kind in _STRANGE_ANSWER and is_page):
        return ""
    if better := await _better_address(runtime, provider):
        return f"set base-url to {better}: the provider lists its models there"
    return NEXT_STEPS[FailureKind.REDIRECT if failure.kind is FailureKind.REDIRECT else FailureKind.WRONG_URL]


def _other_models(model: str, models: Sequence[str]) -> str:
    shown = sorted(models, key=lambda name: not name.startswith(model[:3]))[:_MOST_MODELS]
    more = "" if len(models) <= _MOST_MODELS else f" and {len(models) - _MOST_MODELS} more"
    return f"the provider does not list {model}: set defaults.model to one of {', '.join(shown)}{more}"


async def _better_address(runtime: Runtime, provider: Provider) -> str | None:
    """Return the address with the usual path, if that was left out and leads to the API."""
    if provider.base_url.endswith(_USUAL_PATH):
        return None
    other = replace(provider, base_url=f"{provider.base_url}{_USUAL_PATH}")
    listed = await fetch_models(runtime.upstream(other), other, version=runtime.version)
    return other.base_url if isinstance(listed, ModelList) and listed.models else None


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
