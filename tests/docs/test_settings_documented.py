"""Every key of the configuration stands in the README's table, with its default; ``config.example.yaml`` has its own test."""

import json
from typing import Any, get_args

import pytest
from msgspec import Struct
from msgspec.structs import fields

from packyproxy.config import Config, ProviderConfig
from packyproxy.config.view import READ_ONLY_KEYS, ConfigView, ModelView, ProviderView, config_document
from tests.support.documents import Row, read_page

ITEM = "tppc.providers[]"
DEFAULTS = config_document(Config(providers=(ProviderConfig(kind="packycode", name="packycode"),)))
pages = pytest.mark.parametrize("page", ["README.md", "README_CN.md"])


def keys(struct: type[Struct], path: str = "") -> list[str]:
    """Return the path of each setting of a struct; a list of structs stands for what is in one."""
    found = []
    for field in fields(struct):
        if field.encode_name in READ_ONLY_KEYS:
            continue
        below = f"{path}.{field.encode_name}" if path else field.encode_name
        inner = next((kind for kind in structs_in(field.type) if kind is not ModelView), None)
        if inner is None:
            found.append(below)
        else:
            found += keys(inner, f"{below}[]" if inner is ProviderView else below)
    return found


def structs_in(kind: Any) -> list[type[Struct]]:
    """Return the structs that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return [kind]
    return [struct for part in get_args(kind) for struct in structs_in(part)]


KEYS = keys(ConfigView)


def table(page: str) -> list[Row]:
    """Return the rows of the table of settings."""
    rows = read_page(page).rows
    heading = next(row.heading for row in rows if "packycode.enabled" in row.cells[0].codes)
    return [row for row in rows if row.heading == heading and row.cells[0].codes]


def paths(row: Row) -> list[str]:
    """Return the keys of a row; of several, ``.like-this`` stands for one beside the first."""
    first, *others = row.cells[0].codes
    beside = first.rpartition(".")[0]
    return [first, *(f"{beside}{path}" if path.startswith(".") else path for path in others)]


def documented(page: str) -> set[str]:
    """Return the path of every setting that the table has; that of a block has those that it lists."""
    found = set()
    for row in table(page):
        for path in paths(row):
            is_block = path not in KEYS
            found |= {f"{path}.{code}" for code in row.cells[2].codes} & set(KEYS) if is_block else {path}
    return found


def default(path: str) -> Any:
    """Return what the schema gives a setting that nobody gives."""
    value: Any = DEFAULTS
    for name in path.split("."):
        value = value[name]
    return value


@pages
def test_every_key_is_in_the_table(page: str) -> None:
    """Each key has its row, or stands in that of its block; of an entry of tppc what packycode has as well is said there."""
    named = documented(page)
    both = {key.replace("packycode.", f"{ITEM}.") for key in named}
    missing = [key for key in KEYS if key not in named | both]
    assert not missing, f"{page}: add to the table of settings: {', '.join(missing)}"


@pages
def test_the_table_has_no_other_key(page: str) -> None:
    """Each first cell names a setting, or a block of them."""
    written = [path for row in table(page) for path in paths(row)]
    others = [path for path in written if not any(f"{key}.".startswith(f"{path}.") for key in KEYS)]
    assert not others, f"{page}: there are no settings {', '.join(others)}"


@pages
def test_the_members_of_a_model_are_named(page: str) -> None:
    """The row of ``models`` says what may be said of one."""
    [text] = [row.cells[2].text for row in table(page) if "packycode.models" in row.cells[0].codes]
    assert [] == [field.encode_name for field in fields(ModelView) if field.encode_name not in text]


@pages
def test_the_defaults_are_those_of_the_schema(page: str) -> None:
    """Where a setting has a default, the table shows it as it would stand in the file; else it shows no value."""
    wrong = []
    for row in table(page):
        for place, path in enumerate(paths(row)):
            if path not in KEYS or path.startswith("tppc."):
                continue
            value, codes = default(path), row.cells[1].codes
            shown = codes[place] if len(codes) == len(paths(row)) else None
            expected = value if isinstance(value, str) else json.dumps(value)
            if (
                shown != expected
                and (shown is not None or value not in ("", None, []))
                and not is_derived(path)
            ):
                wrong.append(f"{page}:{row.line}: {path} is {expected} by default, not {shown}")
    assert not wrong, "\n".join(wrong)


def is_derived(path: str) -> bool:
    """Tell whether a default is another setting's value, which the table says in words."""
    return path == "packycode.defaults.small-model"
