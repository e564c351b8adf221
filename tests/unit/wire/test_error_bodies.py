"""Reading any upstream error body and writing the clients' two (wire-mapping 8.1, 8.2)."""

import msgspec
import pytest

from packyproxy.wire.error_bodies import (
    clean_text,
    error_object,
    impersonal_error,
    read_error,
    with_time_left,
    wrap_error_object,
    write_anthropic_error,
    write_openai_error,
)

_DEEP = b"[" * 3000 + b"]" * 3000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"error":{"message":"no","type":"t"}}', "no", id="error-object"),
        pytest.param(b'{"error":"no"}', "no", id="error-string"),
        pytest.param(b'{"detail":"no"}', "no", id="detail-string"),
        pytest.param(
            b'{"detail":[{"loc":["body","temperature"],"msg":"extra"},{"loc":["body"],"msg":"bad"}]}',
            "'temperature': extra; bad",
            id="detail-list",
        ),
        pytest.param(b'{"detail":{"message":"no"}}', "no", id="detail-object"),
        pytest.param(b'{"message":"no","code":"c"}', "no", id="message"),
        pytest.param(b'{"error":{"code":"c"},"message":"beside"}', "beside", id="message-beside-error"),
        pytest.param(b'{"type":"error","error":{"message":"no"}}', "no", id="nested-event"),
        pytest.param(b'{"type":"error","message":"no","param":null}', "no", id="flat-event"),
        pytest.param(b'{"response":{"error":{"message":"no"}}}', "no", id="failed-event"),
        pytest.param(b"<html><head><title> 502\nBad </title>", "502 Bad", id="html-title"),
        pytest.param(b"<html><body>x", "", id="html-without-title"),
        pytest.param(b"upstream connect error", "upstream connect error", id="plain-text"),
        pytest.param(b'"quoted"', "quoted", id="json-string"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"null", "", id="null"),
        pytest.param(b'{"error":null}', "", id="null-error"),
        pytest.param(b'{"error":{"message":"a \\ud83d b"}}', "a b", id="lone-surrogate"),
        pytest.param(b'{"error":{"message":"a \xff b"}}', "a \ufffd b", id="bad-utf8"),
    ],
)
def test_message_is_read_from_every_form(body: bytes, message: str) -> None:
    """Each form of wire-mapping 8.2 yields its text."""
    assert message == read_error(body).message


def test_fields_of_an_error_object_are_read() -> None:
    """Code, type, parameter, plan and reset times come out typed."""
    error = read_error(
        b'{"error":{"code":"c","type":"t","param":"input[0].phase","plan_type":"plus","resets_at":1893553445,'
        b'"resets_in_seconds":"60"}}'
    )
    assert ("c", "t", "input[0].phase", "plus", 1893553445.0, 60.0) == (
        error.code,
        error.type,
        error.param,
        error.plan_type,
        error.resets_at,
        error.resets_in_seconds,
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b'{"type":"error","code":"c"}', None, id="event-name-is-no-type"),
        pytest.param(b'{"error_type":"t","detail":"x"}', "t", id="error-type-beside"),
        pytest.param(b'{"error":{"type":"with space"}}', None, id="prose-is-no-type"),
        pytest.param(b'{"error":{"type":7}}', None, id="number-is-no-type"),
        pytest.param(b'{"error":{"type":"sk-canary"}}', None, id="key-is-no-type"),
    ],
)
def test_type_is_kept_only_when_it_is_one(body: bytes, kind: str | None) -> None:
    """A type names an error, not the envelope, and looks like a name."""
    assert kind == read_error(body).type


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b'{"error":{"code":429}}', 429, id="number-as-code"),
        pytest.param(b'{"status":"503","error":{}}', 503, id="beside"),
        pytest.param(b'{"error":{"code":1001}}', None, id="no-status"),
        pytest.param(b'{"status":true,"detail":"x"}', None, id="bool"),
    ],
)
def test_status_in_the_body_is_read(body: bytes, status: int | None) -> None:
    """A body may carry the HTTP status that its envelope lost."""
    assert status == read_error(body).status


