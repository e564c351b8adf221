"""Web searches and citations of an answer (wire-mapping 4.6).

Pure functions over what the upstream said; when a search is shown is the item queue's business.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from packyproxy.translate.citations import UrlCitation, host_of, is_blocked
from packyproxy.wire.messages_events import Citation, SearchError, SearchResult
from packyproxy.wire.responses_output import read_lenient

__all__ = [
    "SearchAction",
    "cite",
    "failed_search",
    "read_action",
    "search_results",
]

_MAX_RESULTS = 20
_MAX_CITED_CHARS = 150


class SearchAction(Struct, frozen=True):
    """What a search call did."""

    type: str = ""
    query: str | None = None
    queries: list[str] | None = None
    sources: list[Raw] | None = None

    @property
    def query_text(self) -> str:
        """The query, or all of them."""
        return self.query or " | ".join(self.queries or ())

    @property
    def source_urls(self) -> list[str]:
        """The pages the upstream says it found."""
        sources = (read_lenient(raw, _SOURCE, _Source) for raw in self.sources or ())
        return [source.url for source in sources if source is not None and source.url]


class _Source(Struct, frozen=True):
    url: str = ""


_ACTION = msgspec.json.Decoder(SearchAction)
_SOURCE = msgspec.json.Decoder(_Source)


def read_action(raw: Raw) -> SearchAction:
    """Read the ``action`` of a search item; one that cannot be read has the type ``""``."""
    return read_lenient(raw, _ACTION, SearchAction) or SearchAction()


def cite(found: UrlCitation, text: str) -> Citation:
    """Write a citation of ``text``; a range that is not in it quotes nothing."""
    start, end = found.range_in(text) or (0, 0)
    return Citation(url=found.url, title=found.shown_title, cited_text=text[start:end][:_MAX_CITED_CHARS])


def search_results(
    sources: Iterable[str],
    citations: Iterable[UrlCitation],
    extra: Iterable[str],
    blocked_domains: tuple[str, ...],
) -> list[SearchResult]:
    """List what one search found, in order and without repeats.

    Args:
        sources: URLs the upstream listed for this search.
        citations: links in the text that followed; they give the titles.
        extra: URLs among ``citations`` that no search listed and that fall to this one.
        blocked_domains: as the client asked; what is on them is left out.
    """
    titles = {citation.url: citation.title for citation in reversed([*citations]) if citation.title}
    urls = [url for url in dict.fromkeys([*sources, *extra]) if not is_blocked(url, blocked_domains)]
    return [SearchResult(url=url, title=titles.get(url) or host_of(url)) for url in urls[:_MAX_RESULTS]]


def failed_search() -> SearchError:
    """Return the content of a failed search's result block."""
    return SearchError(error_code="unavailable")
