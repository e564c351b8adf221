"""One client request, from its body to the last byte of its answer (wire-mapping 0.5, 8).

``.asking`` finds a provider that answers; this file is the client's side of it: the status line and
headers, the stream or the whole answer, and what the client is told when nobody could serve it.
"""

import asyncio
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from packyproxy.errors import ClientLeft, Tried
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.plan import make_plan
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.serving.asking import Asking
from packyproxy.runtime.serving.deadlines import Deadlines, Due
from packyproxy.runtime.serving.downstream import Client, Downstream, Headers
from packyproxy.runtime.serving.inquiry import Inquiry
from packyproxy.runtime.serving.outcome import Outcome
from packyproxy.runtime.serving.watch import Aborted, Watch
from packyproxy.translate.contract import ClientProtocol
from packyproxy.translate.failure_choice import most_useful
from packyproxy.translate.failures import ErrorResponse, exhausted_response
from packyproxy.wire.masking import mask_bytes

__all__ = ["Exchange"]

_EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_MAX_WARNINGS_BYTES = 512
_LARGE_BYTES = 128 * 1024
"""Reading such a body, translating and sending it takes a good part of a millisecond each: between two of
these steps others have their turn."""


class Exchange:
    """Serve one request of one client; made for it, and of no use after.

    Args:
        runtime: whose routing and connections are used.
        protocol: what the client speaks.
        inbound: the facts of the request's headers, and the snapshot that holds to its end.
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
        self._snapshot = inbound.snapshot
        self._protocol = protocol
        self._inbound = inbound
        self._client = client
        self._time = asyncio.get_running_loop().time
        self._outcome = Outcome(inbound, protocol.name)
        try:
            request = protocol.read(body)
            self._outcome.is_stream = self._is_stream = request.is_stream
            self._plan = make_plan(protocol, request, inbound)
        except Exception as error:
            self._runtime.recorder.request_begins()
            self._outcome.ended_by(error)
            self._record()
            raise
        self._is_recorded = False
        self._outcome.session = self._plan.session
        self._is_prewarm = request.is_prewarm
        self._max_tokens = request.max_tokens
        limits = self._snapshot.limits
        silence = protocol.operation.silence_seconds
        if silence is not None:
            limits = replace(limits, headers=silence, idle=silence)
        self._deadlines = Deadlines(limits, accepted_at=inbound.accepted_at, is_stream=self._is_stream)
        self._collected: list[bytes] = []
        self._asking = Asking(
            runtime,
            self._plan,
            request,
            inbound=inbound,
            deadlines=self._deadlines,
            outcome=self._outcome,
            start_over=self._collected.clear,
            takes_breaths=len(body) > _LARGE_BYTES,
        )

    async def run(self) -> None:
        """Answer the request; whatever goes wrong upstream is answered too.

        Raises:
            InvalidRequest: the request cannot be translated for anyone who could serve its model.
        """
        self._runtime.recorder.request_begins()
        downstream = Downstream(
            self._client,
            self._deadlines,
            head=self._stream_head,
            opening=self._opening,
            keep_alive=self._keep_alive,
            before_content=self._asking.content_begins,
        )
        try:
            if self._is_prewarm:
                await self._asking.next()
                await self._answer_locally()
                return
            await self._asking.line_up()
            inquiry = await self._asking.next()
            if inquiry is None:
                await self._refuse(self._asking.tried)
                return
            serve = self._serve_stream if self._is_stream else self._serve_whole
            async with Watch(
                self._deadlines, wait_gone=self._client.wait_gone, interject=downstream.interject
            ) as downstream.watch:
                await serve(inquiry, downstream.watch, downstream)
                self._end()  # who has read the answer may look at once for what it has cost
        except Aborted as aborted:
            self._outcome.client_left(is_stalled=aborted.due is Due.CLIENT_STALLED)
        except ClientLeft:
            self._outcome.client_left(is_stalled=False)
        except BaseException as error:
            self._outcome.ended_by(error)
            raise
        finally:
            # They know each other; untied, the exchange and its bytes go at once, not at the next cycle
            # collection.
            downstream.watch = None
            self._end()

    def _end(self) -> None:
        """Record the request, unless that has been done."""
        if not self._is_recorded:
            self._is_recorded = True
            told = self._asking.inquiry
            if told is not None:
                self._outcome.heard(told.tokens, told.first_output_at)
            self._record()

    def _record(self) -> None:
        record = self._outcome.record(self._time(), ended_at=self._runtime.now())
        self._runtime.recorder.request_ended(record, is_log_wanted=self._snapshot.config.request_log)
        if self._runtime.hooks.on_usage is not None:
            self._runtime.hooks.usage(record)

    async def _serve_stream(self, inquiry: Inquiry, watch: Watch, downstream: Downstream) -> None:
        tried = await self._asking.run(inquiry, watch, downstream.write)
        with watch.answering():
            if not tried:
                return  # the attempt wrote the last byte
            await downstream.settle()
            told = self._asking.current
            if not downstream.is_committed and not told.writer.fails_in_stream:
                await self._refuse(tried)
                return
            error = self._error_response(tried, in_stream=True)
            frames = told.writer.fail(error.status, error.body)
            await downstream.fail(mask_bytes(frames, told.provider.secrets))

    async def _serve_whole(self, inquiry: Inquiry, watch: Watch, _: Downstream) -> None:
        tried = await self._asking.run(inquiry, watch, self._collect)
        with watch.answering():
            if tried:
                await self._refuse(tried)
            else:
                await self._send_whole(self._asking.current.writer.start() + b"".join(self._collected))

    async def _answer_locally(self) -> None:
        writer = self._asking.current.writer
        frames = writer.start() + writer.answer_locally()
        if self._is_stream:
            await self._client.start(200, self._stream_head())
            await self._client.write(frames, is_last=True)
        else:
            await self._send_whole(frames)

    async def _collect(self, data: bytes, *, is_last: bool) -> None:
        if not self._collected:
            self._asking.note_first_content()
        self._collected.append(data)

    async def _send_whole(self, frames: bytes) -> None:
        await self._send_json(200, self._protocol.fold(frames))

    async def _refuse(self, tried: Sequence[Tried]) -> None:
        error = self._error_response(tried)
        await self._send_json(error.status, error.body, error.headers)

    async def _send_json(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._deadlines.writing_since = self._time()
        framing = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
        await self._client.start(status, [*framing, *headers, *self._route_headers()])
        await self._client.write(body, is_last=True)

    def _error_response(self, tried: Sequence[Tried], *, in_stream: bool = False) -> ErrorResponse:
        inquiry = self._asking.inquiry
        error = exhausted_response(
            tried,
            self._protocol.family,
            request_id=self._inbound.request_id,
            now=self._runtime.now(),
            input_tokens_estimate=inquiry.input_tokens_estimate if inquiry else 0,
            context_window=self._plan.resolution.candidates[inquiry.index if inquiry else 0].context_window,
            max_tokens=self._max_tokens,
            max_tokens_was_sent=inquiry.max_tokens_was_sent if inquiry else False,
            in_stream=in_stream,
            keeps_upstream_error=self._protocol.keeps_upstream_errors,
        )
        self._outcome.failed(
            most_useful(tried).failure,
            error.status,
            provider=inquiry.provider.name if inquiry else None,
            model=inquiry.target.model if inquiry else None,
        )
        return error

    def _stream_head(self) -> Headers:
        return [*_EVENT_STREAM, *self._route_headers()]

    # The inquiry changes when another provider is asked, its writer from attempt to attempt; so these ask
    # those of the moment.
    def _opening(self) -> bytes:
        return self._asking.current.writer.start()

    def _keep_alive(self) -> bytes:
        return self._asking.current.writer.keep_alive()

    def _route_headers(self) -> Headers:
        """Say who answered, and what the translation had to drop (wire-mapping 12.4)."""
        inquiry = self._asking.inquiry
        if inquiry is None:
            return []
        headers: Headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in inquiry.answer_headers
        ]
        if self._snapshot.config.expose_route_headers:
            headers.append((b"x-packyproxy-provider", inquiry.provider.name.encode("latin-1", "replace")))
            if inquiry.target.model:
                headers.append(
                    (b"x-packyproxy-upstream-model", inquiry.target.model.encode("latin-1", "replace"))
                )
            if inquiry.effort is not None:
                headers.append((b"x-packyproxy-effort", inquiry.effort.encode()))
        if inquiry.warnings:
            headers.append((b"x-packyproxy-warnings", _join_within(inquiry.warnings)))
        return headers


def _join_within(tokens: tuple[str, ...]) -> bytes:
    """Join as many tokens as fit the header; tokens are never cut."""
    joined = ""
    for token in tokens:
        longer = f"{joined},{token}" if joined else token
        if len(longer) > _MAX_WARNINGS_BYTES:
            break
        joined = longer
    return joined.encode("latin-1", "replace")
