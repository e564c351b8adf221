"""How much CPU does a small request cost, compared with a byte relay? (G3)

A request of 30 KB in the shape that the surface's clients send, no two alike, and an answer of 20 events in
one write; per request.
"""

from collections.abc import Sequence

from goals import SMALL_REQUESTS
from rig.cpu_cost import ClosedLoop
from rig.figures import Figure
from rig.processes import DEFAULT_SERVERS
from rig.side_by_side import Comparison, compared
from rig.workloads import SURFACES, small_answer

__all__ = ["measure"]


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Measure the pump and each surface in turns."""
    comparison = Comparison(
        name="",
        cost=ClosedLoop(answer=small_answer(), requests=150 if quick else 300),
        unit="us/req",
        rounds=5 if quick else 15,
        ratio_goal=SMALL_REQUESTS,
    )
    return await compared([comparison], surfaces=surfaces, servers=servers)
