"""Links that an answer's text cites (wire-mapping 4.6, 6.3)."""

from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from packyproxy.wire.responses_output import read_lenient

__all__ = ["UrlCitation", "host_of", "is_blocked", "read_citation"]


class UrlCitation(Struct, frozen=True):
    """An annotation of answer text; the indexes count characters of one part's text."""

    type: str = ""
    url: str = ""
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None

    @property
    def shown_title(self) -> str:
        """The title, or the host of the page that has none."""
        return self.title or host_of(self.url)

    def range_in(self, text: str) -> tuple[int, int] | None:
        """Return which characters of ``text`` are marked; None when they are not in it."""
        start, end = self.start_index, self.end_index
        if start is None or end is None or not 0 <= start <= end <= len(text):
            return None
        return start, end


_CITATION = msgspec.json.Decoder(UrlCitation)


def read_citation(raw: Raw) -> UrlCitation | None:
    """Read an annotation; None when it is not a link."""
    found = read_lenient(raw, _CITATION, UrlCitation)
    return found if found is not None and found.type == "url_citation" and found.url else None


def is_blocked(url: str, blocked_domains: tuple[str, ...]) -> bool:
    """Tell whether the host of ``url`` is one of the domains or below one."""
    host = host_of(url)
    return any(host == domain or host.endswith("." + domain) for domain in map(str.lower, blocked_domains))


def host_of(url: str) -> str:
    """Return the host of a URL, or all of what is none."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url
