"""Move the ``packycode`` block to the head of ``tppc.providers``, as text: comments and order stay.

Everything of the block goes along but ``wire-api`` and ``privacy``, which have one value each and no place
there; ``credentials.openai-api-key`` becomes ``api-key``. The result means what the file meant before, except
that the provider is one of the list, or it is refused.
"""

from collections.abc import Sequence
from typing import Final

import yaml
from msgspec.structs import replace

from packyproxy.config.changes import changes
from packyproxy.config.document import plain_value
from packyproxy.config.reading import parse_config
from packyproxy.config.schema import Config
from packyproxy.config.yaml_edit import REMOVE, Edit, edit_text
from packyproxy.config.yaml_file import read_text
from packyproxy.config.yaml_page import Page, is_empty, is_flow, spliced
from packyproxy.errors import ConfigError, Problem

__all__ = ["moved_to_tppc"]

_BLOCK: Final = "packycode"
_NAME: Final = f'name: "{_BLOCK}"'
_PLACEHOLDER: Final = Edit(("tppc", "providers", 0), {"name": _BLOCK})
_STEP: Final = "  "

_Pair = tuple[yaml.Node, yaml.Node]


def moved_to_tppc(text: str) -> str:
    """Return the text with the block moved; a text without one as it is.

    Raises:
        ConfigError: the file is not valid as it stands, has a tppc provider of that name already, or cannot
            be changed without changing what it means.
    """
    before = parse_config(text)
    root = Page(text).root
    if not any(provider.kind == "packycode" for provider in before.providers):
        return text
    _check_name_is_free(before)
    if is_flow(root):
        raise _refused("", "stands in brackets as a whole", "write it with a line per key first")
    moved = _moved(_with_renamed_key(_prepared(text)))
    if _is_other(moved, _as_tppc(before)):
        raise _refused(_BLOCK, "cannot be moved without changing what the file means", "move it by hand")
    return moved


def _is_other(text: str, wanted: Config) -> bool:
    try:
        return bool(changes(wanted, parse_config(text)))
    except ConfigError:
        return True


def _as_tppc(config: Config) -> Config:
    """Return what a configuration is to mean once the block is moved."""
    return replace(config, providers=tuple(replace(provider, kind="tppc") for provider in config.providers))


def _check_name_is_free(config: Config) -> None:
    entries = (provider.name.casefold() for provider in config.providers if provider.kind == "tppc")
    for index, name in enumerate(entries):
        if name == _BLOCK:
            place = f"tppc.providers[{index}].name"
            raise _refused(place, f"is {_BLOCK} already", "rename or remove that entry first")


def _pair(node: yaml.Node | None, name: str) -> _Pair | None:
    """Return a key of a mapping and its value."""
    pairs: list[_Pair] = node.value if isinstance(node, yaml.MappingNode) else []
    return next((pair for pair in pairs if pair[0].value == name), None)


def _prepared(text: str) -> str:
    """Write what stands in brackets but has to be moved line by line with a line per key; drop idle keys."""
    root, values = Page(text).root, _native(read_text(text).root)
    assert isinstance(values, dict)
    edits = [Edit((key,), values[key]) for key in (_BLOCK, "tppc") if _is_in_brackets(_pair(root, key))]
    return edit_text(text, [*edits, *(Edit((_BLOCK, key), REMOVE) for key in ("wire-api", "privacy"))])


def _native(value: object) -> object:
    """Return what the validator reads, with bare scalars as what they stand for."""
    match value:
        case dict():
            return {name: _native(item) for name, item in value.items()}
        case list():
            return [_native(item) for item in value]
        case _:
            return plain_value(value)


def _is_in_brackets(pair: _Pair | None) -> bool:
    providers = pair and _pair(pair[1], "providers")
    return any(is_flow(found[1]) for found in (pair, providers) if found)


