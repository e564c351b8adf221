"""What was promised, all in one place: figures refer to it, and verdicts are read off them.

G1 to G9 were set before the first line of the product was written, and are never softened. The others stand
under the name of the question that looks after them.
"""

from msgspec import Struct

__all__ = [
    "ABORT",
    "ABORT_LEFTOVERS",
    "ABORT_MEMORY",
    "ABORT_OBJECTS",
    "ADDED_DELAY",
    "ADDED_DELAY_P99",
    "ADDED_LATENCY",
    "ADDED_LATENCY_P99",
    "BODY_SLOPE",
    "BURSTS",
    "BURST_EVENT",
    "FAILOVER",
    "GROWTH_EXPONENT",
    "IDLE_MEMORY",
    "IMPORT",
    "LOOP_HELD",
    "MIXED_ANSWERS",
    "OBSERVED_EVENTS",
    "OBSERVED_REQUESTS",
    "OPEN_STREAM",
    "PEAK_MEMORY",
    "PEER_BURSTS",
    "PEER_MIXED_ANSWERS",
    "PEER_SINGLE_EVENTS",
    "PEER_SMALL_REQUESTS",
    "RELOAD_CONNECTIONS",
    "RELOAD_FORCE",
    "RELOAD_LEFTOVERS",
    "RELOAD_LOSSES",
    "RELOAD_MEMORY",
    "RELOAD_OBJECTS",
    "SINGLE_EVENTS",
    "SMALL_REQUESTS",
    "SOAK_FAILURES",
    "SOAK_LEFTOVERS",
    "SOAK_MEMORY",
    "SOAK_OBJECTS",
    "STALLED_READER",
    "Goal",
]


class Goal(Struct, frozen=True):
    """At most so much of something."""

    name: str
    """G1 to G9, or the question whose goal it is."""
    limit: float
    unit: str
    """What stands behind a number in a verdict, such as ``x the pump``."""


SINGLE_EVENTS = Goal("G1", 1.3, "x the pump")
BURSTS = Goal("G2", 4.0, "x the pump")
BURST_EVENT = Goal("G2", 5.0, " us per event")
SMALL_REQUESTS = Goal("G3", 1.5, "x the pump")

PEER_SMALL_REQUESTS = Goal("G4", 1 / 50, "x the peer per small request")
PEER_SINGLE_EVENTS = Goal("G4", 1 / 6, "x the peer per single event")
PEER_BURSTS = Goal("G4", 1 / 150, "x the peer per event of a burst")
PEER_MIXED_ANSWERS = Goal("G4", 1 / 120, "x the peer per event of a mixed answer")

OPEN_STREAM = Goal("G5", 90.0, " KB per open stream")
PEAK_MEMORY = Goal("G5", 100.0, " MB with 500 streams")
BODY_SLOPE = Goal("G6", 2.0, "x the pump per further byte")
LOOP_HELD = Goal("G6", 3.0, " ms in which a 1 MB request holds the loop")
ABORT = Goal("G7", 50.0, " ms until the upstream is closed")
ABORT_LEFTOVERS = Goal("G7", 0.0, " tasks or files left")
ABORT_OBJECTS = Goal("G7", 100.0, " objects left")
"""Objects are exact but for caches: a tenth of one per abort is no leak."""
ABORT_MEMORY = Goal("G7", 4.0, " MB left")
"""Memory varies by 2 MB by itself."""
ADDED_LATENCY = Goal("G8", 1.0, " ms before the first content")
ADDED_LATENCY_P99 = Goal("G8", 5.0, " ms before the first content at p99")
ADDED_DELAY = Goal("G8", 1.0, " ms on an event's way")
ADDED_DELAY_P99 = Goal("G8", 5.0, " ms on an event's way at p99")
STALLED_READER = Goal("G9", 2.0, " MB of growth")

MIXED_ANSWERS = Goal("mixed_answers", 3.0, "x the pump")
GROWTH_EXPONENT = Goal("growth", 1.1, " as exponent")
OBSERVED_REQUESTS = Goal("observability", 5.0, " % of a request")
OBSERVED_EVENTS = Goal("observability", 1.0, " % of an event")
FAILOVER = Goal("failover", 5.0, " ms later")
RELOAD_LOSSES = Goal("reload_under_load", 0.0, " answers dropped or mixed")
RELOAD_LEFTOVERS = Goal("reload_under_load", 0.0, " tasks or files left")
RELOAD_CONNECTIONS = Goal("reload_under_load", 50.0, " upstream connections of 50 clients")
RELOAD_MEMORY = Goal("reload_under_load", 4.0, " MB left")
RELOAD_OBJECTS = Goal("reload_under_load", 1000.0, " objects left")
"""They vary with what caches hold; one per reload would show."""
RELOAD_FORCE = Goal("reload_under_load", 1000.0, " ms until a saved file is in force")
SOAK_FAILURES = Goal("soak", 0.0, " answers that nobody expected")
SOAK_MEMORY = Goal("soak", 5.0, " bytes per request")
"""What leaks at every request costs a hundred at least: a dict entry, a task, a frame."""
SOAK_OBJECTS = Goal("soak", 0.01, " objects per request")
SOAK_LEFTOVERS = Goal("soak", 0.0, " tasks or files left")
IMPORT = Goal("cold_start", 150.0, " ms of import")
IDLE_MEMORY = Goal("cold_start", 80.0, " MB when idle")
