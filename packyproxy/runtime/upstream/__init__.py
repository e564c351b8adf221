"""Talk to upstreams: the only place that drives an HTTP client.

httpx is the interface, so callers may bring a client or a transport of their own; our own way is aiohttp's
connections with as little as possible around them (docs/decisions/0003-http-client.md). Redirects are never
followed: the provider's key would travel with them. Foreign exceptions are mapped here, once.
"""

from packyproxy.runtime.upstream.response import UpstreamResponse
from packyproxy.runtime.upstream.upstream import Upstream, WrapTransport

__all__ = ["Upstream", "UpstreamResponse", "WrapTransport"]
