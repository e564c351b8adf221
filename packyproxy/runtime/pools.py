"""The connections of one event loop: a pool per way to an upstream, kept while some provider uses it.

A way is what a connection depends on: the base URL and the proxy before it. Keys and headers travel with each
request, so a provider that changes in anything else keeps its connections. The pool of a way that no provider
has any longer is retired: it closes when its last answer has ended. An exchange that began before the change
may still ask through it.
"""

from collections.abc import Callable, Mapping

from packyproxy.config import Secret
from packyproxy.providers.provider import Provider
from packyproxy.runtime.upstream import Upstream

__all__ = ["Pools"]

_Way = tuple[str, Secret | None]


class Pools:
    """The upstreams of one event loop.

    Args:
        make: makes an upstream, given the URL of the proxy before it, if there is one.
    """

    def __init__(self, make: Callable[[str | None], Upstream]) -> None:
        self._make = make
        self._providers: Mapping[str, Provider] = {}
        self._ways: frozenset[_Way] = frozenset()
        self._upstreams: dict[_Way, Upstream] = {}

    def __len__(self) -> int:
        return len(self._upstreams)

    def serve(self, providers: Mapping[str, Provider]) -> None:
        """Keep the connections to these providers from now on; retire all others."""
        if providers is self._providers:
            return
        self._providers = providers
        self._ways = frozenset(map(_way, providers.values()))
        for way, upstream in tuple(self._upstreams.items()):
            if way in self._ways:
                upstream.restore()
            elif upstream.is_retired and upstream.is_idle:
                del self._upstreams[way]
            else:
                upstream.retire()

    def upstream(self, provider: Provider) -> Upstream:
        """Return the way to a provider, which opens its connections when they are needed."""
        way = _way(provider)
        upstream = self._upstreams.get(way)
        if upstream is None:
            proxy_url = provider.proxy_url.reveal() if provider.proxy_url else None
            upstream = self._upstreams[way] = self._make(proxy_url)
            if way not in self._ways:
                upstream.retire()
        return upstream

    async def aclose(self) -> None:
        """Close everything that was opened here."""
        for upstream in self._upstreams.values():
            await upstream.aclose()


def _way(provider: Provider) -> _Way:
    return provider.base_url, provider.proxy_url
