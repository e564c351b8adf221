"""Moving the packycode block to the list of tppc providers."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from packyproxy.config import parse_config
from packyproxy.config.changes import changes
from packyproxy.config.migration import moved_to_tppc
from packyproxy.errors import ConfigError

EXAMPLE = (Path(__file__).parents[3] / "config.example.yaml").read_text()

ALONE = """\
# head
packycode:   # from mail
    # first
    enabled: true     # on
    base-url: 'https://a.example/v1'   # where
    wire-api: responses   # the only value
    privacy:
        disable-response-storage: true
    credentials:   # secret
        # bought
        openai-api-key: "sk-1"           # key
        # more
    weight: 3                            # share

    defaults:
        model: gpt-5
    # priority: 3

debug: true
"""

ALONE_MOVED = """\
# head
tppc:
  providers:
    - name: "packycode"   # from mail
      # first
      enabled: true     # on
      base-url: 'https://a.example/v1'   # where
      # secret
      # bought
      api-key: "sk-1"                      # key
          # more
      weight: 3                            # share

      defaults:
          model: gpt-5
      # priority: 3

debug: true
"""

BESIDE_OTHERS = """\
debug: true

# bought in May
# from a friend
packycode:
  enabled: true
  base-url: "https://a.example"
  credentials: {openai-api-key: k}  # cc

# others
tppc:
  # all of them
  providers:   # list
  # a spare one
  - name: b
    weight: 2
"""

BESIDE_OTHERS_MOVED = """\
debug: true

# others
tppc:
  # all of them
  providers:   # list
  # bought in May
  # from a friend
  - name: "packycode"
    enabled: true
    base-url: "https://a.example"
    api-key: k  # cc
  # a spare one
  - name: b
    weight: 2
"""

IN_BRACKETS = """\
packycode: {enabled: true, base-url: "https://a.example", credentials: {openai-api-key: k}}   # c
tppc: {providers: [{name: b}, {name: c, models: [a, {id: b}]}]}
"""

IN_BRACKETS_MOVED = """\
tppc:
  providers:
    - name: "packycode"   # c
      enabled: true
      base-url: "https://a.example"
      api-key: "k"
    - name: "b"
    - name: "c"
      models:
        - "a"
        - id: "b"
"""


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        pytest.param(ALONE, ALONE_MOVED, id="alone"),
        pytest.param(BESIDE_OTHERS, BESIDE_OTHERS_MOVED, id="beside-others"),
        pytest.param(IN_BRACKETS, IN_BRACKETS_MOVED, id="in-brackets"),
        pytest.param("packycode: {}\n", 'tppc:\n  providers:\n    - name: "packycode"\n', id="empty"),
        pytest.param(
            "tppc:\npackycode: {weight: 2}\n",
            'tppc:\n  providers:\n    - name: "packycode"\n      weight: 2\n',
            id="empty-list",
        ),
        pytest.param(
            "packycode:\n  credentials: {}\n  weight: 2\n",
            'tppc:\n  providers:\n    - name: "packycode"\n      weight: 2\n',
            id="no-key",
        ),
    ],
)
def test_the_block_becomes_the_first_item(text: str, moved: str) -> None:
    """Everything goes along but what has one value, with its comments; the key gets its new name in its place."""
    assert moved == moved_to_tppc(text)


@pytest.mark.parametrize(
    "text", ["", "debug: true\n", "packycode:\n", "tppc: {providers: [{name: packycode}]}\n"]
)
def test_without_a_block_nothing_changes(text: str) -> None:
    """A file that has no such provider is returned as it is."""
    assert text == moved_to_tppc(text)


@pytest.mark.parametrize(
    "text", [EXAMPLE, ALONE, BESIDE_OTHERS, IN_BRACKETS], ids=["example", "alone", "beside", "flow"]
)
def test_only_the_kind_of_the_provider_differs(text: str) -> None:
    """The moved configuration means the same, in the same order, but for where the provider is listed."""
    before, after = parse_config(text), parse_config(moved_to_tppc(text))
    relisted = tuple(replace(provider, kind="tppc") for provider in before.providers)
    assert () == changes(replace(before, providers=relisted), after)
    assert {"tppc"} == {provider.kind for provider in after.providers}


def test_moving_twice_is_moving_once() -> None:
    """There is nothing left to move."""
    moved = moved_to_tppc(EXAMPLE)
    assert moved == moved_to_tppc(moved)


def test_windows_line_ends_stay() -> None:
    """The moved lines end as all others do."""
    assert ALONE_MOVED.replace("\n", "\r\n") == moved_to_tppc(ALONE.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "packycode: {}\ntppc: {providers: [{name: b}, {name: PackyCode}]}\n",
            "tppc.providers[1].name: is packycode already: rename or remove that entry first",
        ),
        (
            "{packycode: {}}\n",
            "config.yaml: stands in brackets as a whole: write it with a line per key first",
        ),
        (
            "tppc:\n  providers:\n    - name: b\n      headers: &h {x-a: b}\npackycode:\n  headers: *h\n",
            "packycode: cannot be moved without changing what the file means: move it by hand",
        ),
        ("port: x\n", "port: is text, not a whole number: write decimal digits, without quotes"),
    ],
    ids=["name-taken", "brackets", "anchors", "invalid"],
)
def test_what_cannot_be_moved_is_refused(text: str, problem: str) -> None:
    """The refusal names the place and the remedy."""
    with pytest.raises(ConfigError) as refusal:
        moved_to_tppc(text)
    assert [problem] == [str(problem) for problem in refusal.value.problems]


@pytest.mark.parametrize("value", ["=", "2030-01-02", "!!timestamp soon"])
@pytest.mark.parametrize(
    "text",
    [
        "packycode:\n  headers: {{x-note: {value}}}\n",
        "packycode: {{headers: {{x-note: {value}}}}}\n",
        "packycode: {{}}\ndebug: true\nmodel-map: {{a: {value}}}\n",
    ],
    ids=["lines", "brackets", "elsewhere"],
)
def test_text_that_yaml_has_other_names_for(text: str, value: str) -> None:
    """What the file may hold as text, a date for instance, moves as that text."""
    before = parse_config(text.format(value=value))
    after = parse_config(moved_to_tppc(text.format(value=value)))
    assert (before.model_map, [provider.headers for provider in before.providers]) == (
        after.model_map,
        [provider.headers for provider in after.providers],
    )
