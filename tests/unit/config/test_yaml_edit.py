"""Changing single values in the text of a configuration."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.config import Secret, parse_config
from packyproxy.config.yaml_edit import REMOVE, Edit, edit_text
from packyproxy.config.yaml_page import Page
from packyproxy.errors import ConfigError
from tests.support.yaml_writing import YamlWriter

EXAMPLE = (Path(__file__).parents[3] / "config.example.yaml").read_text()

BASE = """\
# mine
packycode:   # from mail
  enabled: true     # on
  base-url: 'https://a.example'   # where
  # priority: 3

tppc:
  providers:
    - name: b
      # the key of b
      api-key: "sk-b"

    - {name: c, weight: 2}   # spare

# the end
debug: false
"""


def changed_lines(old: str, new: str) -> tuple[list[str], list[str]]:
    """Return the lines that are only in the old text, and those only in the new one."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return [line for line in before if line not in after], [line for line in after if line not in before]


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        pytest.param(
            ("packycode", "enabled"),
            True,
            "  enabled: false                        # whether this provider is used;",
            "  enabled: true                         # whether this provider is used;",
            id="flag",
        ),
        pytest.param(("port",), 9000, "port: 8317        ", "port: 9000        ", id="number"),
        pytest.param(
            ("streaming", "idle-timeout"),
            2.5,
            "  idle-timeout: 300                     #",
            "  idle-timeout: 2.5                     #",
            id="seconds",
        ),
        pytest.param(
            ("api-keys",),
            ["a", Secret("b")],
            "api-keys: []                            #",
            'api-keys: ["a", "b"]                    #',
            id="list",
        ),
        pytest.param(
            ("tppc", "providers", 0, "defaults", "model"),
            "gpt-6",
            '      defaults: {model: "gpt-5", ',
            '      defaults: {model: "gpt-6", ',
            id="in-brackets",
        ),
        pytest.param(
            ("tppc", "providers", 0, "models", 1, "efforts", 0),
            "minimal",
            "          efforts: [low, medium, high]  #",
            "          efforts: [minimal, medium, high]  #",
            id="item-in-brackets",
        ),
    ],
)
def test_one_value_is_one_line(path: tuple[str | int, ...], value: object, old: str, new: str) -> None:
    """Setting a value of the example changes its line only, and a comment behind it keeps its column."""
    text = edit_text(EXAMPLE, [Edit(path, value)])
    gone, come = changed_lines(EXAMPLE, text)
    assert (1, 1) == (len(gone), len(come))
    assert (True, True) == (gone[0].startswith(old), come[0].startswith(new))
    assert len(EXAMPLE.splitlines()) == len(text.splitlines())


def test_a_value_that_is_there_already_changes_nothing() -> None:
    """Writing what stands there gives the same text."""
    edits = [Edit(("port",), 8317), Edit(("packycode", "defaults", "model"), "gpt-5")]
    assert edit_text(EXAMPLE, edits) == EXAMPLE


