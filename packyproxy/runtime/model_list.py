"""Ask a provider which models it has: the cheapest question there is, since it costs no tokens.

Health checks, discovery and ``doctor`` share it. Not every relay answers it, and some answer with a page for
people; so only what is certain counts as a verdict on the provider. The same question with a client's version
asks for the catalogue of the Codex CLI, which describes each model at length (wire-mapping 10.1).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct

from packyproxy.errors import Failure, FailureKind, UpstreamFailed
from packyproxy.providers.provider import Provider
from packyproxy.providers.request import UpstreamRequest, models_request
from packyproxy.registry.discovery import read_model_list
from packyproxy.runtime.identity import new_request_id
from packyproxy.runtime.upstream import Upstream, UpstreamResponse
from packyproxy.translate.failures import classify_response, mask_secrets, transport_failure
from packyproxy.wire.content_encoding import DecompressionFailed, decompress

__all__ = ["Catalogue", "ModelList", "Verdict", "fetch_catalogue", "fetch_models", "verdict_on"]

_ANSWER_SECONDS = 10.0
"""A list that takes longer is as good as none."""
_MAX_LIST_BYTES = 1024 * 1024
"""A thousand models with long descriptions."""
_CATALOGUE_SECONDS = 5.0
"""The Codex CLI waits that long for its catalogue."""
_MAX_CATALOGUE_BYTES = 8 * 1024 * 1024
"""It holds the base prompt of each model, some 20 KB."""
_CATALOGUE_HEADERS = ("etag", "x-models-etag")
_OK = 200
_SERVER_ERROR = 500
_Outcome = TypeVar("_Outcome")


class ModelList(Struct, frozen=True, kw_only=True):
    """What a provider answered to ``GET /models``."""

    models: tuple[str, ...]
    """The ids in it that could be sent; none where the answer is no list."""


class Catalogue(Struct, frozen=True, kw_only=True):
    """What a provider tells the Codex CLI of its models, byte for byte."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    """Those that say which version of it this is."""


class _CataloguePage(Struct):
    models: list[Raw]


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
    outcome = await _ask(upstream, request, _read_list, seconds=_ANSWER_SECONDS)
    return mask_secrets(outcome, provider.secrets) if isinstance(outcome, Failure) else outcome


async def fetch_catalogue(
    upstream: Upstream,
    provider: Provider,
    *,
    version: str,
    client_version: str,
    client_headers: Mapping[str, str],
) -> Catalogue | None:
    """Ask for the catalogue of the Codex CLI; takes five seconds at most, and never raises.

    Args:
        upstream: the connections to the provider.
        provider: whom to ask; its key and headers are sent.
        version: ours, for ``user-agent``.
        client_version: the Codex CLI's, as it asks.
        client_headers: of its own request, those that may travel; they replace ours.

    Returns:
        None when the provider has none, or does not answer in time.
    """
    request = models_request(
        provider,
        request_id=new_request_id(),
        version=version,
        query=urlencode({"client_version": client_version}),
        client_headers=client_headers,
    )
    outcome = await _ask(upstream, request, _read_catalogue, seconds=_CATALOGUE_SECONDS)
    return None if isinstance(outcome, Failure) else outcome


async def _ask(
    upstream: Upstream,
    request: UpstreamRequest,
    read: Callable[[UpstreamResponse], Awaitable[_Outcome]],
    *,
    seconds: float,
) -> _Outcome | Failure:
    try:
        async with asyncio.timeout(seconds):
            response = await upstream.open(request)
            try:
                return await read(response)
            finally:
                await response.aclose()
    except UpstreamFailed as error:
        return error.failure
    except TimeoutError:
        return transport_failure(FailureKind.HEADERS_TIMEOUT)


async def _read_catalogue(response: UpstreamResponse) -> Catalogue | None:
    """Return what names models under the key that the Codex CLI reads; a list for others has another one."""
    content = await _content(response, _MAX_CATALOGUE_BYTES)
    if response.status != _OK or content is None:
        return None
    try:
        msgspec.json.decode(content, type=_CataloguePage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    headers = tuple((name, response.headers[name]) for name in _CATALOGUE_HEADERS if name in response.headers)
    return Catalogue(body=content, headers=headers)


async def _content(response: UpstreamResponse, limit: int) -> bytes | None:
    """Return the body, decompressed; None when it is larger than ``limit``, nothing when it is corrupt."""
    body = bytearray()
    async for piece in response:
        body += piece
        if len(body) > limit:
            return None
    try:
        return decompress(bytes(body), response.headers.get("content-encoding", "identity"), limit)
    except DecompressionFailed:
        return b""


async def _read_list(response: UpstreamResponse) -> ModelList | Failure:
    status = response.status
    content = await _content(response, _MAX_LIST_BYTES)
    if content is None:
        return _unreadable(status, "the model list is larger than 1 MiB")
    if not 200 <= status < 300:
        return classify_response(status, response.headers, content)
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return _unreadable(status, "the answer is no model list")
    return ModelList(models=read_model_list(content))


def _unreadable(status: int, message: str) -> Failure:
    return Failure(kind=FailureKind.BAD_STREAM, status=status, message=message)
