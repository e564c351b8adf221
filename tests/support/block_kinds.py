"""Which of the checks in ``tests/docs`` a block of a document belongs to: each to exactly one.

``tests/docs/README.md`` tells writers what this comes to.
"""

import re
from contextlib import suppress
from enum import StrEnum
from functools import cache

from tests.support.documents import PAGES, ROOT, Block, read_page

__all__ = [
    "MANAGEMENT_PAGES",
    "PROXY_ADDRESS",
    "Kind",
    "Unclaimed",
    "blocks_of",
    "blocks_to_run",
    "is_of_the_reader",
    "kind_of",
    "kinds_of",
]

PROXY_ADDRESS = "127.0.0.1:8317"
"""Where the proxy of a page serves, as the documents write it."""
MANAGEMENT_PAGES = ("docs/management-api.md", "docs/management-api_CN.md")

_APPLICATION = re.compile(r"^app = ", re.MULTILINE)
_TEST = re.compile(r"^(?:async )?def test_", re.MULTILINE)
_DRAWN = re.compile(r"[\u2190-\u21ff\u2500-\u25ff]|-->|\+--")


class Kind(StrEnum):
    """What is done with a block, by a file of ``tests/docs``."""

    APPLICATION = "it is started, and asked a question below /llm"
    SCRIPT = "it is run"
    TEST = "pytest runs it"
    COMMAND = "it is run in a shell, beside a running proxy"
    OUTPUT = "it is what the command before it prints"
    CALL = "it is a call of the management API, or the answer to one"
    SETTINGS = "it is valid in a configuration"
    COPY = "it equals the file that it names"
    CODEX = "it is valid for the Codex CLI"
    PROMETHEUS = "it is a part of Prometheus' own configuration"
    DATA = "it can be parsed"
    DRAWING = "it is a drawing"
    DIAGRAM = "it is generated"


class Unclaimed(Exception):
    """A block that no check of the suite belongs to; the text says what to do."""


def kind_of(block: Block, before: Block | None) -> Kind:
    """Return what is done with a block.

    Args:
        block: the block.
        before: the one before it on its page.

    Raises:
        Unclaimed: nothing is done with it.
    """
    if block.page in MANAGEMENT_PAGES and block.language in {"sh", "json", "http", "text"}:
        return Kind.CALL
    if block.path and not is_of_the_reader(block.path) and (ROOT / block.path).is_file():
        return Kind.COPY
    match block.language:
        case "sh":
            return Kind.COMMAND
        case "python":
            return _kind_of_python(block.text)
        case "yaml" if block.text.startswith("scrape_configs:\n"):
            return Kind.PROMETHEUS
        case "yaml":
            is_answer = block.page in MANAGEMENT_PAGES and before is not None
            return Kind.CALL if is_answer else Kind.SETTINGS
        case "toml":
            return Kind.CODEX
        case "mermaid":
            return Kind.DIAGRAM
        case "text" | "json" | "http" if _is_output(block, before):
            return Kind.OUTPUT
        case "json":
            return Kind.DATA
        case "text" if _DRAWN.search(block.text):
            return Kind.DRAWING
    raise Unclaimed(f"{block.place}: {_advice(block)}")


@cache
def kinds_of(page: str) -> tuple[tuple[Block, Kind], ...]:
    """Return the blocks of a page in their order, each with its kind; those of none are the law's business."""
    found: list[tuple[Block, Kind]] = []
    before = None
    for block in read_page(page).blocks:
        with suppress(Unclaimed):
            found.append((block, kind_of(block, before)))
        before = block
    return tuple(found)


@cache
def blocks_of(kind: Kind) -> tuple[Block, ...]:
    """Return every block of one kind, of all pages."""
    return tuple(block for page in PAGES for block, found in kinds_of(page) if found is kind)


def blocks_to_run(kind: Kind) -> tuple[Block, ...]:
    """Return the blocks of one kind but for those of Chinese pages, which are the English ones' (``test_twins``)."""
    return tuple(block for block in blocks_of(kind) if not block.page.endswith("_CN.md"))


def is_of_the_reader(path: str) -> bool:
    """Tell whether a file that a block names is one that the page's reader makes of it, not one of the tree."""
    return path == "config.yaml" or path.startswith("~") or not (ROOT / path).is_file()


def _kind_of_python(text: str) -> Kind:
    if _TEST.search(text):
        return Kind.TEST
    if PROXY_ADDRESS in text:
        return Kind.COMMAND
    return Kind.APPLICATION if _APPLICATION.search(text) else Kind.SCRIPT


def _is_output(block: Block, before: Block | None) -> bool:
    if before is None or before.section != block.section or before.page in MANAGEMENT_PAGES:
        return False
    if block.language in {"json", "http"}:
        return before.language == "sh" and ("curl " in before.text or "--json" in before.text)
    return before.language == "sh" or (before.language == "python" and PROXY_ADDRESS in before.text)


def _advice(block: Block) -> str:
    if block.language == "?":
        return "a fence without a language: sh, python, yaml, toml, json, text ..."
    if block.language == "text":
        return "a text that no command before it prints (under the same heading), and no drawing either"
    if block.language in {"indented", "html"}:
        return "code without a fence: write ``` and its language around it"
    if block.path:
        return f"there is no file {block.path} in the tree that it could be equal to"
    return f"nothing checks {block.language!r} by itself: name the file that it equals in a first line # path"
