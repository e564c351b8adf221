"""What the pages show that no program of ours reads: JSON can be parsed, and drawings fit on a page."""

import json

import pytest
import yaml

from tests.support.block_kinds import Kind, blocks_of
from tests.support.documents import Block

WIDEST = 120
"""Of a line in a document."""
SCRAPE_SETTINGS = {"authorization", "job_name", "metrics_path", "scheme", "scrape_interval", "static_configs"}


@pytest.mark.parametrize("block", blocks_of(Kind.DATA), ids=lambda block: block.place)
def test_json_can_be_parsed(block: Block) -> None:
    """The block is one document, or several, one after the other."""
    decoder, rest = json.JSONDecoder(), block.text.strip()
    while rest:
        try:
            _, end = decoder.raw_decode(rest)
        except ValueError as error:
            pytest.fail(f"{block.place}: {error}; behind it stands {rest[:60]!r}")
        rest = rest[end:].lstrip()


@pytest.mark.parametrize("block", blocks_of(Kind.PROMETHEUS), ids=lambda block: block.place)
def test_prometheus_is_told_where_to_scrape(block: Block) -> None:
    """Each job has a name and an address, and no setting that Prometheus has not."""
    jobs = yaml.safe_load(block.text)["scrape_configs"]
    assert set() == {key for job in jobs for key in job} - SCRAPE_SETTINGS
    assert all(job["job_name"] and job["static_configs"][0]["targets"] for job in jobs)


@pytest.mark.parametrize("block", blocks_of(Kind.DRAWING), ids=lambda block: block.place)
def test_drawings_fit_on_a_page(block: Block) -> None:
    """No line is too long for a narrow window, ends in blanks, or has a tab in it."""
    lines = block.text.splitlines()
    assert [] == [line for line in lines if len(line) > WIDEST or line != line.rstrip() or "\t" in line], (
        block.place
    )
