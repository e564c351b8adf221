"""Both directions of Chat Completions as one object."""

from packyproxy.translate.chat.facts import ChatFacts
from packyproxy.translate.chat.fold import fold
from packyproxy.translate.chat.request import ChatRequest, read, to_responses
from packyproxy.translate.chat.stream import ChatWriter
from packyproxy.translate.chat.tools import read_tools
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
from packyproxy.translate.tool_memory import ToolMemory

__all__ = ["ChatProtocol"]


class ChatProtocol(ClientProtocol):
    """The Chat Completions API of OpenAI.

    Its only state is a bounded memory of tool lists, which changes nothing but the time taken.
    """

    name = "chat"
    family: Family = "openai"
    path = "/v1/chat/completions"
    answer_prefix = "chatcmpl-"

    def __init__(self) -> None:
        self._memory = ToolMemory(read_tools)

    def read(self, body: bytes, *, counting: bool = False) -> ChatRequest:
        """Decode and check a request body; Chat has no counting of tokens.

        Raises:
            InvalidRequest: the body is not JSON, or a field is wrong.
        """
        return read(body, memory=self._memory)

    def to_responses(
        self, request: ClientRequest, target: Target, facts: AttemptFacts = NOTHING_LEARNED
    ) -> Translation:
        """Translate a request that ``read`` returned, for one attempt.

        Raises:
            InvalidRequest: it holds something that this provider cannot be given.
        """
        assert isinstance(request, ChatRequest), "a request of another protocol"
        return to_responses(request, target, facts)

    def writer(self, facts: StreamFacts, *, answer_id: str, request_id: str) -> ChatWriter:
        """Return a fresh writer for one attempt."""
        assert isinstance(facts, ChatFacts), "facts of another protocol"
        return ChatWriter(facts, answer_id=answer_id, request_id=request_id)

    def fold(self, frames: bytes) -> bytes:
        """Fold a whole stream of chunks into the JSON of its completion."""
        return fold(frames)
