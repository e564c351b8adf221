"""The memory of tool lists."""

import pytest
from msgspec import Raw, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.tool_memory import ToolMemory

_LIST = json.Decoder(list[str])


def _read(tools: Raw) -> list[str]:
    return _LIST.decode(tools)


def test_a_tool_list_is_read_once() -> None:
    """The same bytes give the same tools, so a list of tens of kilobytes costs nothing at the next turn."""
    memory = ToolMemory(_read)
    tools = Raw(b'["ls"]')
    assert memory.read(tools) is memory.read(Raw(bytes(tools)))


def test_the_memory_is_bounded() -> None:
    """Old lists go, and one that is larger than the memory is not kept at all."""
    memory = ToolMemory(_read, max_bytes=1200)
    lists = [Raw(b'["tool_%d"]' % number) for number in range(4)]
    firsts = [memory.read(tools) for tools in lists]
    assert firsts[3] is memory.read(lists[3])
    assert firsts[0] is not memory.read(lists[0])
    huge = Raw(b'["%s"]' % (b"x" * 1200))
    assert memory.read(huge) is not memory.read(huge)


def test_many_small_tools_are_large() -> None:
    """What a tool takes beside its bytes counts too."""
    memory = ToolMemory(_read, max_bytes=1200)
    many = Raw(b'["a","b","c"]')
    assert memory.read(many) is not memory.read(many)


def test_a_refusal_is_not_remembered() -> None:
    """A wrong list is refused every time."""

    def refuse(_: Raw) -> list[str]:
        raise InvalidRequest("no")

    memory = ToolMemory(refuse)
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            memory.read(Raw(b"[]"))
