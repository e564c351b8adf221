"""How a web search becomes a call block and, later, its result block (wire-mapping 4.6)."""

import msgspec
from msgspec import Raw

from packyproxy.translate.messages.items import Answer, Item, MessageItem
from packyproxy.translate.messages.web_search import failed_search, read_action, search_results
from packyproxy.translate.tool_names import server_tool_use_id
from packyproxy.wire.messages_events import SearchResultBlock, ServerToolUseBlock
from packyproxy.wire.responses_events import ItemDone, ResponsesEvent
from packyproxy.wire.responses_output import OutputItem

__all__ = ["SearchItem"]

_encode = msgspec.json.Encoder().encode


class SearchItem(Item):
    """A search the upstream made.

    ``finish`` shows the call; ``resolve`` what it found, once the text that cites it is known.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.awaits_result = False
        """Whether the call was shown and its result was not."""
        self.is_search = False
        """Whether the upstream searched, rather than opened a page; known when the item is done."""
        self.urls: list[str] = []
        """The pages the upstream listed for this search."""
        self._block_id = ""
        self._has_failed = False

    def harvest(self, event: ResponsesEvent) -> None:
        """Learn what was searched, which the queue must know before this item writes."""
        if type(event) is ItemDone:
            action = read_action(event.item.action)
            self.is_search = action.type == "search"
            self.urls = action.source_urls

    def finish(self, item: OutputItem | None) -> bytes:
        """Write the rest and end the block."""
        if item is None or not self.is_search:
            return super().finish(item)
        self.is_finished = True
        self.awaits_result = True
        self.answer.searches += 1
        self._has_failed = item.status == "failed"
        self._block_id = server_tool_use_id(
            item.id or self.item_id or f"{self.answer.answer_id}_{self.output_index}"
        )
        query = _encode({"query": read_action(item.action).query_text}).decode()
        block = ServerToolUseBlock(id=self._block_id, name="web_search", input=Raw(b"{}"))
        return self.answer.blocks.write_whole(block, _encode(query))

    def resolve(self, message: MessageItem | None, *, listed: set[str], is_last: bool) -> bytes:
        """Write the result block.

        Args:
            message: the text that followed, if any did.
            listed: the URLs of all searches before that message, this one's included.
            is_last: whether no other search stands before the message; then what none has listed is its.
        """
        self.awaits_result = False
        if self._has_failed:
            return self.answer.blocks.write_whole(
                SearchResultBlock(tool_use_id=self._block_id, content=failed_search())
            )
        citations = list(message.citations) if message is not None else []
        extra = [found.url for found in citations if found.url not in listed] if is_last else []
        results = search_results(self.urls, citations, extra, self.answer.blocked_domains)
        return self.answer.blocks.write_whole(SearchResultBlock(tool_use_id=self._block_id, content=results))
