"""Names that figures are kept by."""

import pytest

from packyproxy.usage.names import Names, Targets


def test_a_name_is_kept_while_there_is_room() -> None:
    """Known names stay themselves; those that come when it is full are told apart no more."""
    names = Names(2)
    assert ["a", "b", "other", "a", "b", "other"] == [names.of(name) for name in "abcabc"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 257, id="long"),
        pytest.param("gpt\n5", id="line-break"),
        pytest.param("gpt\x005", id="control"),
        pytest.param("gpt\u202e5", id="direction"),
        pytest.param("gpt\ud8005", id="no-unicode"),
    ],
)
def test_what_no_page_could_show_is_no_name(name: str) -> None:
    """A name that no page could show, or that is as long as a text, is not kept, and takes no room."""
    names, targets = Names(1), Targets(1)
    assert ("other", "a") == (names.of(name), names.of("a"))
    assert (("p", "other"), ("p", "a")) == (targets.of("p", name), targets.of("p", "a"))
    assert ("other", "other") == targets.of(name, "a")


@pytest.mark.parametrize("name", ["", "x" * 256, "模型", "a b/c:d@e"])
def test_any_other_text_is_a_name(name: str) -> None:
    """Any other text is a name."""
    assert name == Names(1).of(name)


def test_failures_have_a_quarter_of_the_room() -> None:
    """Names that only came with failures leave three quarters to those that somebody has answered to."""
    names = Names(8)
    assert ["0", "1", "other"] == [names.of(name, is_proven=False) for name in "012"]
    assert [*"abcdef", "other"] == [names.of(name) for name in "abcdefg"]


def test_a_known_name_may_fail() -> None:
    """A name that is known keeps its figures, however it fares."""
    names = Names(4)
    names.of("a")
    for number in range(9):
        names.of(str(number), is_proven=False)
    assert "a" == names.of("a", is_proven=False)


def test_a_name_may_be_known_late() -> None:
    """A name that was turned away for failing is let in when somebody answers to it."""
    names = Names(4)
    tried = [names.of("b", is_proven=False), names.of("a", is_proven=False), names.of("a")]
    assert ["b", "other", "a"] == tried


def test_targets_are_pairs() -> None:
    """The same model at another provider is another target, and one too many is another one of its provider."""
    targets = Targets(3)
    pairs = [("p", "a"), ("p", "b"), ("q", "a"), ("q", "b"), ("p", "c"), ("p", "a")]
    assert [("p", "a"), ("p", "b"), ("q", "a"), ("q", "other"), ("p", "other"), ("p", "a")] == [
        targets.of(*pair) for pair in pairs
    ]


def test_providers_are_bounded_too() -> None:
    """With the 33rd provider, providers are told apart no more."""
    targets = Targets(1000)
    found = {targets.of(f"p{number}", "m") for number in range(40)}
    assert {(f"p{number}", "m") for number in range(32)} | {("other", "other")} == found


def test_a_provider_called_other() -> None:
    """One that has the name of all others shares their figures."""
    assert ("other", "other") == Targets(8).of("other", "gpt-5")
