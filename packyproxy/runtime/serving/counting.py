"""Count the input tokens of a request locally (wire-mapping 9), without a call to any upstream."""

from packyproxy.errors import CapabilityMissing
from packyproxy.runtime.inbound import Inbound
from packyproxy.runtime.plan import make_plan
from packyproxy.runtime.runtime import Runtime
from packyproxy.runtime.serving.inquiry import Inquiry
from packyproxy.translate.contract import ClientProtocol

__all__ = ["count_tokens"]


def count_tokens(runtime: Runtime, protocol: ClientProtocol, inbound: Inbound, body: bytes) -> bytes:
    """Return the JSON body of the protocol's token count.

    Raises:
        InvalidRequest: as for the request itself, but that no limit of the answer is required.
        NoProvider: no provider is enabled, so no name means any model.
    """
    request = protocol.read(body, counting=True)
    plan = make_plan(protocol, request, inbound)
    lacking: CapabilityMissing | None = None
    for index in range(len(plan.providers)):
        try:
            inquiry = Inquiry(runtime, plan, index, request, answer_id="", request_id=inbound.request_id)
        except CapabilityMissing as error:
            lacking = error
        else:
            inquiry.get_ready()
            return protocol.write_token_count(inquiry.translation.stream_facts)
    assert lacking is not None, "a plan without candidates"
    raise lacking
