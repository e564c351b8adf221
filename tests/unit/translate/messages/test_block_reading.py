"""Arrays of blocks."""

import pytest
from msgspec import Raw

from packyproxy.errors import InvalidRequest
from packyproxy.translate.messages.block_reading import MESSAGE_BLOCKS
from packyproxy.wire.messages import FallbackBlock


def test_unknown_blocks_are_collected_where_they_may_be_skipped() -> None:
    """The known blocks keep their order, the unknown types are reported."""
    skipped: list[str] = []
    content = Raw(b'[{"type":"x"},{"type":"fallback"},{"type":"y"}]')
    assert ([FallbackBlock()], ["x", "y"]) == (MESSAGE_BLOCKS.read(content, "f", skipped=skipped), skipped)


def test_deep_blocks_are_refused() -> None:
    """Nesting that no decoder follows is a refusal like any other."""
    nested = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(InvalidRequest) as caught:
        MESSAGE_BLOCKS.read(Raw(b'[{"type":"text","text":%b}]' % nested), "messages.0.content")
    assert caught.value.message == "messages.0.content: JSON is nested too deeply"