@pytest.mark.parametrize(
    ("edit", "old", "new"),
    [
        pytest.param(
            Edit(("packycode", "weight"), 2), "  # priority: 3\n", "  # priority: 3\n  weight: 2\n", id="key"
        ),
        pytest.param(
            Edit(("metrics",), True), "debug: false\n", "debug: false\nmetrics: true\n", id="top-key"
        ),
        pytest.param(
            Edit(("routing", "strategy"), "round-robin"),
            "debug: false\n",
            'debug: false\n\nrouting:\n  strategy: "round-robin"\n',
            id="section",
        ),
        pytest.param(
            Edit(("packycode", "headers", "x-team"), "no"),
            "  # priority: 3\n",
            '  # priority: 3\n  headers:\n    x-team: "no"\n',
            id="section-in-section",
        ),
        pytest.param(
            Edit(("tppc", "providers", 0, "enabled"), value=True),
            '      api-key: "sk-b"\n',
            '      api-key: "sk-b"\n      enabled: true\n',
            id="key-of-item",
        ),
        pytest.param(
            Edit(("tppc", "providers", 1, "enabled"), value=True),
            "{name: c, weight: 2}",
            "{name: c, weight: 2, enabled: true}",
            id="key-in-brackets",
        ),
        pytest.param(
            Edit(("tppc", "providers", 2), {"name": "d", "models": ["m", {"id": "n"}]}),
            "   # spare\n",
            '   # spare\n    - name: "d"\n      models:\n        - "m"\n        - id: "n"\n',
            id="item",
        ),
        pytest.param(
            Edit(("packycode", "base-url"), "https://b.example"),
            "'https://a.example'",
            "'https://b.example'",
            id="single-quotes-stay",
        ),
        pytest.param(
            Edit(("tppc", "providers", 0, "name"), "other"), "- name: b\n", "- name: other\n", id="bare-stays"
        ),
        pytest.param(
            Edit(("tppc", "providers", 0, "name"), "no"),
            "- name: b\n",
            '- name: "no"\n',
            id="bare-would-mislead",
        ),
        pytest.param(
            Edit(("tppc", "providers", 0, "api-key"), Secret('a"\\\x85é')),
            '"sk-b"',
            '"a\\"\\\\\\u0085é"',
            id="escapes",
        ),
        pytest.param(
            Edit(("packycode", "enabled"), REMOVE), "  enabled: true     # on\n", "", id="remove-key"
        ),
        pytest.param(
            Edit(("tppc", "providers", 0, "name"), REMOVE),
            "    - name: b\n",
            "    - \n",
            id="remove-first-key-but-not-the-comment",
        ),
        pytest.param(
            Edit(("tppc", "providers", 0), REMOVE),
            '    - name: b\n      # the key of b\n      api-key: "sk-b"\n',
            "",
            id="remove-item",
        ),
        pytest.param(
            Edit(("tppc", "providers", 1, "weight"), REMOVE), ", weight: 2", "", id="remove-last-in-brackets"
        ),
        pytest.param(
            Edit(("tppc", "providers", 1, "name"), REMOVE), "name: c, ", "", id="remove-first-in-brackets"
        ),
        pytest.param(
            Edit(("tppc", "providers"), REMOVE),
            BASE[BASE.index("tppc:") : BASE.index("   # spare")],
            "tppc: {}",
            id="remove-the-only-key",
        ),
        pytest.param(
            Edit(("tppc",), REMOVE),
            BASE[BASE.index("tppc:") : BASE.index("# the end")],
            "",
            id="remove-section",
        ),
        pytest.param(
            Edit(("tppc", "providers", 0), "b"),
            BASE[BASE.index("name: b") : BASE.index('"sk-b"') + 6],
            '"b"',
            id="replace-item",
        ),
        pytest.param(Edit(("tppc", "x", "y"), REMOVE), "", "", id="remove-what-is-not-there"),
        pytest.param(
            Edit(("packycode",), {"enabled": False}),
            BASE[BASE.index("  enabled") : BASE.index("   # where")],
            "  enabled: false",
            id="replace-section",
        ),
    ],
)
def test_everything_else_stays(edit: Edit, old: str, new: str) -> None:
    """An edit replaces its own text in its place, in the style that it finds there."""
    assert edit_text(BASE, [edit]) == BASE.replace(old, new)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'a:\n  - b: "x"\n'),
        ("# only a comment\n", '# only a comment\na:\n  - b: "x"\n'),
        ("{}\n", 'a:\n  - b: "x"\n'),
        ("a:   # soon\n", 'a:   # soon\n  - b: "x"\n'),
        ("a: []   # none\nc: 1\n", 'a:      # none\n  - b: "x"\nc: 1\n'),
        ("a: ~", 'a:\n  - b: "x"'),
        ("a:\n-\n", 'a:\n- b: "x"\n'),
        ("a:\n- b:\n", 'a:\n- b: "x"\n'),
        ("a: [{b: }]\n", 'a: [{b: "x" }]\n'),
        ("a:\n  - b: |\n      old\n\nc: 1\n", 'a:\n  - b: "x"\n\nc: 1\n'),
        ("{a: [], c: 1}\n", '{a: [{b: "x"}], c: 1}\n'),
    ],
    ids=[
        "empty",
        "comment",
        "brackets",
        "no-value",
        "empty-list",
        "null",
        "no-item",
        "no-item-value",
        "in-brackets",
        "block-text",
        "all-in-brackets",
    ],
)
def test_the_way_to_a_value_is_made(text: str, expected: str) -> None:
    """Collections that are missing or empty on the way are written; what stood there keeps its comment."""
    assert edit_text(text, [Edit(("a", 0, "b"), "x")]) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a: 1\n", ("a",), ""),
        ("{a: 1}\n", ("a",), "{}\n"),
        ("a: [1]   # c\n", ("a", 0), "a: []    # c\n"),
        ("a:\n- 1   # c\n", ("a", 0), "a: []   # c\n"),
        ("a:\n-   - 1\n    - 2\n", ("a", 0, 0), "a:\n-   - 2\n"),
        ("a:\n-\n- 2\n", ("a", 0), "a:\n- 2\n"),
        ("a:\n-  # c\n\n  b: 1\n- 2\n", ("a", 0), "a:\n- 2\n"),
        ("a:\n- 1\n", ("a", 1, "b"), "a:\n- 1\n"),
        ("a: 1\n\nb: 2\n\nc: 3\n", ("b",), "a: 1\n\nc: 3\n"),
        ("a:\n  b: 1\n  # of b\n  c:\n    d: 1\n    # of c\n", ("a", "c"), "a:\n  b: 1\n  # of b\n"),
    ],
    ids=[
        "last-key",
        "last-in-brackets",
        "last-item",
        "last-block-item",
        "nested",
        "empty-item",
        "item-below-its-dash",
        "no-such-item",
        "blank",
        "comments",
    ],
)
def test_what_is_removed_leaves_no_trace(text: str, path: tuple[str | int, ...], expected: str) -> None:
    """A collection that becomes empty is written as such, and no blank lines pile up."""
    assert edit_text(text, [Edit(path, REMOVE)]) == expected


