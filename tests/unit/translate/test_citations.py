"""Links that an answer's text cites."""

import json
from typing import Any

import pytest
from msgspec import Raw

from packyproxy.translate.citations import UrlCitation, host_of, is_blocked, read_citation


def citation(**fields: Any) -> UrlCitation | None:
    """Read an annotation."""
    return read_citation(Raw(json.dumps(fields).encode()))


def test_link() -> None:
    """A link is read with all it says."""
    found = citation(type="url_citation", url="https://a.example", title="T", start_index=0, end_index=2)
    assert UrlCitation("url_citation", "https://a.example", "T", 0, 2) == found


def test_fields_of_the_wrong_type_count_as_missing() -> None:
    """A link is worth more than its place."""
    found = citation(type="url_citation", url="https://a.example", title=7, start_index="x")
    assert UrlCitation("url_citation", "https://a.example") == found


NO_LINKS: dict[str, dict[str, Any]] = {
    "another kind": {"type": "file_citation", "url": "https://a.example"},
    "no URL": {"type": "url_citation", "title": "T"},
    "nothing": {},
}


@pytest.mark.parametrize("fields", NO_LINKS.values(), ids=NO_LINKS.keys())
def test_no_link(fields: dict[str, Any]) -> None:
    """Other annotations are not read."""
    assert citation(**fields) is None


def test_annotation_that_is_no_object() -> None:
    """Anything may stand in the upstream's list."""
    assert read_citation(Raw(b"[1]")) is None


TITLES = [
    ("T", "https://a.example/x", "T"),
    ("", "https://a.example/x", "a.example"),
    (None, "no url", "no url"),
]


@pytest.mark.parametrize(("title", "url", "expected"), TITLES)
def test_shown_title(title: str | None, url: str, expected: str) -> None:
    """A page without a title is called by its host, what is no URL by itself."""
    assert expected == UrlCitation("url_citation", url, title).shown_title


RANGES: dict[str, tuple[int | None, int | None, tuple[int, int] | None]] = {
    "all": (0, 4, (0, 4)),
    "nothing": (2, 2, (2, 2)),
    "no start": (None, 2, None),
    "no end": (0, None, None),
    "negative": (-1, 2, None),
    "backwards": (3, 2, None),
    "beyond": (0, 5, None),
}


@pytest.mark.parametrize(("start", "end", "expected"), RANGES.values(), ids=RANGES.keys())
def test_range(start: int | None, end: int | None, expected: tuple[int, int] | None) -> None:
    """Only a range within the text is one."""
    assert expected == UrlCitation("url_citation", "u", None, start, end).range_in("text")


BLOCKED = [
    ("https://a.example/x", ("a.example",), True),
    ("https://sub.a.example", ("A.example",), True),
    ("https://nota.example", ("a.example",), False),
    ("https://a.example", (), False),
]


@pytest.mark.parametrize(("url", "domains", "expected"), BLOCKED)
def test_blocked_domains(url: str, domains: tuple[str, ...], expected: bool) -> None:
    """A domain stands for itself and what is below it."""
    assert expected is is_blocked(url, domains)


def test_host_of_a_broken_url() -> None:
    """It is called by itself."""
    assert "https://[x" == host_of("https://[x")
