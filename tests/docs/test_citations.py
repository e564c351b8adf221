"""Every section of the wire mapping that code or documentation cites is there."""

import re
from pathlib import Path

from tests.support.documents import ROOT, read_page

SUFFIXES = {".py", ".md", ".toml", ".yaml", ""}
FOLDERS = ("packyproxy", "tests", "docs", "scripts", "benchmarks", "examples", ".ci")
CITATION = re.compile(
    r"wire-mapping(?:\.md)?`{0,2},?\s+(\d+(?:\.\d+)*(?:(?:,\s|\sand\s|-|\sto\s)\d+(?:\.\d+)*)*)"
)


def texts() -> dict[Path, str]:
    """Return every text of the tree."""
    below = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    above = [path for path in sorted(ROOT.iterdir()) if path.suffix in {".md", ".toml"}]
    files = [path for path in below + above if path.is_file() and "__pycache__" not in path.parts]
    return {path: path.read_text("utf-8", "replace") for path in files if path.suffix in SUFFIXES}


def test_cited_sections_exist() -> None:
    """A citation names a section by its number, or a numbered rule of one: "2.4" is rule 4 of section 2."""
    sections = set()
    for heading in read_page("docs/wire-mapping.md").headings:
        if number := re.match(r"(\d+(?:\.\d+)*)\.? ", heading.text):
            sections.add(number[1])
    cited = {
        (str(path.relative_to(ROOT)), number)
        for path, text in texts().items()
        for match in CITATION.finditer(text)
        for number in re.findall(r"\d+(?:\.\d+)*", match[1])
    }
    missing = {(name, number) for name, number in cited if not {number, number.rpartition(".")[0]} & sections}
    assert ([], True) == (sorted(missing), bool(sections))
