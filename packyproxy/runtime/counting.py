"""Count the input tokens of a request locally (wire-mapping 9), without a call to any upstream."""

from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.plan import make_plan
from packyproxy.runtime.runtime import Runtime
from packyproxy.translate.contract import ClientProtocol

__all__ = ["count_tokens"]


def count_tokens(runtime: Runtime, protocol: ClientProtocol, inbound: Inbound, body: bytes) -> bytes:
    """Return the JSON body of the protocol's token count.

    Raises:
        InvalidRequest: as for the request itself, but that no limit of the answer is required.
        NoProvider: no provider is enabled, so no name means any model.
    """
    request = protocol.read(body, counting=True)
    plan = make_plan(runtime.snapshot, protocol, request, inbound)
    target = plan.target(runtime.learned)
    facts = runtime.learned.attempt_facts(
        plan.provider.id, target.model, scope=target.scope, now=runtime.now()
    )
    translation = plan.translate(request, target, facts, runtime.token_scales)
    return protocol.write_token_count(translation.stream_facts)