@pytest.mark.parametrize("body", [_DEEP, b'{"error":' + _DEEP + b"}", b"{", b"\xff\xfe", b"[]", b"3"])
def test_any_bytes_are_read(body: bytes) -> None:
    """Nothing makes reading fail, and no code is invented."""
    assert read_error(body).code is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        pytest.param("a\r\n\tb\x00c", "a b c", id="one-line"),
        pytest.param("key tok-secret-1 refused", "key *** refused", id="given-secret"),
        pytest.param("Incorrect API key: sk-proj-abc_DEF-123.", "Incorrect API key: ***", id="sk-key"),
        pytest.param("Incorrect API key: sk-ab***yz", "Incorrect API key: ***", id="half-masked-key"),
        pytest.param("got Bearer eyJhbGci.e30.x, sorry", "got Bearer ***, sorry", id="bearer"),
        pytest.param(
            "Missing bearer authentication in header", "Missing bearer authentication in header", id="prose"
        ),
        pytest.param("disk-full", "disk-full", id="word-that-holds-sk"),
    ],
)
def test_text_is_one_line_without_secrets(text: str, clean: str) -> None:
    """Control characters become spaces, and whatever looks like a credential is masked."""
    assert clean == clean_text(text, ["", "a", "tok-secret-1"])


def test_text_is_cut_after_masking() -> None:
    """A long text ends at 1000 characters, and no part of a secret survives at the cut."""
    clean = clean_text("x" * 990 + " tok-secret-1 " + "y" * 2000, ["tok-secret-1"])
    assert (1000, False) == (len(clean), "tok" in clean)


@pytest.mark.parametrize("shown", [0, 3, 4, 11, 12], ids=str)
def test_text_that_was_cut_within_a_secret(shown: int) -> None:
    """An error inside a stream is cut before the provider's key is known; the key's beginning is masked later."""
    early = clean_text("x" * (996 - shown) + " tok-secret-1 " + "y" * 2000)
    clean = clean_text(early, ["tok-secret-1"])
    assert (False, True) == ("tok-" in clean, clean.startswith("x" * 900))


_LIMIT = (
    b'{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus",'
    b'"resets_at":1893553200,"resets_in_seconds":7200,"eligible_promo":null,"x":[1.5,true,{}]}'
)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b'{"error":%b,"request_id":"r"}' % _LIMIT, _LIMIT, id="whole"),
        pytest.param(b' {"error": {"code": 7} }', b'{"code":7}', id="spaces"),
        pytest.param(
            b'{"error":{"message":"key tok-secret-1","tok-secret-1":["Bearer abc"]}}',
            b'{"message":"key ***","***":["Bearer ***"]}',
            id="secrets",
        ),
        pytest.param(
            b'{"error":{"message":"\\u0074ok-secret-1"}}', b'{"message":"***"}', id="escaped-secret"
        ),
        pytest.param(
            b'{"error":{"message":"no","message":"sk-live-123","message":"no"}}',
            b'{"message":"no"}',
            id="hidden-secret",
        ),
        pytest.param(b'{"error":{"message":"a \\ud83d b"}}', b'{"message":"a ? b"}', id="lone-surrogate"),
        pytest.param(
            b'{"error":{"n":12345678901234567890123}}', b'{"n":12345678901234567890123}', id="large"
        ),
        pytest.param(b'{"error":{}}', None, id="empty"),
        pytest.param(b'{"error":"no"}', None, id="text"),
        pytest.param(b'{"error":[{}]}', None, id="list"),
        pytest.param(b'{"detail":"no"}', None, id="detail"),
        pytest.param(b'{"response":{"error":{"code":"c"}}}', None, id="event"),
        pytest.param(b"<html>", None, id="html"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b'{"error":{"x":' + _DEEP + b"}}", None, id="deep"),
        pytest.param(b'{"error":{"message":"' + b"x" * 16_384 + b'"}}', None, id="long"),
        pytest.param(b'{"error":{"message":"no"},"x":"' + b"x" * 65_536 + b'"}', None, id="long-body"),
    ],
)
def test_error_object_is_kept_whole(body: bytes, error: bytes | None) -> None:
    """Every member of it stays, masked where it quotes a secret; what is no reasonable object is none."""
    assert error == error_object(body, ["tok-secret-1"])


