"""``/v1/alpha/search``: the web search that newer Codex CLIs run by themselves (wire-mapping 7.5)."""

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
from packyproxy.translate.responses.unary import UnaryProtocol, UnaryRequest
from packyproxy.wire import json_text

__all__ = ["SearchProtocol", "SearchRequest"]

_BODY = json.Decoder(Fields)


class SearchRequest(UnaryRequest, frozen=True, kw_only=True):
    """A search, unread but for the model."""

    body: bytes


class SearchProtocol(UnaryProtocol):
    """Passes a search on, unread; a model in it chooses who is asked, and without one anybody may be."""

    name = "search"
    path = "/v1/alpha/search"
    operation = Operation(path="/alpha/search", is_stream=False)
    missing = "alpha/search is not supported by any configured provider"

    def read(self, body: bytes, *, counting: bool = False) -> SearchRequest:
        """Check that a request body is a JSON object, and look for a model in it.

        Raises:
            InvalidRequest: the body is not JSON, or its model no text.
        """
        model = optional(decode_body(_BODY, body), "model", "string")
        return SearchRequest(model="" if model is None else json_text.unquote(model), body=body)

    def to_responses(
        self, request: ClientRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
    ) -> Translation:
        """Leave the body as it is.

        Raises:
            CapabilityMissing: the provider does not have the endpoint.
        """
        assert isinstance(request, SearchRequest), "a request of another protocol"
        if facts.route_is_missing:
            raise self.lack()
        return Translation(
            body=request.body,
            effort=None,
            warnings=(),
            stream_facts=StreamFacts(model=request.model, scope=target.scope, original_names={}),
        )
