"""How much CPU does an event of a long mixed answer cost, compared with a byte relay?

Some 390 events in one write: reasoning, text, two tool calls and 20 KB of instructions, echoed three times;
per event, the request of 30 KB included.
"""

from collections.abc import Sequence

from goals import MIXED_ANSWERS
from rig.cpu_cost import ClosedLoop
from rig.figures import Figure
from rig.processes import DEFAULT_SERVERS
from rig.side_by_side import Comparison, compared
from rig.workloads import SURFACES, mixed_answer

__all__ = ["measure"]


async def measure(
    *, quick: bool, surfaces: Sequence[str] = tuple(SURFACES), servers: Sequence[str] = DEFAULT_SERVERS
) -> list[Figure]:
    """Measure the pump and each surface in turns."""
    answer = mixed_answer()
    comparison = Comparison(
        name="",
        cost=ClosedLoop(answer=answer, requests=40 if quick else 80, units_per_request=len(answer)),
        unit="us/event",
        rounds=5 if quick else 15,
        ratio_goal=MIXED_ANSWERS,
    )
    return await compared([comparison], surfaces=surfaces, servers=servers)
