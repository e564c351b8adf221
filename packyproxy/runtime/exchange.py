"""One client request, from its body to the last byte of its answer (wire-mapping 0.5, 8).

The loop is: translate for this attempt, try, and ask ``providers.repair`` what a failure means. All decisions are
pure functions elsewhere; this file only carries them out and moves bytes. Nothing is retried once content was shown.
"""

import asyncio
from collections.abc import Awaitable, Callable

from packyproxy.errors import Failure
from packyproxy.providers.repair import GiveUp, History, Repair, RetryAfter, decide
from packyproxy.providers.request import responses_request
from packyproxy.runtime.attempt import Attempt
from packyproxy.runtime.deadlines import Deadlines, Due
from packyproxy.runtime.downstream import Client, Downstream, Headers
from packyproxy.runtime.identity import new_answer_id
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.journal import Outcome, log_failure, log_notes, log_outcome
from packyproxy.runtime.plan import Plan, make_plan, translate
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.watch import Aborted, Watch
from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import ClientProtocol, StreamWriter, Translation
from packyproxy.translate.failures import ErrorResponse, error_response

__all__ = ["Exchange"]

_EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_LONGEST_WARNINGS = 512


class Exchange:
    """Serve one request of one client.

    Args:
        runtime: whose snapshot at this moment holds to the end.
        protocol: what the client speaks.
        inbound: the facts of the request's headers.
        client: the connection to answer on.
    """

    def __init__(self, runtime: Runtime, protocol: ClientProtocol, inbound: Inbound, client: Client) -> None:
        self._runtime = runtime
        self._snapshot = runtime.snapshot
        self._protocol = protocol
        self._inbound = inbound
        self._client = client
        self._time = asyncio.get_running_loop().time
        self._answer_id = new_answer_id()
        self._history = History()
        self._frames = bytearray()
        self._outcome = Outcome(inbound=inbound, protocol=protocol.name)
        self._plan: Plan
        self._translation: Translation
        self._writer: StreamWriter

    async def run(self, body: bytes) -> None:
        """Answer the request.

        Raises:
            InvalidRequest: it cannot be served as sent; nothing has been written then.
            NoProvider: nobody is enabled who could serve it; likewise.
        """
        request = self._protocol.read(body)
        self._plan = make_plan(self._snapshot, self._protocol, request, self._inbound)
        self._prepare_attempt()
        self._outcome.begin(self._plan, self._translation)
        if request.is_prewarm:
            await self._answer_locally()
        elif request.is_stream:
            await self._serve(self._serve_stream)
        else:
            await self._serve(self._serve_whole)

    async def _answer_locally(self) -> None:
        frames = self._writer.start() + self._writer.answer_locally()
        if self._plan.request.is_stream:
            await self._client.start(200, self._stream_head())
            await self._client.write(frames, is_last=True)
        else:
            await self._send_whole(frames)

    async def _serve(self, serve: "Callable[[Watch, Deadlines, Downstream], Awaitable[None]]") -> None:
        deadlines = Deadlines(
            self._snapshot.limits, accepted_at=self._inbound.accepted_at, is_stream=self._plan.request.is_stream
        )
        downstream = Downstream(
            self._client,
            deadlines,
            head=self._stream_head,
            opening=lambda: self._writer.start(),
            keep_alive=lambda: self._writer.keep_alive(),
        )
        try:
            async with Watch(
                deadlines, wait_gone=self._client.wait_gone, interject=downstream.interject
            ) as downstream.watch:
                await serve(downstream.watch, deadlines, downstream)
        except Aborted as aborted:
            self._outcome.client_left(is_stalled=aborted.due is Due.CLIENT_STALLED)
        finally:
            log_outcome(self._outcome, self._time())

    async def _serve_stream(self, watch: Watch, deadlines: Deadlines, downstream: Downstream) -> None:
        failure = await self._try_until_settled(watch, deadlines, downstream.write)
        with watch.abortable():
            if failure is None:
                await downstream.write(b"", is_last=True)
            elif downstream.is_committed:
                error = self._error_of(failure, is_midstream=True)
                await downstream.write(self._writer.fail(error.status, error.body), is_last=True)
            else:
                await self._refuse(failure)

    async def _serve_whole(self, watch: Watch, deadlines: Deadlines, _downstream: Downstream) -> None:
        async def collect(data: bytes) -> None:
            self._frames += data

        failure = await self._try_until_settled(watch, deadlines, collect)
        with watch.abortable():
            if failure is None:
                await self._send_whole(self._writer.start() + bytes(self._frames))
            else:
                await self._refuse(failure)

    async def _try_until_settled(
        self, watch: Watch, deadlines: Deadlines, take: Callable[[bytes], Awaitable[None]]
    ) -> Failure | None:
        """Run attempts until one succeeds (None) or nothing is left to try (its failure)."""
        plan = self._plan
        while True:
            transcoder = Transcoder(self._writer)
            attempt = Attempt(
                self._runtime.upstream(plan.provider),
                responses_request(
                    plan.provider,
                    self._translation.body,
                    prompt_cache_key=plan.target.prompt_cache_key,
                    request_id=self._inbound.request_id,
                    version=self._runtime.version,
                ),
                transcoder,
                take=take,
                deadlines=deadlines,
                watch=watch,
                time=self._time,
                secrets=plan.provider.secrets,
            )
            failure = await attempt.run()
            log_notes(transcoder.notes, self._inbound.request_id, plan.provider.name)
            if failure is None:
                self._learn_from(transcoder)
                return None
            log_failure(failure, self._inbound.request_id, plan.provider.name, plan.target.model)
            if plan.request.is_stream and transcoder.has_content:
                return failure
            decision = decide(
                failure, self._history, retries_allowed=self._snapshot.config.request_retry, now=self._runtime.now()
            )
            if isinstance(decision, GiveUp):
                return failure
            self._history = decision.history
            if isinstance(decision, Repair):
                self._remember(decision)
            elif isinstance(decision, RetryAfter) and decision.seconds:
                with watch.abortable():
                    await asyncio.sleep(decision.seconds)
            self._frames.clear()
            self._prepare_attempt()
