"""How much CPU does an event cost that comes with 49 others, as after a stall? (G2)

- m50: 50 events in one write of the upstream, each an HTTP chunk of its own
- ev50: 50 events in one HTTP chunk

Both on 10 streams with 100 such writes a second each; per event.
"""

from collections.abc import Sequence

from goals import BURST_EVENT, BURSTS
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
    window = 0.2 if quick else 0.4
    comparisons = [
        Comparison(
            name=name,
            cost=OpenStreams(
                streams=10, seconds=0.01, events=50, is_one_chunk=is_one_chunk, window_seconds=window
            ),
            unit="us/event",
            rounds=4 if quick else 13,
            ratio_goal=BURSTS,
            cost_goal=BURST_EVENT,
        )
        for name, is_one_chunk in (("m50", False), ("ev50", True))
    ]
    return await compared(comparisons, surfaces=surfaces, servers=servers)
