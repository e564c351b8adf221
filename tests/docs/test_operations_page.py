"""The operations page has every event of the log, every kind of failure and every metric, and no other."""

import re
from typing import get_args

from packyproxy.asgi.metrics import expose
from packyproxy.usage.audit import EventName
from packyproxy.usage.figures import Figures
from packyproxy.usage.records import RequestRecord
from packyproxy.version import __version__
from tests.support.documents import ROOT, read_page

PAGE = "docs/operations.md"
PACKAGE = ROOT / "packyproxy"
LEVELS = {"info", "warning", "error"}


def documented_events() -> list[tuple[str, bool]]:
    """Return each event of the page, and whether it is marked as kept in the audit trail."""
    rows = [row for row in read_page(PAGE).rows if len(row.cells) > 2 and row.cells[2].text in LEVELS]
    return [(name, row.cells[1].text == "yes") for row in rows for name in row.cells[0].codes]


def logged_events() -> set[str]:
    """Return the name of every event in the code."""
    literal = re.compile(r'"event": "([\w-]+)"')
    sources = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
    return {name for source in sources for name in literal.findall(source)} | set(get_args(EventName))


def test_log_events_are_documented() -> None:
    """Every event that is logged has a row, and every row is that of one."""
    assert logged_events() == {name for name, _ in documented_events()}


def test_kinds_of_failures_are_documented() -> None:
    """Every kind of failure that an event may name stands in the page."""
    kinds = re.findall(r'^    [A-Z_]+ = "(\w+)"', (PACKAGE / "errors.py").read_text("utf-8"), re.MULTILINE)
    codes = {span.text for span in read_page(PAGE).spans}
    assert (True, set()) == (len(kinds) > 0, set(kinds) - codes)


def test_audited_events_are_marked() -> None:
    """The page marks those events of the log, and no others, that the audit trail keeps."""
    marked = [name for name, is_audited in documented_events() if is_audited]
    assert sorted(get_args(EventName)) == sorted(marked)


def test_metrics_are_documented() -> None:
    """There is a row for every metric, under the name that is scraped, and for no other."""
    figures = Figures()
    request = RequestRecord(
        request_id="r",
        protocol="chat",
        is_streaming=True,
        provider="p",
        model="m",
        status=200,
        ended_at=1.0,
        duration_seconds=1.0,
        first_output_seconds=1.0,
    )
    figures.add_requests([request])
    scraped = expose(figures, (), version=__version__).body.decode()
    first = [row.cells[0].codes[:1] for row in read_page(PAGE).rows]
    documented = [names[0] for names in first if names and re.match(r"(?:gen_ai|packyproxy)_", names[0])]
    assert sorted(re.findall(r"^# TYPE (\w+) ", scraped, re.MULTILINE)) == sorted(documented)
