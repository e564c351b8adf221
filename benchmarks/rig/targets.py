"""What is compared: the proxy and the pump, side by side in front of one upstream."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from msgspec import Struct

from rig.load_client import ClientConnection, connect
from rig.processes import ServerProcess, started_proxy, started_pump
from rig.upstream_server import UpstreamServer, Whole, started_upstream
from rig.workloads import (
    SURFACES,
    UPSTREAM_CONTENT,
    UPSTREAM_ENDING,
    MakeRequest,
    Surface,
    messages_request,
    small_answer,
)

__all__ = ["Bench", "Target", "started_bench", "surface_target"]

C = TypeVar("C", bound=ClientConnection)

_WARM_UP_REQUESTS = 50


class Target(Struct, frozen=True):
    """A port to send requests to, and how its answers look."""

    name: str
    port: int
    content_mark: bytes
    """Found in the read that brings the first content."""
    ending: bytes
    """Found in the last bytes of a whole answer."""
    request: MakeRequest = messages_request
    """What it is asked."""

    async def connect(self) -> ClientConnection:
        """Open a connection."""
        return await self.connect_as(ClientConnection)

    async def connect_as(self, kind: type[C]) -> C:
        """Open a connection that sees more than others."""
        return await connect(self.port, content_mark=self.content_mark, ending=self.ending, kind=kind)

    async def connections(self, count: int) -> list[ClientConnection]:
        """Open several connections."""
        return [await self.connect() for _ in range(count)]


class Bench(Struct, frozen=True):
    """Everything that runs."""

    server: str
    """What serves the proxy and the pump."""
    upstream: UpstreamServer
    proxy: Target
    """Its Messages surface."""
    surfaces: dict[str, Target]
    """Each surface of the proxy that was asked for, by name."""
    proxy_process: ServerProcess
    pump: Target
    pump_process: ServerProcess
    direct: Target


@asynccontextmanager
async def started_bench(
    *,
    surfaces: Sequence[str] = ("messages",),
    server: str = "hypercorn",
    counts_objects: bool = False,
    through: Callable[[str], Sequence[str]] = lambda _: (),
) -> AsyncIterator[Bench]:
    """Start upstream, proxy and pump, and warm them up with some requests to each.

    Args:
        surfaces: those of the proxy that are asked.
        server: what serves both, one of ``processes.SERVERS``.
        counts_objects: let the proxy tell what it holds on request.
        through: the program that runs "proxy" or "pump", given its command.
    """
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(started_upstream())
        proxy = await stack.enter_async_context(
            started_proxy(
                upstream.url, server=server, counts_objects=counts_objects, through=through("proxy")
            )
        )
        pump = await stack.enter_async_context(
            started_pump(upstream.url, server=server, through=through("pump"))
        )
        marks = UPSTREAM_CONTENT, UPSTREAM_ENDING
        bench = Bench(
            server=server,
            upstream=upstream,
            proxy=surface_target("proxy", proxy.port, SURFACES["messages"]),
            surfaces={name: surface_target(name, proxy.port, SURFACES[name]) for name in surfaces},
            proxy_process=proxy,
            pump=Target("pump", pump.port, *marks),
            pump_process=pump,
            direct=Target("direct", upstream.port, *marks),
        )
        upstream.set_plan(Whole(small_answer()))
        for target in (*bench.surfaces.values(), bench.pump, bench.direct):
            request, connection = target.request(), await target.connect()
            for _ in range(_WARM_UP_REQUESTS):
                await connection.exchange(request)
            connection.close()
        yield bench


def surface_target(name: str, port: int, surface: Surface) -> Target:
    """Return a proxy's port as the target of one client protocol."""
    return Target(name, port, surface.content_mark, surface.ending, surface.request)
