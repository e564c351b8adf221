"""Asking one provider: what it is sent, and what it is sent after a refusal that can be mended.

The request is translated anew for every attempt, because what may be sent depends on the provider and on what
it has refused so far; reasoning of another provider never travels (wire-mapping 2.4).
"""

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from msgspec.structs import replace

from packyproxy.errors import Failure, FailureKind
from packyproxy.providers.provider import Provider
from packyproxy.providers.repair import GiveUp, History, Repair, Sent, decide
from packyproxy.providers.request import UpstreamRequest, responses_request
from packyproxy.registry.resolve import Candidate
from packyproxy.runtime.plan import Plan
from packyproxy.runtime.runtime import Runtime
from packyproxy.translate.contract import ClientRequest, StreamWriter, Target, Translation
from packyproxy.translate.failure_table import FAILURES
from packyproxy.translate.session import prompt_cache_key
from packyproxy.usage.tokens import Tokens
from packyproxy.wire.masking import mask_text

__all__ = ["Inquiry"]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Inquiry:
    """One candidate being asked about one request, as often as that takes.

    Args:
        runtime: whose memory of refusals and token scales is used, and added to.
        plan: the request's.
        index: which of the plan's candidates.
        request: the client's; kept until ``forget``.
        answer_id: the same for every inquiry of a request.
        request_id: ours.
        client_headers: the client's; its protocol chooses what of them travels upstream.
        is_first: whether nobody else was asked about this request before.

    Raises:
        CapabilityMissing: this provider cannot take such a request; another one might.
        InvalidRequest: the request holds something that cannot be translated.
    """

    def __init__(
        self,
        runtime: Runtime,
        plan: Plan,
        index: int,
        request: ClientRequest,
        *,
        answer_id: str,
        request_id: str,
        client_headers: Mapping[str, str] = _NO_HEADERS,
        is_first: bool = True,
    ) -> None:
        self._runtime = runtime
        self._protocol = plan.protocol
        self._client_headers = client_headers
        self._cache_key = request.cache_key or prompt_cache_key(
            plan.session, plan.resolution.candidates[index].model
        )
        self._requested_model = request.model
        self._answer_id = answer_id
        self._request_id = request_id
        self._history = History()
        self.index = index
        self.is_probe = False
        """Whether this is the one probe that a half-open breaker admits."""
        self.asked_at = inf
        """When the last attempt began, on the event loop's clock; infinite before the first."""
        self.first_output_at: float | None = None
        """When the last attempt that ended had its first model output, on the same clock."""
        self.tokens: Tokens | None = None
        """What the upstream counted in that attempt; None if it did not."""
        self.provider: Provider = plan.providers[index]
        self.candidate: Candidate = plan.resolution.candidates[index]
        self.target = self._describe_target()
        facts = runtime.learned.attempt_facts(
            self.provider.id,
            self.target.model,
            scope=self.target.scope,
            path=plan.protocol.operation.path,
            now=runtime.now(),
        )
        self._facts = facts if is_first else replace(facts, is_first_asked=False)
        self.answer_headers: tuple[tuple[str, str], ...] = ()
        """What the client is given of the headers that the upstream answered with last."""
        self.writer: StreamWriter
        """Writes the answer of the next attempt, or of the one that runs; made by ``get_ready``."""
        self.effort: str | None
        self.warnings: tuple[str, ...]
        self.input_tokens_estimate = 0
        """By our own count, corrected; known after ``get_ready``."""
        self.max_tokens_was_sent: bool
        self._asked: tuple[ClientRequest, Translation] | None
        self._translate(request)

    @property
    def translation(self) -> Translation:
        """What the next attempt sends; gone once the content was forgotten."""
        return self._content[1]

    @property
    def _content(self) -> tuple[ClientRequest, Translation]:
        assert self._asked is not None, "asked again after content was shown"
        return self._asked

    def get_ready(self) -> None:
        """Count the tokens of the translation, and make a writer that has seen nothing.

        It comes before each attempt. For a large request it takes as long as the translation, so others may
        have their turn in between.
        """
        request, translation = self._content
        self._tokens = translation.tokens
        estimate = self._runtime.token_scales.correct(self.target.model, self._tokens)
        facts = replace(translation.stream_facts, input_tokens_estimate=estimate)
        self._asked = (request, replace(translation, stream_facts=facts, count_tokens=int))
        self.input_tokens_estimate = estimate
        self.writer = self._protocol.writer(facts, answer_id=self._answer_id, request_id=self._request_id)

    def forget(self) -> None:
        """Let the request's content go: nothing is asked again once content was shown, and streams last."""
        self._asked = None

    def upstream_request(self) -> UpstreamRequest:
        """Return the request to send now."""
        operation = self._protocol.operation
        return responses_request(
            self.provider,
            self.translation.body,
            path=operation.path,
            is_stream=operation.is_stream,
            prompt_cache_key=self.target.prompt_cache_key,
            request_id=self._request_id,
            version=self._runtime.version,
            client_headers=self._protocol.upstream_headers(self._client_headers, self.target),
        )

    def take_headers(self, headers: Mapping[str, str]) -> None:
        """Take the headers that the upstream answered with."""
        self.answer_headers = tuple(
            (name, mask_text(value, self.provider.secrets))
            for name, value in self._protocol.answer_headers(headers, self.target)
        )

    def judge(self, failure: Failure) -> Failure:
        """Say what a failure means for what the upstream was asked for."""
        return self._protocol.judge(failure)

    def fails_over(self, failure: Failure) -> bool:
        """Tell whether somebody else may be asked after a failure."""
        if failure.kind is FailureKind.INVALID_REASONING and self._has_compaction:
            # It is history, so it cannot be left out; another provider may have made it.
            return self._facts.is_first_asked
        return FAILURES[failure.kind].fails_over

    def mend(self, failure: Failure, *, retries_allowed: int) -> float | None:
        """Get ready to ask the same provider again.

        Returns:
            How many seconds to wait before that; None when it is not to be asked again.
        """
        request, translation = self._content
        decision = decide(
            failure,
            self._history,
            Sent(
                facts=self._facts,
                effort=self.effort,
                efforts=self.target.efforts,
                has_reasoning=bool(translation.reasoning),
                system_as=self.target.capabilities.system_as,
            ),
            retries_allowed=retries_allowed,
            now=self._runtime.now(),
        )
        if failure.kind is FailureKind.NOT_OFFERED:
            self._runtime.learned.miss_route(self.provider.id, self._protocol.operation.path)
        if isinstance(decision, GiveUp):
            return None
        self._history = decision.history
        if isinstance(decision, Repair):
            self._learn(decision, translation.reasoning)
        self._translate(request)
        self.get_ready()
        return 0.0 if isinstance(decision, Repair) else decision.seconds

    def take_usage(self) -> None:
        """Compare our estimate with the tokens that the upstream counted, for better estimates."""
        usage = self.writer.usage
        if usage is not None and usage.input_tokens:
            self._runtime.token_scales.feed(self.target.model, self._tokens, usage.input_tokens)

    def _describe_target(self) -> Target:
        candidate, provider, learned = self.candidate, self.provider, self._runtime.learned
        return provider.target(
            candidate.model,
            learned.allowed_efforts(provider.id, candidate.model, candidate.efforts),
            suffix_effort=candidate.suffix_effort,
            default_effort=candidate.default_effort,
            named_effort=candidate.named_effort,
            prompt_cache_key=self._cache_key,
            uses_developer=learned.uses_developer(provider.id),
            requested_model=self._requested_model,
        )

    def _translate(self, request: ClientRequest) -> None:
        """Make what the next attempt sends."""
        translation = self._protocol.to_responses(request, self.target, self._facts)
        self._asked = (request, translation)
        self.effort = translation.effort
        self.warnings = translation.warnings
        self.max_tokens_was_sent = translation.limits_output
        self._has_compaction = translation.has_compaction

    def _learn(self, repair: Repair, reasoning: tuple[str, ...]) -> None:
        """Remember what a refusal taught, for this request and those to come."""
        learned, provider, target = self._runtime.learned, self.provider, self.target
        if repair.remove_parameter is not None:
            learned.remove_parameter(provider.id, target.model, repair.remove_parameter)
        if repair.drops_reasoning:
            learned.refuse_reasoning(target.scope, reasoning, self._runtime.now())
        if repair.uses_developer:
            learned.use_developer(provider.id)
        if repair.effort is not None and self.effort is not None:
            learned.refuse_effort(provider.id, target.model, self.effort)
        self.target = self._describe_target()
        self._facts = repair.apply(self._facts)
