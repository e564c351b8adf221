"""``/v1/responses/compact``: a history made short by the upstream (wire-mapping 7.4)."""

from msgspec import json

from packyproxy.translate.contract import (
    NOTHING_LEARNED,
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

__all__ = ["CompactProtocol", "CompactRequest"]

_BODY = json.Decoder(Fields)
_REMOVED = frozenset({"stream", "store", "include"})


class CompactRequest(UnaryRequest, frozen=True, kw_only=True):
    """A history to be made short."""

    fields: Fields
    """The body as every provider gets it, but for the model."""

    def opening(self) -> bytes:
        """Return the instructions and the history, which name a session if nothing else does."""
        return bytes(self.fields["instructions"]) + b"\0" + bytes(self.fields.get("input", b""))


class CompactProtocol(UnaryProtocol):
    """Asks for a compaction; the history travels as it came, for it is the client's."""

    name = "compact"
    path = "/v1/responses/compact"
    operation = Operation(path="/responses/compact", is_stream=False, silence_seconds=600)
    missing = "compact is not supported by any configured provider"

    def read(self, body: bytes, *, counting: bool = False) -> CompactRequest:
        """Decode and check a request body.

        Raises:
            InvalidRequest: the body is not JSON, names no model, or a field that is looked at is wrong.
        """
        fields = decode_body(_BODY, body)
        instructions = optional(fields, "instructions", "string") or json_text.EMPTY
        kept = {name: value for name, value in fields.items() if name not in _REMOVED}
        return CompactRequest(
            model=read_model(fields),
            cache_key=read_cache_key(fields),
            fields={**kept, "instructions": instructions},
        )

    def to_responses(
        self, request: ClientRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
    ) -> Translation:
        """Put the provider's model in.

        Raises:
            CapabilityMissing: the provider does not have the endpoint.
        """
        assert isinstance(request, CompactRequest), "a request of another protocol"
        if facts.route_is_missing or target.capabilities.compact is False:
            raise self.lack()
        removed = facts.removed_parameters
        fields = {name: value for name, value in request.fields.items() if name not in removed}
        return Translation(
            body=json.encode({**fields, "model": json_text.quote(target.model)}),
            effort=None,
            warnings=(),
            stream_facts=StreamFacts(model=request.model, scope=target.scope, original_names={}),
        )
