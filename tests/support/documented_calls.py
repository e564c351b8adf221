"""The calls that a document of the management API shows, and how its answers compare with real ones.

A call is a fenced ``sh`` block with ``curl`` in it; the block behind it is its answer: ``json``, ``yaml`` or
``text`` for the body of a 200, ``http`` for status, headers and JSON body. Answers are shortened: a list may end
early, the member ``"...": "..."`` stands for further ones, and so does a line ``...`` in texts. In a
string ``…`` stands for any characters.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tests.support.documents import ROOT, read_page

__all__ = [
    "Call",
    "calls",
    "differences",
    "error_table",
    "matches",
    "route_table",
    "text_differences",
]

_ROW = re.compile(r"^\| `(/[^`]*)` \| ([A-Z, ]+) \|", re.MULTILINE)
_ERROR_ROW = re.compile(r"^\| (\d{3}) \| (`.*?`) \|", re.MULTILINE)
_TARGET = re.compile(r"\$PACKYPROXY/v0/management(/[^\s\"'?]*)")
_VERB = re.compile(r"-X ([A-Z]+)")
_REST = "..."
_VARYING = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+Z"  # a moment
    r"|\d{4}-\d\d-\d\d"  # a day
    r"|[0-9a-f]{8,64}"  # a revision, a hash, an id
    r"|req_\w+"
    r"|/\S*config\.yaml"
    r"|\d+\.\d+\.\d+[^\s\"]*"  # a version
    r"|(?<=secret-key: )\S+"  # the mask of a salted hash
)
_VARYING_NUMBERS = frozenset({"port", "process-id", "ms", "latency-ms"})


@dataclass(frozen=True)
class Call:
    """One documented call."""

    line: int
    """Of the document."""
    answer_line: int | None
    command: str
    status: int
    headers: tuple[str, ...]
    """Names of those that its answer shows."""
    answer: str | None
    """None where the document shows none."""
    form: str
    """``json``, ``yaml`` or ``text``."""

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Verb and path, below the prefix, of each call of the management API in the command."""
        found = []
        for part in self.command.split("curl ")[1:]:
            verb, target = _VERB.search(part), _TARGET.search(part)
            if target is not None:
                found.append((verb[1] if verb else "GET", target[1]))
        return found


def calls(page: str) -> Iterator[Call]:
    """Yield the calls of a document in their order."""
    blocks = read_page(page).blocks
    for block, following in zip_longest(blocks, blocks[1:]):
        if block.language != "sh" or "curl " not in block.text:
            continue
        status, headers, answer, form, line = 200, [], None, "text", None
        if following is not None and following.language in {"json", "yaml", "text", "http"}:
            form, answer, line = following.language, following.text, following.line
        if form == "http":
            head, _, answer = (answer or "").partition("\n\n")
            first, *lines = head.splitlines()
            status, headers = int(first.split()[1]), [line.partition(":")[0].lower() for line in lines]
            form = "json"
        yield Call(block.line, line, block.text.strip(), status, tuple(headers), answer, form)


def route_table(page: str) -> dict[str, set[str]]:
    """Return the verbs of each route, as the document's table of routes lists them."""
    return {row[1]: set(row[2].replace(",", " ").split()) for row in _ROW.finditer(_text(page))}


def error_table(page: str) -> dict[str, int]:
    """Return the status of each error code, as the document's table of errors lists them."""
    rows = _ERROR_ROW.finditer(_text(page))
    return {code: int(row[1]) for row in rows for code in re.findall(r"`(\w+)`", row[2])}


def matches(pattern: str, path: str) -> bool:
    """Tell whether a path is one of a route whose ``{names}`` stand for any segment."""
    expected, found = pattern.split("/"), path.split("/")
    pairs = zip(expected, found, strict=False)
    return len(expected) == len(found) and all(one == other or one.startswith("{") for one, other in pairs)


def differences(documented: Any, actual: Any, place: str = "answer") -> list[str]:
    """Return where a real answer is not as documented: members, types, and the values that do not vary."""
    match documented, actual:
        case dict(), dict():
            is_whole = _REST not in documented
            names = documented.keys() - {_REST}
            return [
                *(f"{place}.{name} is not answered" for name in sorted(names - actual.keys())),
                *(f"{place}.{name} is not documented" for name in sorted(actual.keys() - names) if is_whole),
                *(
                    difference
                    for name in documented
                    if name in actual
                    for difference in differences(documented[name], actual[name], f"{place}.{name}")
                ),
            ]
        case list(), list():
            if len(actual) < len(documented) or bool(actual) > bool(documented):
                return [f"{place} has {len(actual)} elements, not {len(documented)}"]
            pairs = zip(documented, actual, strict=False)
            return [
                difference
                for number, (one, other) in enumerate(pairs)
                for difference in differences(one, other, f"{place}[{number}]")
            ]
        case str(), str() if place.endswith("secret-key"):
            is_same = documented[:3] == actual[:3] == "***"
        case str(), str() if "…" in documented:
            is_same = re.fullmatch(".*".join(map(re.escape, documented.split("…"))), actual) is not None
        case str(), str():
            is_same = _without_varying(documented) == _without_varying(actual)
        case bool(), _:
            is_same = documented is actual
        case int() | float(), int() | float():
            is_free = place.rpartition(".")[2] in _VARYING_NUMBERS or isinstance(actual, float)
            is_same = type(actual) is not bool and (is_free or documented == actual)
        case _:
            is_same = documented == actual
    return [] if is_same else [f"{place} is {json.dumps(actual)}, not {json.dumps(documented)}"]


def text_differences(documented: str, actual: str) -> list[str]:
    """Return which documented lines are missing in a text, or out of order; numbers do not count."""
    rest = iter(_without_numbers(line) for line in actual.splitlines())
    return [
        f"missing: {line}"
        for line in documented.splitlines()
        if line.strip(" #") not in {"", _REST} and _without_numbers(line) not in rest
    ]


def _text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def _without_varying(text: str) -> str:
    return _VARYING.sub("~", text)


def _without_numbers(text: str) -> str:
    return re.sub(r"\b[\d.e+-]*\d\b", "#", _without_varying(text)).rstrip()
