"""Ask a provider which models it has: the cheapest question there is, since it costs no tokens.

Health checks, discovery and ``doctor`` share it. Not every relay answers it, and some answer with a page for
people; so only what is certain counts as a verdict on the provider.
"""

import asyncio
from enum import StrEnum

from msgspec import Struct

from packyproxy.errors import Failure, FailureKind, UpstreamFailed
from packyproxy.providers.provider import Provider
from packyproxy.providers.request import models_request
from packyproxy.registry.discovery import read_model_list
from packyproxy.runtime.identity import new_request_id
from packyproxy.runtime.upstream import Upstream, UpstreamResponse
from packyproxy.translate.failures import classify_response, mask_secrets, transport_failure
from packyproxy.wire.content_encoding import DecompressionFailed, decompress

__all__ = ["ModelList", "Verdict", "fetch_models", "verdict_on"]

_ANSWER_SECONDS = 10.0
"""A list that takes longer is as good as none."""
_MAX_LIST_BYTES = 1024 * 1024
"""A thousand models with long descriptions."""
_SERVER_ERROR = 500


class ModelList(Struct, frozen=True, kw_only=True):
    """What a provider answered to ``GET /models``."""

    models: tuple[str, ...]
    """The ids in it that could be sent; none where the answer is no list."""


class Verdict(StrEnum):
    """What an answer to ``GET /models`` says about a provider's health."""

    WELL = "well"
    ILL = "ill"
    REACHABLE = "reachable"
    """It answers, and how it fares with requests that cost something is not known."""


def verdict_on(outcome: ModelList | Failure) -> Verdict:
    """Judge a provider by its answer.

    No connection, no answer in time and 5xx mean that it is ill. Any other refusal (401, 403, 404, 405, 429)
    and a page for people come from a provider that may still serve.
    """
    if isinstance(outcome, ModelList):
        return Verdict.WELL
    if outcome.status is None or outcome.status >= _SERVER_ERROR:
        return Verdict.ILL
    return Verdict.REACHABLE


async def fetch_models(upstream: Upstream, provider: Provider, *, version: str) -> ModelList | Failure:
    """Ask for the models; takes ten seconds at most, and never raises for anything the provider does.

    Args:
        upstream: the connections to the provider.
        provider: whom to ask; its key and headers are sent.
        version: ours, for ``user-agent``.
    """
    request = models_request(provider, request_id=new_request_id(), version=version)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            response = await upstream.open(request)
            try:
                outcome = await _read(response)
            finally:
                await response.aclose()
    except UpstreamFailed as error:
        return error.failure
    except TimeoutError:
        return transport_failure(FailureKind.HEADERS_TIMEOUT)
    return mask_secrets(outcome, provider.secrets) if isinstance(outcome, Failure) else outcome


async def _read(response: UpstreamResponse) -> ModelList | Failure:
    status = response.status
    body = bytearray()
    async for piece in response:
        body += piece
        if len(body) > _MAX_LIST_BYTES:
            return _unreadable(status, "the model list is larger than 1 MiB")
    try:
        encoding = response.headers.get("content-encoding", "identity")
        content = decompress(bytes(body), encoding, _MAX_LIST_BYTES)
    except DecompressionFailed:
        content = b""
    if not 200 <= status < 300:
        return classify_response(status, response.headers, content)
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return _unreadable(status, "the answer is no model list")
    return ModelList(models=read_model_list(content))


def _unreadable(status: int, message: str) -> Failure:
    return Failure(kind=FailureKind.BAD_STREAM, status=status, message=message)
