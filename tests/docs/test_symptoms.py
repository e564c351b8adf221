"""The messages by which README's readers look up what to do are those that packyproxy writes."""

import ast
import re
from functools import cache

import pytest

from tests.support.documents import ROOT, read_page

SECTION = "troubleshooting"
OF_CLIENTS = {
    "Connection error.",
    "Missing environment variable: `PACKYPROXY_KEY`",
    "Not logged in · Please run /login",
    "Unable to connect to API (ConnectionRefused)",
    "Connection refused … (ECONNREFUSED)",
}
"""What Claude Code, the Codex CLI and the SDKs say of themselves."""

VARYING = re.compile(
    r"…|->|: |\(.*?\)|[\d.]*\d|packycode/gpt-\d"
    r"|\b(?:[A-Zx]|closed|open|config\.yaml|previous_response_id)\b"
)
"""What stands in a message for what differs from case to case."""
FEWEST_WORDS = 2


def symptoms() -> list[str]:
    """Return the messages quoted in the first column of the tables under README's heading."""
    page = read_page("README.md")
    number = next(number for number, heading in enumerate(page.headings) if heading.anchor == SECTION)
    level = page.headings[number].level
    end = next(heading.line for heading in page.headings[number + 1 :] if heading.level <= level)
    first_line = page.headings[number].line
    lines = (ROOT / page.name).read_text("utf-8").splitlines()[first_line : end - 1]
    cells = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    quoted = [
        span for cell in cells for pair in re.findall(r"``\s?(.+?)\s?``|`([^`]+)`", cell) for span in pair
    ]
    return sorted({span for span in quoted if len(span.split()) >= FEWEST_WORDS})


@cache
def texts() -> str:
    """Return every text in the package, one per line; a line ends where a text has a value put in."""
    return "\n".join(
        node.value
        for path in sorted((ROOT / "packyproxy").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_symptoms_are_quoted() -> None:
    """There are messages to look for."""
    assert len(symptoms()) > len(OF_CLIENTS)


@pytest.mark.parametrize("symptom", sorted(set(symptoms()) - OF_CLIENTS))
def test_a_symptom_is_a_text_of_the_package(symptom: str) -> None:
    """Whoever searches README for what is on the screen finds it."""
    fragments = [fragment.strip(" :,;()") for fragment in VARYING.split(symptom)]
    assert [] == [fragment for fragment in fragments if " " in fragment and fragment not in texts()]
