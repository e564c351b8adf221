"""A block whose first line names a file is that file, so that neither changes without the other."""

import pytest

from tests.support.block_kinds import Kind, blocks_of
from tests.support.documents import ROOT, Block


@pytest.mark.parametrize("block", blocks_of(Kind.COPY), ids=lambda block: block.place)
def test_a_copy_equals_its_file(block: Block) -> None:
    """The block is the file, character by character; where the file has no such first line, behind that."""
    assert block.path is not None
    text = (ROOT / block.path).read_text("utf-8")
    first, _, rest = block.text.partition("\n")
    shown = block.text if text.startswith(first) else rest
    assert text == shown, f"{block.place} is not {block.path}: copy the file into the block"
