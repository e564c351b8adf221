"""How model names are written."""

import pytest

from packyproxy.registry.names import Glob, is_sendable


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("claude-*", "Claude-Opus[1m]", True),
        ("CLAUDE-*", "claude-", True),
        ("claude-*", "my-claude-x", False),
        ("gpt-?", "gpt-5", True),
        ("gpt-?", "gpt-", False),
        ("gpt-5", "gpt-50", False),
        ("*[1m]", "opus[1m]", True),
        ("*[1m]", "opus1", False),
        ("a.b", "axb", False),
        ("*" * 50 + "x", "y" * 256, False),
    ],
)
def test_a_glob_fits_whole_names(pattern: str, name: str, expected: bool) -> None:
    """``*`` and ``?`` are the only special characters, case does not count, and many stars cost nothing."""
    assert expected == Glob(pattern).matches(name)


def test_a_glob_equals_one_that_matches_alike() -> None:
    """So it can be compared and kept in sets."""
    assert {Glob("claude-*")} == {Glob("claude-*"), Glob("claude-*")}
    assert Glob("claude-*") != Glob("claude-?")
    assert Glob("claude-*") != "claude-*"


def test_a_glob_shows_its_text() -> None:
    """The pattern is what a log or a debugger needs to see."""
    assert "Glob('claude-*')" == repr(Glob("claude-*"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5", True),
        ("Vendor/Model:free", True),
        ("x" * 256, True),
        ("", False),
        ("a b", False),
        ("a\tb", False),
        ("a\x7f", False),
        ("ü", False),
        ("x" * 257, False),
    ],
    ids=ascii,
)
def test_a_name_can_be_sent(name: str, expected: bool) -> None:
    """Printable ASCII without blanks, as long as a header may be."""
    assert expected == is_sendable(name)
