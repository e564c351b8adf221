"""Make the site of the pages that are written for GitHub; a hook of MkDocs, named in ``mkdocs.yml``.

The pages lie where a reader of the repository looks for them, and link to whatever helps there: to README.md
above ``docs/``, to an example, a module, a folder. Here each file that a page links to becomes a page itself,
and the links lead to it, so that no link is dead in either place. A Markdown file is taken as it is, another
file is shown as a block of code, and a folder is its README.md, or else a list of what is in it.

Diagrams are drawn while the site is built: a reader's browser needs no script for them, and asks nobody.
"""

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from zlib import crc32

import mermaidx
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

__all__ = ["on_config", "on_files", "on_page_markdown", "on_post_page", "site_name"]

_ROOT: Final = Path(__file__).resolve().parent.parent
_DOCS: Final = _ROOT / "docs"
_OUTSIDE: Final = (
    "README.md",
    "README_CN.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "LICENSE",
    "config.example.yaml",
    "examples",
)
"""What ``nav`` in ``mkdocs.yml`` names of the repository beside ``docs/``."""

_FENCE_OR_LINK: Final = re.compile(
    r"^ *(?P<ticks>`{3,}).*?^ *(?P=ticks) *$|\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)",
    re.MULTILINE | re.DOTALL,
)
"""A block of code, or a relative link outside of any."""

_places: dict[str, Path] = {}
"""Where each page of the site comes from, by its name there."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name headings as GitHub does, so that links to them hold in both places, and draw diagrams."""
    config.markdown_extensions += ["toc", "pymdownx.superfences"]
    config.mdx_configs["toc"] = {"permalink": True, "slugify": slugify(case="lower")}
    config.mdx_configs["pymdownx.superfences"] = {
        "custom_fences": [{"name": "mermaid", "class": "diagram", "format": _draw}]
    }
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside of ``docs/``: what the navigation names there, and all that any page links to."""
    _places.clear()
    texts = []
    for file in files.documentation_pages():
        _places[file.src_uri] = _DOCS / file.src_uri
        texts.append((_DOCS / file.src_uri, file.content_string))
    texts.append((_ROOT / "index", "".join(f"]({name})" for name in _OUTSIDE)))
    for origin, text in texts:  # grows as pages are added
        for place in _linked(origin, text):
            name = site_name(place)
            if name not in _places:
                content = _text(place)
                _places[name] = place
                files.append(
                    File.generated(config, name, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
                )
                texts.append((place / "README.md" if place.is_dir() else place, content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let the links of a page lead to where their targets are in the site."""
    place = _places[page.file.src_uri]
    if place.suffix != ".md":
        page.meta["search"] = {"boost": 0.1}  # what tells of a thing comes before its code
    origin = place / "README.md" if place.is_dir() else place
    folder = posixpath.dirname(page.file.src_uri)

    def lead(match: re.Match[str]) -> str:
        target = _target(origin, match)
        if target is None:
            return match[0]
        return f"]({posixpath.relpath(site_name(target), folder)}{match['anchor'] or ''})"

    return _FENCE_OR_LINK.sub(lead, markdown)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Tell browsers and readers of screens which pages are Chinese."""
    if page.file.src_uri.endswith("_CN.md"):
        return output.replace('<html lang="en"', '<html lang="zh-Hans"', 1)
    return output


def _linked(origin: Path, text: str) -> Iterator[Path]:
    for match in _FENCE_OR_LINK.finditer(text):
        target = _target(origin, match)
        if target is not None:
            yield target


def _target(origin: Path, match: re.Match[str]) -> Path | None:
    """Return the file or folder of the repository that a link leads to, if it leads to one."""
    if match["target"] is None:
        return None
    place = (origin.parent / unquote(match["target"])).resolve()
    if (place / "README.md").is_file():
        place = place / "README.md"
    is_page = place.suffix == ".md" or place.is_dir() or _DOCS not in place.parents
    return place if is_page and place.is_relative_to(_ROOT) and place.exists() else None


def site_name(place: Path) -> str:
    """Return the name of a page in the site, by which MkDocs finds it."""
    path = place.relative_to(_DOCS if _DOCS in place.parents else _ROOT).as_posix()
    if place.is_dir():
        return f"{path}/README.md"
    return path if place.suffix == ".md" else f"{path}.md"


def _text(place: Path) -> str:
    if place.is_dir():
        return _listing(place)
    text = place.read_text("utf-8")
    if place.suffix == ".md":
        return text
    language = place.suffix.removeprefix(".") or place.name.lower()
    return f"# {place.relative_to(_ROOT).as_posix()}\n\n`````{language}\n{text}\n`````\n"


def _listing(folder: Path) -> str:
    entries = [
        f"- [`{entry.name}`]({entry.name}){_subject(entry)}"
        for entry in sorted(folder.iterdir())
        if not entry.name.startswith((".", "__"))
    ]
    return "\n".join([f"# {folder.relative_to(_ROOT).as_posix()}", "", *entries, ""])


def _subject(place: Path) -> str:
    """Return the first line of what a program or a page says of itself."""
    said = ""
    if place.suffix == ".py":
        said = ast.get_docstring(ast.parse(place.read_text("utf-8"))) or ""
    elif place.suffix == ".md":
        said = place.read_text("utf-8").removeprefix("# ")
    return f": {said.splitlines()[0]}" if said else ""


def _draw(source: str, _language: str, class_name: str, *_: Any, **__: Any) -> str:
    """Return a Mermaid diagram as SVG without colours of its own: ``docs/assets/site.css`` has those."""
    svg = mermaidx.render(source).svg()
    svg = re.sub(r"<style>.*?</style>", "", svg, flags=re.DOTALL)
    svg = svg.replace("my-svg", f"diagram-{crc32(source.encode()):x}")  # two may stand on one page
    return f'<div class="{class_name}">{svg}</div>'
