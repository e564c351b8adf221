"""How much later does the first content arrive through the proxy than directly, and than through the pump?

The upstream answers at once, in one write; the time is from writing the request to the read that shows
content. One request at a time, in turns: direct, pump, proxy. Differences are taken within each turn.
"""

from figures import Figure, percentile
from targets import Target, started_bench
from upstream_server import Whole
from workloads import messages_request, small_answer

__all__ = ["measure"]


async def measure(*, quick: bool) -> list[Figure]:
    """Measure direct calls, the pump and the proxy in turns."""
    turns = 200 if quick else 1000
    request = messages_request()
    async with started_bench() as bench:
        bench.upstream.set_plan(Whole(small_answer()))
        targets = (bench.direct, bench.pump, bench.proxy)
        times: dict[str, list[float]] = {target.name: [] for target in targets}
        for _ in range(turns // 100):
            for target, samples in ((target, times[target.name]) for target in targets):
                samples.extend(await _first_contents(target, request, 100))
    figures = [
        Figure(name=f"{name}.first_content", unit="ms", samples=tuple(found)) for name, found in times.items()
    ]
    figures += [
        Figure(name=f"{name}.p99", unit="ms", samples=(percentile(found, 0.99),))
        for name, found in times.items()
    ]
    for bare, goal in (("direct", None), ("pump", 1.0)):
        added = tuple(ours - theirs for ours, theirs in zip(times["proxy"], times[bare], strict=True))
        figures.append(Figure(name=f"added_over_{bare}", unit="ms", samples=added, goal=goal))
    added_p99 = percentile(times["proxy"], 0.99) - percentile(times["pump"], 0.99)
    figures.append(Figure(name="added_over_pump.p99", unit="ms", samples=(added_p99,), goal=5.0))
    return figures


async def _first_contents(target: Target, request: bytes, count: int) -> list[float]:
    """Return the milliseconds to the first content of some requests on one connection."""
    connection = await target.connect()
    times = []
    for _ in range(count):
        answer = await connection.exchange(request)
        assert answer.content_seconds is not None, "an answer that ended well showed content"
        times.append(answer.content_seconds * 1e3)
    connection.close()
    return times
