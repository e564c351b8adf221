"""Filler takes as many bytes as what it stands for, and is spelled the same way."""

import json

import pytest

from packyproxy.testing.cassettes.filler import ArgumentsFiller, fill_digits, fill_literal, fill_plain


@pytest.mark.parametrize(
    ("inner", "filler"),
    [
        pytest.param(b"Hi there!", b"xxxxxxxxx", id="ascii"),
        pytest.param(rb"a\nb\tc", rb"x\nx\nx", id="line ends"),
        pytest.param(rb"\"a\\", rb"\"x\"", id="quotes and backslashes"),
        pytest.param(rb"a\/b/c", rb"x\/xxx", id="slashes"),
        pytest.param(rb"\u0041\u000d\u0003\u0022", rb"\u0078\u000a\u0001\u0022", id="escaped ascii"),
        pytest.param(rb"\u00e9\u20ac", rb"\u00d7\u2573", id="escapes"),
        pytest.param(rb"\uD83D\uDE00", rb"\ud835\udccd", id="surrogates"),
        pytest.param("é€😀".encode(), "×╳𝓍".encode(), id="utf-8"),
        pytest.param(b"\xe2\x82", "╳".encode()[:2], id="a character cut off"),
        pytest.param(b"\x80\xff", b"\xff\xff", id="no utf-8"),
        pytest.param(b"a\x7f", b"xx", id="delete"),
    ],
)
def test_literals(inner: bytes, filler: bytes) -> None:
    """Each character becomes one of as many bytes, escaped if it was."""
    assert filler == fill_literal(inner)


def test_a_character_in_two_literals() -> None:
    """Halves that were sent apart still make one character."""
    halves = fill_literal(rb"\ud83d") + fill_literal(rb"\ude00")
    assert "𝓍" == json.loads(b'"%b"' % halves)


def test_plain_text_keeps_its_lines() -> None:
    """What is no JSON has no escapes."""
    assert "xxxx\r\nx×\n".encode() == fill_plain("a\\n\t\r\nbé\n".encode())


@pytest.mark.parametrize(("number", "filler"), [(b"0", b"1"), (b"-12.50e+3", b"-11.11e+1"), (b"907", b"111")])
def test_numbers(number: bytes, filler: bytes) -> None:
    """They stay numbers."""
    assert filler == fill_digits(number)


ARGUMENTS = [
    pytest.param('{"path":"/etc"}', '{"aaaa":"xxxx"}', id="object"),
    pytest.param('{"a": {"b": [1, -2.5]}, "c": ""}', '{"a": {"b": [1, -1.1]}, "c": ""}', id="nested"),
    pytest.param('[true, false, null, "x"]', '[true, false, null, "x"]', id="words"),
    pytest.param(
        r'{"t":"a\n\"\\\/\u00e9\ud83d\ude00é"}', r'{"a":"x\n\"\\\/\u0078\ud835\udccd×"}', id="escapes"
    ),
    pytest.param('{"k":"\\u20ac\\ud7ff"}', '{"a":"\\u2573\\ud000"}', id="wide escapes"),
    pytest.param("", "", id="nothing"),
    pytest.param("rm -rf", "xxxxxx", id="no JSON"),
    pytest.param('{"a":"b"} then', '{"a":"x"} txxx', id="JSON and more"),
    pytest.param('{"a":nothing', '{"a":nxxxxxx', id="an unknown word"),
    pytest.param('{"a":1e5,"b":e}', '{"a":1e1,"b":xx', id="an exponent, and none"),
    pytest.param(r'{"a":"\q"}', r'{"a":"\x"x', id="an unknown escape"),
    pytest.param(r'{"a":"\u00zz"}', r'{"a":"\u00xx"x', id="a damaged escape"),
    pytest.param('{"a":"\n"}', '{"a":"\n"}', id="a line end"),
    pytest.param("}]", "}]", id="ends of nothing"),
]


@pytest.mark.parametrize(("text", "filler"), ARGUMENTS)
def test_arguments(text: str, filler: str) -> None:
    """A document keeps its shape; from where it is none all is text."""
    inner = json.dumps(text, ensure_ascii=False).encode()[1:-1]
    assert filler == json.loads(b'"%b"' % ArgumentsFiller().fill(inner))


def test_escaped_arguments() -> None:
    """Characters that the outer JSON escapes are filled as if they were not."""
    filled = ArgumentsFiller().fill(rb"\u007b\"k\u0065y\u0022:\"\u00e9\",\"\u0032\":\u0032}")
    assert rb"\u007b\"a\u0061a\u0022:\"\u00d7\",\"\u0062\":\u0031}" == filled


def test_arguments_in_pieces() -> None:
    """Wherever they are cut, the pieces make up what the whole becomes."""
    inner = json.dumps('{"path":"/a/\\u00e9\\n","n":[10,true]}').encode()[1:-1]
    whole = ArgumentsFiller().fill(inner)
    cuts = [at for at in range(len(inner)) if inner[at - 1 : at] != b"\\"]
    for at in cuts:
        filler = ArgumentsFiller()
        assert whole == filler.fill(inner[:at]) + filler.fill(inner[at:])


def test_names_of_arguments_stay_apart() -> None:
    """Names of one length do not become one name."""
    inner = json.dumps(json.dumps(dict.fromkeys(["old", "new", "all"], 1))).encode()[1:-1]
    filled = json.loads(json.loads(b'"%b"' % ArgumentsFiller().fill(inner)))
    assert {"aaa": 1, "bbb": 1, "ccc": 1} == filled
