"""A block whose first line names a file is that file, so that neither changes without the other."""

import pytest

from tests.support.block_kinds import Kind, blocks_of
from tests.support.documents import ROOT, Block


@pytest.mark.parametrize("block", blocks_of(Kind.COPY), ids=lambda block: block.place)
def test_a_copy_equals_its_file(block: Block) -> None:
    """Behind its first line the block is the file, character by character."""
    assert block.path is not None
    text = (ROOT / block.path).read_text("utf-8")
    assert text in {block.text, block.text.partition("\n")[2]}
