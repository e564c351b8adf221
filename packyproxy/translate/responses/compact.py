"""``/v1/responses/compact``: a history made short by the upstream (wire-mapping 7.4)."""

from msgspec import json

from packyproxy.translate.contract import (
    AttemptFacts,
    ClientRequest,
    Operation,
    StreamFacts,
    Target,
    Translation,
)
from packyproxy.translate.decoding import decode_body
from packyproxy.translate.responses.json_fields import Fields, optional
from packyproxy.translate.responses.request import read_cache_key, read_model
from packyproxy.translate.responses.unary import UnaryProtocol, UnaryRequest
from packyproxy.wire import json_text

__all__ = ["CompactProtocol"]

_NO_FACTS = AttemptFacts()
_BODY = json.Decoder(Fields)
_REMOVED = frozenset({"stream", "store", "include"})


class CompactProtocol(UnaryProtocol):
    """Asks for a compaction; the history travels as it came, for it is the client's."""

    name = "compact"
    path = "/v1/responses/compact"
    operation = Operation(path="/responses/compact", is_stream=False, silence_seconds=600)
    missing = "compact is not supported by any configured provider"

    def read(self, body: bytes, *, counting: bool = False) -> UnaryRequest:
        """Decode and check a request body.

        Raises:
            InvalidRequest: the body is not JSON, names no model, or a field that is looked at is wrong.
        """
        fields = decode_body(_BODY, body)
        instructions = optional(fields, "instructions", "string") or json_text.EMPTY
        kept = {name: value for name, value in fields.items() if name not in _REMOVED}
        return UnaryRequest(
            model=read_model(fields),
            body=json.encode({**kept, "instructions": instructions}),
            conversation=bytes(instructions) + b"\0" + bytes(fields.get("input", b"")),
            cache_key=read_cache_key(fields),
        )

    def to_responses(
        self, request: ClientRequest, target: Target, facts: AttemptFacts = _NO_FACTS
    ) -> Translation:
        """Put the provider's model in.

        Raises:
            CapabilityMissing: the provider does not have the endpoint.
        """
        assert isinstance(request, UnaryRequest), "a request of another protocol"
        if facts.route_is_missing or target.capabilities.compact is False:
            raise self.lack()
        sent = _BODY.decode(request.body)
        fields = {name: value for name, value in sent.items() if name not in facts.removed_parameters}
        return Translation(
            body=json.encode({**fields, "model": json_text.quote(target.model)}),
            effort=None,
            warnings=(),
            stream_facts=StreamFacts(model=request.model, scope=target.scope, original_names={}),
        )
