"""Request bodies to structs, and the refusals on the way."""

import pytest
from msgspec import Raw, Struct, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_body, decode_part, require_text, safe_name


class _Inner(Struct):
    n: int | None = None
    tags: dict[str, int] = {}


class _Body(Struct):
    text: str
    inner: list[_Inner] = []
    rest: Raw = Raw(b"null")


BODY = json.Decoder(_Body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "invalid JSON"),
        (b'{"text":"a"', "invalid JSON"),
        (b'{"text":"a"} x', "invalid JSON"),
        (b'\xef\xbb\xbf{"text":"a"}', "invalid JSON"),
        (b'{"text":"\xff"}', "request body is not valid UTF-8"),
        (b'{"rest":"\xff"}', "request body is not valid UTF-8"),
        (b"[]", "request body must be a JSON object"),
        (b'"x"', "request body must be a JSON object"),
        (b"{}", "text: field required"),
        (b'{"text":1}', "text: expected string, got integer"),
        (b'{"text":"a","inner":[{},{"n":"secret"}]}', "inner.1.n: expected integer or null, got string"),
        (b'{"text":"a","inner":[{"tags":{"secret":""}}]}', "inner.0.tags: expected integer, got string"),
        (b'{"text":"a","rest":' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"}", "JSON is nested too deeply"),
    ],
    ids=[
        "nothing", "cut", "trailing", "byte order mark", "bad text", "bad raw text", "array", "string", "missing",
        "wrong type", "path", "path through a map", "deep",
    ],
)  # fmt: skip
def test_refusals_name_the_field_and_quote_nothing(body: bytes, expected: str) -> None:
    """The client learns where the fault is; no content comes back."""
    with pytest.raises(InvalidRequest) as caught:
        decode_body(BODY, body)
    assert expected == caught.value.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"text":"a","inner":[{},{"n":"secret"}]}', "inner[1].n"),
        (b'{"text":"a","inner":[{"tags":{"secret":""}}]}', "inner[0].tags"),
        (b'{"text":1}', "text"),
    ],
    ids=["path", "path through a map", "top level"],
)
def test_places_in_lists_can_stand_in_brackets(body: bytes, expected: str) -> None:
    """OpenAI's clients know the notation of their own API."""
    with pytest.raises(InvalidRequest) as caught:
        decode_body(BODY, body, with_brackets=True)
    assert expected == caught.value.field


def test_a_path_in_brackets_goes_on_from_where_the_part_stood() -> None:
    """A part of the body tells the same path as the whole body does."""
    with pytest.raises(InvalidRequest) as caught:
        decode_part(json.Decoder(list[_Inner]), Raw(b'[{"n":""}]'), "tools[3].x", with_brackets=True)
    assert "tools[3].x[0].n" == caught.value.field


def test_a_reason_may_say_all() -> None:
    """Where the reason names what it is about, the field is told in its own member alone."""
    refused = InvalidRequest("n must be 1", field="n", says_all=True)
    assert ("n must be 1", "n") == (refused.message, refused.field)


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (rb"\ud83d", "�"),
        (rb"a\ude00b", "a�b"),
        (rb"\ud83d\ud83d\ude00", "�😀"),
        (rb"\ud83dA\u0041", "�AA"),
        (rb"\\ud83d \ud83d", "\\ud83d �"),
        (rb"\\\ud83d", "\\�"),
    ],
    ids=[
        "high",
        "low",
        "before a pair",
        "before an escape",
        "escaped backslash",
        "after an escaped backslash",
    ],
)
def test_lone_surrogates_are_replaced(escaped: bytes, expected: str) -> None:
    """A cut emoji in a history does not end the session."""
    assert expected == decode_body(BODY, b'{"text":"%b"}' % escaped).text


def test_a_fault_behind_a_lone_surrogate_is_still_named() -> None:
    """After the repair the body is checked like any other."""
    with pytest.raises(InvalidRequest) as caught:
        decode_body(BODY, rb'{"rest":"\ud83d","text":1}')
    assert "text: expected string, got integer" == caught.value.message


def test_deep_nesting_behind_a_lone_surrogate_is_refused() -> None:
    """The second decode has the same limits as the first."""
    body = rb'{"text":"\ud83d","rest":' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"}"
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        decode_body(BODY, body)


def test_parts_report_their_place_in_the_whole_body() -> None:
    """The path of a part is put before the path inside it."""
    with pytest.raises(InvalidRequest) as caught:
        decode_part(json.Decoder(list[_Inner]), Raw(b'[{"n":true}]'), "a.3.b")
    assert caught.value.message == "a.3.b.0.n: expected integer or null, got boolean"


def test_deep_parts_are_refused_at_their_place() -> None:
    """Nesting that no decoder follows is named where it is."""
    with pytest.raises(InvalidRequest) as caught:
        decode_part(json.Decoder(), Raw(b"[" * 2_000_000 + b"]" * 2_000_000), "a.b")
    assert caught.value.message == "a.b: JSON is nested too deeply"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "field required"),
        (b"1", "got number"),
        (b"null", "got null"),
        (b"{}", "got object"),
        (b"true", "boolean"),
    ],
    ids=["missing", "number", "null", "object", "boolean"],
)
def test_text_is_required(value: bytes | None, expected: str) -> None:
    """Anything but a string is refused with its kind."""
    with pytest.raises(InvalidRequest, match=expected):
        require_text(None if value is None else Raw(value), "f")


def test_safe_names_are_short_and_printable() -> None:
    """A name from outside is cut and freed of what could break a log line."""
    assert "a?b?" + "x" * 60 == safe_name('a\nb"' + "x" * 90)
