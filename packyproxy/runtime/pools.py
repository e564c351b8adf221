"""The connections of one event loop: a pool per way to an upstream, kept while some provider uses it.

A way is what a connection depends on: the base URL and the proxy before it. Keys and headers travel with each
request, so a provider that changes in anything else keeps its connections. The pool of a way that no provider
has any longer is retired: it closes when its last answer has ended. An exchange that began before the change
may still ask through it.

The pools of a loop close when they are told to, and else with their loop, or with their owner.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from weakref import finalize

from packyproxy.config import Secret
from packyproxy.providers.provider import Provider
from packyproxy.runtime.per_loop import PerLoop
from packyproxy.runtime.upstream import Upstream

__all__ = ["LoopPools", "Pools"]

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
        """Close everything that was opened here, to the end also when the caller is cancelled."""
        closing = [asyncio.create_task(upstream.aclose()) for upstream in self._upstreams.values()]
        if closing:
            await asyncio.wait(closing)
        for each in closing:
            each.result()

    def abandon(self) -> None:
        """Let go of connections whose event loop has closed, so that nothing can be closed in order."""
        for upstream in self._upstreams.values():
            upstream.abandon()


class LoopPools:
    """The pools of every event loop that asks for some.

    Args:
        make: as :class:`Pools` takes it; it must not hold whoever owns this.
    """

    def __init__(self, make: Callable[[str | None], Upstream]) -> None:
        per_loop: PerLoop[_PoolsOnLoop] = PerLoop(
            lambda: _PoolsOnLoop(make, per_loop.pop), _PoolsOnLoop.abandon
        )
        self._per_loop = per_loop
        # What nobody can reach any longer is collected together, in any order: aiohttp would complain of an
        # open session before anything of ours closes it.
        finalize(self, _close_all, per_loop).atexit = False

    def here(self) -> Pools:
        """Return the pools of the running loop."""
        return self._per_loop.here().pools

    async def aclose_here(self) -> None:
        """Close those of the running loop; whoever asks again gets new ones."""
        pools = self._per_loop.pop(asyncio.get_running_loop())
        if pools is not None:
            await pools.aclose()


class _PoolsOnLoop:
    """Pools on the running loop, closed at the latest when that ends.

    A loop that ends in order (of ``asyncio.run``, servers, test runners) closes the asynchronous generators
    that were begun on it, so one of these closes the pools. A task that waits for the end would be in the way
    of whoever looks at the tasks of a loop.
    """

    def __init__(
        self,
        make: Callable[[str | None], Upstream],
        forget: Callable[[asyncio.AbstractEventLoop], object],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._forget = forget
        self.pools = Pools(make)
        self._end = _ending_with(self._loop_ends)
        with suppress(StopIteration):
            self._end.asend(None).send(None)  # to its yield, which takes no waiting
        self._closing: asyncio.Task[None] | None = None
        """Held, since event loops do not hold their tasks."""

    async def aclose(self) -> None:
        """Close the pools, in the loop's time."""
        await self._end.aclose()

    def close_soon(self) -> None:
        """Close the pools, from whichever thread."""
        try:
            self._loop.call_soon_threadsafe(self._close)
        except RuntimeError:  # the loop has closed
            self.abandon()

    def abandon(self) -> None:
        """Let go of the pools of a loop that has closed without a word."""
        self.pools.abandon()

    def _close(self) -> None:
        self._closing = self._loop.create_task(self.aclose())

    async def _loop_ends(self) -> None:
        self._forget(self._loop)
        await self.pools.aclose()


async def _ending_with(end: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await end()


def _close_all(per_loop: PerLoop[_PoolsOnLoop]) -> None:
    for pools in per_loop.by_loop().values():
        pools.close_soon()


def _way(provider: Provider) -> _Way:
    return provider.base_url, provider.proxy_url