def test_error_object_that_is_rather_deep_is_kept_or_none() -> None:
    """How deep is too deep depends on the version of Python; it never raises."""
    error = b'{"x":' + b"[" * 600 + b"]" * 600 + b"}"
    assert error_object(b'{"error":' + error + b"}", ["tok-secret-1"]) in {None, error}


@pytest.mark.parametrize(
    ("error", "later"),
    [
        pytest.param(
            b'{"type":"t","resets_in_seconds":7200,"resets_at":99}',
            b'{"type":"t","resets_in_seconds":41,"resets_at":99}',
            id="span",
        ),
        pytest.param(b'{"resets_in_seconds":"7200"}', b'{"resets_in_seconds":41}', id="span-in-quotes"),
        pytest.param(b'{"type":"t","resets_at":99}', b'{"type":"t","resets_at":99}', id="moment"),
        pytest.param(b'{"resets_in_seconds":null}', b'{"resets_in_seconds":null}', id="null"),
    ],
)
def test_span_is_that_from_now(error: bytes, later: bytes) -> None:
    """A span that was told a while ago is shorter by now; a moment stays what it is."""
    assert later == with_time_left(error, now=1000.0, until=1040.5)


def test_span_never_ends_in_the_past() -> None:
    """What is over is over in no time."""
    assert b'{"resets_in_seconds":0}' == with_time_left(b'{"resets_in_seconds":5}', now=10.0, until=9.0)


def test_body_of_an_error_object() -> None:
    """The object stands where clients look for it."""
    assert b'{"error":{"code":"c"}}' == wrap_error_object(b'{"code":"c"}')


@pytest.mark.parametrize("field", ["code", "type", "param", "plan_type"])
def test_a_secret_is_no_name(field: str) -> None:
    """A known secret in the place of a code is left out."""
    error = read_error(b'{"error":{"%b":"tok-secret-1"}}' % field.encode(), secrets=["tok-secret-1"])
    assert getattr(error, field) is None


def test_repr_shows_no_text() -> None:
    """Upstream text may quote the client's content, so ``repr`` leaves it out."""
    assert "canary" not in repr(read_error(b'{"error":{"message":"canary","code":"c"}}'))


def test_anthropic_shape() -> None:
    """The Messages error body has exactly the keys its SDK reads."""
    assert (
        b'{"type":"error","error":{"type":"api_error","message":"no"},"request_id":"req_1"}'
        == write_anthropic_error("api_error", "no", request_id="req_1")
    )


def test_anthropic_details_join_the_error_object() -> None:
    """Details stand inside ``error``, where the SDK's tool runner looks for them."""
    body = msgspec.json.decode(write_anthropic_error("t", "m", request_id="r", details={"error_code": "x"}))
    assert {"error_code": "x"} == body["error"]["details"]


def test_openai_shape() -> None:
    """The OpenAI error body always has all four keys."""
    assert b'{"error":{"message":"no","type":"server_error","param":null,"code":null}}' == write_openai_error(
        "server_error", "no"
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            {
                "type": "usage_limit_reached",
                "plan_type": "plus",
                "resets_at": 1.5,
                "code": None,
                "eligible": True,
            },
            {
                "type": "usage_limit_reached",
                "plan_type": "plus",
                "resets_at": 1.5,
                "code": None,
                "eligible": True,
            },
            id="facts",
        ),
        pytest.param({"message": "You wrote: hello"}, {"message": "ours"}, id="message"),
        pytest.param(
            {"code": "x y", "type": "a" * 65, "note": "word", "detail": {"a": 1}, "list": [1]}, {}, id="texts"
        ),
    ],
)
def test_an_error_for_everybody_has_facts_only(error: dict[str, object], expected: dict[str, object]) -> None:
    """Numbers and single words stay of an error object; its message is ours, and nothing else is left."""
    assert expected == msgspec.json.decode(impersonal_error(msgspec.json.encode(error), "ours"))