@pytest.mark.parametrize(
    ("old", "value", "expected"),
    [
        ("a:\n  b: 1   # c\n", None, "a: null   # c\n"),
        ("a:\n- b: 1\n- c: 1\n", {"d": 1}, "a:\n  d: 1\n"),
        ("a: x  # c\n", "longer", "a: longer # c\n"),
        ("a: x   # c\n", {"d": 1}, "a:     # c\n  d: 1\n"),
        ("a:\n- b: 1   # c\n", [5], "a: [5]   # c\n"),
        ("a: 1\n", 1e22, "a: 1.0e+22\n"),
        ("a: 1\n", "2e5", 'a: "2e5"\n'),
        ("a: 1\n", "\U0001f600\u2028\n", 'a: "\U0001f600\\u2028\\n"\n'),
        ("a: '1'\n", "it's", "a: 'it''s'\n"),
        ("a: '1'\n", "a\nb", 'a: "a\\nb"\n'),
        ("a: x\n", "y:z", "a: y:z\n"),
        ("a: x\n", "y: z", 'a: "y: z"\n'),
        ("a: [x]\n", ["z", "off"], 'a: [z, "off"]\n'),
        ("a: x\n", [{"b": {}}, [1, [2.0]]], "a:\n  - b: {}\n  - - 1\n    - [2.0]\n"),
    ],
)
def test_values_are_written_so_that_they_read_the_same(old: str, value: object, expected: str) -> None:
    """Every reader of YAML gets the value that was set, and the old style is kept where it can be."""
    text = edit_text(old, [Edit(("a",), value)])
    assert (expected, value) == (text, yaml.safe_load(text)["a"])


def test_line_ends_and_byte_order_mark_stay() -> None:
    """A file from Windows stays one."""
    text = "\ufeffa: 1\r\nb:\r\n  c: 2\r\n"
    edits = [Edit(("b", "d"), 3), Edit(("e", "f"), 4), Edit(("a",), REMOVE)]
    assert edit_text(text, edits) == "\ufeffb:\r\n  c: 2\r\n  d: 3\r\n\r\ne:\r\n  f: 4\r\n"


