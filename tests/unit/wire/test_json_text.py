"""JSON string literals as bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from packyproxy.wire import json_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXTS)
def test_quote_and_unquote_are_inverse(text: str) -> None:
    """A quoted text reads back as itself and is valid JSON."""
    literal = json_text.quote(text)
    assert (text, text) == (json_text.unquote(literal), json.loads(bytes(literal)))


@given(st.lists(TEXTS, max_size=4))
def test_join_is_the_join_of_the_texts(texts: list[str]) -> None:
    """Joining literals gives the literal of the joined texts."""
    joined = json_text.join([json_text.quote(text) for text in texts], b"\\n")
    assert "\n".join(texts) == json.loads(bytes(joined))


@given(TEXTS)
def test_compact_json_is_the_same_however_it_was_written(text: str) -> None:
    """White space goes, and so do escapes that only some clients write."""
    value = {text: [text, 1]}
    written = {
        json_text.compact(Raw(json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode()))
        for indent in (None, 2)
        for is_ascii in (True, False)
    }
    assert {json.dumps(value, separators=(",", ":"), ensure_ascii=False)} == written


def test_compact_json_keeps_escapes_behind_those_it_reads() -> None:
    """A control character behind an escaped wide one stays escaped, on Python 3.11.2 as well."""
    assert '{"\x80\\u0007":"\xe9\\u0000x"}' == json_text.compact(Raw(rb'{"\u0080\u0007": "\u00e9\u0000x"}'))


def test_compact_json_keeps_keys_and_numbers() -> None:
    """Nothing is read as a value, so nothing is lost or reordered."""
    value = rb'{ "b":1.50, "a":1e999, "b":-0, "c":12345678901234567890123, "d":"\\u0041\u0041\u00e9\u001f" }'
    expected = r'{"b":1.50,"a":1e999,"b":-0,"c":12345678901234567890123,"d":"\\u0041\u0041é\u001f"}'
    assert expected == json_text.compact(Raw(value))


@given(TEXTS)
def test_blankness_is_that_of_the_text(text: str) -> None:
    """A literal is blank exactly when its text has nothing but white space, escaped or not."""
    expected = not text.strip()
    for literal in (json_text.quote(text), Raw(json.dumps(text).encode())):
        assert expected == json_text.is_blank(literal)


@pytest.mark.parametrize("literal", [b'""', b'" "', b'"\\n\\t "', b'"\\u0020\\u00a0"', '"\u2003"'.encode()])
def test_white_space_is_blank(literal: bytes) -> None:
    """White space is blank in every spelling."""
    assert json_text.is_blank(Raw(literal))


def test_concat_takes_literals_and_escaped_bytes() -> None:
    """Literals lose their quotes, bytes are taken as they are."""
    literal = json_text.concat(b"<t>\\n", Raw(b'"a\\"b"'), b"</t>")
    assert b'"<t>\\na\\"b</t>"' == bytes(literal)


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (b'"x-h: 1"', True),
        (b'"  \\n\\tx-h: 1"', True),
        (b'"x-"', False),
        (b'"a x-h:"', False),
        (b'""', False),
    ],
    ids=["bare", "after white space", "shorter", "later", "empty"],
)
def test_begins_with_skips_leading_white_space(literal: bytes, expected: bool) -> None:
    """The prefix counts at the first character that is not white space."""
    assert expected == json_text.begins_with(Raw(literal), b"x-h:")


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (b'"a"', (True, False, False, False)),
        (b"null", (False, True, False, False)),
        (b"{}", (False, False, True, False)),
        (b"1", (False, False, False, False)),
        (b"[]", (False, False, False, True)),
    ],
    ids=["string", "null", "object", "number", "array"],
)
def test_kinds_are_told_by_the_first_byte(value: bytes, kinds: tuple[bool, ...]) -> None:
    """Strings, null, objects and lists are recognised without decoding."""
    asked = json_text.is_text, json_text.is_null, json_text.is_object, json_text.is_list
    assert kinds == tuple(is_kind(Raw(value)) for is_kind in asked)


def test_only_two_quotes_are_empty() -> None:
    """An empty literal has nothing between its quotes."""
    assert (True, False) == (json_text.is_empty(json_text.EMPTY), json_text.is_empty(json_text.quote(" ")))
