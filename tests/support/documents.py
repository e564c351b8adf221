"""The documents of the tree as a Markdown parser sees them: their blocks of code, headings, links and code spans."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["PAGES", "ROOT", "Block", "Cell", "CodeSpan", "Heading", "Link", "Page", "Row", "read_page"]

ROOT = Path(__file__).parents[2]
_FOLDERS = ("docs", "examples", "tests", "benchmarks")
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (
        *sorted(ROOT.glob("*.md")),
        *(path for folder in _FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))),
    )
)
"""Every document, by its path in the tree."""

_PARSER = MarkdownIt("commonmark").enable("table")
_ANCHOR = re.compile(r"<a\s+(?:id|name)=[\"']([^\"']+)[\"']")
_NOT_IN_SLUGS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """One block of code."""

    page: str
    line: int
    """Of its fence."""
    language: str
    """What the fence says; ``indented`` for a block that has none, ``html`` for what is written as HTML."""
    text: str
    section: int
    """How many headings stand before it: blocks under one heading belong together."""

    @property
    def place(self) -> str:
        """Where a reader finds it."""
        return f"{self.page}:{self.line}"

    @property
    def path(self) -> str | None:
        """The file that its first line names, as ``# folder/file.name``."""
        named = re.match(r"(?:#|//|--|;) (~?[\w./-]*\w\.?[\w-]+)\n", self.text)
        is_path = named is not None and ("/" in named[1] or "." in named[1] or named[1] in _PLAIN_FILES)
        return named[1] if named is not None and is_path else None


_PLAIN_FILES = frozenset({"Caddyfile", "Containerfile", "Dockerfile"})


@dataclass(frozen=True)
class Heading:
    """One heading, and the anchor that GitHub gives it."""

    line: int
    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Link:
    """One link or picture."""

    line: int
    target: str


@dataclass(frozen=True)
class CodeSpan:
    """One piece of code within a sentence or a table."""

    line: int
    text: str


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    """As it is written."""
    codes: tuple[str, ...]
    """What stands in it as code."""


@dataclass(frozen=True)
class Row:
    """One row of a table, that of the column names too."""

    line: int
    heading: str
    """What the table stands under."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Page:
    """One document."""

    name: str
    blocks: tuple[Block, ...]
    headings: tuple[Heading, ...]
    links: tuple[Link, ...]
    spans: tuple[CodeSpan, ...]
    rows: tuple[Row, ...]
    anchors: frozenset[str]
    """Of its headings, and those that are written as HTML."""


@cache
def read_page(name: str) -> Page:
    """Read a document by its path in the tree."""
    return _read(name, (ROOT / name).read_text("utf-8"))


def _read(name: str, text: str) -> Page:
    blocks: list[Block] = []
    headings: list[Heading] = []
    links: list[Link] = []
    spans: list[CodeSpan] = []
    rows: list[Row] = []
    slugs: Counter[str] = Counter()
    tokens = _PARSER.parse(text)
    for place, token in enumerate(tokens):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "heading_open":
            title = _plain(tokens[place + 1])
            slug = _slug(title)
            anchor = f"{slug}-{slugs[slug]}" if slugs[slug] else slug
            slugs[slug] += 1
            headings.append(Heading(line, int(token.tag[1:]), title, anchor))
        elif token.type == "tr_open":
            rows.append(Row(line, headings[-1].text if headings else "", _cells(tokens, place)))
        elif language := _language(token):
            blocks.append(Block(name, line, language, token.content, len(headings)))
        elif token.type == "inline":
            for child_line, child in _children(token, line):
                if child.type == "code_inline":
                    spans.append(CodeSpan(child_line, child.content))
                elif target := child.attrs.get("href") or child.attrs.get("src"):
                    links.append(Link(child_line, unquote(str(target))))
    anchors = {heading.anchor for heading in headings} | set(_ANCHOR.findall(text))
    parts = (tuple(blocks), tuple(headings), tuple(links), tuple(spans), tuple(rows))
    return Page(name, *parts, frozenset(anchors))


def _language(token: Token) -> str:
    """Return the language of a block of code, ``?`` where its fence says none; "" for what is no code."""
    match token.type:
        case "fence":
            return token.info.strip() or "?"
        case "code_block":
            return "indented"
        case "html_block" if any(mark in token.content for mark in ("<pre", "<code", "```", "~~~")):
            return "html"
    return ""


def _children(token: Token, line: int) -> Iterator[tuple[int, Token]]:
    """Yield what a paragraph or cell is made of, each with its line."""
    for child in token.children or ():
        yield line, child
        line += child.type in {"softbreak", "hardbreak"}


def _cells(tokens: Sequence[Token], place: int) -> tuple[Cell, ...]:
    row = takewhile(lambda token: token.type != "tr_close", tokens[place:])
    return tuple(
        Cell(
            token.content,
            tuple(child.content for child in token.children or () if child.type == "code_inline"),
        )
        for token in row
        if token.type == "inline"
    )


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or () if child.type in {"text", "code_inline"})


def _slug(title: str) -> str:
    return _NOT_IN_SLUGS.sub("", title.lower().strip()).replace(" ", "-")