def test_edits_build_on_each_other() -> None:
    """Each edit sees the text that the one before it left."""
    edits = [
        Edit(("tppc", "providers", 0, "name"), "a"),
        Edit(("tppc", "providers", 1, "name"), "b"),
        Edit(("tppc", "providers", 0), REMOVE),
    ]
    names = [provider.name for provider in parse_config(edit_text("", edits)).providers]
    assert ["b"] == names


@pytest.mark.parametrize(
    ("text", "edit", "problem"),
    [
        ("a: 1\n", Edit(("a", "b"), 1), "a: is not a mapping: mend it by hand first"),
        ("a: {b: 1}\n", Edit(("a", 0), 1), "a: is not a list: mend it by hand first"),
        ("a: [1]\n", Edit(("a", 2), 1), "a[2]: the list has 1 item: name one of them, or the next"),
        ("a:\n", Edit(("a", 1), 1), "a[1]: the list has 0 items: name one of them, or the next"),
        ("", Edit(("a", 1), 1), "a[1]: the list has 0 items: name one of them, or the next"),
        ("", Edit((0,), 1), "config.yaml: is not a list: mend it by hand first"),
        (
            "a: &x {b: 1}\nc: *x\n",
            Edit(("c", "b"), 2),
            "c: is not a mapping: mend it by hand first",
        ),
        (
            "a: &x 1\nc: *x\n",
            Edit(("a",), 2),
            "a: cannot be changed alone: write anchors and aliases (& and *) out, or edit by hand",
        ),
        (
            "? a\n",
            Edit(("a", "b"), 2),
            "a.b: cannot be changed alone: write anchors and aliases (& and *) out, or edit by hand",
        ),
        (
            "? a\n",
            Edit(("a",), REMOVE),
            "a: cannot be changed alone: write anchors and aliases (& and *) out, or edit by hand",
        ),
        ("a: 1\na: 2\n", Edit(("b",), 1), "a: given twice, first on line 1: keep one of them"),
    ],
    ids=[
        "no-mapping",
        "no-list",
        "no-item",
        "no-list-yet",
        "nothing-yet",
        "root",
        "alias",
        "anchor",
        "question-mark",
        "question-mark-alone",
        "unreadable",
    ],
)
def test_what_cannot_be_done_is_refused(text: str, edit: Edit, problem: str) -> None:
    """An edit that would not give exactly what was asked for is an error that names the place."""
    with pytest.raises(ConfigError) as refusal:
        edit_text(text, [edit])
    assert [problem] == [str(problem) for problem in refusal.value.problems]


def test_entries_beside_an_alias_are_edited() -> None:
    """An alias stands where it is written, and may be replaced or removed like any other value."""
    text = "a: &x\n  - 1\nb:\n  - *x\n  - 2\nc: *x\n"
    edits = [Edit(("b", 1), 3), Edit(("b", 0), REMOVE), Edit(("c",), 4), Edit(("d",), 5)]
    assert "a: &x\n  - 1\nb:\n  - 3\nc: 4\nd: 5\n" == edit_text(text, edits)


