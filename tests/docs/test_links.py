"""Links between the pages lead to files and headings that there are."""

import pytest

from tests.support.documents import PAGES, ROOT, Link, read_page

ELSEWHERE = ("http://", "https://", "mailto:")


def fault(page: str, link: Link) -> str:
    """Return what is wrong with a link; nothing, if it leads somewhere."""
    path, _, anchor = link.target.partition("#")
    target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    if not target.is_relative_to(ROOT) or not target.exists():
        return f"there is no {path}"
    if anchor and target.suffix == ".md" and anchor not in read_page(str(target.relative_to(ROOT))).anchors:
        return f"there is no heading #{anchor}"
    return ""


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Each link within the tree has its file, and its heading, by the rules that GitHub makes anchors by."""
    links = [link for link in read_page(page).links if not link.target.startswith(ELSEWHERE)]
    faults = [f"{page}:{link.line}: {link.target}: {text}" for link in links if (text := fault(page, link))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("README.md", ""),
        ("#configuration", ""),
        ("docs/operations.md#failover", ""),
        ("docs/decisions", ""),
        ("nowhere.md", "there is no nowhere.md"),
        ("../outside.md", "there is no ../outside.md"),
        ("#nothing", "there is no heading #nothing"),
        ("docs/operations.md#Failover", "there is no heading #Failover"),
    ],
)
def test_a_link_to_nowhere_is_noticed(target: str, expected: str) -> None:
    """A file that is not there is told, one outside the tree, and a heading that is not there."""
    assert expected == fault("README.md", Link(1, target))
