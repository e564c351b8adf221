"""One try at one provider: open the upstream, move its bytes through a transcoder, say how it ended."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Protocol

from packyproxy.errors import Failure, FailureKind, UpstreamFailed
from packyproxy.providers.request import UpstreamRequest
from packyproxy.runtime.serving.deadlines import Due
from packyproxy.runtime.serving.watch import Aborted
from packyproxy.runtime.upstream import Upstream, UpstreamResponse
from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import Note
from packyproxy.translate.failures import classify_response, mask_secrets, transport_failure
from packyproxy.usage.records import GAP_BOUNDS, NO_GAPS
from packyproxy.wire.content_encoding import DecompressionFailed, Decompressor

__all__ = ["TIMEOUTS", "Attempt", "Clock", "Guard", "Take"]

_BUCKETS = len(GAP_BOUNDS)
_OUTPUT_BEGINS = b"response.output_item.added"
"""The first event of an output, which may be one that the client is not shown: reasoning."""
_DATA = b"\ndata:"
_DONE = b"\ndata: [DONE]"
_LONGEST_IN_BITS = 48
"""More than the milliseconds of any pause have."""


class Take(Protocol):
    """What an attempt gives client bytes to."""

    async def __call__(self, data: bytes, *, is_last: bool) -> None:
        """Take one piece; ``is_last`` ends a whole answer."""
        ...


class Guard(Protocol):
    """What may end an attempt from outside."""

    def abortable(self) -> AbstractContextManager[None]:
        """Return a block in which ``Aborted`` may be raised."""
        ...


class Clock(Protocol):
    """What is told how far an attempt is; times are those of the event loop."""

    @property
    def last_read_at(self) -> float | None:
        """When it last received a byte."""
        ...

    @last_read_at.setter
    def last_read_at(self, now: float | None) -> None: ...

    def start_attempt(self, now: float) -> None:
        """Begin to wait for the headers."""
        ...

    def headers_received(self, now: float) -> None:
        """Begin to watch for idleness."""
        ...

    def end_attempt(self) -> None:
        """Stop watching the upstream."""
        ...


TIMEOUTS: Mapping[Due, FailureKind] = MappingProxyType(
    {
        Due.HEADERS_TIMEOUT: FailureKind.HEADERS_TIMEOUT,
        Due.IDLE_TIMEOUT: FailureKind.IDLE_TIMEOUT,
        Due.TOTAL_TIMEOUT: FailureKind.TOTAL_TIMEOUT,
    }
)
"""The limits that fall to the upstream's account; the others mean that the client is gone."""


