"""Find and read ``config.yaml``: text in, a :class:`Document` with lines and problems out.

PyYAML only composes the nodes; nothing is constructed, so no tag can run code and every value keeps its line
and its spelling. Reading is bounded: the size of the file, its depth, and the number of values after aliases
are expanded.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from yaml.constructor import SafeConstructor

from packyproxy.config.document import Document, Plain, join_path
from packyproxy.errors import ConfigError, Problem

__all__ = ["config_places", "find_config", "read_bytes", "read_file", "read_text"]

_MOST_BYTES: Final = 128 * 1024
"""A hundred providers fit; PyYAML needs a second or two for this much."""
_MOST_VALUES: Final = 20_000
_DEEPEST: Final = 32
_LONGEST_NUMBER: Final = 40
"""Longer digits are no setting of ours, and converting very many takes quadratic time."""

_UNREADABLE: Final = object()
"""Stands for a value whose problem is reported already."""

_TAG: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({_TAG + "str", _TAG + "timestamp", _TAG + "value"})

_TAG_FIX: Final = "remove the tag, or put text that begins with ! in quotes"
_ACCESS_FIX: Final = "check the path and its permissions"
_SYNTAX_FIXES: Final = (
    (r"character '\\t'", "indent with spaces: YAML forbids tabs"),
    (r"undefined alias|scanning an alias", "put text that begins with * in quotes"),
    (r"scanning an anchor", "put text that begins with & in quotes"),
    (r"character '[%@`]'", "put text that begins with this character in quotes"),
    (
        r"mapping values are not allowed",
        'put text that holds ": " in quotes and a blank behind every other colon, or mend the indentation',
    ),
    (r"unexpected end of stream|expected ',' or", "close the quote or bracket that is still open"),
    (r"unknown escape|escape sequence", "use single quotes, or write each backslash twice"),
    (
        r"expected <block end>|could not find expected ':'",
        "mend the indentation of this line or the one above",
    ),
    (r"single document", "keep one document: remove the second ---"),
)


class _TooComplexError(Exception):
    """The file expands beyond what any configuration needs."""


def config_places(
    explicit: str | None, environ: Mapping[str, str], cwd: Path, home: Path | None
) -> tuple[Path, ...]:
    """Return where the configuration file may be; the first that exists is the one.

    ``explicit`` or ``$PACKYPROXY_CONFIG`` alone, or else ``config.yaml`` in ``cwd`` and
    ``packyproxy/config.yaml`` under ``$XDG_CONFIG_HOME`` (``~/.config``).
    """
    named = explicit or environ.get("PACKYPROXY_CONFIG")
    if named:
        return (home / named[2:] if named.startswith("~/") and home else cwd / named,)
    xdg = environ.get("XDG_CONFIG_HOME", "")
    base = Path(xdg) if xdg.startswith("/") else home and home / ".config"
    usual = (cwd / "config.yaml",)
    return (*usual, base / "packyproxy" / "config.yaml") if base else usual


def find_config(
    explicit: str | None, environ: Mapping[str, str], cwd: Path, home: Path | None
) -> Path | None:
    """Return the configuration file to use, or None when there is none.

    A file that was named is returned whether it exists or not: reading it says what is wrong.
    """
    places = config_places(explicit, environ, cwd, home)
    if explicit or environ.get("PACKYPROXY_CONFIG"):
        return places[0]
    return next((place for place in places if _may_exist(place)), None)


def read_file(path: Path) -> Document:
    """Read a file; anything that keeps it from being read is a problem of the returned document."""
    try:
        return read_text(read_bytes(path))
    except ConfigError as error:
        return Document(root=None, problems=error.problems)


def read_bytes(path: Path) -> bytes:
    """Return what a file holds; of one that is too large as much as shows that.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            problem = _file_problem("not_a_file", f"{path} is not a regular file", "name a YAML file")
            raise ConfigError((problem,))
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        is_absent = isinstance(error, FileNotFoundError)
        fix = "check the path, or write the file with packyproxy init" if is_absent else _ACCESS_FIX
        problem = _file_problem("unreadable", f"{path} cannot be read ({reason})", fix)
        raise ConfigError((problem,)) from error


