"""Both directions of Responses as one object."""

from collections.abc import Mapping

import msgspec

from packyproxy.translate.codex_headers import answer_headers, upstream_headers
from packyproxy.translate.contract import (
    NOTHING_LEARNED,
    AttemptFacts,
    ClientProtocol,
    ClientRequest,
    Family,
    StreamFacts,
    Target,
    Translation,
)
from packyproxy.translate.responses.facts import ResponsesFacts
from packyproxy.translate.responses.fold import fold
from packyproxy.translate.responses.request import ResponsesRequest, read, to_responses
from packyproxy.translate.responses.stream import ResponsesWriter
from packyproxy.translate.responses.tools import read_tools
from packyproxy.translate.tool_memory import ToolMemory

__all__ = ["ResponsesProtocol"]


class ResponsesProtocol(ClientProtocol):
    """The Responses API of OpenAI, which is also what every provider is asked in.

    Its only state is a bounded memory of tool lists, which changes nothing but the time taken.
    """

    name = "responses"
    family: Family = "openai"
    path = "/v1/responses"
    counting_path = "/v1/responses/input_tokens"
    storing_path = "/v1/responses/*"
    answer_prefix = "resp_"
    keeps_upstream_errors = True

    def __init__(self) -> None:
        self._memory = ToolMemory(read_tools)

    def read(self, body: bytes, *, counting: bool = False) -> ResponsesRequest:
        """Decode and check a request body.

        Raises:
            InvalidRequest: the body is not JSON, a field is wrong, or it needs something that was stored.
        """
        return read(body, counting=counting, memory=self._memory)

    def to_responses(
        self, request: ClientRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
    ) -> Translation:
        """Put a request that ``read`` returned right for one attempt.

        Raises:
            CapabilityMissing: it searches the web, and this provider cannot.
        """
        assert isinstance(request, ResponsesRequest), "a request of another protocol"
        return to_responses(request, target, facts)

    def writer(self, facts: StreamFacts, *, answer_id: str, request_id: str) -> ResponsesWriter:
        """Return a fresh writer for one attempt."""
        assert isinstance(facts, ResponsesFacts), "facts of another protocol"
        return ResponsesWriter(facts, answer_id=answer_id, request_id=request_id)

    def fold(self, frames: bytes) -> bytes:
        """Fold a whole stream of frames into the JSON of its response."""
        return fold(frames)

    def write_token_count(self, facts: StreamFacts) -> bytes:
        """Write the answer of ``input_tokens``."""
        return msgspec.json.encode(
            {"object": "response.input_tokens", "input_tokens": facts.input_tokens_estimate}
        )

    def upstream_headers(self, headers: Mapping[str, str], target: Target) -> Mapping[str, str]:
        """Choose what the upstream is sent of a Codex CLI's headers."""
        return upstream_headers(headers, target)

    def answer_headers(self, headers: Mapping[str, str], target: Target) -> tuple[tuple[str, str], ...]:
        """Choose what the client is given of the upstream's headers."""
        return answer_headers(headers, target)
