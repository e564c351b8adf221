"""How many small requests a second a server answers when it always has one waiting, and with how much CPU.

Only with spare cores is that the server's own limit: client and upstream share one other process, and where
they come near a whole core, or server and load want more cores together than there are, they hold it back.
"""

import time

from msgspec import Struct

from rig.load_client import closed_loop
from rig.processes import ServerProcess
from rig.targets import Target
from rig.upstream_server import UpstreamServer, Whole
from rig.workloads import small_answer, unlike

__all__ = ["Saturation", "saturated"]


class Saturation(Struct, frozen=True):
    """What was found in one short measurement."""

    requests_per_second: float
    cores: float
    """That the server used meanwhile."""
    load_cores: float
    """That client and upstream used meanwhile."""

    @property
    def per_core(self) -> float:
        """Requests a second for each core that the server used."""
        return self.requests_per_second / self.cores


async def saturated(
    upstream: UpstreamServer, target: Target, process: ServerProcess, *, requests: int, connections: int = 16
) -> Saturation:
    """Send requests over some connections, each of which sends its next when its last was answered."""
    upstream.set_plan(Whole(small_answer()))
    opened, bodies = await target.connections(connections), unlike(target.request())
    await closed_loop(opened, bodies, connections)
    cpu, load, began = process.cpu_seconds(), time.process_time(), time.perf_counter()
    await closed_loop(opened, bodies, requests)
    seconds = time.perf_counter() - began
    found = Saturation(
        requests_per_second=requests / seconds,
        cores=(process.cpu_seconds() - cpu) / seconds,
        load_cores=(time.process_time() - load) / seconds,
    )
    for connection in opened:
        connection.close()
    return found