class Attempt:
    """Run one upstream request.

    Args:
        upstream: the connections to the provider.
        transcoder: fresh; turns the answer into client bytes.
        take: given each piece of client bytes, one per upstream read at most, and whether it is the last.
        deadlines: told of every upstream read.
        watch: whose aborts end the attempt.
        time: the event loop's.
        secrets: strings to mask in upstream texts.
        take_headers: given the headers of an answer when they arrive.
    """

    def __init__(
        self,
        upstream: Upstream,
        transcoder: Transcoder,
        *,
        take: Take,
        deadlines: Clock,
        watch: Guard,
        time: Callable[[], float],
        secrets: tuple[str, ...] = (),
        take_headers: Callable[[Mapping[str, str]], None] | None = None,
    ) -> None:
        self._upstream = upstream
        self._transcoder = transcoder
        self._take = take
        self._deadlines = deadlines
        self._watch = watch
        self._time = time
        self._secrets = secrets
        self._take_headers = take_headers
        self.sent_at = self.ended_at = time()
        self.first_output_at: float | None = None
        """When the first output that the client is shown was there."""
        self.stream_seconds = 0.0
        """From the first to the last read with output, shown or not; the end of an answer alone is none."""
        self.gaps = NO_GAPS
        """The pauses between those reads, as ``AttemptRecord.gaps`` counts them."""

    @property
    def notes(self) -> list[Note]:
        """What its answer held that deserves a log line."""
        return self._transcoder.notes

    async def run(self, request: UpstreamRequest) -> Failure | None:
        """Return None after a whole answer, else what went wrong; the upstream is closed in every case.

        Args:
            request: what to send; not kept once it is sent.

        Raises:
            Aborted: the client left, or took no bytes for too long.
        """
        self.sent_at = self._time()
        self._deadlines.start_attempt(self.sent_at)
        response: UpstreamResponse | None = None
        try:
            with self._watch.abortable():
                response = await self._upstream.open(request)
                del request
                self._deadlines.headers_received(self._time())
                if self._take_headers is not None:
                    self._take_headers(response.headers)
                if not 200 <= response.status < 300:
                    return await self._read_refusal(response)
                await self._relay(response)
            failure = self._transcoder.failure
            return mask_secrets(failure, self._secrets) if failure is not None else None
        except Aborted as aborted:
            kind = TIMEOUTS.get(aborted.due)
            if kind is None:
                raise
            return transport_failure(kind)
        except UpstreamFailed as error:
            return error.failure
        finally:
            self.ended_at = self._time()
            self._deadlines.end_attempt()
            if response is not None:
                await (response.finish() if self._transcoder.is_finished else response.aclose())

    async def _relay(self, response: UpstreamResponse) -> None:
        transcoder, take, deadlines, time = self._transcoder, self._take, self._deadlines, self._time
        encoding = response.headers.get("content-encoding", "identity")
        pieces: AsyncIterator[bytes] = (
            response if encoding == "identity" else _decompressed(response, encoding)
        )
        # Every event of a stream comes this way, so what is measured stays in locals until the end.
        shown = first = last = 0.0
        gaps = [0] * _LONGEST_IN_BITS
        try:
            try:
                async for chunk in pieces:
                    deadlines.last_read_at = now = time()
                    out = transcoder.feed(chunk)
                    is_over = transcoder.is_over
                    if last:
                        if (out or chunk[:1] != b":") and (not is_over or _is_more_than_the_end(chunk)):
                            gaps[int((now - last) * 1000.0).bit_length()] += 1
                            last = now
                    elif out or _OUTPUT_BEGINS in chunk:
                        first = last = now
                    if out:
                        if not shown:
                            shown = now
                        await take(out, is_last=is_over and transcoder.is_finished)
                    if is_over:
                        return
            except UpstreamFailed as error:
                # A broken connection is an early end of the stream: what was complete by then still counts.
                if error.failure.kind is not FailureKind.TRUNCATED:
                    raise
            if out := transcoder.finish():
                shown = shown or time()
                await take(out, is_last=transcoder.is_finished)
        finally:
            if shown and transcoder.has_content:
                self.first_output_at = shown
                if last > first:
                    self.stream_seconds = last - first
                    self.gaps = (*gaps[:_BUCKETS], sum(gaps[_BUCKETS:]))

    async def _read_refusal(self, response: UpstreamResponse) -> Failure:
        body = await response.read_error_body()
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            body = _start_of(body, encoding)
        return classify_response(response.status, response.headers, body, secrets=self._secrets)


def _is_more_than_the_end(chunk: bytes) -> bool:
    """Tell whether the read that ends a stream holds other events, too, than the one that ends it."""
    end = chunk.rfind(_DATA)
    if end >= 0 and chunk.startswith(_DONE, end):
        end = chunk.rfind(_DATA, 0, end)
    return end > 0 and (chunk.startswith(_DATA[1:]) or chunk.rfind(_DATA, 0, end) >= 0)


async def _decompressed(response: UpstreamResponse, encoding: str) -> AsyncIterator[bytes]:
    try:
        decompressor = Decompressor(encoding)
        async for chunk in response:
            for piece in decompressor.feed(chunk):
                yield piece
    except DecompressionFailed as error:
        raise UpstreamFailed(transport_failure(FailureKind.BAD_STREAM, str(error))) from error


def _start_of(body: bytes, encoding: str) -> bytes:
    """Decompress the first piece of a refusal, which is more than any refusal says."""
    try:
        return next(Decompressor(encoding).feed(body), b"")
    except DecompressionFailed:
        return b""
