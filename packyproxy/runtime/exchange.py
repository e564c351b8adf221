"""One client request, from its body to the last byte of its answer (wire-mapping 0.5, 8).

The loop is: translate for this attempt, try, and ask ``providers.repair`` what a failure means. All decisions
are pure functions elsewhere; this file only carries them out and moves bytes. Nothing is retried once content
was shown.
"""

import asyncio
from collections.abc import Iterable

from msgspec import UNSET, Struct

from packyproxy.errors import ClientLeft, Failure
from packyproxy.providers.repair import GiveUp, History, Repair, Sent, decide
from packyproxy.providers.request import UpstreamRequest, responses_request
from packyproxy.runtime.attempt import Attempt, Take
from packyproxy.runtime.deadlines import Deadlines, Due
from packyproxy.runtime.downstream import Client, Downstream, Headers
from packyproxy.runtime.identity import new_answer_id
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.journal import Outcome, log_failure, log_notes, log_outcome
from packyproxy.runtime.plan import make_plan
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.watch import Aborted, Watch
from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import ClientProtocol, ClientRequest, Translation
from packyproxy.translate.failures import ErrorResponse, error_response

__all__ = ["Exchange"]

_EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_MAX_WARNINGS_BYTES = 512


class _Question(Struct, frozen=True):
    """What asking takes, and asking again."""

    request: ClientRequest
    translation: Translation


