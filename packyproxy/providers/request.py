"""The request that goes upstream: URL, headers and body (wire-mapping 12.3).

The headers are an allow-list: of the client's own request comes in only what its protocol chose by name.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from packyproxy.providers.provider import Provider

__all__ = ["UpstreamRequest", "models_request", "responses_request"]

_NOT_THE_OPERATORS = frozenset({"authorization", "content-length", "transfer-encoding"})
"""The key has one place in the configuration, and the body's framing belongs to the HTTP client."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class UpstreamRequest(Struct, frozen=True):
    """One request; ``repr`` shows the URL only, for the rest holds credentials and content."""

    url: str
    headers: tuple[tuple[str, str], ...]
    """Lower-case names, each at most once."""
    body: bytes
    method: str = "POST"

    def __repr__(self) -> str:
        return f"UpstreamRequest(url={self.url!r})"


def responses_request(
    provider: Provider,
    body: bytes,
    *,
    path: str = "/responses",
    is_stream: bool = True,
    prompt_cache_key: str | None,
    request_id: str,
    version: str,
    client_headers: Mapping[str, str] = _NO_HEADERS,
) -> UpstreamRequest:
    """Address an encoded Responses request to a provider.

    Args:
        provider: whom to ask.
        body: the encoded request.
        path: below the provider's base URL.
        is_stream: ask for an event stream; else for JSON.
        prompt_cache_key: that of the body, repeated as the session headers; None sends none, nor does one
            that no header could carry, since clients may choose it.
        request_id: ours.
        version: ours, for ``user-agent``.
        client_headers: replace ours of the same name, in lower case; an empty value removes one.
    """
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if is_stream else "application/json",
        **_own_headers(request_id, version),
    }
    if prompt_cache_key is not None and prompt_cache_key.isascii() and prompt_cache_key.isprintable():
        headers["session_id"] = headers["conversation_id"] = prompt_cache_key
    if client_headers:
        headers = _replaced(headers, client_headers)
    return UpstreamRequest(f"{provider.base_url}{path}", _with_the_operators(headers, provider), body)


def models_request(
    provider: Provider,
    *,
    request_id: str,
    version: str,
    query: str = "",
    client_headers: Mapping[str, str] = _NO_HEADERS,
) -> UpstreamRequest:
    """Ask a provider which models it has; costs no tokens.

    Args:
        provider: whom to ask.
        request_id: ours.
        version: ours, for ``user-agent``.
        query: what follows the question mark, encoded; none by default.
        client_headers: as in ``responses_request``.
    """
    headers = {"accept": "application/json", **_own_headers(request_id, version)}
    if client_headers:
        headers = _replaced(headers, client_headers)
    url = f"{provider.base_url}/models{'?' if query else ''}{query}"
    return UpstreamRequest(url, _with_the_operators(headers, provider), b"", method="GET")


def _own_headers(request_id: str, version: str) -> dict[str, str]:
    return {
        "accept-encoding": "identity",
        "user-agent": f"packyproxy/{version}",
        "openai-beta": "responses=experimental",
        "x-client-request-id": request_id,
    }


def _replaced(ours: dict[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in {**ours, **theirs}.items() if value}


def _with_the_operators(headers: dict[str, str], provider: Provider) -> tuple[tuple[str, str], ...]:
    """Add the operator's headers and the key."""
    for name, value in provider.headers:
        if name.lower() not in _NOT_THE_OPERATORS:
            headers[name.lower()] = value
    if provider.requires_openai_auth and provider.api_key is not None:
        headers["authorization"] = f"Bearer {provider.api_key.reveal()}"
    return tuple(headers.items())
