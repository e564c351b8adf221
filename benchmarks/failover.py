"""How much later does the first content arrive when the first provider refuses and a second one answers?

Both providers answer at once, so what is added is the proxy's own: reading the refusal, choosing, translating
again, and one more round trip on loopback. The refusal is one that rests nobody (the model is not known
there), so that every request fails over. One request at a time, in turns with a proxy before the second
provider alone; differences are taken within each turn.
"""

from contextlib import AsyncExitStack

from goals import FAILOVER
from rig.figures import Figure, percentile
from rig.processes import started_proxy
from rig.targets import Target
from rig.upstream_server import Refused, Whole, started_upstream
from rig.workloads import messages_request, small_answer

__all__ = ["measure"]

_REFUSAL = b'{"error":{"message":"The model does not exist","code":"model_not_found"}}'
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
    _REFUSAL
)
_PROVIDER = """\
    - {{name: "{name}", enabled: true, base-url: "{url}", api-key: "sk-benchmark"}}
"""
_WARM_UP_REQUESTS = 200


async def measure(*, quick: bool) -> list[Figure]:
    """Measure a proxy that fails over and one that need not, in turns."""
    turns = 200 if quick else 1000
    request = messages_request()
    times: dict[str, list[float]] = {"direct": [], "failover": []}
    async with AsyncExitStack() as stack:
        refusing = await stack.enter_async_context(started_upstream())
        refusing.set_plan(Refused(_NOT_FOUND + _REFUSAL))
        serving = await stack.enter_async_context(started_upstream())
        serving.set_plan(Whole(small_answer()))
        connections = {}
        for name, upstreams in (("direct", [serving]), ("failover", [refusing, serving])):
            lines = [
                _PROVIDER.format(name=f"p{number}", url=upstream.url)
                for number, upstream in enumerate(upstreams)
            ]
            config = "routing: {session-affinity: false}\ntppc:\n  providers:\n" + "".join(lines)
            proxy = await stack.enter_async_context(started_proxy(serving.url, config=config))
            target = Target(name, proxy.port, b'"content_block_delta"', b'"message_stop"')
            connections[name] = await target.connect()
            for _ in range(_WARM_UP_REQUESTS):
                await connections[name].exchange(request)
        before = refusing.requests
        for _ in range(turns):
            for name, connection in connections.items():
                answer = await connection.exchange(request)
                assert answer.content_seconds is not None, "an answer that ended well showed content"
                times[name].append(answer.content_seconds * 1e3)
        assert refusing.requests - before == turns, "a request did not fail over"
        for connection in connections.values():
            connection.close()
    added = tuple(over - direct for over, direct in zip(times["failover"], times["direct"], strict=True))
    return [
        *(
            Figure(name=f"{name}.first_content", unit="ms", samples=tuple(found))
            for name, found in times.items()
        ),
        Figure(name="added_by_failover", unit="ms", samples=added, goal=FAILOVER),
        Figure(name="added_by_failover.p99", unit="ms", samples=(percentile(added, 0.99),)),
    ]
