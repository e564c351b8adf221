"""Ask a provider for two words, as a client would: through the translation there and back.

It costs a few tokens. What the provider refuses is mended as for a client and remembered in ``learned``.
"""

import asyncio
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from packyproxy.errors import Failure, FailureKind, UpstreamFailed
from packyproxy.providers.provider import Provider
from packyproxy.providers.quirks import answer_quirks
from packyproxy.registry.resolve import Candidate, Resolution
from packyproxy.runtime.identity import new_answer_id, new_request_id
from packyproxy.runtime.plan import Plan
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.serving.inquiry import Inquiry
from packyproxy.runtime.snapshot import Snapshot
from packyproxy.runtime.upstream import UpstreamResponse
from packyproxy.transcode import Transcoder
from packyproxy.translate.failures import classify_response, mask_secrets, transport_failure
from packyproxy.translate.protocols import PROTOCOLS
from packyproxy.wire.content_encoding import DecompressionFailed, Decompressor

__all__ = ["TRIED_MODEL", "Trial", "tried_candidate", "try_out"]

TRIED_MODEL: Final = "default"
"""Stands for the model that ``claude-*`` names get."""

_ANSWER_SECONDS: Final = 60.0
"""Reasoning models think before they say OK, at the lowest effort only for seconds."""
_MAX_BYTES: Final = 1024 * 1024
"""More than any two words take, with all the events around them."""
_REQUEST: Final = msgspec.json.encode(
    {
        "model": "trial",
        "max_tokens": 512,
        "stream": True,
        "messages": [{"role": "user", "content": "Reply with OK"}],
    }
)


class Trial(Struct, frozen=True, kw_only=True):
    """How it went; holds no content."""

    effort: str | None
    """What was asked for in the end."""
    failure: Failure | None = None
    """None after a whole answer."""
    first_token_seconds: float | None = None
    """From sending the request until there was content."""
    input_tokens: int = 0
    output_tokens: int = 0
    quirks: tuple[str, ...] = ()
    """What was unusual about the answer."""


def tried_candidate(snapshot: Snapshot, provider: str) -> Candidate:
    """Return what a provider is tried out with: its default model, at the lowest effort that this takes.

    Raises:
        InvalidRequest: it serves no such model.
    """
    candidate = snapshot.resolve(f"{provider}/{TRIED_MODEL}").candidates[0]
    return replace(candidate, suffix_effort=next(iter(candidate.efforts), None))


async def try_out(runtime: Runtime, provider: Provider, candidate: Candidate) -> Trial:
    """Ask until there is an answer, or a failure that cannot be mended; a minute per request at most.

    Args:
        runtime: whose connections are used, and whose memory of refusals is added to.
        provider: whom to ask.
        candidate: the model, and the effort to ask for.
    """
    protocol = PROTOCOLS["messages"]()
    plan = Plan(
        protocol=protocol,
        resolution=Resolution(requested=candidate.model, candidates=(candidate,), is_pinned=True),
        providers=(provider,),
        session="trial",
    )
    inquiry = Inquiry(
        runtime,
        plan,
        0,
        protocol.read(_REQUEST),
        answer_id=new_answer_id(),
        request_id=new_request_id(),
    )
    inquiry.get_ready()
    while True:
        trial = await _Listener(runtime, inquiry).ask()
        if trial.failure is None or inquiry.mend(trial.failure, retries_allowed=0) is None:
            return trial


class _Listener:
    """Sends one request and listens to its answer."""

    def __init__(self, runtime: Runtime, inquiry: Inquiry) -> None:
        self._runtime = runtime
        self._inquiry = inquiry
        self._transcoder = Transcoder(inquiry.writer)
        self._sent_at = runtime.monotonic()
        self._first_token_seconds: float | None = None
        self._quirks: tuple[str, ...] = ()

    async def ask(self) -> Trial:
        inquiry = self._inquiry
        failure = await self._send()
        usage = self._transcoder.usage
        return Trial(
            effort=inquiry.effort,
            failure=None if failure is None else mask_secrets(failure, inquiry.provider.secrets),
            first_token_seconds=self._first_token_seconds,
            input_tokens=usage.input_tokens if usage else 0,
            output_tokens=usage.output_tokens if usage else 0,
            quirks=self._quirks,
        )

    async def _send(self) -> Failure | None:
        upstream = self._runtime.upstream(self._inquiry.provider)
        response: UpstreamResponse | None = None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                response = await upstream.open(self._inquiry.upstream_request())
                return await self._listen(response)
        except UpstreamFailed as error:
            return error.failure
        except DecompressionFailed as error:
            return transport_failure(FailureKind.BAD_STREAM, str(error))
        except TimeoutError:
            kind = FailureKind.HEADERS_TIMEOUT if response is None else FailureKind.IDLE_TIMEOUT
            return transport_failure(kind)
        finally:
            if response is not None:
                await response.aclose()

    async def _listen(self, response: UpstreamResponse) -> Failure | None:
        decompressor = Decompressor(response.headers.get("content-encoding", "identity"))
        if not 200 <= response.status < 300:
            refusal = next(decompressor.feed(await response.read_error_body()), b"")
            return classify_response(response.status, response.headers, refusal)
        body = bytearray()
        async for chunk in response:
            for piece in decompressor.feed(chunk):
                body += piece
                self._take(piece)
            if self._transcoder.is_over or len(body) > _MAX_BYTES:
                break
        self._transcoder.finish()
        failure = self._transcoder.failure
        if failure is None:
            model = self._inquiry.target.model
            self._quirks = tuple(answer_quirks(response.headers, bytes(body), model=model))
        return failure

    def _take(self, piece: bytes) -> None:
        self._transcoder.feed(piece)
        if self._first_token_seconds is None and self._transcoder.has_content:
            self._first_token_seconds = self._runtime.monotonic() - self._sent_at
