"""What a document in English and its Chinese twin must have in common: everything that is no natural language.

A page is read as its parts: headings, paragraphs, items of lists, rows of tables, blocks. Of each only the code,
the numbers and the links count, in whatever order the language puts them; of blocks all but the comments.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePosixPath
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.documents import PAGES, ROOT, read_page

__all__ = ["TWINS", "Part", "differences", "parts", "path_of"]

_CHINESE = "_CN.md"
TWINS = [(page.replace(_CHINESE, ".md"), page) for page in PAGES if page.endswith(_CHINESE)]
"""The English and the Chinese page of each pair."""

_PARSER = MarkdownIt("commonmark").enable("table")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_COMMENT = re.compile(r"(?:^|\s+)#.*$", re.MULTILINE)
_WITH_COMMENTS = frozenset({"sh", "python", "yaml", "toml"})
_DRAWN = re.compile(r"[\u2500-\u257f]")
_NAME_IN_A_DRAWING = re.compile(r"[\w\"/.()-]*[/._(-][\w\"/.()-]*", re.ASCII)


@dataclass(frozen=True)
class Part:
    """A heading, paragraph, item of a list, row of a table, or block."""

    line: int
    kind: str
    held: Counter[str]
    """What its twin must have as well."""


def differences(english: str, chinese: str) -> list[str]:
    """Return where two pages differ; of a section that is made of other parts, the first of them alone."""
    found: list[str] = []
    for one, other in zip_longest(_sections(english), _sections(chinese)):
        if one is None or other is None:
            page, section = (english, one) if one else (chinese, other)
            found.append(f"{page}:{section[0].line if section else 0}: its twin has no such section")
        else:
            found += _section_differences(english, one, chinese, other)
    return found


def parts(page: str) -> Iterator[Part]:
    """Yield the parts of a page in their order."""
    row: list[Token] | None = None
    line, lists, heading = 0, 0, ""
    for token in _PARSER.parse((ROOT / page).read_text("utf-8")):
        line = token.map[0] + 1 if token.map else line
        if token.type == "fence":
            yield Part(line, f"block of {token.info}", _held_by_block(token))
        elif token.type in {"list_item_open", "list_item_close"}:
            lists += token.nesting
        elif token.type in {"heading_open", "heading_close"}:
            heading = token.tag if token.nesting > 0 else ""
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close" and row is not None:
            yield Part(line, f"row of {len(row)} cells", sum((_held(page, cell) for cell in row), Counter()))
            row = None
        elif token.type == "inline" and row is not None:
            row.append(token)
        elif token.type == "inline":
            kind = f"heading {heading}" if heading else "item" if lists else "paragraph"
            yield Part(line, kind, _held(page, token))


def path_of(page: str, link: str) -> str:
    """Return which file of the tree a relative link leads to; the page itself for a mere anchor."""
    path = link.partition("#")[0]
    return str((ROOT / PurePosixPath(page).parent / path).resolve().relative_to(ROOT)) if path else page


def _sections(page: str) -> list[list[Part]]:
    """Return the parts under each heading, with the heading; the first one is what stands above all."""
    found: list[list[Part]] = [[]]
    for part in parts(page):
        if part.kind.startswith("heading"):
            found.append([])
        found[-1].append(part)
    return found


def _section_differences(
    english: str, section: list[Part], chinese: str, twin_section: list[Part]
) -> Iterator[str]:
    for part, twin in zip_longest(section, twin_section):
        if part is None or twin is None:
            page, lone = (english, part) if part else (chinese, twin)
            yield f"{page}:{lone.line if lone else 0}: its twin has no such {lone.kind if lone else 'part'}"
            return
        if part.kind != twin.kind:
            yield f"{chinese}:{twin.line}: {twin.kind}, but {english}:{part.line}: {part.kind}"
            return
        for page, one, other in ((english, part, twin), (chinese, twin, part)):
            yield from (f"{page}:{one.line}: its twin has no {thing}" for thing in one.held - other.held)


def _held_by_block(token: Token) -> Counter[str]:
    """Return the lines of a block without their comments; of a drawing the names, and how many lines it has."""
    text = token.content
    if _DRAWN.search(text):
        return Counter([*_NAME_IN_A_DRAWING.findall(text), f"drawing of {len(text.splitlines())} lines"])
    lines = (_COMMENT.sub("", text) if token.info in _WITH_COMMENTS else text).splitlines()
    return Counter(f"{line!r} as line {number}" for number, line in enumerate(lines, 1))


def _held(page: str, token: Token) -> Counter[str]:
    """Return the code, numbers and links of a sentence or cell."""
    found: Counter[str] = Counter()
    for child in token.children or ():
        if child.type == "code_inline":
            found[f"`{child.content}`"] += 1
        elif child.type == "link_open":
            found[f"link to {_destination(page, unquote(str(child.attrs['href'])))}"] += 1
        elif child.type == "text":
            found.update(_NUMBER.findall(child.content))
    return found


def _destination(page: str, link: str) -> str:
    """Name what a link leads to alike in both languages: a page, and the number of a heading."""
    if "://" in link:
        return link
    target, anchor = path_of(page, link), link.partition("#")[2]
    neutral = target.replace(_CHINESE, ".md")
    if not anchor:
        return neutral
    anchors = [heading.anchor for heading in read_page(target).headings]
    return f"{neutral}, heading {anchors.index(anchor)}" if anchor in anchors else f"{neutral}#{anchor}"