def test_an_edit_does_not_show_its_value() -> None:
    """What is to be written may be a key."""
    assert "Edit(tppc.providers[0].api-key)" == repr(Edit(("tppc", "providers", 0, "api-key"), "canary"))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(0, 99)
    | st.sampled_from(["x", "no", "a # b", "https://a.b/c", "é"])
)
NAMES = st.sampled_from(["a", "b", "c-d"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.lists(NAMES | st.integers(0, 1), min_size=1, max_size=4),
    VALUES | st.just(REMOVE),
    st.randoms(use_true_random=False),
)
def test_any_edit_of_any_style_is_exact(
    values: dict[str, Any], path: list[str | int], value: object, choices: random.Random
) -> None:
    """However a file is written, an edit is refused only where its path does not fit."""
    text = YamlWriter(choices).text(values)
    problems: list[str] = []
    try:
        edit_text(text, [Edit(tuple(path), value)])
    except ConfigError as refusal:
        problems = [problem.message for problem in refusal.problems]
    assert "cannot be changed alone" not in problems


def made_one_by_one(text: str, edits: list[Edit]) -> str | None:
    """Return the text after each edit was made for itself; None if one cannot be."""
    try:
        for edit in edits:
            text = edit_text(text, [edit])
    except ConfigError:
        return None
    return text


PATHS = st.lists(NAMES | st.integers(0, 2), min_size=1, max_size=3).map(tuple)


@given(
    st.dictionaries(NAMES, VALUES, min_size=1, max_size=3),
    st.lists(st.builds(Edit, PATHS, VALUES | st.just(REMOVE)), max_size=6),
    st.randoms(use_true_random=False),
)
def test_edits_that_are_made_at_once_are_those_that_are_made_one_by_one(
    values: dict[str, Any], edits: list[Edit], choices: random.Random
) -> None:
    """Edits that do not touch each other are made in one go, which nobody can tell."""
    text = YamlWriter(choices).text(values)
    expected = made_one_by_one(text, edits)
    try:
        found = edit_text(text, edits)
    except ConfigError:
        found = None
    assert expected == found


def test_many_edits_take_little_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is read as a page once, not once for each of a hundred providers."""
    read: list[str] = []

    class CountedPage(Page):
        def __init__(self, text: str) -> None:
            read.append(text)
            super().__init__(text)

    monkeypatch.setattr("packyproxy.config.yaml_edit.Page", CountedPage)
    text = "".join(f"p{number}: {{weight: 1}}   # of it\n" for number in range(100))
    new = edit_text(
        text,
        [Edit((f"p{number}", key), 2) for number in range(100) for key in ("weight", "priority")],
    )
    assert text.replace("weight: 1}", "weight: 2, priority: 2}") == new
    assert 1 == len(read)


def test_what_is_added_to_one_collection_queues_up() -> None:
    """A hundred new keys and items keep their order, and do not fall into the mapping that ends there too."""
    new = [f"k{number:03}" for number in range(100)]
    text = "a:\n  b: 1\n  list:\n    - x\n"
    edits = [Edit(("a", name), 1) for name in new]
    edits += [Edit(("a", "list", number), name) for number, name in enumerate(new, 1)]
    edits += [Edit(("c",), 2), Edit(("a", "last"), 3)]
    expected = {"b": 1, "list": ["x", *new], **dict.fromkeys(new, 1), "last": 3}
    assert {"a": expected, "c": 2} == yaml.safe_load(edit_text(text, edits))


def test_what_would_be_too_large_is_refused_as_that() -> None:
    """Nobody is sent looking for anchors."""
    with pytest.raises(ConfigError) as refusal:
        edit_text("a: 1\n", [Edit(("b",), "\n" * 100_000)])
    assert ["too_large"] == [problem.code for problem in refusal.value.problems]


@pytest.mark.parametrize("place", range(5))
def test_of_many_edits_the_one_that_cannot_be_made_is_named(place: int) -> None:
    """Wherever it stands among them."""
    edits = [Edit((f"k{number}",), 1) for number in range(4)]
    edits.insert(place, Edit(("a",), 2))
    with pytest.raises(ConfigError) as refusal:
        edit_text("a: &x 1\nc: *x\n", edits)
    assert [("a", "cannot_edit")] == [(problem.field, problem.code) for problem in refusal.value.problems]


def test_an_edit_behind_one_that_breaks_the_text_is_not_tried() -> None:
    """An anchor that was written over leaves aliases without one, which is no YAML; the first edit is at fault."""
    with pytest.raises(ConfigError) as refusal:
        edit_text("a: &x {b: 1}\nc: *x\n", [Edit(("a",), {"z": 1}), Edit(("a", "y"), 2)])
    assert ["a"] == [problem.field for problem in refusal.value.problems]