def read_text(text: str | bytes) -> Document:
    """Read YAML text; whatever is wrong with the notation is a problem of the returned document."""
    if len(text) > _MOST_BYTES:
        return _unreadable("too_large", f"the file is larger than {_MOST_BYTES} bytes", "keep settings only")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            return _unreadable("not_utf8", f"line {line}: not UTF-8 text", "save the file as UTF-8", line)
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return _Conversion().document(node)
    except yaml.MarkedYAMLError as error:
        return _syntax_problem(error)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _unreadable("yaml_syntax", f"line {line}: a character that YAML forbids", "remove it", line)
    except (RecursionError, _TooComplexError):
        return _unreadable(
            "too_complex",
            f"nested deeper than {_DEEPEST} levels, "
            f"or more than {_MOST_VALUES} values once aliases are expanded",
            "write the settings out without anchors and aliases (& and *)",
        )


def _may_exist(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()  # a link to nowhere is meant to be the file
    except OSError:  # a folder that may not be entered: reading the file will say so
        return True


def _file_problem(code: str, message: str, fix: str, line: int | None = None) -> Problem:
    return Problem(field="", code=code, message=message, fix=fix, line=line)


def _unreadable(code: str, message: str, fix: str, line: int | None = None) -> Document:
    return Document(root=None, problems=(_file_problem(code, message, fix, line),))


def _syntax_problem(error: yaml.MarkedYAMLError) -> Document:
    mark = error.problem_mark or error.context_mark
    # The parser quotes names from the file, and one of them may be a key that YAML took for an alias.
    said = re.sub(r" '(?!\\t|<)[^']{3,}'", "", error.problem or "not valid YAML")
    known = f"{error.context or ''} {error.problem or ''}"
    fix = next(
        (fix for pattern, fix in _SYNTAX_FIXES if re.search(pattern, known)), "mend the YAML at that place"
    )
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return _unreadable("yaml_syntax", where + said, fix, mark.line + 1 if mark else None)


class _Conversion:
    """Turns composed nodes into plain values; collects lines and the problems of the notation."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._problems: list[Problem] = []
        self._values = 0
        self._numbers = SafeConstructor()

    def document(self, node: yaml.Node | None) -> Document:
        root = None if node is None else self._value(node, "", 0)
        if root is _UNREADABLE:
            root = None
        return Document(root=root, lines=self._lines, problems=tuple(self._problems))

    def _value(self, node: yaml.Node, path: str, depth: int) -> object:
        self._values += 1
        if self._values > _MOST_VALUES or depth > _DEEPEST:
            raise _TooComplexError
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self._value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return self._unknown_tag(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _TEXT_TAGS:
                self._bad_key(key_node, path, line)
                continue
            key: str = key_node.value
            child = join_path(path, key)
            if key in values:
                first = self._lines[child]
                self._problem(
                    child, "duplicate_key", f"given twice, first on line {first}", "keep one of them", line
                )
                continue
            self._lines[child] = line
            value = self._value(value_node, child, depth + 1)
            if value is not _UNREADABLE:
                values[key] = value
        return values

    def _bad_key(self, node: yaml.Node, path: str, line: int) -> None:
        if node.tag == _TAG + "merge":
            self._problem(path, "merge_key", "merge keys (<<) are not supported", "write the keys out", line)
        elif isinstance(node, yaml.ScalarNode):
            self._problem(
                path,
                "key_not_text",
                f"the key on line {line} is not text for YAML",
                "put the key in quotes",
                line,
            )
        else:
            self._problem(
                path, "key_not_text", f"the key on line {line} is a list or mapping", "use text", line
            )

    def _scalar(self, node: yaml.ScalarNode, path: str) -> object:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        if node.tag in _TEXT_TAGS:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return Plain(text, text.lower() in {"true", "yes", "on"})
        if kind not in {"int", "float"}:
            return self._unknown_tag(node, path)
        if len(text) > _LONGEST_NUMBER:
            return text
        try:
            read = self._numbers.construct_yaml_int if kind == "int" else self._numbers.construct_yaml_float
            return Plain(text, read(node))
        except ValueError:
            return text

    def _unknown_tag(self, node: yaml.Node, path: str) -> object:
        line = node.start_mark.line + 1
        self._problem(path, "yaml_tag", "YAML tags (!name) are not supported", _TAG_FIX, line)
        return _UNREADABLE

    def _problem(self, path: str, code: str, message: str, fix: str, line: int) -> None:
        self._problems.append(Problem(field=path, code=code, message=message, fix=fix, line=line))
