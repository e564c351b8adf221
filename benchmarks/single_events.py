"""How much CPU does an event cost that comes alone, compared with a byte relay? (G1)

One event per network read, as live providers write, on 100 streams of 20 events a second each, measured while
all of them are open. An event costs more when it comes alone (cold caches), so only equal rates compare.
Where ``reads_per_event`` is well below 1 the machine was too busy to deliver events one by one, and the run
is worth nothing.
"""

from collections.abc import Sequence

from goals import SINGLE_EVENTS
from rig.cpu_cost import OpenStreams
from rig.figures import Figure
from rig.processes import DEFAULT_SERVERS
from rig.side_by_side import Comparison, compared
from rig.workloads import SURFACES

__all__ = ["measure"]


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Measure the pump and each surface in turns."""
    comparison = Comparison(
        name="",
        cost=OpenStreams(streams=100, seconds=0.05, window_seconds=0.3 if quick else 0.5),
        unit="us/event",
        rounds=4 if quick else 15,
        ratio_goal=SINGLE_EVENTS,
        tells_reads=True,
    )
    return await compared([comparison], surfaces=surfaces, servers=servers)