def _with_renamed_key(text: str) -> str:
    """Write ``credentials.openai-api-key`` as ``api-key``, in its place in the block."""
    page = Page(text)
    block = _pair(page.root, _BLOCK)
    credentials = block and _pair(block[1], "credentials")
    if credentials is None:
        return text
    key = _pair(credentials[1], "openai-api-key")
    if key is None:
        return edit_text(text, [Edit((_BLOCK, "credentials"), REMOVE)])
    start = credentials[0].start_mark.index
    if is_flow(credentials[1]):
        value = text[key[1].start_mark.index : page.end(key[1])]
        return spliced(text, (start, page.end(credentials[1]), f"api-key: {value}"))
    between = text[page.colon(credentials[0]) + 1 : key[0].start_mark.index].splitlines()
    comments = [line.strip() for line in between if line.strip()]
    column = credentials[0].start_mark.column
    new = page.joined([*comments, "api-key"], column)
    # The line becomes shorter on its left; a comment that stood in a column with others goes there again.
    end = page.end(key[1])
    room = key[0].end_mark.column - column - len("api-key") if text[end : end + 2] == "  " else 0
    return spliced(text, (start, key[0].end_mark.index, new), (end, end, " " * room))


def _moved(text: str) -> str:
    page = Page(text)
    block = _pair(page.root, _BLOCK)
    assert block is not None
    start = block[0].start_mark.index
    end = page.past_comments(page.end(block[1]), 1)
    item = _item(page, block, end)
    if _pair(page.root, "tppc") is None:
        lines = ["tppc:", f"{_STEP}providers:", *(_STEP * 2 + line if line else "" for line in item)]
        return spliced(text, (start, end, page.newline.join(lines)))
    above = _comments_above(page, start)
    begin = page.line_start(start) - sum(len(line) for line in above)
    item = [*(line.strip() for line in above), *item]
    return _put_first(page.without_lines(begin, end), item)


def _put_first(text: str, item: Sequence[str]) -> str:
    """Add an item to the head of ``tppc.providers``."""
    tppc = _pair(Page(text).root, "tppc")
    providers = tppc and _pair(tppc[1], "providers")
    is_new = providers is None or is_empty(providers[1])
    if is_new:
        text = edit_text(text, [_PLACEHOLDER])
    page = Page(text)
    tppc = _pair(page.root, "tppc")
    providers = tppc and _pair(tppc[1], "providers")
    assert providers is not None
    node = providers[1]
    indent = " " * node.start_mark.column
    lines = page.newline.join(indent + line if line else "" for line in item)
    if is_new:
        return spliced(text, (page.line_start(node.start_mark.index), page.end(node), lines))
    below = page.line_end(page.colon(providers[0]))
    return spliced(text, (below, below, page.newline + lines))


def _item(page: Page, block: _Pair, end: int) -> list[str]:
    """Return the lines of the block as an item of a list, with its dash in the first column."""
    key, value = block
    first, *others = page.text[key.start_mark.index : end].splitlines()
    _, mark, comment = first.partition("#")
    head = f"- {_NAME}" + (f"   {mark}{comment}" if mark else "")
    column = value.value[0][0].start_mark.column if isinstance(value, yaml.MappingNode) and value.value else 1
    return [head, *(_STEP + _dedented(line, column) if line.strip() else "" for line in others)]


def _dedented(line: str, column: int) -> str:
    """Take the indentation of the block off a line; a comment may have less."""
    return line[column:] if not line[:column].strip() else line.lstrip()


def _comments_above(page: Page, position: int) -> list[str]:
    """Return the lines of the comment right above a key, unless that is the head of the file."""
    lines = page.text[: page.line_start(position)].splitlines(keepends=True)
    found: list[str] = []
    while lines and lines[-1].startswith("#"):
        found.insert(0, lines.pop())
    return found if lines else []


def _refused(field: str, message: str, fix: str) -> ConfigError:
    return ConfigError((Problem(field=field, code="cannot_edit", message=message, fix=fix),))
