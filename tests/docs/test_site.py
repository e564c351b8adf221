"""The documentation site holds what the pages in the repository hold, and no link in it is dead."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from scripts.site_pages import site_name
from tests.support.documents import PAGES, ROOT

COUNTED = {
    "h1",
    "h2",
    "h3",
    "h4",
    "ol",
    "ul",
    "li",
    "table",
    "tr",
    "td",
    "blockquote",
    "pre",
    "code",
    "strong",
}
CHINESE = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"
OF_THE_REPOSITORY = MarkdownIt("commonmark").enable("table")


class _Seen(HTMLParser):
    """What a page holds: links, what it loads, and how many there are of each element of its text."""

    def __init__(self, html: str, *, is_text: bool = False) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.classes: set[str] = set()
        self.text = Counter[str]()
        self._is_text = is_text
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.classes |= set((values.get("class") or "").split())
        self._is_text = self._is_text or tag == "article"
        if self._is_text and tag in COUNTED:
            self.text[tag] += 1
        if tag == "a":
            self.links.append(values.get("href") or "")
        else:
            self.loads += [value for name, value in attrs if name in {"src", "href"} and value]

    def handle_endtag(self, tag: str) -> None:
        self._is_text = self._is_text and tag != "article"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of the site, and what building it came to."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return folder, subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(build: tuple[Path, subprocess.CompletedProcess[str]]) -> Mapping[str, _Seen]:
    """The pages of the site by their names there."""
    folder, _ = build
    return {
        path.relative_to(folder).as_posix(): _Seen(path.read_text("utf-8")) for path in folder.rglob("*.html")
    }


def test_strict_build_passes(build: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Every page is in the navigation, and every link and anchor of a page is right."""
    _, built = build
    assert built.returncode == 0, built.stderr


def test_pages_load_nothing_from_other_hosts(site: Mapping[str, _Seen]) -> None:
    """Scripts, styles and pictures are the site's own; the theme asks elsewhere for what draws ``mermaid``."""
    foreign = {load for seen in site.values() for load in seen.loads if urlsplit(load).netloc}
    assert (set(), []) == (foreign, [name for name, seen in site.items() if "mermaid" in seen.classes])


def test_no_link_is_dead(
    build: tuple[Path, subprocess.CompletedProcess[str]], site: Mapping[str, _Seen]
) -> None:
    """Every link of every page that stays within the site leads to something there."""
    folder, _ = build
    dead = [
        (name, link)
        for name, seen in site.items()
        if name != "404.html"
        for link in seen.links
        if not urlsplit(link).scheme and not (folder / _end(name, link)).is_file()
    ]
    assert [] == dead


def test_no_page_is_lost(site: Mapping[str, _Seen]) -> None:
    """Every page can be found by a link of another one: a decision, say, has its row in their index."""
    found = {end for name, seen in site.items() for link in seen.links if (end := _end(name, link)) != name}
    assert {"404.html"} == set(site) - found


def _end(name: str, link: str) -> str:
    """Return the name of the page that a link of a page leads to."""
    path = unquote(urlsplit(link).path)
    return os.path.normpath(Path(name).parent / path) if path else name


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/") or "/" not in page])
def test_both_readers_see_the_same(page: str, site: Mapping[str, _Seen]) -> None:
    """A page has the same lists, tables and blocks in the site as where CommonMark is read.

    Where it has not, a block in a list item is mostly indented by less than four spaces.
    """
    name = site_name(ROOT / page)
    shown = site[name.replace("README.md", "index.md").replace(".md", ".html")].text
    text = (ROOT / page).read_text("utf-8")
    expected = _Seen(OF_THE_REPOSITORY.render(text), is_text=True).text
    drawn = text.count("```mermaid")
    expected -= Counter({"pre": drawn, "code": drawn})
    assert expected == shown


@pytest.mark.parametrize("page", [page for page in PAGES if page.endswith("_CN.md")])
def test_chinese_is_not_torn_by_blanks(page: str) -> None:
    """No line of Chinese text ends between two characters: readers are shown a blank there."""
    text = re.sub(
        r"^ *(`{3,}).*?^ *\1$", "", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    assert [] == re.findall(rf".{{,10}}[{CHINESE}]\n *[{CHINESE}].{{,10}}", text)
