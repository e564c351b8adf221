"""Both directions of Messages as one object."""

import msgspec

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
from packyproxy.translate.messages.facts import MessagesFacts
from packyproxy.translate.messages.fold import fold
from packyproxy.translate.messages.request import MessagesRequest, read, to_responses
from packyproxy.translate.messages.stream import MessagesWriter
from packyproxy.translate.messages.tools import read_tools
from packyproxy.translate.tool_memory import ToolMemory

__all__ = ["MessagesProtocol"]


class MessagesProtocol(ClientProtocol):
    """The Messages API of Anthropic.

    Its only state is a bounded memory of tool lists, which changes nothing but the time taken.
    """

    name = "messages"
    family: Family = "anthropic"
    path = "/v1/messages"
    counting_path = "/v1/messages/count_tokens"
    answer_prefix = "msg_"

    def __init__(self) -> None:
        self._memory = ToolMemory(read_tools)

    def read(self, body: bytes, *, counting: bool = False) -> MessagesRequest:
        """Decode and check a request body.

        Raises:
            InvalidRequest: the body is not JSON, or a field is wrong.
        """
        return read(body, counting=counting, memory=self._memory)

    def to_responses(
        self, request: ClientRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
    ) -> Translation:
        """Translate a request that ``read`` returned, for one attempt.

        Raises:
            InvalidRequest: it holds something that no provider can be given.
        """
        assert isinstance(request, MessagesRequest), "a request of another protocol"
        return to_responses(request, target, facts)

    def writer(self, facts: StreamFacts, *, answer_id: str, request_id: str) -> MessagesWriter:
        """Return a fresh writer for one attempt."""
        assert isinstance(facts, MessagesFacts), "facts of another protocol"
        return MessagesWriter(facts, answer_id=answer_id, request_id=request_id)

    def fold(self, frames: bytes) -> bytes:
        """Fold a whole stream of frames into the JSON of its message."""
        return fold(frames)

    def write_token_count(self, facts: StreamFacts) -> bytes:
        """Write the answer of ``count_tokens``."""
        assert isinstance(facts, MessagesFacts), "facts of another protocol"
        count = facts.input_tokens_estimate
        answer: dict[str, object] = {"input_tokens": count}
        if facts.echoes_context_management:
            answer["context_management"] = {"original_input_tokens": count}
        return msgspec.json.encode(answer)