class Exchange:
    """Serve one request of one client; made for it, and of no use after.

    Args:
        runtime: whose snapshot at this moment holds to the end.
        protocol: what the client speaks.
        inbound: the facts of the request's headers.
        client: the connection to answer on.
        body: the decompressed request body.

    Raises:
        InvalidRequest: the request cannot be served as sent.
        NoProvider: nobody is enabled who could serve it.
    """

    def __init__(
        self, runtime: Runtime, protocol: ClientProtocol, inbound: Inbound, client: Client, body: bytes
    ) -> None:
        self._runtime = runtime
        self._snapshot = runtime.snapshot
        self._protocol = protocol
        self._inbound = inbound
        self._client = client
        self._time = asyncio.get_running_loop().time
        self._answer_id = new_answer_id()
        request = protocol.read(body)
        self._is_stream = request.is_stream
        self._is_prewarm = request.is_prewarm
        self._max_tokens = request.max_tokens
        self._plan = make_plan(self._snapshot, protocol, request, inbound)
        provider = self._plan.provider
        self._target = self._plan.target(runtime.learned)
        self._facts = runtime.learned.attempt_facts(
            provider.id, self._target.model, scope=self._target.scope, now=runtime.now()
        )
        self._deadlines = Deadlines(
            self._snapshot.limits, accepted_at=inbound.accepted_at, is_stream=self._is_stream
        )
        self._history = History()
        self._collected: list[bytes] = []
        self._question: _Question | None = self._ask(request)
        self._outcome = Outcome(inbound, self._plan, self._question.translation, is_stream=request.is_stream)

    async def run(self) -> None:
        """Answer the request; whatever goes wrong upstream is answered too."""
        if self._is_prewarm:
            await self._answer_locally()
            return
        downstream = Downstream(
            self._client,
            self._deadlines,
            head=self._stream_head,
            opening=self._opening,
            keep_alive=self._keep_alive,
            before_content=self._forget_question,
        )
        serve = self._serve_stream if self._is_stream else self._serve_whole
        try:
            async with Watch(
                self._deadlines, wait_gone=self._client.wait_gone, interject=downstream.interject
            ) as downstream.watch:
                await serve(downstream.watch, downstream)
        except Aborted as aborted:
            self._outcome.client_left(is_stalled=aborted.due is Due.CLIENT_STALLED)
        except ClientLeft:
            self._outcome.client_left(is_stalled=False)
        finally:
            # They know each other; untied, the exchange and its bodies go at once, not at the next cycle
            # collection.
            downstream.watch = None
            log_outcome(self._outcome, self._time(), is_wanted=self._snapshot.config.request_log)

    async def _serve_stream(self, watch: Watch, downstream: Downstream) -> None:
        failure = await self._try_until_settled(watch, downstream.write)
        with watch.answering():
            if failure is None:
                return  # the attempt wrote the last byte
            await downstream.settle()
            if not downstream.is_committed:
                await self._refuse(failure)
                return
            error = self._error_response(failure, in_stream=True)
            await downstream.write(self._writer.fail(error.status, error.body), is_last=True)

    async def _serve_whole(self, watch: Watch, _: Downstream) -> None:
        failure = await self._try_until_settled(watch, self._collect)
        with watch.answering():
            if failure is None:
                await self._send_whole(self._writer.start() + b"".join(self._collected))
            else:
                await self._refuse(failure)

    async def _try_until_settled(self, watch: Watch, take: Take) -> Failure | None:
        """Run attempts until one succeeds (None) or nothing is left to try (its failure)."""
        provider = self._plan.provider
        while True:
            self._outcome.attempts += 1
            transcoder = Transcoder(self._writer)
            attempt = Attempt(
                self._runtime.upstream(provider),
                transcoder,
                take=take,
                deadlines=self._deadlines,
                watch=watch,
                time=self._time,
                secrets=provider.secrets,
            )
            failure = await attempt.run(self._upstream_request())
            if transcoder.notes:
                log_notes(transcoder.notes, self._inbound.request_id, provider.name)
            if failure is None:
                self._take_usage()
                return None
            log_failure(failure, self._inbound.request_id, provider.name, self._target.model)
            if self._is_stream and transcoder.has_content:
                return failure
            if not await self._mend(failure, watch):
                return failure

    async def _mend(self, failure: Failure, watch: Watch) -> bool:
        """Get ready for another attempt, after a wait if need be; False when there shall be none."""
        question = self._question
        assert question is not None, "asked again after content was shown"
        decision = decide(
            failure,
            self._history,
            Sent(
                facts=self._facts,
                effort=self._effort,
                efforts=self._target.efforts,
                has_reasoning=bool(question.translation.reasoning),
                system_as=self._target.capabilities.system_as,
            ),
            retries_allowed=self._snapshot.config.request_retry,
            now=self._runtime.now(),
        )
        if isinstance(decision, GiveUp):
            return False
        self._history = decision.history
        self._collected.clear()
        if isinstance(decision, Repair):
            self._learn(decision, question.translation.reasoning)
        elif decision.seconds and not await _wait(decision.seconds, watch):
            return False
        self._question = self._ask(question.request)
        return True

    def _learn(self, repair: Repair, reasoning: tuple[str, ...]) -> None:
        """Remember what a refusal taught, for this request and those to come."""
        learned, provider, target = self._runtime.learned, self._plan.provider, self._target
        if repair.remove_parameter is not None:
            learned.remove_parameter(provider.id, target.model, repair.remove_parameter)
        if repair.drops_reasoning:
            learned.refuse_reasoning(target.scope, reasoning, self._runtime.now())
        if repair.uses_developer:
            learned.use_developer(provider.id)
        if repair.effort is not None and self._effort is not None:
            learned.refuse_effort(provider.id, target.model, self._effort)
        self._target = self._plan.target(learned)
        self._facts = repair.apply(self._facts)

    def _ask(self, request: ClientRequest) -> "_Question":
        """Make what one attempt needs: its translation, and a writer that has seen nothing."""
        translation = self._plan.translate(request, self._target, self._facts, self._runtime.token_scales)
        self._effort = translation.effort
        self._warnings = translation.warnings
        self._input_tokens_estimate = translation.stream_facts.input_tokens_estimate
        self._max_tokens_was_sent = translation.request.max_output_tokens is not UNSET
        self._writer = self._protocol.writer(
            translation.stream_facts, answer_id=self._answer_id, request_id=self._inbound.request_id
        )
        return _Question(request, translation)

    def _forget_question(self) -> None:
        """Let the request's content go: nothing is asked again once content was shown, and streams last."""
        self._question = None

    def _upstream_request(self) -> UpstreamRequest:
        assert self._question is not None, "asked again after content was shown"
        return responses_request(
            self._plan.provider,
            self._question.translation.body,
            prompt_cache_key=self._target.prompt_cache_key,
            request_id=self._inbound.request_id,
            version=self._runtime.version,
        )

    def _take_usage(self) -> None:
        usage = self._writer.usage
        self._outcome.usage = usage
        if usage is not None and usage.input_tokens:
            scales, model = self._runtime.token_scales, self._target.model
            estimate = self._input_tokens_estimate / scales.factor(model)
            scales.feed(model, round(estimate), usage.input_tokens)

    async def _answer_locally(self) -> None:
        frames = self._writer.start() + self._writer.answer_locally()
        if self._is_stream:
            await self._client.start(200, self._stream_head())
            await self._client.write(frames, is_last=True)
        else:
            await self._send_whole(frames)

    async def _collect(self, data: bytes, *, is_last: bool) -> None:
        self._collected.append(data)

    async def _send_whole(self, frames: bytes) -> None:
        await self._send_json(200, self._protocol.fold(frames))

    async def _refuse(self, failure: Failure) -> None:
        error = self._error_response(failure)
        await self._send_json(error.status, error.body, error.headers)

    async def _send_json(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._deadlines.writing_since = self._time()
        framing = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
        await self._client.start(status, [*framing, *headers, *self._route_headers()])
        await self._client.write(body, is_last=True)

    def _error_response(self, failure: Failure, *, in_stream: bool = False) -> ErrorResponse:
        error = error_response(
            failure,
            self._protocol.family,
            provider=self._plan.provider.name,
            request_id=self._inbound.request_id,
            now=self._runtime.now(),
            input_tokens_estimate=self._input_tokens_estimate,
            context_window=self._plan.resolution.context_window,
            max_tokens=self._max_tokens,
            max_tokens_was_sent=self._max_tokens_was_sent,
            in_stream=in_stream,
        )
        self._outcome.failed(failure, error.status)
        return error

    def _stream_head(self) -> Headers:
        return [*_EVENT_STREAM, *self._route_headers()]

    # The writer changes from attempt to attempt, so these ask the one of the moment.
    def _opening(self) -> bytes:
        return self._writer.start()

    def _keep_alive(self) -> bytes:
        return self._writer.keep_alive()

    def _route_headers(self) -> Headers:
        """Say who answered, and what the translation had to drop (wire-mapping 12.4)."""
        headers: Headers = []
        if self._snapshot.config.expose_route_headers:
            headers.append((b"x-packyproxy-provider", self._plan.provider.name.encode("latin-1", "replace")))
            headers.append((b"x-packyproxy-upstream-model", self._target.model.encode("latin-1", "replace")))
            if self._effort is not None:
                headers.append((b"x-packyproxy-effort", self._effort.encode()))
        if self._warnings:
            headers.append((b"x-packyproxy-warnings", _join_within(self._warnings)))
        return headers


async def _wait(seconds: float, watch: Watch) -> bool:
    """Wait before a repeat; False when the request's own time is up first."""
    try:
        with watch.abortable():
            await asyncio.sleep(seconds)
    except Aborted as aborted:
        if aborted.due is not Due.TOTAL_TIMEOUT:
            raise
        return False
    return True


def _join_within(tokens: tuple[str, ...]) -> bytes:
    """Join as many tokens as fit the header; tokens are never cut."""
    joined = ""
    for token in tokens:
        longer = f"{joined},{token}" if joined else token
        if len(longer) > _MAX_WARNINGS_BYTES:
            break
        joined = longer
    return joined.encode("latin-1", "replace")
