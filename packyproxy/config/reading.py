"""Configurations from files, texts and mappings: validated as a whole, or refused with every problem.

The environment and the files of the Codex CLI count for files alone, and only where they are asked for: what
a program states as text or as a mapping is the whole configuration.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.config.document import Document
from packyproxy.config.schema import Config
from packyproxy.config.sources import Ambient, complete, complete_alone, process_ambient
from packyproxy.config.validate import validate
from packyproxy.config.yaml_file import config_places, find_config, read_bytes, read_text
from packyproxy.errors import ConfigError, Problem

__all__ = [
    "Loaded",
    "config_from_mapping",
    "discover_config",
    "found_file",
    "load_config",
    "parse_config",
    "text_revision",
]

_FILE_IS_NO_GOOD: Final = frozenset({"unreadable", "not_a_file"})
_FROM_CODEX: Final = frozenset({"packycode.base-url", "packycode.credentials.openai-api-key"})
_REVISION_DIGITS: Final = 16


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration that was looked for, and what it was made from."""

    config: Config
    path: Path | None
    """The configuration file; None when the environment or the files of the Codex CLI were enough."""
    watched: tuple[Path, ...]
    """Every file that was looked at, whether it exists or not: a change of one may change the outcome."""
    revision: str
    """``text_revision`` of what the file held; of an empty text without one."""
    notes: tuple[str, ...] = ()
    """What the files of the Codex CLI could not give although it was needed, and why; ``Codex CLI: ...``."""


def text_revision(text: str | bytes) -> str:
    """Return what tells the text of a configuration from any other, alike in all processes."""
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:_REVISION_DIGITS]


def load_config(path: str | Path, *, ambient: Ambient | None = None) -> Config:
    """Read and validate a file.

    With ``ambient=process_ambient()``, as the command line and ``PackyProxy(path)`` read it, the environment
    and the files of the Codex CLI fill in what the file leaves open; without, the file stands alone.

    Raises:
        ConfigError: the file cannot be read, or anything in it is wrong; carries every problem.
    """
    return parse_config(read_bytes(Path(path)), source=str(path), ambient=ambient)


def found_file(explicit: str | None) -> Path | None:
    """Return the file that ``discover_config`` reads, whether it exists or not; None for no file."""
    return find_config(explicit, os.environ, _cwd(), _home())


def discover_config(explicit: str | None = None) -> Loaded:
    """Find, read and validate the configuration of this process, completed by its surroundings.

    ``explicit`` is the file to use. Without one the usual places are searched; when there is no file at
    all, a provider that the environment or the files of the Codex CLI describe in full is taken as it is.

    Raises:
        ConfigError: as ``load_config`` does, or there is nothing to go by; the text says what to do next.
    """
    ambient = process_ambient()
    where = (explicit, ambient.environ, _cwd(), _home())
    path = find_config(*where)
    watched = (*config_places(*where), *ambient.codex.files)
    if path is None:
        return _discovered(ambient, watched, _shown_places(where))
    try:
        data = read_bytes(path)
        config, notes = _completed(read_text(data), ambient, source=str(path))
    except ConfigError as error:
        raise ConfigError(tuple(_with_origin(problem, explicit) for problem in error.problems)) from None
    return Loaded(config=config, path=path, watched=watched, revision=text_revision(data), notes=notes)


def parse_config(text: str | bytes, *, source: str = "text", ambient: Ambient | None = None) -> Config:
    """Validate the text of a file; with ``ambient`` it is completed as ``load_config`` does.

    Raises:
        ConfigError: as ``load_config`` does.
    """
    document = read_text(text)
    return (
        _valid(document, source=source)
        if ambient is None
        else _completed(document, ambient, source=source)[0]
    )


def config_from_mapping(mapping: Mapping[str, Any]) -> Config:
    """Validate a mapping in the shape of the file, with the file's kebab-case keys.

    Raises:
        ConfigError: as ``load_config`` does.
    """
    return _valid(Document(root=mapping), source="dict")


def _valid(document: Document, *, source: str) -> Config:
    config, problems = validate(document, source=source)
    if config is None:
        raise ConfigError(problems)
    return config


def _completed(document: Document, ambient: Ambient, *, source: str) -> tuple[Config, tuple[str, ...]]:
    """Return what a document and the surroundings say together, and notes for a person."""
    document, notes = complete(document, ambient)
    try:
        return _valid(document, source=source), notes
    except ConfigError as error:
        raise ConfigError(tuple(_with_notes(problem, notes) for problem in error.problems)) from None


def _discovered(ambient: Ambient, watched: tuple[Path, ...], places: str) -> Loaded:
    """Return what can be had without a configuration file."""
    document, notes = complete_alone(ambient)
    if document is None:
        said = "".join(f"; {note}" for note in notes)
        raise ConfigError(
            (
                Problem(
                    field="",
                    code="no_file",
                    message=f"no configuration file was found in {places}{said}",
                    fix="write one with packyproxy init, or name one with --config or $PACKYPROXY_CONFIG",
                ),
            )
        )
    labels = dict.fromkeys(
        origin.source if origin.source == "env" else f"{origin.source} ({origin.label})"
        for origin in document.origins.values()
    )
    config = _valid(document, source=" and ".join(labels))
    return Loaded(config=config, path=None, watched=watched, revision=text_revision(""), notes=notes)


def _shown_places(where: tuple[str | None, Mapping[str, str], Path, Path | None]) -> str:
    """Return where a file was looked for, as short as a person writes it."""
    _, _, cwd, home = where
    shown = []
    for place in config_places(*where):
        if place.parent == cwd:
            shown.append(f"./{place.name}")
        elif home is not None and place.is_relative_to(home):
            shown.append(f"~/{place.relative_to(home)}")
        else:
            shown.append(str(place))
    return " or ".join(shown)


def _with_origin(problem: Problem, explicit: str | None) -> Problem:
    """Say who named a file that is no good; a command line is in its user's mind, a variable may not be."""
    if explicit or not os.environ.get("PACKYPROXY_CONFIG") or problem.code not in _FILE_IS_NO_GOOD:
        return problem
    return replace(problem, message=f"{problem.message} (from $PACKYPROXY_CONFIG)")


def _with_notes(problem: Problem, notes: tuple[str, ...]) -> Problem:
    """Say at what is missing why the files of the Codex CLI did not give it."""
    if not notes or problem.code != "missing" or problem.field not in _FROM_CODEX:
        return problem
    return replace(problem, fix=f"{problem.fix} ({'; '.join(notes)})")


def _cwd() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # a deployment has replaced the folder that a server was started in
        return Path()


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no $HOME, and no such user: a container may run under any number
        return None
