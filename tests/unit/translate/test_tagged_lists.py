"""Arrays of tagged objects."""

import pytest
from msgspec import Raw, Struct

from packyproxy.errors import InvalidRequest
from packyproxy.translate.tagged_lists import TaggedLists


class _One(Struct, frozen=True, tag_field="type", tag="one"):
    n: int = 0
    rest: Raw = Raw(b"null")


class _Two(Struct, frozen=True, tag_field="type", tag="two"):
    pass


_Thing = _One | _Two

DOTTED: TaggedLists[_Thing] = TaggedLists(_Thing, noun="thing")
BRACKETED: TaggedLists[_Thing] = TaggedLists(_Thing, noun="thing", with_brackets=True)


def test_unknown_entries_are_collected_where_they_may_be_skipped() -> None:
    """The known ones keep their order, the unknown types are reported."""
    skipped: list[str] = []
    content = Raw(b'[{"type":"x"},{"type":"two"},{"type":"y"},{"type":"one","n":1}]')
    assert ([_Two(), _One(1)], ["x", "y"]) == (DOTTED.read(content, "f", skipped=skipped), skipped)


@pytest.mark.parametrize(
    ("content", "dotted", "bracketed", "reason"),
    [
        (b'[{"type":"two"},{"type":"x"}]', "f.1.type", "f[1].type", 'unknown thing type "x"'),
        (b'[{"type":"two"},{"type":"one","n":""}]', "f.1.n", "f[1].n", "expected integer, got string"),
        (b'[{"type":"two"},{}]', "f.1.type", "f[1].type", "field required"),
        (b'[{"type":"two"},5]', "f.1", "f[1]", "expected object, got integer"),
        (b'"x"', "f", "f", "expected array, got string"),
        (
            b'[{"type":"one","rest":%b}]' % (b"[" * 2_000_000 + b"]" * 2_000_000),
            "f",
            "f",
            "JSON is nested too deeply",
        ),
    ],
    ids=["unknown", "field", "no type", "no object", "no array", "deep"],
)
def test_refusals_name_the_place(content: bytes, dotted: str, bracketed: str, reason: str) -> None:
    """Each protocol is told the path in its own notation."""
    for lists, field in ((DOTTED, dotted), (BRACKETED, bracketed)):
        with pytest.raises(InvalidRequest) as caught:
            lists.read(Raw(content), "f")
        assert (field, reason) == (caught.value.field, caught.value.reason)
